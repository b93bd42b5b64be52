"""What a comparison of two models found, in plain words and as a piece of HTML. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from vaescope.views import wording

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 4  # layers from which an order of depth means something
IN_ORDER, SHUFFLED = 0.9, 0.5
NAMED = 3
ALPHA = 0.05
TIE = 0.01  # between scores that are told as two digits


def summary(found: Any) -> list[str]:
    """Sentences, the most important ones first.

    Args:
        found: a `Comparison`.
    """
    lines = [_opening(found)]
    if not np.isfinite(found.matrix).any():
        return [*lines, "No pair of layers has a score; the warnings say why."]
    best = found.best()
    if found.own:
        lines += _within(found, best)
    else:
        lines += _same_named(found)
        lines += _matches(found, best) if set(found.namesakes) - set(found.identical) or not found.namesakes else []
    if "p_adjusted" in found.extras:
        lines.append(_against_chance(found))
    if found.interval is not None:
        lines.append(
            f"Intervals ({found.level:.0%}, {found.interval}) are over the choice of examples, for these very models: "
            "other seeds would give other models."
        )
    return lines


def comparison_html(found: Any) -> str:
    """The summary, and the coloured matrix with its warnings."""
    from vaescope.views.notebook import STYLE, matrix_html

    words = Markup().join(Markup('<div style="margin:0 0 4px">{}</div>').format(line) for line in summary(found))
    return str(Markup('<div style="{}">{}</div>').format(STYLE, words)) + matrix_html(found)


def best_pairs(found: Any) -> list[tuple[str, str]]:
    """Each layer of the first model with its best match in the second, where it has one."""
    frame = found.best()
    return [(a, b) for a, b in zip(frame["layer_a"], frame["layer_b"], strict=True) if b]


def ignores(measure: Any) -> str:
    """What leaves a score as it is, in words; "" where nothing does."""
    kept = measure.invariant_to
    if "linear" in kept:
        return "any invertible linear map of the features"
    words = {"orthogonal": "rotation", "permutation": "order of features", "scaling": "scale", "translation": "shift"}
    names = [word for name, word in words.items() if name in kept and not (name == "permutation" and words[name] == "")]
    if "orthogonal" in kept and "order of features" in names:
        names.remove("order of features")  # an order is a rotation or reflection
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else ""


def number(value: float) -> str:
    """Two digits behind the point; three where two would make less than 1 a 1."""
    text = f"{value:.2f}"
    if text == "1.00" and value < 1:
        text = f"{value:.4f}" if value < 0.99995 else text
    return text.replace("-", "−").replace("−0.00", "0.00")


def _opening(found: Any) -> str:
    rows, columns = len(found.rows), len(found.columns)
    a, b = found.names
    what = f"{a} with itself: {counted(rows)}" if found.own else f"{a} ({counted(rows)}) with {b} ({counted(columns)})"
    low, high = found.measure.bounds
    best = high if found.measure.larger_is_more_similar else low
    left = ignores(found.measure)
    scale = f"{best:g} for layers that are the same"
    scale += f" up to {left}" if left else ""
    worse = low if found.measure.larger_is_more_similar else high
    if found.measure.debiased:
        scale += ", about 0 for layers that have nothing in common"
    elif np.isfinite(worse):
        scale += f", {worse:g} at the other end"
    return f"{what}, on {found.n:,} examples, by {wording.measure(found.measure.name)}: {scale}."


def counted(layers: int) -> str:
    """`1 layer`, `12 layers`."""
    return f"{layers:,} layer" + ("" if layers == 1 else "s")


def _same_named(found: Any) -> list[str]:
    """How alike the layers of the same name are."""
    frame = found.diagonal()
    if not len(frame):
        return ["No layer of one has a name that the other has too."]
    scored = frame.dropna(subset="score")
    lines = []
    same = int(frame["identical"].sum())
    if same == len(frame):
        return [f"All {counted(same)} of the same name gave the same numbers, bit for bit."]
    if same:
        lines.append(f"{counted(same)} gave the same numbers in both, bit for bit: {_some(found.identical)}.")
    scored = scored[~scored["identical"]]
    if not len(scored):
        return lines
    ranked = scored.sort_values("score", ascending=found.measure.larger_is_more_similar, kind="stable")
    if len(scored) == 1:
        return [*lines, f"Of the same name: {_told(ranked.iloc[0])}."]
    apart = "; ".join(_told(row) for _, row in ranked.head(min(NAMED, len(ranked) - 1)).iterrows())
    alike = _told(ranked.iloc[-1])
    middle = number(float(scored["score"].median()))
    lines.append(
        f"{counted(len(scored))} of the same name: median {middle}. They differ most in {apart}; least in {alike}."
    )
    return lines


def _matches(found: Any, best: "pd.DataFrame") -> list[str]:
    """Which layer is most similar to which, and whether that follows their order."""
    known = best[best["layer_b"] != ""]
    shared = known[known["layer_a"].isin([*found.namesakes])]
    lines = []
    near = np.zeros(len(shared), bool)
    if len(shared):
        theirs = np.array([found[name, found.namesakes[name]] for name in shared["layer_a"]])
        near = shared["same_name"].to_numpy() | (np.abs(shared["score"].to_numpy() - theirs) < TIE)
        others = shared[~near]
        text = f"For {int(near.sum()):,} of {counted(len(shared))} of the same name, that very layer is the best match"
        text += "" if shared["same_name"][near].all() else f", or as good to within {TIE:g}"
        if len(others):
            cases = [
                f"{row['layer_a']} is more like {row['layer_b']} ({number(row['score'])}) than its namesake "
                f"({number(found[row['layer_a'], found.namesakes[row['layer_a']]])})"
                for row in others.head(NAMED).to_dict("records")
            ]
            text += f"; {', '.join(cases)}" + (f" and {len(others) - NAMED:,} more" if len(others) > NAMED else "")
        lines.append(text + ".")
    else:
        ranked = known.sort_values("score", ascending=not found.measure.larger_is_more_similar, kind="stable")
        rows: list[Any] = ranked.head(NAMED).to_dict("records")
        cases = [f"{row['layer_a']} and {row['layer_b']} ({number(row['score'])})" for row in rows]
        lines.append(f"The most similar pairs: {', '.join(cases)}.")
    told = len(known) == len(shared) and bool(near.all())  # that they follow their names says it already
    if len(known) >= FEWEST and len(set(known["layer_b"])) > 2 and not told:
        depth = _rank_correlation(
            [found.rows.index(a) for a in known["layer_a"]], [*map(found.columns.index, known["layer_b"])]
        )
        if depth >= IN_ORDER:
            lines.append(
                "Best matches follow the depth: what comes early in one is most like what comes early in the other."
            )
        elif depth < SHUFFLED:
            lines.append("Best matches do not follow the depth of the layers.")
    return lines


def _within(found: Any, best: "pd.DataFrame") -> list[str]:
    """Where the representation changes along the layers of one model."""
    steps = [found.matrix[k, k + 1] for k in range(len(found.rows) - 1)]
    known = [k for k, step in enumerate(steps) if np.isfinite(step)]
    if not known:
        return []
    sign = 1 if found.measure.larger_is_more_similar else -1
    k = min(known, key=lambda k: sign * steps[k])
    lines = [
        f"From one layer to the next it changes most between {found.rows[k]} and {found.rows[k + 1]} "
        f"({number(steps[k])}); median {number(float(np.median([steps[k] for k in known])))}."
    ]
    ranked = best[best["layer_b"] != ""].sort_values("score", ascending=sign < 0, kind="stable")
    if len(ranked):
        row = ranked.iloc[0]
        lines.append(f"The two most similar layers: {row['layer_a']} and {row['layer_b']} ({number(row['score'])}).")
    return lines


def _against_chance(found: Any) -> str:
    p = found.extras["p_adjusted"]
    if found.own:
        p = np.where(np.triu(np.ones(p.shape, bool), 1), p, np.nan)
    known = np.isfinite(p)
    more = int((p[known] < ALPHA).sum())
    return (
        f"{more:,} of {int(known.sum()):,} pairs are more similar than chance alone makes them (permuted examples, at "
        f"a false discovery rate of {ALPHA:.0%})."
    )


def _told(row: Any) -> str:
    """`encoder.3 (0.82, 0.80 to 0.84)`."""
    text = number(row["score"])
    if "low" in row.index and np.isfinite(row["low"]):
        text += f", {number(row['low'])} to {number(row['high'])}"
    return f"{row['layer_a']} ({text})"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def _rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's, with the mean rank for ties."""
    from scipy.stats import rankdata

    a, b = (rankdata(side) - (len(side) + 1) / 2 for side in (x, y))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else 0.0
