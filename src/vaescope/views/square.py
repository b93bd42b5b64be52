"""The heatmap of a similarity matrix with any labels."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

CELL, SMALLEST, LARGEST = 22, 180, 900  # pixels
WRITTEN, ROOM = 16, 34  # columns up to which scores are written into their cells, which are then larger
LABEL = 420  # pixels: the paths of modules of large models are long, and differ at their ends


def square(
    table: pd.DataFrame,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    domain: tuple[float, float],
    sides: tuple[str, str] | None = None,
    marked: Sequence[tuple[str, str]] = (),
) -> "alt.LayerChart | alt.FacetChart":
    """Rows x columns: one square a pair; pairs without a score are grey and say why.

    Args:
        table: x (of `rows`), y (of `columns`), score, reason, and further numbers for the tooltip.
        rows: labels from top to bottom.
        columns: labels from left to right.
        title: of the colours.
        domain: scores of the first and the last colour.
        sides: what rows and columns belong to.
        marked: pairs of labels that get a frame.
    """
    numbers = [name for name in table.columns if name not in ("x", "y", "reason")]
    table = table.assign(reason=table["reason"].astype(str))
    tooltip = [
        alt.Tooltip("x:N"),
        alt.Tooltip("y:N"),
        *(alt.Tooltip(alt.FieldName(name), type="quantitative", format=".4f") for name in numbers),
        alt.Tooltip("reason:N"),
    ]
    above, below = (None, None) if sides is None else sides
    across = alt.Axis(labelAngle=-90, labelOverlap=len(columns) > 60, labelLimit=LABEL)
    down = alt.Axis(labelOverlap=len(rows) > 60, labelLimit=LABEL)
    base = alt.Chart(table).encode(
        alt.X("y:N", sort=list(columns), title=below, axis=across),
        alt.Y("x:N", sort=list(rows), title=above, axis=down),
        tooltip=tooltip,
    )
    colour = alt.Color(
        "score:Q",
        scale=alt.Scale(scheme="viridis", domain=list(domain), clamp=True),
        title=f"{title}; framed: the best match of each row" if marked else title,
        legend=alt.Legend(orient="top", gradientLength=200, gradientThickness=10, titleLimit=400),
    )
    known = base.transform_filter("isValid(datum.score)").mark_rect().encode(colour)
    missing = base.transform_filter("!isValid(datum.score)").mark_rect(color="#888", opacity=0.2)
    layers: list[alt.Chart] = [missing, known]
    few = len(columns) <= WRITTEN and sides is not None
    if few:
        middle = (domain[0] + domain[1]) / 2
        ink = alt.condition(f"datum.score > {middle}", alt.value("black"), alt.value("white"))
        text = base.transform_filter("isValid(datum.score)").mark_text(fontSize=10)
        layers.append(text.encode(alt.Text("score:Q", format=".2f"), color=ink))
    if marked:
        frames = pd.DataFrame(list(marked), columns=["x", "y"])
        layers.append(
            alt.Chart(frames)
            .mark_rect(filled=False, stroke="#e6550d", strokeWidth=1.5)
            .encode(alt.X("y:N", sort=list(columns)), alt.Y("x:N", sort=list(rows)))
        )
    cell = ROOM if few else CELL
    width, height = (min(max(cell * len(side), SMALLEST), LARGEST) for side in (columns, rows))
    return alt.layer(*layers).properties(width=width, height=height)
