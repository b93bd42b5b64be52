"""The contract of a figure for a paper: a study in, a table out; a table in, a chart out."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vaescope.registry import Registry

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from vaescope.stats.results import Results

Width = Literal["column", "page"]


class Figure(ABC):
    """One type of figure. Final subclasses have no state.

    Attributes:
        name: the registered name, an identifier; files are called after it.
        title: a few words.
        caption: what one sees, in one or two sentences, fit to stand under it.
        width: what it is drawn for where nobody says: a column of a paper, or its page.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    caption: ClassVar[str]
    width: ClassVar[Width] = "page"

    @abstractmethod
    def table(self, results: "Results", **options: Any) -> "pd.DataFrame":
        """What is drawn, tidy; without rows where the study has nothing for it.

        Raises:
            UsageError: an option names what the study has not.
        """

    @abstractmethod
    def chart(self, table: "pd.DataFrame", **options: Any) -> "alt.TopLevelMixin":
        """The chart of such a table, fit for a paper.

        Args:
            table: what `table` gives, with rows.
            **options: `width` ("column" or "page"), and what the figure says.
        """

    def note(self, table: "pd.DataFrame") -> str:
        """What the reader must know of this table: what is not drawn, over how many seeds it is; "" if nothing."""
        return ""

    def missing(self, results: "Results") -> str:
        """Why the table of this study has no rows, for people."""
        from vaescope.views import lacking

        if lacking.is_recorded(results) and lacking.unnamed(results.layers):
            return lacking.NO_PARTS
        return "no layers were compared: give `vaescope compare` on the study's folder"


FIGURES: Registry[type[Figure]] = Registry("figure", "vaescope.views.figures", "vaescope.figures")
"""The figures: one file each; being here is being found."""
