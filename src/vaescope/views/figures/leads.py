"""How far the encoder is ahead of the decoder, for each objective, strength and dataset."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.dynamics.leads import lead_table
from vaescope.stats.dynamics.leads import leads as leads_of
from vaescope.stats.dynamics.settling import settling_steps
from vaescope.views import bands, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

READINGS = {"raw": "as measured", "corrected": "floor taken off"}
MOST_ROWS = 24
COLUMNS = ["dataset", "network", "objective", "strength", "strength_value", "reading", "lead", "low", "high", "p"]
COLUMNS += ["p_adjusted", "runs", "seeds", "label"]


@FIGURES.register
@final
class Leads(Figure):
    """The lead of the encoder in doublings of the training step, with intervals over seeds.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Cleveland & McGill (1984), Graphical perception, on dot plots. https://doi.org/10.1080/01621459.1984.10478080
    """

    name: ClassVar[str] = "leads"
    title: ClassVar[str] = "How far the encoder is ahead"
    caption: ClassVar[str] = (
        "Mean over decoder layers less mean over encoder layers of log2(settling step + 1), per run: right of 0 the "
        "encoder settles first, at 1 in half the steps. Means over seeds with 95 % intervals."
    )

    def table(self, results: "Results", level: float = 0.9, **options: Any) -> pd.DataFrame:
        """dataset, network, objective, strength, reading, lead, low, high, p, p_adjusted (Holm), runs, seeds, label.

        Args:
            results: the study.
            level: at which a layer has settled.
            **options: not used.
        """
        evidence = results.evidence()
        references = bands.own_references(evidence, results)
        final = references[references["reference"].astype(str) == "final"]
        words, tables = wording.strengths(evidence.runs), []
        for reading in ("raw", "corrected"):
            found = leads_of(settling_steps(final, level, reading))
            found = found[[c for c in found.columns if c not in ("measure", "reference")]]
            table = lead_table(found, evidence.runs, bands.SETTING)
            pairs = zip(table["objective"].astype(str), table["strength"].astype(str), strict=True)
            label = [f"{wording.objective(o)}, {words[o, s]}" for o, s in pairs]
            tables.append(table.assign(reading=reading, label=label))
        both = pd.concat(tables, ignore_index=True)
        return both[both["lead"].notna()].reset_index(drop=True).reindex(columns=COLUMNS)

    def note(self, table: pd.DataFrame) -> str:
        rows = table["label"].nunique()
        least, most = int(table["seeds"].min()), int(table["seeds"].max())
        told = f"{least if least == most else f'{least} to {most}'} seeds each."
        if most < bands.LEAST_SEEDS:
            told += " Intervals over two seeds are wide; what lies beyond the axis is cut off."
        return told + (f" The first {MOST_ROWS} of {rows:,} settings are drawn." if rows > MOST_ROWS else "")

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        labels = list(dict.fromkeys(table["label"]))[:MOST_ROWS]
        panels = list(dict.fromkeys(table["dataset"].map(wording.dataset)))[: 4 if wide == "page" else 2]
        shown = table.assign(panel=table["dataset"].map(wording.dataset), kind=table["reading"].map(READINGS))
        shown = shown[shown["panel"].isin(panels) & shown["label"].isin(labels)].copy()
        inner = (theme.total(wide) - 105) / len(panels) - 10
        reach = max(float(np.nanmax(np.abs(shown["lead"]))), 0.5)
        ends = shown.loc[shown["seeds"] >= bands.LEAST_SEEDS, ["low", "high"]].to_numpy(float)
        lowest, highest = min(-0.5, float(shown["lead"].min())), max(0.5, float(shown["lead"].max()))
        if ends.size and np.isfinite(ends).any():
            lowest = max(min(lowest, float(np.nanmin(ends))), lowest - reach)
            highest = min(max(highest, float(np.nanmax(ends))), highest + reach)
        pad = 0.06 * (highest - lowest)
        domain = [lowest - pad, highest + pad]
        shown["low"], shown["high"] = (shown[c].clip(*domain) for c in ("low", "high"))
        scale = alt.Scale(domain=domain, nice=False)
        title = "lead of the encoder (doublings of the training step)" if inner > 190 else "lead (doublings)"
        kinds = list(READINGS.values())
        colour = theme.named("kind", kinds, [theme.GREY, theme.PARTS["encoder"]], orient="top")
        base = alt.Chart().encode(
            x=alt.X(
                "lead:Q",
                title=title,
                scale=scale,
                axis=alt.Axis(tickCount=max(2, min(5, int(inner / 28))), format=".4~g"),
            ),
            y=alt.Y(
                "label:N",
                sort=labels,
                title=None,
                axis=alt.Axis(grid=True, ticks=False, labelOverlap=False, domain=False),
            ),
            yOffset=alt.YOffset("kind:N", sort=kinds),
            color=colour,
        )
        rule = base.mark_rule(strokeWidth=0.8, clip=True).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
        dots = base.mark_point(filled=True, size=22, opacity=1).encode(shape=theme.shaped("kind", kinds, orient="top"))
        zero = alt.Chart().mark_rule(color=theme.INK, strokeWidth=0.6, strokeDash=[2, 2]).encode(x=alt.datum(0))
        height = max(15 * len(labels), 30)
        layered = alt.layer(
            zero, rule, dots, data=theme.data(shown, "lead", "low", "high", "kind", "label", "panel")
        ).properties(width=inner, height=height)
        return theme.dressed(layered.facet(**theme.panels(panels, len(panels))))
