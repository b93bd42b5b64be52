"""The results of a recorded study, brought up to date first: its runs may have grown since they were compared."""

from pathlib import Path
from typing import TYPE_CHECKING

from vaescope.errors import ResourceError
from vaescope.progress import Progress
from vaescope.stats.compare import compare
from vaescope.stats.examine import examine
from vaescope.stats.results import Results

if TYPE_CHECKING:
    from vaescope.runs.pool import Pool


def refreshed(path: str | Path, progress: Progress | None = None, executor: "Pool | None" = None) -> Results:
    """The results of a study; those of a recorded one are compared and examined as far as it has come.

    Of a study that vaescope trains itself, what is there. Where another process is at it, or nothing can be written,
    what was compared before.

    Args:
        path: the folder.
        progress: told of the work.
        executor: whose workers examine.

    Raises:
        UsageError: there is no study there, or it has no snapshot yet.
        CorruptArtifact: a file is damaged.
    """
    from vaescope.runs.store import StudyFolder

    folder = StudyFolder(path)
    if folder.recorded:
        try:
            compare(folder, progress)
            examine(StudyFolder(path, as_compared=True), progress, executor)
        except ResourceError as error:
            (progress or Progress()).say(f"Shown as it was compared last: {error}")
    return Results(path)
