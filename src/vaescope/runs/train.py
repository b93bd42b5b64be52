"""Train the runs of a study, side by side in this process or on the workers of an executor."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress
from vaescope.runs.crew import trained_at_once
from vaescope.runs.device import chosen, settings_kept
from vaescope.runs.ensemble import grouped, train_group
from vaescope.runs.inputs import dataset_of, given_here, keep_probe
from vaescope.runs.live import Watch
from vaescope.runs.machine import threads_kept
from vaescope.runs.manifest import Manifest
from vaescope.runs.pool import Pool
from vaescope.runs.store import RunFolder, StudyFolder
from vaescope.runs.study import Run
from vaescope.runs.tasks import Outcome, Task, run_tasks
from vaescope.runs.training import Training

LOOK_SECONDS = 1.0


def train(
    folder: StudyFolder,
    progress: Progress | None = None,
    executor: Pool | None = None,
    device: str = "cpu",
    ensemble: int = 1,
) -> None:
    """Train every run of the study that is not done, each from where it stopped.

    A run that diverges is marked so and the others go on; one whose worker died four times is marked failed, and tried
    again at the next call. A run whose files are damaged is trained anew. The weights do not depend on who trains them:
    the number of threads is that of the study, whatever cores there are.

    Args:
        folder: of the study.
        progress: shown a board of all runs about once a second.
        executor: who trains; this process if None, as many runs at once as its cores have room for.
        device: where: "cpu", "cuda", "cuda:1", or "auto".
        ensemble: how many runs to train as one, stacked; 1: each by itself. Last digits differ from those of others.

    Raises:
        Interrupted: a stop was asked for; the runs under way were saved at their last step.
        ResourceError: nothing can be written.
        UsageError: there is no such device, or a dataset or network that only this process has cannot be sent.
        CorruptArtifact: the dataset is not the one the study was begun with.
    """
    progress = progress or Progress()
    if executor is not None and (only := given_here(folder.study)):
        raise UsageError(
            f"{', '.join(only)}: passed from Python, so other processes do not have it. Leave out workers and "
            "scheduler, or make it known by an entry point of a package (docs/networks.md)."
        )
    if executor is None:
        device = chosen(device)
    with folder.writing():
        keep_probe(folder, progress)
        runners = [folder.run(run.id) for run in folder.runs]
        todo = {r.run.id for r in runners if not _manifest(r, progress).ended}
        if not todo:
            return
        # Of all runs, so that who trains with whom does not depend on what is done already.
        groups = [[run for run in group if run.id in todo] for group in grouped(folder.runs, ensemble)]
        groups = [group for group in groups if group]
        at_once = trained_at_once(len(groups), folder.study.threads) if device == "cpu" else 1
        where = f"{at_once} at a time" if executor is None else f"on {executor.slots()} worker(s)"
        progress.stage(
            f"training {len(todo)} of {len(runners)} run(s), {where}",
            sum(run.steps for group in groups for run in group),
        )
        watch = Watch(folder.path, folder.study.name, folder.runs)
        tasks = [
            Task(group[0].id, train_runs, (str(folder.path.absolute()), [run.id for run in group], device))
            for group in groups
        ]
        members = {task.key: group for task, group in zip(tasks, groups, strict=True)}
        with threads_kept(), settings_kept():
            run_tasks(
                tasks,
                executor,
                folder.path,
                progress,
                at_once=at_once,
                tick=_every(LOOK_SECONDS, lambda: progress.show(watch.look())),
                finished=partial(_finished, folder, members, progress),
            )
        progress.show(watch.look())


def train_runs(path: str, run_ids: Sequence[str], device: str, progress: Progress) -> None:
    """Train some runs of a study to their end, here: one task of `train`, or a group that is trained as one."""
    folder = StudyFolder(path)
    runners = [folder.run(run_id) for run_id in run_ids]
    runners = [runner for runner in runners if not runner.manifest().ended]
    if not runners:
        return
    dataset, device = dataset_of(runners[0].run), chosen(device)
    if len(runners) > 1:
        train_group(runners, dataset, device, progress)
    else:
        Training(runners[0], dataset, device).run(progress)


def _finished(folder: StudyFolder, members: dict[str, list[Run]], progress: Progress, outcome: Outcome) -> None:
    """Mark the runs of a task that was given up."""
    if not outcome.failed:
        return
    for run in members[outcome.key]:
        runner = folder.run(run.id)
        try:
            before = runner.manifest()
        except CorruptArtifact:
            before = Manifest()
        if not before.ended:
            runner.save(replace(before, state="failed", reason=outcome.failed))
            progress.say(f"run {run.id} failed: {outcome.failed}")


def _every(seconds: float, do: Callable[[], object]) -> Callable[[], None]:
    """`do`, at most once in so many seconds however often it is called."""
    last = [-seconds]

    def tick() -> None:
        now = time.monotonic()
        if now - last[0] >= seconds:
            last[0] = now
            do()

    return tick


def _manifest(runner: RunFolder, progress: Progress) -> Manifest:
    """What is known of a run; nothing, if any of its files is damaged."""
    progress.check()
    try:
        damaged = runner.damaged()
    except CorruptArtifact:
        damaged = ["manifest.json"]
    if damaged:
        progress.say(f"run {runner.run.id}: {', '.join(damaged)} damaged or missing; training it anew")
        runner.save(Manifest())
    found = runner.manifest()
    if found.state == "failed":  # a new call is a new chance
        found = replace(found, state="running", reason="")
        runner.save(found)
    return found
