"""The similarity of mean and sampled codes against what the active latents alone would make it."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.views import bands, lacking, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

COLUMNS = ["run", *bands.SETTING, "seed", "step", "active", "latents", "expected", "closed_form", "measured", "last"]
TITLES = {"expected": "√(active / latents)", "closed_form": "closed form for all latents"}


@FIGURES.register
@final
class Gauge(Figure):
    """Measured CKA(mean, sampled) against sqrt(active / latents), one mark a snapshot of a run.

    References:
        Bonheme & Grzes (2021), Be more active! https://arxiv.org/abs/2109.12679
        Rolinek, Zietlow & Martius (2019), Variational autoencoders pursue PCA directions (by accident).
            https://arxiv.org/abs/1812.06775
    """

    name: ClassVar[str] = "gauge"
    title: ClassVar[str] = "A gauge of collapse"
    caption: ClassVar[str] = (
        "Debiased CKA of mean and sampled codes as measured, against the square root of the share of active latents, "
        "which it would be if all others were passive, and against what all latents together make it. Filled: "
        "final snapshots; open: earlier ones. On the line both are equal."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """One row a snapshot: run, its setting, seed, step, active, latents, expected, closed_form, measured, last."""
        evidence = results.evidence()
        found = bands.described(evidence.posterior, evidence.runs)
        latents = found["active"] + found["mixed"] + found["passive"]
        expected = np.sqrt((found["active"] / latents.where(latents > 0)).astype(float))
        final = found["step"] == found.groupby("run", observed=True)["step"].transform("max")
        general = found.get("expected_mean_sampled", np.nan)
        table = found.assign(latents=latents, expected=expected, closed_form=general, last=final)
        table["measured"] = table["mean_sampled"]
        return table[table["measured"].notna() & table["expected"].notna()][COLUMNS].reset_index(drop=True)

    def missing(self, results: "Results") -> str:
        return lacking.no_latents(results)

    def note(self, table: pd.DataFrame) -> str:
        last = table[table["last"]]
        off = float((last["measured"] - last["expected"]).abs().median())
        runs = wording.counted(last["run"].nunique(), "run")
        return f"{runs}; at the end they differ by {off:.2f} in the median."

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        names = wording.in_order(table["objective"].astype(str))
        shown = table.assign(kind=table["objective"].astype(str).map(wording.objective))
        shown = shown[["kind", *TITLES, "measured", "last", "step"]]
        fields = [f for f in TITLES if shown[f].notna().any()][: 2 if wide == "page" else 1]
        side = min(theme.total(wide) / len(fields) - 45, 260)
        lowest = min(0.0, float(np.floor(10 * shown["measured"].min()) / 10))
        legend = {"orient": "top", "columns": 2 if wide == "column" else 4}
        colour, shape = theme.named("kind", names, **legend), theme.shaped("kind", names, **legend)
        many, charts = len(shown) > 600, []
        axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f")
        for field in fields:
            x = alt.X(f"{field}:Q", title=TITLES[field], scale=alt.Scale(domain=[0, 1]), axis=axis)
            title = "similarity of mean and sampled (debiased CKA)" if field == fields[0] else ""
            y = alt.Y("measured:Q", title=title, scale=alt.Scale(domain=[lowest, 1], nice=False), axis=axis)
            base = alt.Chart().encode(x=x, y=y, color=colour, shape=shape)
            early = base.transform_filter("!datum.last")
            early = early.mark_point(
                filled=False, size=8 if many else 14, strokeWidth=0.6, opacity=0.35 if many else 0.6
            )
            last = base.transform_filter("datum.last")
            last = last.mark_point(filled=True, size=14 if many else 26, opacity=0.85, strokeWidth=0)
            line = alt.Chart().mark_rule(color=theme.GREY, strokeWidth=0.7, strokeDash=[3, 2], clip=True)
            line = line.encode(x=alt.datum(0), x2=alt.datum(1), y=alt.datum(0), y2=alt.datum(1))
            layered = alt.layer(line, early, last, data=theme.data(shown))
            charts.append(layered.properties(width=side, height=side * 0.8))
        return theme.dressed(alt.hconcat(*charts))
