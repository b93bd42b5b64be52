"""How alike the same layer is when it was trained on another dataset."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.dynamics.sensitivity import abroad
from vaescope.views import lacking, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_PANELS = {"column": 2, "page": 6}
TITLES = {"score": "trained on the other dataset", "ceiling": "trained here with another seed (ceiling)"}
COLUMNS = ["dataset", "dataset_b", "layer", "part", "score", "ceiling", "shortfall", "low", "high", "p", "p_adjusted"]
COLUMNS += ["pairs", "seeds"]


@FIGURES.register
@final
class Transfer(Figure):
    """Similarity of final layers of runs that differ in the dataset alone, on the examples of the first.

    References:
        Bonheme & Grzes (2023), How good are variational autoencoders at transfer learning?
            https://arxiv.org/abs/2304.10767
    """

    name: ClassVar[str] = "transfer"
    title: ClassVar[str] = "Trained on another dataset"
    caption: ClassVar[str] = (
        "Similarity of each final layer, on the examples of one dataset, to that of the run that was trained on "
        "another (same setting and seed), beside the similarity of runs that differ in the seed alone."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, dataset_b, layer, part, score, ceiling, shortfall, low, high, p, p_adjusted, pairs, seeds."""
        evidence = results.evidence()
        if not len(evidence.abroad):
            return pd.DataFrame(columns=COLUMNS)
        table = abroad(evidence.abroad, evidence.ends, evidence.runs)
        table = table[(table["part"].astype(str) != "input") & table["score"].notna()]
        return table.reindex(columns=COLUMNS).astype({"layer": str, "part": str}).reset_index(drop=True)

    def missing(self, results: "Results") -> str:
        if lacking.is_recorded(results):
            return lacking.NO_NETWORK
        return "no two finished runs differ in the dataset alone, or they were not examined"

    def note(self, table: pd.DataFrame) -> str:
        panels = table.drop_duplicates(["dataset", "dataset_b"])
        left = len(panels) - MOST_PANELS["page"]
        more = f" {wording.counted(left, 'pair')} of datasets more in the data table." if left > 0 else ""
        return f"{wording.counted(int(table['seeds'].max()), 'seed')}.{more}"

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        pairs = zip(table["dataset"].astype(str), table["dataset_b"].astype(str), strict=True)
        shown = table.assign(
            panel=[f"{wording.dataset(b)} on {wording.dataset(a)}" for a, b in pairs],
            label=table["layer"].map(wording.layer),
        )
        panels = list(dict.fromkeys(shown["panel"]))[: MOST_PANELS[wide]]
        across = min(3 if wide == "page" else 2, len(panels))
        layers = list(dict.fromkeys(shown["layer"]))
        tidy = shown[shown["panel"].isin(panels)].melt(["panel", "label"], list(TITLES), "which", "value").dropna()
        tidy["kind"] = tidy["which"].map(TITLES)
        inner = (theme.total(wide) - 85) / across - 8
        kinds = list(TITLES.values())
        legend = {"orient": "top", "columns": 2 if wide == "page" else 1, "labelLimit": 230}
        lowest = min(0.0, float(np.floor(10 * tidy["value"].min()) / 10))
        axis = alt.Axis(values=[0, 0.5, 1], format=".4~g")
        dots = alt.Chart(theme.data(tidy)).mark_point(filled=True, size=22, opacity=1)
        dots = dots.encode(
            x=alt.X("value:Q", title="similarity", scale=alt.Scale(domain=[lowest, 1], nice=False), axis=axis),
            y=marks.layer_rows(layers),
            color=theme.named("kind", kinds, [theme.PARTS["decoder"], theme.INK], **legend),
            shape=theme.shaped("kind", kinds, **legend),
        )
        drawn = dots.properties(width=inner, height=11 * len(layers)).facet(**theme.panels(panels, across))
        return theme.dressed(drawn)
