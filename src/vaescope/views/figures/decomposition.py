"""How much of what differs between runs, layer by layer, goes with objective, strength and seed."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.dynamics.decomposition import decomposition
from vaescope.views import marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

TITLES = {"objective": "objective", "strength": "strength", "seed": "seed", "residual": "the rest"}
COLOURS = ("#C8470A", "#0072B2", "#8fc7b5", "#d9d9d9")
COLUMNS = ["layer", "part", "factor", "share", "p"]


@FIGURES.register
@final
class Decomposition(Figure):
    """Shares of the variance of each layer's final representations over runs.

    References:
        Anderson (2001), A new method for non-parametric multivariate analysis of variance.
            https://doi.org/10.1111/j.1442-9993.2001.01070.pp.x
    """

    name: ClassVar[str] = "decomposition"
    title: ClassVar[str] = "What the differences between runs go with"
    caption: ClassVar[str] = (
        "Share of the variance of final representations over runs that goes with the objective, the strength within "
        "it, the seed, and what is left. A star: p < 0.05 under permutation."
    )
    width: ClassVar[Width] = "column"

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """layer, part, factor, share (of 1; below 0 where a factor explains less than chance), p."""
        evidence = results.evidence()
        if not len(evidence.ends):
            return pd.DataFrame(columns=COLUMNS)
        table = decomposition(evidence.ends, evidence.runs)
        table = table[(table["part"].astype(str) != "input") & table["share"].notna()].reset_index(drop=True)
        chance = "p_adjusted" if "p_adjusted" in table else "p"
        return table.reindex(columns=[*COLUMNS, *([chance] if chance != "p" else [])])

    def missing(self, results: "Results") -> str:
        return "there are too few finished runs that differ in objective, strength or seed"

    def note(self, table: pd.DataFrame) -> str:
        below = int((table["share"] < 0).sum())
        return f"{wording.counted(below, 'share')} below 0 drawn as 0, the others made to sum to 1." if below else ""

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        layers = list(dict.fromkeys(table["layer"].astype(str)))
        shown = table.assign(label=table["layer"].astype(str).map(wording.layer), kind=table["factor"].map(TITLES))
        shown["drawn"] = shown["share"].clip(lower=0)
        shown["drawn"] = shown["drawn"] / shown.groupby("layer", observed=True)["drawn"].transform("sum")
        order = list(TITLES)
        shown["place"] = shown["factor"].map(order.index)
        shown = shown.sort_values(["label", "place"], kind="stable")
        shown["until"] = shown.groupby("label", sort=False)["drawn"].cumsum()
        shown["middle"] = shown["until"] - shown["drawn"] / 2
        chance = shown["p_adjusted" if "p_adjusted" in shown else "p"]
        shown["star"] = (chance < 0.05) & (shown["drawn"] > 0.02)
        inner, height = theme.total(wide) - 80, 13 * len(layers)
        colour = theme.named("kind", list(TITLES.values()), COLOURS, orient="top", symbolType="square", columns=4)
        axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format="%", grid=False)
        bars = (
            alt.Chart()
            .mark_bar(height={"band": 0.78})
            .encode(
                x=alt.X(
                    "drawn:Q",
                    stack="zero",
                    title="share of the variance between runs",
                    scale=alt.Scale(domain=[0, 1]),
                    axis=axis,
                ),
                y=marks.layer_rows(layers),
                color=colour,
                order=alt.Order("place:Q"),
            )
        )
        stars = alt.Chart().transform_filter("datum.star").mark_text(fontSize=8, dy=2.5, font=theme.FONT)
        ink = alt.condition("datum.place < 2", alt.value("white"), alt.value(theme.INK))
        stars = stars.encode(x="middle:Q", y=marks.layer_rows(layers), text=alt.value("*"), color=ink)
        layered = alt.layer(bars, stars, data=theme.data(shown)).properties(width=inner, height=height)
        return theme.dressed(layered)
