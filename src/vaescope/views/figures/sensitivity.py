"""How alike the same layer of two runs ends up, by what the runs differ in, beside the seed-to-seed ceiling."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.dynamics.sensitivity import sensitivity
from vaescope.views import marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

TITLES = {"seed": "the seed alone (ceiling)", "strength": "strength and seed", "objective": "objective and seed"}
COLOURS = ("#111111", "#0072B2", "#C8470A")
COLUMNS = [
    "differ_in",
    "layer",
    "part",
    "score",
    "ceiling",
    "shortfall",
    "low",
    "high",
    "p",
    "p_adjusted",
    "pairs",
    "seeds",
]


@FIGURES.register
@final
class Sensitivity(Figure):
    """Similarity of final layers between runs that differ in one thing, and what it lacks to the ceiling.

    References:
        Nili et al. (2014), A toolbox for representational similarity analysis. https://doi.org/10.1371/journal.pcbi.1003553
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "sensitivity"
    title: ClassVar[str] = "What layers depend on"
    caption: ClassVar[str] = (
        "Left: similarity of a layer of two final models to each other, by what the models differ in. Right: what is "
        "missing to the similarity of models that differ in the seed alone, with 95 % intervals over seeds; filled "
        "where p < 0.05 after correction for many comparisons (Holm). The ceiling is that of the "
        "settings compared; on the left it is that of all, so that right need not be the distance there."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """differ_in, layer, part, score, ceiling, shortfall, low, high, p, p_adjusted, pairs, seeds."""
        evidence = results.evidence()
        if not len(evidence.ends):
            return pd.DataFrame(columns=COLUMNS)
        table = sensitivity(evidence.ends, evidence.runs)
        table = table[(table["part"].astype(str) != "input") & table["score"].notna()]
        return table[COLUMNS].reset_index(drop=True)

    def missing(self, results: "Results") -> str:
        return "no two finished runs were compared that differ in one thing alone"

    def note(self, table: pd.DataFrame) -> str:
        pairs = {str(k): int(v) for k, v in table.groupby("differ_in", sort=False)["pairs"].max().items()}
        told = ", ".join(f"{TITLES.get(k, k)}: {v:,}" for k, v in pairs.items())
        few = "" if table["low"].notna().any() else " Intervals need three seeds."
        return f"Pairs of runs that differ in {told}.{few}"

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        layers = list(dict.fromkeys(table["layer"].astype(str)))
        there = [k for k in TITLES if (table["differ_in"] == k).any()]
        kinds = [TITLES[k] for k in there]
        colours = [c for k, c in zip(TITLES, COLOURS, strict=True) if k in there]
        shown = table.assign(label=table["layer"].astype(str).map(wording.layer), kind=table["differ_in"].map(TITLES))
        inner = (theme.total(wide) - 95) / 2 - 8
        height = 15 * len(layers)
        legend = {"orient": "top", "columns": 3 if wide == "page" else 1, "titleOrient": "left"}
        title = "models differ in" if wide == "page" else None
        colour = theme.named("kind", kinds, colours, **{**legend, "title": title})
        shape = theme.shaped("kind", kinds, **{**legend, "title": title})
        y = marks.layer_rows(layers)
        lowest = min(0.0, float(np.floor(10 * shown["score"].min()) / 10))
        axis = alt.Axis(values=[0, 0.5, 1], format=".4~g")
        similar = alt.X("score:Q", title="similarity", scale=alt.Scale(domain=[lowest, 1], nice=False), axis=axis)
        left = alt.Chart(theme.data(shown)).mark_point(filled=True, size=24, opacity=1)
        left = left.encode(x=similar, y=y, color=colour, shape=shape).properties(width=inner, height=height)
        apart = shown[shown["differ_in"] != "seed"].copy()
        if not len(apart):
            return theme.dressed(left)
        apart["sure"] = apart["p_adjusted"] < 0.05
        ends = apart[["shortfall", "low", "high"]].to_numpy(float)
        domain = [min(-0.02, float(np.nanmin(ends))), min(max(0.05, float(np.nanmax(ends))), 1.05)]
        domain[0] = max(domain[0], -domain[1])
        apart["low"], apart["high"] = (apart[c].clip(*domain) for c in ("low", "high"))
        x = alt.X("shortfall:Q", title="missing to the ceiling", scale=alt.Scale(domain=domain, nice=True))
        x["axis"] = alt.Axis(tickCount=max(2, min(5, int(inner / 35))), format=".4~g")
        base = alt.Chart().encode(
            x=x,
            y=alt.Y(
                "label:N",
                sort=[wording.layer(n) for n in layers],
                title=None,
                axis=alt.Axis(labels=False, ticks=False, domain=False, grid=True),
            ),
            yOffset=alt.YOffset("kind:N", sort=kinds),
            color=colour,
        )
        rule = base.mark_rule(strokeWidth=0.8, clip=True).encode(x=alt.X("low:Q"), x2="high:Q")
        sure = base.transform_filter("datum.sure").mark_point(filled=True, size=24, opacity=1).encode(shape=shape)
        open_ = base.transform_filter("!datum.sure").mark_point(
            filled=False, fill="white", size=22, strokeWidth=1, opacity=1
        )
        zero = alt.Chart().mark_rule(color=theme.INK, strokeWidth=0.6, strokeDash=[2, 2]).encode(x=alt.datum(0))
        right = alt.layer(zero, rule, open_.encode(shape=shape), sure, data=theme.data(apart))
        return theme.dressed(alt.hconcat(left, right.properties(width=inner, height=height)))
