"""How figures for a paper look: widths, letters, colours, axes. One pixel is one point (1/72 inch).

Liberation Sans comes with vl-convert, so it is there on every machine, PDFs embed it, and it is as wide as Arial and
Helvetica, which SVGs fall back to. Categories are told by colour and by shape or dash; ordered things by a scale that
gets lighter, which survives any colour vision and a grey printer.

References:
    Okabe & Ito (2008), Color universal design. https://jfly.uni-koeln.de/color/
    Nuñez et al. (2018), Optimizing colormaps with consideration for color vision deficiency.
    https://doi.org/10.1371/journal.pone.0199239
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from vaescope.views.figure import Width

WIDTHS: Mapping[Width, float] = {"column": 3.3 * 72, "page": 6.9 * 72}
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SMALL, USUAL = 7, 8
INK, GREY, FAINT = "#111111", "#6a6a6a", "#d9d9d9"
CATEGORIES = ("#0072B2", "#C8470A", "#007A5A", "#B0599A", "#111111", "#6644CC")
"""Okabe and Ito's, darkened where they would have less than 3:1 on white. With the eight shapes: 24 that differ."""
PARTS = {"encoder": "#0072B2", "latent": "#007A5A", "decoder": "#C8470A", "other": "#111111"}
WORDS = {"supported": "#0072B2", "not supported": "#C8470A", "undecided": "#6a6a6a"}
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [4, 2], [1.5, 1.5], [6, 2, 1.5, 2], [8, 2], [3, 1])
SCHEME = "viridis"
_RAMP = ((13, 8, 135), (106, 0, 168), (177, 42, 144), (214, 85, 109), (222, 110, 60))  # dark to light, all 3:1 on white


def ramp(count: int) -> list[str]:
    """Colours for `count` ordered things, dark to light, each at least 3:1 on white."""
    places = np.linspace(0, len(_RAMP) - 1, max(count, 1))
    rgb = [np.interp(places, range(len(_RAMP)), [c[k] for c in _RAMP]) for k in range(3)]
    return [f"#{int(r):02x}{int(g):02x}{int(b):02x}" for r, g, b in zip(*rgb, strict=True)]


def cycle(values: Sequence[Any], count: int) -> list[Any]:
    """The first `count`, from the beginning again where there are fewer."""
    return [values[k % len(values)] for k in range(count)]


def total(width: Width) -> float:
    """Points from edge to edge."""
    return WIDTHS[width]


def data(table: pd.DataFrame, *columns: str) -> alt.InlineData:
    """Rows as they are, not a frame, so that Altair's row limit and global settings do not matter.

    Args:
        table: what is drawn.
        *columns: that are needed, all if none is named: Altair copies each value many times.
    """
    table = table[list(columns)] if columns else table
    clean = table.astype(object).where(table.notna(), None)
    return alt.InlineData(values=[{str(k): _plain(v) for k, v in row.items()} for row in clean.to_dict("records")])


def ticks(last: int, width: float) -> list[int]:
    """0, powers of ten and the last step, as many as stand apart on an axis of that many points."""
    wanted = [10**k for k in range(len(str(last)), -1, -1) if 10**k < last]
    kept = [last, 0] if last else [0]
    for tick in wanted:
        place = np.log1p(tick) * width / np.log1p(last)
        if all(abs(place - np.log1p(k) * width / np.log1p(last)) >= 21 for k in kept):
            kept.append(tick)
    return sorted(kept)


def steps(last: int, width: float, title: str = "training step", field: str = "step:Q") -> alt.X:
    """The axis of training steps: a logarithm of step + 1, so that step 0 is on it."""
    scale = alt.Scale(type="symlog", constant=1, domain=[0, max(last, 1)], nice=False)
    words = "datum.value < 1000 ? format(datum.value, 'd') : format(datum.value, '.3~s')"
    axis = alt.Axis(values=ticks(last, width), grid=False, labelExpr=words, labelFlush=False, labelOverlap=False)
    return alt.X(field, title=title, scale=scale, axis=axis)


def similarity(title: str, field: str = "value:Q", low: float = 0.0) -> alt.Y:
    """The axis of similarities, 0 to 1; scores below are drawn at its foot."""
    scale = alt.Scale(domain=[low, 1], clamp=True, nice=False)
    return alt.Y(field, title=title, scale=scale, axis=alt.Axis(values=[0, 0.5, 1], format=".1~f", labelOverlap=False))


def named(field: str, names: Sequence[str], colours: Sequence[str] | None = None, **legend: Any) -> alt.Color:
    """Colour by name, in this order."""
    scale = alt.Scale(domain=list(names), range=list(colours or cycle(CATEGORIES, len(names))))
    return alt.Color(f"{field}:N", scale=scale, sort=None, legend=alt.Legend(**{"title": None, **legend}))


def shaped(field: str, names: Sequence[str], **legend: Any) -> alt.Shape:
    """Shape by name; with `named` of the same field and legend they share one."""
    scale = alt.Scale(domain=list(names), range=cycle(SHAPES, len(names)))
    return alt.Shape(f"{field}:N", scale=scale, sort=None, legend=alt.Legend(**{"title": None, **legend}))


def panels(names: Sequence[str], columns: int, width: float = 200) -> dict[str, Any]:
    """Arguments of `facet`: one panel a name of the column `panel`, in rows of `columns`, its name above it.

    Args:
        names: in order.
        columns: panels side by side.
        width: of a panel: longer names are cut.
    """
    header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelPadding=3, labelLimit=width + 4)
    return {"facet": alt.Facet("panel:N", sort=list(names), header=header), "columns": columns}


def dressed(chart: Any) -> Any:
    """Letters and lines of a paper."""
    text = {"labelFontSize": SMALL, "titleFontSize": SMALL, "titleFontWeight": "normal", "labelColor": INK}
    text |= {"titleColor": INK}
    legend = {**text, "symbolSize": 28, "symbolStrokeWidth": 1.1, "rowPadding": 1, "columnPadding": 8, "offset": 4}
    legend |= {"padding": 0, "labelLimit": 170, "titleLimit": 220, "labelOffset": 2, "symbolOpacity": 1}
    legend |= {"gradientThickness": 6}
    axis = {**text, "gridColor": "#ececec", "gridWidth": 0.5, "domainColor": GREY, "domainWidth": 0.5}
    axis |= {
        "tickColor": GREY,
        "tickWidth": 0.5,
        "tickSize": 3,
        "labelPadding": 2,
        "titlePadding": 4,
        "labelLimit": 130,
    }
    chart = chart.configure(font=FONT, background="white", padding=2)
    chart = chart.configure_axis(**axis).configure_legend(**legend).configure_view(stroke=None)
    chart = chart.configure_header(
        labelFontSize=SMALL, titleFontSize=SMALL, labelColor=INK, titleColor=INK, labelLimit=200
    )
    chart = chart.configure_facet(spacing=8).configure_concat(spacing=10)
    return chart.configure_title(fontSize=USUAL, fontWeight="normal", anchor="start", offset=4, color=INK)


def fitted(chart: Any, total: float) -> dict[str, Any]:
    """The chart as Vega-Lite whose picture is `total` points wide: its panels are made wider or narrower.

    What stands around panels does not grow with them, so drawings tell how wide they must be: two, and more where a
    legend was wider than the panels. Square panels stay square. A chart made much narrower than `total` becomes as wide
    as a column at most.
    """
    import vl_convert

    spec = chart.to_dict()
    found = {1.0: _size(vl_convert.vegalite_to_svg(spec))}
    goal = (total if found[1.0] > 0.6 * total else min(total, max(found[1.0], WIDTHS["column"]))) - 0.5
    factor, best = min(max(goal / found[1.0], 0.5), 2.0), 1.0
    for _ in range(5):
        if abs(found[best] - goal) <= 0.5:
            break
        found[factor] = _size(vl_convert.vegalite_to_svg(_scaled(spec, factor)))
        last, best = best, factor
        slope = (found[best] - found[last]) / (best - last) if best != last else 0.0
        # Where a legend is wider than the panels nothing grows until they are wider than it.
        factor = best + (goal - found[best]) / slope if slope >= 1 else 1.6 * best if found[best] < goal else 0.0
        if not 0.3 <= factor <= 8 or _pictured(spec):
            break
    fits = [f for f, wide in found.items() if wide <= total]
    return _scaled(spec, max(fits, key=found.__getitem__) if fits else min(found, key=found.__getitem__))


def _size(svg: str) -> float:
    found = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
    return float(found[1]) if found else 0.0


def _scaled(spec: Any, factor: float) -> Any:
    """The specification with every panel `factor` times as wide."""
    if isinstance(spec, list):
        return [_scaled(part, factor) for part in spec]
    if not isinstance(spec, dict):
        return spec
    made = {k: v if k in ("data", "datasets", "config", "mark") else _scaled(v, factor) for k, v in spec.items()}
    if isinstance(spec.get("width"), int | float) and not _pictured(spec) and ("mark" in spec or "layer" in spec):
        made["width"] = spec["width"] * factor
        if spec.get("height") == spec["width"]:
            made["height"] = made["width"]
    return made


def _pictured(spec: dict[str, Any]) -> bool:
    """Whether images are in it, which have their size."""
    marks = [part.get("mark") for part in (spec, *spec.get("layer", ()))]
    return any((mark.get("type") if isinstance(mark, dict) else mark) == "image" for mark in marks)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
