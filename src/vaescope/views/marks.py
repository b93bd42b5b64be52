"""Marks that several figures share: lines with bands over training steps, dots with intervals. Pure."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from vaescope.views import theme, wording
from vaescope.views.figure import Width

LINE = ("step", "value", "low", "high")


def banded(
    x: alt.X, y: alt.Y, colour: alt.Color, shape: alt.Shape | None = None, dash: alt.StrokeDash | None = None
) -> alt.LayerChart:
    """Lines with bands from `low` to `high`, and a mark at each snapshot; the data are given where it is put."""
    base = alt.Chart().encode(x=x, color=colour)
    band = base.mark_area(opacity=0.16, clip=True, strokeWidth=0).encode(y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(strokeWidth=1.1, clip=True).encode(y=y)
    if dash is not None:
        line = line.encode(strokeDash=dash)
    layers = [band, line]
    if shape is not None:
        dots = base.mark_point(filled=True, size=13, opacity=1, strokeWidth=0)
        layers.append(dots.encode(y=y, shape=shape))
    return alt.LayerChart(layer=layers)


def named_lines(
    table: pd.DataFrame,
    field: str,
    names: Sequence[str],
    width: float,
    height: float,
    title: str,
    colours: Sequence[str] | None = None,
    low: float = 0.0,
    x_title: str = "training step",
    legend: dict[str, Any] | None = None,
) -> alt.LayerChart:
    """Banded lines of `value` over `step`, one a name, told by colour and shape.

    Args:
        table: step, value, low, high and `field`; decides how long the axis is, and is not put in.
        field: what names a line.
        names: in order.
        width: of a panel in points.
        height: of a panel.
        title: of the vertical axis.
        colours: one a name; from dark to light if None.
        low: foot of the vertical axis.
        x_title: of the horizontal axis.
        legend: options of the legend.
    """
    options = legend or {"orient": "bottom", "columns": 3}
    colour = theme.named(field, names, colours or theme.ramp(len(names)), **options)
    shape = theme.shaped(field, names, **options)
    last = int(table["step"].max()) if len(table) else 1
    x = theme.steps(last, width, x_title)
    return banded(x, theme.similarity(title, low=low), colour, shape).properties(width=width, height=height)


def by_part(table: pd.DataFrame, panels: Sequence[str], wide: Width, height: float, title: str) -> alt.TopLevelMixin:
    """Lines of the layers of encoder, latents and decoder, a legend each: beside each other on a page, else below.

    Args:
        table: step, value, low, high, part, label (the layer in words), panel.
        panels: in order; below each other on a page, side by side in a column.
        wide: what it is for.
        height: of a panel on a page.
        title: of the vertical axes.
    """
    parts = [part for part in theme.PARTS if (table["part"] == part).any()]
    across = 1 if wide == "page" else min(2, len(panels))
    inner = (theme.total(wide) - 40) / (len(parts) if wide == "page" else across) - 10
    charts = []
    for part in parts:
        shown = table[table["part"] == part]
        names = list(dict.fromkeys(shown["label"]))
        legend = {"orient": "bottom", "columns": 2 if wide == "page" else 3}
        told = title if part == parts[0] or wide == "column" else ""
        lines = named_lines(
            shown, "label", names, inner, height if wide == "page" else 0.7 * height, told, legend=legend
        )
        charts.append(
            alt.layer(lines, data=theme.data(shown, *LINE, "label", "panel")).facet(
                **theme.panels(panels, across, inner)
            )
        )
    put = alt.hconcat if wide == "page" else alt.vconcat
    return put(*charts).resolve_scale(color="independent", shape="independent")


def layer_rows(layers: Sequence[str], title: str | None = None) -> alt.Y:
    """An axis with a row for each layer, in network order, in words; the field is `label`."""
    names = [wording.layer(name) for name in layers]
    axis = alt.Axis(labelOverlap=False, ticks=False, domain=False, grid=True, labelLimit=140)
    return alt.Y("label:N", sort=names, title=title, axis=axis, scale=alt.Scale(domain=names))


def in_order(values: pd.Series) -> list[str]:
    """The different values, in order of appearance."""
    return [str(v) for v in dict.fromkeys(values.astype(str))]
