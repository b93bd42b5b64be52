"""Every examination of every run that has ended: what is not there yet, a run a task, into whole files."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vaescope.errors import ResourceError
from vaescope.progress import Progress, Quiet
from vaescope.stats.census import Census
from vaescope.stats.examination import EXAMINATIONS, examined
from vaescope.stats.examined import is_whole, keep
from vaescope.stats.subject import Subject

if TYPE_CHECKING:
    from vaescope.runs.pool import Pool
    from vaescope.runs.store import StudyFolder
    from vaescope.runs.tasks import Outcome

# The store and the tasks are imported where they are used: finding the measures imports every file of this folder.


def examine(folder: "StudyFolder", progress: Progress | None = None, executor: "Pool | None" = None) -> None:
    """Make what is not there yet of the tables in `examined/`.

    Runs that have not ended are left for the next call. A table is recognised by a digest of all it comes from, so
    stopping at any moment loses at most the tables at hand.

    Args:
        folder: of the study.
        progress: told of each table.
        executor: whose workers examine; this process if None. The tables are the same.

    Raises:
        Interrupted: a stop was asked for.
        ResourceError: nothing can be written, another process works on this study, or the workers of one run died
            each time.
        CorruptArtifact: a snapshot is damaged.
    """
    from vaescope.runs.crew import side_by_side
    from vaescope.runs.machine import threads_kept
    from vaescope.runs.tasks import Task, run_tasks
    from vaescope.stats.prepared import Workers

    progress = progress or Progress()
    with folder.writing():
        if folder.recorded:
            folder.keep_view()
        todo = pending(folder, progress)
        if not todo:
            return
        progress.stage(f"examining {len(todo)} run(s)", sum(map(len, todo.values())))
        path = str(folder.path.absolute())
        tasks = [Task(f"examine {run}", examine_run, (path, run, names)) for run, names in todo.items()]

        def finished(outcome: "Outcome") -> None:
            progress.advance(len(todo[outcome.key.removeprefix("examine ")]))

        with threads_kept(), Workers():  # one thread each for the linear algebra, so that no bit depends on the cores
            outcomes = run_tasks(
                tasks, executor, folder.path, progress, at_once=side_by_side(len(tasks)), finished=finished
            )
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise ResourceError(
            f"{len(failed)} run(s) could not be examined: {failed[0].failed} The others are kept: give the same "
            "command again, with fewer workers if they had too little memory."
        )


def pending(folder: "StudyFolder", progress: Progress | None = None) -> dict[str, list[str]]:
    """Run -> the examinations it lacks; without the runs that lack none or have not ended."""
    census, names = Census(folder), examined(folder.study, folder.recorded)
    todo: dict[str, list[str]] = {}
    for run in folder.runs:
        (progress or Progress()).check()
        if census.steps(run):
            subject = Subject(folder, run, census=census)
            if missing := [name for name in names if not is_whole(subject, EXAMINATIONS[name]())]:
                todo[run.id] = missing
    return todo


def examine_run(path: str, run_id: str, names: Sequence[str], progress: Progress) -> None:
    """Make these tables of a run; one task."""
    import torch

    from vaescope.runs.store import StudyFolder
    from vaescope.stats.prepared import Workers

    folder = StudyFolder(path, as_compared=True)
    with Workers():
        torch.set_num_threads(1)
        subject = Subject(folder, folder.run(run_id).run, Quiet(progress))
        for name in names:
            progress.check()
            examination = EXAMINATIONS[name]()
            keep(subject, examination, examination.of(subject))
