"""A comparison spread over the workers of an executor: each piece of work names what it needs and reads it itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vaescope.errors import ResourceError
from vaescope.progress import Progress, Quiet
from vaescope.stats.superblock import Superblock

if TYPE_CHECKING:
    from vaescope.runs.pool import Pool
    from vaescope.runs.tasks import Outcome, Task
    from vaescope.stats.compare import Comparison

LEAST_BUDGET = 256 << 20
PARTS_A_SLOT = 4  # pieces of work for each worker at least, so that none is idle for long at the end

# The store and the comparison are imported where they are used: finding the measures imports every file of this folder.


def spread(comparison: "Comparison", executor: "Pool") -> bool:
    """Do what is pending: first a task a run prepares its snapshots, then a task a superblock compares.

    Returns:
        Whether every run of the study had ended.

    Raises:
        ResourceError: a piece of work was given up, since its workers died each time.
    """
    from vaescope.runs.tasks import Task

    path = str(comparison.folder.path.absolute())
    slots = max(1, executor.slots())  # a cluster may have no workers yet
    budget = max(LEAST_BUDGET, comparison.budget // slots)
    pending = {group: comparison.pending(group) for group in comparison.groups}
    needed = comparison.needed(pending)
    runs = sorted(set().union(*needed.values()))
    comparison.progress.stage("preparing", len(runs))
    wanted = {i: [k for k, group in enumerate(comparison.groups) if i in needed[group]] for i in runs}
    tasks = [Task(f"prepare {i}", prepare_run, (path, i, wanted[i], budget)) for i in runs]
    _do(comparison, executor, tasks, [1] * len(tasks))
    least = PARTS_A_SLOT * slots
    parts = [(k, sorted(p)) for k, g in enumerate(comparison.groups) for p in comparison.parts(g, pending[g], least)]
    comparison.progress.stage("comparing", sum(len(part) for _, part in parts))
    tasks = [Task(f"compare {k} {part[0]} {part[-1]}", fill_blocks, (path, k, part, budget)) for k, part in parts]
    _do(comparison, executor, tasks, [len(part) for _, part in parts])
    return comparison.origin.all_ended


def _do(comparison: "Comparison", executor: "Pool", tasks: "list[Task]", sizes: Sequence[int]) -> None:
    from vaescope.runs.tasks import run_tasks

    size = {task.key: count for task, count in zip(tasks, sizes, strict=True)}

    def finished(outcome: "Outcome") -> None:
        comparison.progress.advance(size[outcome.key])

    outcomes = run_tasks(tasks, executor, comparison.folder.path, comparison.progress, finished=finished)
    if failed := [outcome for outcome in outcomes if outcome.failed]:
        raise ResourceError(
            f"{len(failed)} piece(s) of the comparison were given up: {failed[0].failed} The others are kept: give the "
            "same command again, with fewer workers if they had too little memory."
        )


def prepare_run(path: str, i: int, groups: Sequence[int], budget: int, progress: Progress) -> None:
    """Make what is not there yet of some groups' forms of run `i`; one task."""
    with _comparison(path, budget, progress) as comparison:
        comparison.prepare({comparison.groups[k]: [i] for k in groups})


def fill_blocks(path: str, group: int, blocks: Sequence[tuple[int, int]], budget: int, progress: Progress) -> None:
    """Compare the runs of some blocks, and store those that are not there yet; one task."""
    with _comparison(path, budget, progress) as comparison:
        chosen = comparison.groups[group]
        if pending := comparison.pending(chosen, [(i, j) for i, j in blocks]):
            Superblock(comparison, chosen, pending).fill()


@contextmanager
def _comparison(path: str, budget: int, progress: Progress) -> "Iterator[Comparison]":
    """The comparison of a study whose lock the coordinator holds."""
    from vaescope.runs.store import StudyFolder
    from vaescope.stats.compare import Comparison, grid_of
    from vaescope.stats.prepared import Prepared, Workers
    from vaescope.stats.scores import Scores

    folder = StudyFolder(path)
    scores = Scores(folder.path / "similarity.zarr", grid_of(folder))
    with Workers() as workers:
        yield Comparison(folder, scores, Prepared(folder.path / "prepared"), workers, Quiet(progress), budget)
