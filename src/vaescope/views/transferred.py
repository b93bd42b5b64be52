"""Each layer's similarity across datasets, between its floor and its ceiling."""

import altair as alt
import numpy as np
import pandas as pd

from vaescope.stats.transfer.advice import Limits
from vaescope.views import marks, theme, wording

KINDS = {
    "score": ("of the source's and the target's own", theme.CATEGORIES[1], "circle"),
    "ceiling": ("of two of the target's own (ceiling)", theme.INK, "triangle-down"),
    "floor": ("of an untrained network and the target's own (floor)", theme.GREY, "triangle-up"),
}


def chart(table: pd.DataFrame, source: str, target: str, measure: str, limits: Limits) -> alt.TopLevelMixin:
    """Two panels, a row a layer: similarities with floor and ceiling; positions with intervals and the two limits.

    Args:
        table: as `Transfer.table` gives it.
        source: name of the source.
        target: name of the target.
        measure: of the similarities.
        limits: of the words.
    """
    shown = table.assign(label=[wording.layer(name) for name in table["layer"]])
    rows = marks.layer_rows(list(table["layer"]))
    tidy = shown.melt(["label"], list(KINDS), "which", "value").dropna()
    tidy["kind"] = tidy["which"].map({k: words for k, (words, _, _) in KINDS.items()})
    names = [words for words, _, _ in KINDS.values()]
    legend = alt.Legend(title=None, orient="top", columns=1, labelLimit=330)
    height, low = 14 * len(shown), min(0.0, float(np.floor(10 * tidy["value"].min()) / 10)) if len(tidy) else 0.0
    similar = alt.Scale(domain=[low, 1], nice=False)
    dots = (
        alt.Chart(theme.data(tidy))
        .mark_point(filled=True, size=28, opacity=1)
        .encode(
            x=alt.X("value:Q", title=wording.measure(measure), scale=similar),
            y=rows,
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=names, range=[c for _, c, _ in KINDS.values()]), legend=legend
            ),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=names, range=[s for _, _, s in KINDS.values()]), legend=legend
            ),
        )
    )
    spans = alt.Chart(theme.data(shown, "label", "floor", "ceiling")).mark_rule(color=theme.FAINT, strokeWidth=3)
    spans = spans.encode(x=alt.X("floor:Q", scale=similar), x2="ceiling:Q", y=rows)
    ends = shown[["position", "low", "high"]].to_numpy(float)
    known = ends[np.isfinite(ends)]
    domain = [min(0.0, float(known.min(initial=0.0))), max(1.0, float(known.max(initial=1.0)))]
    across = alt.Scale(domain=domain, nice=False)
    place = alt.X("position:Q", title="position: 0 floor, 1 ceiling", scale=across)
    base = alt.Chart(theme.data(shown[shown["position"].notna()], "label", "position", "low", "high")).encode(y=rows)
    points = base.mark_point(filled=True, size=28, opacity=1, color=theme.CATEGORIES[1]).encode(x=place)
    bars = base.mark_rule(color=theme.CATEGORIES[1]).encode(x="low:Q", x2="high:Q")
    lines = alt.Chart(theme.data(pd.DataFrame({"at": [limits.retrain, limits.keep]})))
    lines = lines.mark_rule(strokeDash=[3, 2], color=theme.GREY).encode(x=alt.X("at:Q", scale=across))
    left = alt.layer(spans, dots).properties(width=220, height=height)
    right = (
        alt.layer(lines, bars, points)
        .encode(y=marks.layer_rows(list(table["layer"])))
        .properties(width=220, height=height)
    )
    title = (
        f"{wording.dataset(source)} to {wording.dataset(target)}: similarity on examples of {wording.dataset(target)}"
    )
    return theme.dressed(alt.hconcat(left, right).properties(title=title))
