"""The shape of one representation: how much it varies, in how many directions, and by how few examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from vaescope.stats.certainty.influence import concentration
from vaescope.stats.certainty.participation import participation_ratios
from vaescope.stats.halves import Sums

COLUMNS = 1024  # at once, so that they stay in cache
DEAD = 1e-8  # of the variance it is held against
ONE_DIRECTION, NEARLY_DEAD = 1e-3, 1e-4


@dataclass(frozen=True)
class Shape:
    """What is known of a representation without looking at others.

    Attributes:
        examples: how many were looked at.
        features: width.
        participation: participation ratio, corrected for the number of examples; NaN for a constant.
        directions: that of the sample itself, at least 1; NaN for a constant.
        variance: the sum over features, an example; NaN where values are not finite.
        constant: whether it varies by no more than the rounding of its values.
        top_share: of the squared norm of the U-centred Gram matrix, what lies in the rows of the heaviest 1 % of
            examples; NaN for a constant.
    """

    examples: int
    features: int
    participation: float
    directions: float
    variance: float
    constant: bool
    top_share: float


def shape_of(x: Shaped[np.ndarray, "n p"], prepared: Sums | None) -> Shape:
    """The shape of a representation.

    Args:
        x: the representation, (n, p).
        prepared: what CKA needs of it; None where it cannot be compared.
    """
    (n, p), spread = x.shape, variance(x)
    if prepared is None:
        return Shape(n, p, np.nan, np.nan, spread, bool(np.isfinite(spread)) and n >= 4, np.nan)
    forms = [prepared.form]
    corrected, plain = (float(participation_ratios(forms, c)[0]) for c in (True, False))
    with np.errstate(invalid="ignore", divide="ignore"):
        top = float(concentration(forms).top_share[0, 0])
    return Shape(n, p, corrected, plain, spread, False, top)


def variance(x: Shaped[np.ndarray, "n p"]) -> float:
    """The mean squared distance of the rows from their mean, without cancellation where means are large."""
    n = len(x)
    total, average = 0.0, np.full(n, 1 / n, x.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, x.shape[1], COLUMNS):
            part = x[:, start : start + COLUMNS] - x[0, start : start + COLUMNS]
            means = (average @ part).astype(np.float64)
            total += float(np.vdot(part, part)) / n - float(means @ means)
    return max(total, 0.0) if np.isfinite(total) else np.nan


def dead(shapes: Sequence[Shape]) -> Bool[np.ndarray, " s"]:
    """Whether a layer has nothing to say, at each of its snapshots.

    Dead is what is constant up to rounding; what varies less than 1e-8 of the most it has varied so far; and what
    varies less than 1e-4 of that, and in one direction only (participation ratio of the sample below 1 + 1e-3, though
    there are several features). "So far", as decoders at step 0 vary 1e-11 times as much as at the end and are not
    dead. One direction alone does not make a layer dead either: a code with one latent in use has no more.

    Args:
        shapes: of one layer, by ascending step.
    """
    variances: Float64[np.ndarray, " s"] = np.array([shape.variance for shape in shapes], np.float64)
    constant = np.array([shape.constant for shape in shapes], bool)
    line = np.array([s.features > 1 and s.directions < 1 + ONE_DIRECTION for s in shapes], bool)
    with np.errstate(invalid="ignore"):
        most = np.fmax.accumulate(variances)
        return constant | (variances < DEAD * most) | (line & (variances < NEARLY_DEAD * most))
