"""The step at which each layer settles, as measured and with the floor taken off."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.dynamics.settling import settling_steps
from vaescope.views import bands, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

READINGS = {"raw": "as measured", "corrected": "floor taken off"}
COLUMNS = [
    "dataset",
    "network",
    "reading",
    "layer",
    "part",
    "step",
    "low",
    "high",
    "runs",
    "seeds",
    "never",
    "level",
    "of",
]


@FIGURES.register
@final
class Settling(Figure):
    """When layers reach 0.9 of their end, means over runs in log step, with intervals over seeds.

    References:
        Raghu et al. (2017), SVCCA, section 3.1. https://arxiv.org/abs/1706.05806
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "settling"
    title: ClassVar[str] = "When each layer settles"
    caption: ClassVar[str] = (
        "Training step at which the similarity of a layer to itself at the end of training first reaches 0.9: means "
        "over runs in log step, 95 % intervals over seeds. Open: as measured; filled: with the similarity of step 0 "
        "taken off."
    )
    width: ClassVar[Width] = "column"

    def table(self, results: "Results", level: float = 0.9, **options: Any) -> pd.DataFrame:
        """dataset, network, reading, layer, part, step, low, high, runs, seeds, never, level, of.

        `never`: runs that do not reach the level; `of`: steps of training.

        Args:
            results: the study.
            level: what is to be reached.
            **options: not used.
        """
        evidence = results.evidence()
        references = bands.own_references(evidence, results)
        final = references[references["reference"].astype(str) == "final"]
        final = final[final["part"].astype(str).isin(theme.PARTS)]
        keys, tables = ["dataset", "network", "layer", "part"], []
        for reading in ("raw", "corrected"):
            settled = bands.described(settling_steps(final, level, reading), evidence.runs)
            table = bands.over_seeds(settled.assign(value=np.log2(settled["step"] + 1)), keys)
            never = settled[settled["censored"] & (settled["draw"] == -1)].groupby(keys, sort=False).size()
            table["never"] = [int(never.get(tuple(row), 0)) for row in table[keys].itertuples(index=False)]
            for column, source in (("step", "value"), ("low", "low"), ("high", "high")):
                table[column] = np.maximum(2 ** table[source] - 1, 0)
            tables.append(table.assign(reading=reading, level=level, of=evidence.steps))
        return pd.concat(tables, ignore_index=True)[COLUMNS]

    def note(self, table: pd.DataFrame) -> str:
        never = int(table["never"].sum())
        told = f" {never:,} curves of single runs do not reach it and are left out." if never else ""
        least, most = int(table["seeds"].min()), int(table["seeds"].max())
        seeds = str(most) if least == most else f"{least} to {most}"
        return f"{wording.counted(int(table['runs'].max()), 'run')} of {seeds} seeds.{told}"

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        panels = list(dict.fromkeys(table["dataset"].map(wording.dataset)))[:4]
        across = min(len(panels), 2) if wide == "page" else 1
        inner = (theme.total(wide) - 80) / across - 12
        shown = table.assign(panel=table["dataset"].map(wording.dataset), label=table["layer"].map(wording.layer))
        shown = shown[shown["panel"].isin(panels)]
        shown["kind"] = shown["reading"].map(READINGS)
        last = max(int(shown["of"].max()), 1)
        shown["low"], shown["high"] = shown["low"].clip(0, last), shown["high"].clip(0, last)
        parts = [part for part in theme.PARTS if (shown["part"].astype(str) == part).any()]
        base = alt.Chart().encode(
            x=theme.steps(last, inner, "training step at which the layer settles"),
            y=marks.layer_rows(list(dict.fromkeys(shown["layer"]))),
            yOffset=alt.YOffset("kind:N", sort=list(READINGS.values())),
            color=theme.named("part", parts, [theme.PARTS[part] for part in parts], orient="top"),
        )
        rule = base.mark_rule(strokeWidth=0.8, clip=True).encode(x=alt.X("low:Q"), x2="high:Q")
        open_ = base.transform_filter("datum.reading === 'raw'")
        open_ = open_.mark_point(filled=False, fill="white", size=22, strokeWidth=1.1, opacity=1)
        filled = base.transform_filter("datum.reading !== 'raw'").mark_point(filled=True, size=24, opacity=1)
        height = 17 * shown["label"].nunique()
        layered = alt.layer(
            rule,
            open_,
            filled,
            data=theme.data(shown, "step", "low", "high", "reading", "kind", "part", "label", "panel"),
        ).properties(width=inner, height=height)
        return theme.dressed(layered.facet(**theme.panels(panels, across)))
