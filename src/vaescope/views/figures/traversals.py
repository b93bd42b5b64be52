"""What each latent of a run does to an image."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.selection import must_know
from vaescope.views import pictures, theme
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_LATENTS = 16
COLUMNS = ["run", "step", "latent", "value", "row", "column", "picture"]


@FIGURES.register
@final
class Traversals(Figure):
    """One example of the probe set with one latent at a time set to each of some values, at one snapshot of a run.

    References:
        Higgins et al. (2017), beta-VAE. https://openreview.net/forum?id=Sy2fzU9gl
    """

    name: ClassVar[str] = "traversals"
    title: ClassVar[str] = "What latents do"
    caption: ClassVar[str] = (
        "One image of the probe set, encoded, with one latent at a time (rows) set to each value (columns, in "
        "standard deviations of the prior) and decoded. A row that does not change is a latent the decoder does not "
        "use."
    )

    def table(
        self, results: "Results", run: str | None = None, step: int | None = None, **options: Any
    ) -> pd.DataFrame:
        """run, step, latent, value, row, column, picture (PNG as data URI).

        Args:
            results: the study.
            run: the first finished one if None.
            step: of the snapshot; the last if None.
            **options: not used.

        Raises:
            UsageError: there is no such run or snapshot.
        """
        it = pictures.chosen(results, run)
        if it is None:
            return pd.DataFrame(columns=COLUMNS)
        there = results.snapshot_steps[it.id]
        if step is not None:
            must_know("step", step, list(there))
        at = there[-1] if step is None else step
        found = pictures.seen(results, it, at)
        words = [f"{value:.1f}".replace("-", "−") for value in found.values]
        rows = [
            (it.id, at, latent, value, f"latent {latent}", word, pictures.uri(image))
            for latent, images in enumerate(found.traversals)
            for value, word, image in zip(found.values, words, images, strict=True)
        ]
        return pd.DataFrame(rows, columns=COLUMNS)

    def missing(self, results: "Results") -> str:
        return "no run has finished"

    def note(self, table: pd.DataFrame) -> str:
        latents = table["latent"].nunique()
        more = f" The first {MOST_LATENTS} of {latents} latents are drawn." if latents > MOST_LATENTS else ""
        return f"Run {table['run'].iloc[0]}, step {int(table['step'].iloc[0]):,}.{more}"

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        shown = table[table["latent"] < MOST_LATENTS]
        rows, columns = (list(dict.fromkeys(shown[c])) for c in ("row", "column"))
        title = "value of the latent (standard deviations of the prior)"
        return theme.dressed(pictures.sheet(shown, rows, columns, theme.total(width or self.width), (None, title)))
