"""Table -> chart: Altair charts that draw and write nothing. Each one's table is a function of `vaescope.views.tables`.

Every chart can be saved by itself: `chart.save("layers.svg")` (or .png, .pdf) needs no browser. They are for notebooks:
the report draws its own, which a keyboard can walk (`templates/report-chart.js`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

PALETTES: Mapping[str, tuple[str, ...]] = {
    "encoder": ("#1a9bc0", "#2b7bdc", "#5a62e0", "#7f4fd0", "#0f7f8c", "#3f8fb5", "#6d7bb8"),
    "latent": ("#17976a", "#6f9a1e", "#0c8f8f"),
    "decoder": ("#b98a00", "#d97a0b", "#e0592f", "#cc3f5d", "#a8642a", "#c76a86", "#9c7a3c"),
    "other": ("#7c7f86", "#a06a9a", "#6b8a5a", "#9b7562", "#5f8296", "#8a6fb0", "#8f8340"),
}
"""Blue for encoders, green for latents, orange for decoders, muted for models that are no VAEs;
each at least 3:1 on white and on the dark page."""

PART_COLOURS = {"encoder": "#2b7bdc", "latent": "#17976a", "decoder": "#d97a0b", "other": "#7c7f86"}
PART_DASHES: Mapping[str, list[int]] = {"encoder": [1, 0], "latent": [2, 3], "decoder": [7, 3], "other": [1, 0]}
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"]
INK = "currentColor"
STEP_AXIS = "training step (log scale)"


def heatmap(
    table: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], title: str, highest: float = 1.0
) -> alt.LayerChart:
    """Layer x layer: one square a pair of layers, on a fixed scale from 0; pairs not computed are struck out.

    Args:
        table: `tables.heatmap_table`.
        rows: layers of the first snapshot in network order.
        columns: layers of the second.
        title: name of the measure.
        highest: the score of the last colour.
    """
    x = alt.X(
        "layer_b:N", sort=list(columns), title="layer of snapshot B", axis=alt.Axis(labelAngle=-90, labelOverlap=False)
    )
    y = alt.Y("layer_a:N", sort=list(rows), title="layer of snapshot A", axis=alt.Axis(labelOverlap=False))
    tips = ["layer_a:N", "step_a:Q", "layer_b:N", "step_b:Q", "shown:N"]
    names = ["layer A", "step A", "layer B", "step B", "score"]
    tooltip = [alt.Tooltip(tip, title=name) for tip, name in zip(tips, names, strict=True)]
    base = alt.Chart(_named(table, "cells")).encode(x, y, tooltip=tooltip)
    base = base.transform_calculate(shown="isValid(datum.score) ? format(datum.score, '.3f') : 'not computed'")
    scale = alt.Scale(scheme="viridis", domain=[0, highest], clamp=True)
    legend = alt.Legend(
        orient="top",
        gradientLength=200,
        gradientThickness=10,
        titleOrient="left",
        values=[round(highest * k / 5, 2) for k in range(6)],
    )
    known = (
        base.transform_filter("isValid(datum.score)")
        .mark_rect()
        .encode(color=alt.Color("score:Q", scale=scale, title=title, legend=legend))
    )
    missing = base.transform_filter("!isValid(datum.score)")
    struck = missing.mark_point(shape="M-.5,-.5L.5,.5", color=INK, opacity=0.35, size=90, strokeWidth=1)
    layers = alt.layer(missing.mark_rect(color="#888", opacity=0.13), struck, known)
    return _dressed(layers.properties(width=420, height=420, description="Layer by layer similarity of two snapshots"))


def curves(table: pd.DataFrame, part: str, layers: Sequence[str], ticks: Sequence[int], title: str) -> alt.LayerChart:
    """Similarity to the run's final snapshot over steps, one line a layer; rings at step 0 are the floors.

    Args:
        table: `tables.curves_table`.
        part: "encoder", "latent" or "decoder": decides colours and dashes.
        layers: the part's layers in network order.
        ticks: `tables.step_ticks`.
        title: name of the measure.
    """
    palette = [PALETTES[part][i % len(PALETTES[part])] for i in range(len(layers))]
    names = alt.Scale(domain=list(layers), range=palette)
    shapes = alt.Scale(domain=list(layers), range=[SHAPES[i % len(SHAPES)] for i in range(len(layers))])
    legend = alt.Legend(orient="bottom", columns=3, title=None, symbolSize=70, symbolOpacity=1)
    base = alt.Chart(_named(table, "curves")).encode(
        x=_steps(ticks),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, 1], clamp=True), axis=alt.Axis(tickCount=5)),
        color=alt.Color("layer:N", scale=names, legend=legend),
    )
    lines = base.mark_line(strokeDash=PART_DASHES[part], strokeWidth=1.8)
    tooltip = [
        "layer:N",
        "step:Q",
        alt.Tooltip("value:Q", format=".3f", title="drawn"),
        alt.Tooltip("score:Q", format=".3f"),
        alt.Tooltip("floor:Q", format=".3f"),
    ]
    points = base.mark_point(filled=True, size=42, opacity=1).encode(
        shape=alt.Shape("layer:N", scale=shapes, legend=legend), tooltip=tooltip
    )
    floors = base.transform_filter("datum.step === 0").mark_point(filled=False, shape="circle", size=120, strokeWidth=1)
    rule = alt.Chart(alt.InlineData(values=[{"at": 0.9}])).mark_rule(strokeDash=[3, 3], color=INK, opacity=0.55)
    layered = alt.layer(rule.encode(y="at:Q"), lines, floors, points)
    return _dressed(
        layered.properties(width=300, height=250, description=f"Similarity to the final snapshot, {part} layers")
    )


def settling(table: pd.DataFrame, layers: Sequence[str], ticks: Sequence[int]) -> alt.LayerChart:
    """The step at which each layer settles: discs floor-corrected, rings raw; the larger, the more runs.

    Args:
        table: `tables.settling_table`.
        layers: layers in network order.
        ticks: `tables.step_ticks`.
    """
    parts = alt.Scale(domain=_there(table), range=[PART_COLOURS[part] for part in _there(table)])
    base = alt.Chart(_named(table, "settling")).transform_aggregate(
        runs="count()", groupby=["layer", "part", "kind", "step"]
    )
    base = base.encode(
        x=_steps(ticks),
        y=alt.Y(
            "layer:N", sort=list(layers), title=None, axis=alt.Axis(grid=True, labelOverlap=False, tickBand="extent")
        ),
        yOffset=alt.YOffset("kind:N", sort=["raw", "floor-corrected"]),
        size=alt.Size("runs:Q", scale=alt.Scale(domain=[1, 8], range=[55, 150], clamp=True), legend=None),
        color=alt.Color("part:N", scale=parts, legend=alt.Legend(orient="top", title=None, symbolType="circle")),
        tooltip=["layer:N", "kind:N", alt.Tooltip("step:Q", format=",.1f"), "runs:Q"],
    )
    raw = base.transform_filter("datum.kind === 'raw'").mark_point(filled=False, strokeWidth=1.8, opacity=1)
    discs = base.transform_filter("datum.kind !== 'raw'").mark_point(filled=True, opacity=1)
    chart = alt.layer(raw, discs).properties(
        width=600, height=26 * max(len(layers), 1), description="Step at which each layer settles"
    )
    return _dressed(chart)


def losses(table: pd.DataFrame, column: str, title: str, ticks: Sequence[int]) -> alt.LayerChart:
    """One loss over steps: the chosen run in colour before all others in grey.

    Args:
        table: `tables.losses_table` with `chosen` (bool) and `label` added.
        column: "loss", "reconstruction" or "kl".
        title: title of the vertical axis.
        ticks: `tables.step_ticks`.
    """
    low, high = (float(table[column].min()), float(table[column].max())) if len(table) else (0.0, 1.0)
    wide = column != "kl" and low > 0  # KL starts near 0, where a logarithm shows mostly noise
    domain = [low, max(high, low * 1.01)] if wide else [min(low, 0.0), max(high, 0.1)]
    scale = alt.Scale(type="log" if wide else "linear", domain=domain, nice=not wide)
    axis = alt.Axis(tickCount=4, format="~s" if wide else "~g")
    base = alt.Chart(_named(table, "losses")).encode(
        x=_steps(ticks), y=alt.Y(f"{column}:Q", title=title, scale=scale, axis=axis)
    )
    others = base.transform_filter("!datum.chosen").mark_line(color=INK, opacity=0.28, strokeWidth=1.2)
    chosen = base.transform_filter("datum.chosen").mark_line(color=PART_COLOURS["encoder"], strokeWidth=2.4)
    tips = ["label:N", "step:Q", alt.Tooltip(f"{column}:Q", format=".4~g")]
    dots = base.transform_filter("datum.chosen").mark_point(size=60, opacity=0)
    layered = alt.layer(others.encode(detail="run:N"), chosen.encode(detail="run:N"), dots.encode(tooltip=tips))
    return _dressed(layered.properties(width=300, height=200, description=f"{title} over training steps"))


def latents(table: pd.DataFrame, names: Sequence[str], ticks: Sequence[int], highest: float) -> alt.Chart:
    """KL of every latent over steps: a latent that stays at 0 has collapsed to the prior.

    Args:
        table: `tables.latents_table` of one run.
        names: latents in their order.
        ticks: `tables.step_ticks`.
        highest: top of the vertical axis, the same for all runs.
    """
    scale = alt.Scale(domain=list(names), scheme="turbo" if len(names) > 10 else "tableau10")
    chart = alt.Chart(_named(table, "latents")).mark_line(point=alt.OverlayMarkDef(size=40, opacity=0), strokeWidth=1.6)
    chart = chart.encode(
        x=_steps(ticks),
        y=alt.Y(
            "kl:Q",
            title="KL (nats)",
            scale=alt.Scale(domain=[0, max(highest, 0.1)], nice=True),
            axis=alt.Axis(tickCount=5),
        ),
        color=alt.Color(
            "latent:N", scale=scale, title="latent", legend=alt.Legend(orient="bottom", columns=5, symbolLimit=20)
        ),
        tooltip=["latent:N", "step:Q", alt.Tooltip("kl:Q", format=".3f")],
    )
    return _dressed(chart.properties(width=600, height=250, description="KL of each latent over training steps"))


def _steps(ticks: Sequence[int]) -> alt.X:
    scale = alt.Scale(type="symlog", constant=1, domain=[0, max(ticks[-1], 1)], nice=False)
    axis = alt.Axis(values=list(ticks), grid=False, format=",d", labelFlush=True)
    return alt.X("step:Q", title=STEP_AXIS, scale=scale, axis=axis)


def _named(table: pd.DataFrame, name: str) -> alt.InlineData:
    """Rows under a name. Not a frame, so that neither Altair's row limit nor its global settings matter."""
    clean = table.astype(object).where(table.notna(), None)
    rows = [{str(key): value for key, value in row.items()} for row in clean.to_dict("records")]
    return alt.InlineData(values=rows, name=name)


def _dressed(chart: Any) -> Any:
    """Text and lines take the colour of the page around them, light or dark."""
    text = {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
    }
    lines = {"domainColor": INK, "tickColor": INK, "gridColor": INK}
    faint = {"domainOpacity": 0.35, "tickOpacity": 0.35, "gridOpacity": 0.12}
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    chart = chart.configure(font=font, background="transparent")  # replaces what was configured before it
    return (
        chart.configure_axis(**text, **lines, **faint)
        .configure_legend(**text, labelLimit=140)
        .configure_view(stroke=None)
    )


def _there(table: pd.DataFrame) -> list[str]:
    return [part for part in PART_COLOURS if (table["part"] == part).any()]
