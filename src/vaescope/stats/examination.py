"""The contract of an examination: what is found out about a run from its snapshots, beyond the scores of all pairs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from vaescope.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.study import Run, Study
    from vaescope.stats.subject import Subject


class Examination(ABC):
    """What one run's snapshots are asked. Final subclasses have no state; the same run gives the same table.

    Attributes:
        name: the registered name, an identifier.
        version: raised whenever the table would be another.
        asks_network: whether it passes something through the network or looks at images, which a recorded run has not.
        columns: of the table, in order; never "run", which is put in front when tables of runs are joined.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    asks_network: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]]

    def others(self, subject: "Subject") -> "Sequence[Run]":
        """The other runs whose final snapshots the table also comes from: it is made anew when those change."""
        return ()

    @abstractmethod
    def of(self, subject: "Subject") -> "pd.DataFrame":
        """The table of one run, with `columns`; without rows where the run cannot be asked, as without factors.

        Calls `subject.progress.check()` every second or so of work.
        """


def examined(study: "Study", recorded: bool = False) -> tuple[str, ...]:
    """The examinations that a study asks for; of a recorded one, those that need no network."""
    names = tuple(EXAMINATIONS) if study.examinations == "all" else tuple(study.examinations)
    return tuple(name for name in names if not (recorded and EXAMINATIONS[name].asks_network))


EXAMINATIONS: Registry[type[Examination]] = Registry(
    "examination", "vaescope.stats.examinations", "vaescope.examinations"
)
"""The examinations: one file each; being here is being found."""
