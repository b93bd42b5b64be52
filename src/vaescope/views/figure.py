"""The contract of a figure for a paper: a study in, a table out; a table in, a chart out."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from vaescope.registry import Registry

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from vaescope.stats.results import Results


class Figure(ABC):
    """One type of figure. Final subclasses have no state.

    Attributes:
        name: the registered name, an identifier; files are called after it.
        title: a few words.
        caption: what one sees, in one or two sentences, fit to stand under it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    caption: ClassVar[str]

    @abstractmethod
    def table(self, results: "Results", **options: Any) -> "pd.DataFrame":
        """What is drawn, tidy; without rows where the study has nothing for it."""

    @abstractmethod
    def chart(self, table: "pd.DataFrame", **options: Any) -> "alt.TopLevelMixin":
        """The chart of such a table, fit for a paper."""


FIGURES: Registry[type[Figure]] = Registry("figure", "vaescope.views.figures", "vaescope.figures")
"""The figures: one file each; being here is being found."""
