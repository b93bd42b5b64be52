"""Every reading of every claim against its threshold."""

from textwrap import wrap
from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.judge import verdict_frame
from vaescope.views import theme
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

SHAPES = {"supported": "circle", "not supported": "cross", "undecided": "diamond"}


@FIGURES.register
@final
class Claims(Figure):
    """The statistic of each claim with its interval, without controls and with each of them.

    References:
        Cumming & Finch (2005), Inference by eye. https://doi.org/10.1037/0003-066X.60.2.170
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "claims"
    title: ClassVar[str] = "The claims"
    caption: ClassVar[str] = (
        "The statistic of each claim with its interval, first as the paper would have read it, then with each control. "
        "Dashed: the threshold that a reading is held against. Colour and shape: what that reading alone says."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """One row a reading, as `vaescope.stats.judge.verdict_frame` says; claims without any estimate left out."""
        table = verdict_frame(results.claims)
        known = table.groupby("claim", sort=False)["estimate"].transform(lambda v: np.isfinite(v.astype(float)).any())
        return table[known.astype(bool)].reset_index(drop=True)

    def missing(self, results: "Results") -> str:
        return "no claim has an estimate: the runs were not examined, or are too few"

    def note(self, table: pd.DataFrame) -> str:
        none = table[~np.isfinite(table["estimate"].astype(float))]
        told = []
        if len(none):
            told.append(f"Readings without an estimate are not drawn: {len(none):,}; why is in the data table.")
        for _, rows in table.drop(none.index).groupby("claim", sort=False):
            low, high = _domain(rows)
            if ((rows["low"].astype(float) < low) | (rows["high"].astype(float) > high)).any():
                told.append("Intervals that reach the edge of their panel go on beyond it.")
                break
        return " ".join(told)

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        shown = table[np.isfinite(table["estimate"].astype(float))]
        words = list(SHAPES)
        inner = theme.total(wide) - (190 if wide == "page" else 110)
        legend = {"orient": "top", "columns": 3}
        scale = alt.Scale(domain=words, range=list(SHAPES.values()))
        charts = []
        for number, (_, rows) in enumerate(shown.groupby("claim", sort=False)):
            charts.append(self._strip(rows, wide, inner, scale, legend if number == 0 else None))
        return theme.dressed(alt.vconcat(*charts, spacing=5).resolve_scale(color="shared", shape="shared"))

    def _strip(
        self, rows: pd.DataFrame, wide: Width, inner: float, scale: alt.Scale, legend: dict[str, Any] | None
    ) -> Any:
        head = rows.iloc[0]
        rows = rows[["reading_title", "estimate", "low", "high", "word", "threshold"]].astype(
            {c: float for c in ("estimate", "low", "high", "threshold")}
        )
        limit = 180 if wide == "page" else 100
        rows["told"] = ["\n".join(wrap(str(t), int(limit / 3.5))) for t in rows["reading_title"]]
        order = list(dict.fromkeys(rows["told"]))
        lines = max(text.count("\n") + 1 for text in order)
        domain = _domain(rows)
        rows["low"], rows["high"] = (rows[c].clip(*domain) for c in ("low", "high"))
        shown_legend = alt.Legend(title=None, **legend) if legend else alt.Legend(title=None, orient="top", columns=3)
        colour = alt.Color(
            "word:N", scale=alt.Scale(domain=list(SHAPES), range=list(theme.WORDS.values())), legend=shown_legend
        )
        axis = alt.Axis(
            labelExpr="split(datum.label, '\\n')",
            labelLimit=limit,
            labelOverlap=False,
            ticks=False,
            domain=False,
            grid=True,
            minExtent=limit,
            maxExtent=limit,
        )
        base = alt.Chart().encode(
            x=alt.X(
                "estimate:Q",
                title=str(head["unit"]),
                scale=alt.Scale(domain=domain, nice=False),
                axis=alt.Axis(tickCount=4, format=".4~g", grid=False),
            ),
            y=alt.Y("told:N", sort=order, title=None, axis=axis, scale=alt.Scale(type="band")),
            color=colour,
        )
        rule = base.mark_rule(strokeWidth=1).encode(x=alt.X("low:Q"), x2="high:Q")
        dots = base.mark_point(filled=True, size=30, opacity=1).encode(
            shape=alt.Shape("word:N", scale=scale, legend=shown_legend)
        )
        line = alt.Chart().mark_rule(color=theme.INK, strokeWidth=0.7, strokeDash=[2, 2])
        line = line.encode(
            x="threshold:Q",
            y=alt.Y("told:N", sort=order, bandPosition=0),  # a line as high as its row: readings have their own
            y2=alt.Y2("told:N", bandPosition=1),
        )
        number = f"{head['number']}. " if str(head["number"]) else ""
        title = alt.Title(
            f"{number}{head['title']}: {head['verdict']}", anchor="start", fontSize=theme.SMALL + 0.5, offset=2
        )
        layered = alt.layer(line, rule, dots, data=theme.data(rows))
        return layered.properties(width=inner, height=(3 + 8 * lines) * len(order), title=title)


def _domain(rows: pd.DataFrame) -> list[float]:
    """The part of the axis that shows estimates and thresholds of a claim, and of intervals what there is room for."""
    values, ends = (rows[names].to_numpy(float) for names in (["estimate", "threshold"], ["low", "high"]))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(high - low, 0.1)
    if np.isfinite(ends).any():  # an interval may be endless where seeds are few
        first, last = float(np.nanmin(ends)), float(np.nanmax(ends))
        low, high = max(min(low, first), low - room), min(max(high, last), high + room)
    return [low - 0.06 * room, high + 0.06 * room]
