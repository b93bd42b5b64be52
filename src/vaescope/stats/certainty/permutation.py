"""Permutation nulls by Monte Carlo, for any measure and all pairs of a zoo at once.

One permutation serves the whole matrix: the columns are given in the new order once each, and every row is compared
with them. So `draws` permutations of a matrix cost `draws` matrices, and the draws of different cells are those of one
joint distribution, as `max_t` needs.

References:
    Phipson & Smyth (2010), Permutation p-values should never be zero. https://arxiv.org/abs/1603.05766
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.stats.certainty.null import Null, best_of, calibrated
from vaescope.stats.certainty.reorder import Again, permuted
from vaescope.stats.forms.form import Engine, Form
from vaescope.stats.measure import Measure

AT_ONCE = 32  # permuted copies of one representation in memory


def permutations(n: int, draws: int, seed: int) -> Int[np.ndarray, "draws n"]:
    """Orders of n examples; the b-th depends on n, seed and b alone."""
    return np.stack([np.random.default_rng([seed, b]).permutation(n) for b in range(draws)])


def permutation_null(
    measure: Measure[Any],
    scores: Float64[np.ndarray, "r s"],
    xs: Sequence[Form],
    ys: Sequence[Form] | None = None,
    *,
    n: int,
    draws: int = 199,
    seed: int = 0,
    again: Sequence[Again] | None = None,
    engine: Engine = map,
    progress: Progress | None = None,
) -> Null:
    """The null of every score of a matrix by permuting the examples of the columns.

    Costs `draws` times the comparing of the matrix; 19 draws are the fewest that give p = 0.05, and with the same
    again for the scores themselves stay within 20 times their cost; `Null.tail` then tells more than `Null.p`. For
    CKA `null_from_moments` needs no draws.

    Args:
        measure: compares the forms.
        scores: what it gave, (r, s); NaN where a pair has no score.
        xs: the forms of the rows.
        ys: of the columns. If None, those of the rows: a symmetric measure is then computed for one triangle only,
            and the diagonal is no test: NaN but for `calibrated`, which is 1.
        n: examples.
        draws: permutations.
        seed: of the permutations.
        again: for each column a function that prepares some rows of it; needed where forms cannot be permuted.
        engine: maps pairs.
        progress: checked between blocks.

    Raises:
        UsageError: fewer than 2 draws, or forms that cannot be permuted and no `again`.
    """
    if draws < 2:
        raise UsageError(f"expected at least 2 permutations, got {draws}. Take 19 or more.")
    orders = permutations(n, draws, seed)
    columns = xs if ys is None else ys
    half = ys is None and measure.symmetric
    sign = 1.0 if measure.larger_is_more_similar else -1.0
    mean, sd, z, p, tail = (np.full(scores.shape, np.nan) for _ in range(5))
    maxima = np.full(draws, -np.inf)
    for j, y in enumerate(columns):
        rows = slice(0, j if half else len(xs))
        if not xs[rows]:
            continue
        drawn = np.full((len(xs[rows]), draws), np.nan)
        for first in range(0, draws, AT_ONCE):
            part = orders[first : first + AT_ONCE]
            shuffled = permuted(y, part, None if again is None else again[j])
            drawn[:, first : first + len(part)] = measure.block(xs[rows], shuffled, None, engine, progress)
        score = scores[rows, j]
        mean[rows, j], sd[rows, j] = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
        p[rows, j] = counted(score, drawn, sign)
        tail[rows, j] = _predicted(sign * score, sign * drawn)
        standardised = _standardised(sign * np.column_stack([score, drawn]))
        z[rows, j] = standardised[:, 0]
        if ys is None and not half:
            standardised[j] = np.nan
        maxima = np.fmax(maxima, np.fmax.reduce(standardised[:, 1:], axis=0))
    if half:
        mean, sd, z, p, tail = (_mirrored(m) for m in (mean, sd, z, p, tail))
    found = calibrated(scores, mean, best_of(measure))
    if ys is None:
        for field, value in ((mean, np.nan), (sd, np.nan), (z, np.nan), (p, np.nan), (tail, np.nan), (found, 1.0)):
            np.fill_diagonal(field, value)
    return Null(mean, sd, z, found, p, tail, draws, maxima)


def counted(
    score: Float64[np.ndarray, "*d"], drawn: Float64[np.ndarray, "*d b"], sign: float = 1.0
) -> Float64[np.ndarray, "*d"]:
    """(1 + number of draws at least so similar) / (1 + draws); NaN where the score or a draw is.

    Draws within 1e-12 of the score count as equal to it, so that rounding does not break ties.
    """
    slack = 1e-12 * np.maximum(1, np.abs(score))
    found = (1 + (sign * drawn >= (sign * score - slack)[..., None]).sum(axis=-1)) / (1 + drawn.shape[-1])
    return np.where(np.isnan(score) | np.isnan(drawn).any(axis=-1), np.nan, found)


def _predicted(score: Float64[np.ndarray, " r"], drawn: Float64[np.ndarray, "r b"]) -> Float64[np.ndarray, " r"]:
    """P that one more draw from the same normal distribution is at least `score`."""
    from scipy.special import stdtr

    b = drawn.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (score - drawn.mean(axis=1)) / (drawn.std(axis=1, ddof=1) * np.sqrt(1 + 1 / b))
    return stdtr(b - 1, -t)


def _standardised(values: Float64[np.ndarray, "r b"]) -> Float64[np.ndarray, "r b"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    return np.where(np.isfinite(found), found, np.nan)


def _mirrored(upper: np.ndarray) -> np.ndarray:
    return np.where(np.tri(len(upper), k=-1, dtype=bool), upper.T, upper)
