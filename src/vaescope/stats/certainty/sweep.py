"""Whether there are enough examples: a score against their number."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vaescope.errors import RepresentationError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.measure import Measure

How = Literal["prefix", "subsample"]
SWEEP = ("n", "score", "low", "high", "sd", "draws", "limit", "converged")


def n_sweep(
    x: object,
    y: object,
    measure: "str | Measure[Any]" = "cka",
    sizes: Sequence[int] | None = None,
    how: How = "subsample",
    draws: int = 10,
    seed: int = 0,
    tolerance: float = 0.02,
) -> "pd.DataFrame":
    """The score of a pair for growing numbers of examples.

    Args:
        x: (n, ...) as `similarity` takes it.
        y: (n, ...), the same examples.
        measure: a registered name, or a `Measure`.
        sizes: numbers of examples; by default halves of n while they are at least 4 times the measure's minimum, at
            most 8 of them. n itself is always there.
        how: "prefix" takes the first examples, once (right only for examples in random order); "subsample" averages
            `draws` subsets drawn without replacement.
        draws: subsets a size.
        seed: of the subsets; the b-th of a size depends on n, the size, seed and b alone.
        tolerance: how little the score must move to count as converged.

    Returns:
        n, score (mean of the draws), low, high (of the draws), sd, draws; `limit`, where a bias that falls as 1 / n
        would take the score with no end of examples: s(m) + (s(m) - s(l)) l / (m - l) from this size m and the one
        before, l (NaN for the first); and `converged`: whether this score, all that follow, and their limits lie
        within `tolerance` of this one. The last row can only be told from its limit.

    Raises:
        RepresentationError: no answer, see its `reason`.
        UsageError: sizes below the minimum or beyond n, an unknown way, or no draws.
    """
    import pandas as pd

    from vaescope.stats.certainty.intervals import subsamples
    from vaescope.stats.similarity import chosen, matrix, similarity

    if how not in ("prefix", "subsample") or draws < 1:
        raise UsageError(f"expected prefix or subsample, with at least 1 draw; got {how!r}, {draws}.")
    measure = chosen(measure)
    least = measure.minimum_n
    a, b = matrix(x, "x"), matrix(y, "y")
    n = len(a)
    if len(b) != n:
        raise RepresentationError(
            f"x and y must hold the same examples, got {n:,} and {len(b):,} rows.", "shape_mismatch"
        )
    chosen = sorted({*(halves(n, 4 * least) if sizes is None else sizes), n})
    if chosen[0] < least or chosen[-1] > n:
        raise UsageError(f"expected sizes from {least} ({measure}) to n = {n}, got {chosen}.")
    rows = []
    for size in chosen:
        if size == n or how == "prefix":
            values = np.array([similarity(a[:size], b[:size], measure)])
        else:
            values = np.array([similarity(a[some], b[some], measure) for some in subsamples(n, size, draws, seed)])
        sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
        rows.append((size, float(values.mean()), float(values.min()), float(values.max()), sd, len(values)))
    found = pd.DataFrame(rows, columns=list(SWEEP[:6]))
    found["limit"] = limits(found["n"].to_numpy(float), found["score"].to_numpy(float))
    found["converged"] = converged(found["score"].to_numpy(float), found["limit"].to_numpy(float), tolerance)
    return found


def halves(n: int, least: int) -> list[int]:
    """n, n / 2, n / 4, ... rising, none below `least`, at most 8."""
    sizes = [n >> k for k in range(8) if n >> k >= least]
    return sizes[::-1] or [n]


def limits(sizes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Each score carried on to infinitely many examples, from it and the one before, for a bias that falls as 1 / n."""
    found = np.full(len(scores), np.nan)
    step = np.diff(scores) * sizes[:-1] / np.diff(sizes)
    found[1:] = scores[1:] + step
    return found


def converged(scores: np.ndarray, ends: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether each score, those that follow and their limits are within `tolerance` of it.

    The first score has no limit of its own, so it counts only with one that follows.
    """
    found = np.zeros(len(scores), bool)
    for k in range(len(scores)):
        later = np.concatenate([scores[k:], ends[max(k, 1) :]])
        found[k] = len(scores) > 1 and bool((np.abs(later - scores[k]) <= tolerance).all())
    return found
