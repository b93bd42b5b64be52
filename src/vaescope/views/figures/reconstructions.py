"""What a run makes of the same images as training goes on."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.views import pictures, theme
from vaescope.views.figure import FIGURES, Figure, Width
from vaescope.views.tiles import spread

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_STEPS = 6
ORIGINAL = "original"
COLUMNS = ["run", "step", "row", "column", "picture"]


@FIGURES.register
@final
class Reconstructions(Figure):
    """Examples of the probe set and their reconstructions from mean codes at some snapshots of one run.

    References:
        Kingma & Welling (2013), Auto-encoding variational Bayes. https://arxiv.org/abs/1312.6114
    """

    name: ClassVar[str] = "reconstructions"
    title: ClassVar[str] = "Reconstructions over training"
    caption: ClassVar[str] = "Images of the probe set (above) and what one run makes of them at some of its snapshots."

    def table(self, results: "Results", run: str | None = None, **options: Any) -> pd.DataFrame:
        """run, step (-1: the image itself), row, column, picture (PNG as data URI).

        Args:
            results: the study.
            run: the first finished one if None.
            **options: not used.

        Raises:
            UsageError: there is no such run.
        """
        it = pictures.chosen(results, run)
        if it is None:
            return pd.DataFrame(columns=COLUMNS)
        rows = []
        for step in spread(results.snapshot_steps[it.id], MOST_STEPS):
            found = pictures.seen(results, it, step)
            if not rows:
                rows = [(it.id, -1, ORIGINAL, str(k), pictures.uri(x)) for k, x in enumerate(found.originals)]
            made = enumerate(found.reconstructions)
            rows += [(it.id, step, f"step {step:,}", str(k), pictures.uri(x)) for k, x in made]
        return pd.DataFrame(rows, columns=COLUMNS)

    def missing(self, results: "Results") -> str:
        return "no run has finished"

    def note(self, table: pd.DataFrame) -> str:
        return f"Run {table['run'].iloc[0]}."

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        rows, columns = (list(dict.fromkeys(table[c])) for c in ("row", "column"))
        blank = dict(zip(columns, [" " * (k + 1) for k in range(len(columns))], strict=True))
        shown = table.assign(column=table["column"].map(blank))
        total = theme.total(width or self.width)
        return theme.dressed(pictures.sheet(shown, rows, list(blank.values()), total, (None, None)))
