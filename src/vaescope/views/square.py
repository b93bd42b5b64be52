"""The heatmap of a similarity matrix with any labels."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

CELL, SMALLEST, LARGEST = 22, 180, 900  # pixels


def square(
    table: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], title: str, domain: tuple[float, float]
) -> "alt.LayerChart | alt.FacetChart":
    """Rows x columns: one square a pair; pairs without a score are grey and say why.

    Args:
        table: x (of `rows`), y (of `columns`), score, reason, and further numbers for the tooltip.
        rows: labels from top to bottom.
        columns: labels from left to right.
        title: of the colours.
        domain: scores of the first and the last colour.
    """
    numbers = [name for name in table.columns if name not in ("x", "y", "reason")]
    table = table.assign(reason=table["reason"].astype(str))
    tooltip = [
        alt.Tooltip("x:N"),
        alt.Tooltip("y:N"),
        *(alt.Tooltip(alt.FieldName(name), type="quantitative", format=".4f") for name in numbers),
        alt.Tooltip("reason:N"),
    ]
    base = alt.Chart(table).encode(
        alt.X("y:N", sort=list(columns), title=None, axis=alt.Axis(labelAngle=-90, labelOverlap=len(columns) > 60)),
        alt.Y("x:N", sort=list(rows), title=None, axis=alt.Axis(labelOverlap=len(rows) > 60)),
        tooltip=tooltip,
    )
    colour = alt.Color(
        "score:Q",
        scale=alt.Scale(scheme="viridis", domain=list(domain), clamp=True),
        title=title,
        legend=alt.Legend(orient="top", gradientLength=200, gradientThickness=10),
    )
    known = base.transform_filter("isValid(datum.score)").mark_rect().encode(colour)
    missing = base.transform_filter("!isValid(datum.score)").mark_rect(color="#888", opacity=0.2)
    width, height = (min(max(CELL * len(side), SMALLEST), LARGEST) for side in (columns, rows))
    return alt.layer(missing, known).properties(width=width, height=height)
