"""What scores are when two representations have nothing to do with one another: expectation, spread, p-value.

The null hypothesis is that the examples of one side could as well be in any other order. `calibrated` puts that
expectation at 0 and the best value of the measure at 1, so that measures and widths can be read side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.certainty.hollow import Hollow
from vaescope.stats.certainty.moments import Invariants, biased_moments, debiased_moments, invariants
from vaescope.stats.measure import Measure

MOMENTS = {
    "cka": debiased_moments,
    "cka_rbf": debiased_moments,
    "cka_laplace": debiased_moments,
    "cka_biased": biased_moments,
    "rv": biased_moments,
}


@dataclass(frozen=True, eq=False)
class Null:
    """The permutation null of a matrix of scores, all fields (r, s) but the last two.

    Attributes:
        mean: expected score under permutation; exact from moments, the mean of the draws otherwise.
        sd: its standard deviation there.
        z: (score - mean) / sd, with the sign turned for a distance: large is more similar than chance. With draws, the
            score itself counts as one of them, which `max_t` needs; then |z| is at most sqrt(draws).
        calibrated: (score - mean) / (best - mean): 0 as by chance, 1 the best there can be; NaN without a best value.
        p: one-sided p-value, of a score at least so similar. From moments: Pearson type III. From draws: (1 + those at
            least so similar) / (1 + draws), never less than 1 / (1 + draws).
        tail: the p-value carried on beyond that. From moments the same as `p`; from draws that of Student's t with
            draws - 1 degrees of freedom, as if scores were normal under permutation.
        draws: permutations drawn; 0 for exact moments.
        maxima: the largest z over the matrix in each draw, (draws,), for `max_t`; empty for exact moments.
    """

    mean: Float64[np.ndarray, "r s"]
    sd: Float64[np.ndarray, "r s"]
    z: Float64[np.ndarray, "r s"]
    calibrated: Float64[np.ndarray, "r s"]
    p: Float64[np.ndarray, "r s"]
    tail: Float64[np.ndarray, "r s"]
    draws: int
    maxima: Float64[np.ndarray, " b"]


def null_from_moments(
    measure: Measure[Any],
    scores: Float64[np.ndarray, "r s"],
    xs: "Sequence[Hollow] | Invariants",
    ys: "Sequence[Hollow] | Invariants | None" = None,
) -> Null:
    """The exact permutation moments of a whole matrix of CKA, at a few operations a pair.

    Args:
        measure: one of `MOMENTS`: a CKA, debiased or not, of whatever kernel.
        scores: what the measure gave.
        xs: Gram forms of the rows, or their `invariants`.
        ys: of the columns; those of the rows if None.

    Raises:
        UsageError: no moments are known for the measure.

    References:
        Kazi-Aoual et al. (1995), which approximates by Pearson type III. https://zbmath.org/?q=an:0875.62183
    """
    if measure.name not in MOMENTS:
        raise UsageError(
            f"permutation moments are known for {', '.join(MOMENTS)}, not {measure.name}. Use permutation_null."
        )
    x = xs if isinstance(xs, Invariants) else invariants(xs)
    y = x if ys is None else ys if isinstance(ys, Invariants) else invariants(ys)
    moments = MOMENTS[measure.name](x, y)
    sd = np.sqrt(moments.variance)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (scores - moments.mean) / sd
    p = pearson_tail(z, moments.skewness)
    best = best_of(measure)
    return Null(moments.mean, sd, z, calibrated(scores, moments.mean, best), p, p, 0, np.empty(0))


def pearson_tail(z: Float64[np.ndarray, "*d"], skewness: Float64[np.ndarray, "*d"]) -> Float64[np.ndarray, "*d"]:
    """P(Z >= z) for Z of Pearson type III (a shifted gamma distribution) with mean 0, variance 1 and this skewness.

    Held against 20,000 permutations of each of 12 pairs (n = 200 and 500, both CKAs, spectra from flat to i^-2,
    skewness 0 to 2.4), p <= .05, .01 and .001 came up 0.92 to 1.03, 1.00 to 1.12 and 0.75 to 1.6 times as often as it
    should. Smaller values say "much smaller than that" and no more.
    """
    from scipy.special import gammainc, gammaincc, ndtr

    g = np.abs(np.where(np.abs(skewness) < 1e-4, 1.0, skewness))
    shape = 4 / g**2
    argument = shape + np.where(skewness < 0, -z, z) * 2 / g
    beyond = np.maximum(argument, 0)
    found = np.where(skewness < 0, gammainc(shape, beyond), gammaincc(shape, beyond))
    return np.where(np.isnan(z), np.nan, np.where(np.abs(skewness) < 1e-4, ndtr(-z), found))


def student_tail(score: Float64[np.ndarray, "*d"], n: int) -> Float64[np.ndarray, "*d"]:
    """The p-value of debiased CKA if both representations have very many dimensions of like variance.

    With v = n (n - 3) / 2, sqrt(v - 1) s / sqrt(1 - s^2) is then Student's t with v - 1 degrees of freedom. Where a few
    dimensions dominate the null is skewed and this says too much (p <= .01 up to 3.5 times too often, p <= .001 up to
    18 times, in the trial of `pearson_tail`); `null_from_moments` does not need the assumption.

    References:
        Székely & Rizzo (2013), The distance correlation t-test of independence in high dimension, theorem 1.
            https://doi.org/10.1016/j.jmva.2013.02.012
    """
    from scipy.special import stdtr

    v = n * (n - 3) / 2
    with np.errstate(divide="ignore"):
        return stdtr(v - 1, -np.sqrt(v - 1) * score / np.sqrt(1 - np.minimum(score**2, 1)))


def expected_cka(
    n: int, x: float | Float64[np.ndarray, " r"], y: float | Float64[np.ndarray, " s"]
) -> float | Float64[np.ndarray, "r s"]:
    """The expectation of biased CKA between independent representations, 1 / sqrt((1 + n / P) (1 + n / Q)), about.

    Args:
        n: examples.
        x: P, participation ratio of the population of the rows; see `participation_ratio`.
        y: Q, of the columns.

    Returns:
        A number for two numbers, else a matrix.

    References:
        Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures in biological and
            artificial neural networks. https://arxiv.org/abs/2405.01012

    >>> round(expected_cka(1000, 32_768, 32_768), 2)
    0.97
    """
    found = 1 / np.sqrt(np.multiply.outer(1 + n / np.asarray(x, float), 1 + n / np.asarray(y, float)))
    return float(found) if found.ndim == 0 else found


def best_of(measure: Measure[Any]) -> float:
    """The value of a measure for a representation with itself; NaN where its bounds have no end on that side."""
    best = measure.bounds[1] if measure.larger_is_more_similar else measure.bounds[0]
    return best if np.isfinite(best) else np.nan


def calibrated(
    scores: Float64[np.ndarray, "*d"], expected: Float64[np.ndarray, "*d"], best: float
) -> Float64[np.ndarray, "*d"]:
    """(score - expected) / (best - expected); NaN where chance is already within 1e-9 of the best."""
    room = best - expected
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.abs(room) > 1e-9, (scores - expected) / room, np.nan)
