"""Participation ratio: how many dimensions a representation spreads its variance over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError

if TYPE_CHECKING:
    from vaescope.stats.certainty.hollow import Hollow


def participation_ratio(x: object, corrected: bool = True) -> float:
    """(tr S)^2 / tr S^2 for the covariance S: p for p equal variances, 1 for one direction only.

    The sample's own ratio is at most n - 1 and too small unless n is many times the ratio. `corrected` divides unbiased
    estimates of numerator and denominator: averages over distinct examples of |x_i - x_j|^2 |x_k - x_l|^2 / 4
    and of the products of U-centred Gram matrices, sum of K~_ij^2 / (n (n - 3)).

    Args:
        x: (n, ...) as `similarity` takes it; n at least 4.
        corrected: for the population, not for this sample.

    Returns:
        The ratio; infinite where the examples are equally far from one another, so that no direction is seen twice.

    Raises:
        RepresentationError: no answer, see its `reason`.

    References:
        Gao et al. (2017), A theory of multineuronal dimensionality, dynamics and measurement.
            https://doi.org/10.1101/214262
        Song et al. (2012), Feature selection via dependence maximization, eq. 4 (the unbiased denominator).
            https://jmlr.org/papers/v13/song12a.html
    """
    from vaescope.stats.forms.examples import Examples
    from vaescope.stats.forms.features import Features
    from vaescope.stats.forms.gram import LinearGram
    from vaescope.stats.similarity import matrix

    values = matrix(x)
    if len(values) < 4:
        raise UsageError(f"expected at least 4 examples, got {len(values)}.")
    form = (Features if values.shape[1] < len(values) else LinearGram).of(Examples(values))
    return float(participation_ratios([form], corrected)[0])


def participation_ratios(forms: "Sequence[Hollow]", corrected: bool = True) -> Float64[np.ndarray, " r"]:
    """The ratios of prepared representations (`Gram` or `Features`), at a few operations an example.

    With a the diagonal of K (squared norms of the centred examples), q = |K~|^2 off the diagonal, and t = tr K:
    |K|^2 = q + n / (n - 2) |a - mean|^2 + t^2 / (n - 1), and with D_ij = |x_i - x_j|^2 the sums over distinct
    quadruples are (sum D)^2 - 4 sum_i (sum_j D_ij)^2 + 2 sum D^2, all of them functions of n, a and |K|^2.
    """
    a = np.stack([np.asarray(form.diagonal, np.float64) for form in forms])
    q = 2 * np.array([form.square for form in forms])
    n = a.shape[1]
    t = a.sum(axis=1)
    squares = np.square(a).sum(axis=1)
    whole = q + n / (n - 2) * np.square(a - t[:, None] / n).sum(axis=1) + t**2 / (n - 1)
    if not corrected:
        return t**2 / whole
    rows = np.square(n * a + t[:, None]).sum(axis=1)
    quadruples = 4 * n**2 * t**2 - 4 * rows + 2 * (2 * n * squares + 2 * t**2 + 4 * whole)
    numerator = quadruples / (4 * n * (n - 1) * (n - 2) * (n - 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(q > 0, numerator * n * (n - 3) / q, np.inf)
