"""How many dimensions a cloud of points has, from the distances of neighbours."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Float64

from vaescope.errors import RepresentationError, UsageError

Method = Literal["mle", "two_nn"]
NEIGHBOURS = 20
KEPT = 0.9
SAME = 1e-9  # logarithms of ratios that are rounding alone


def intrinsic_dimension(x: Float[np.ndarray, "n p"], method: Method = "mle") -> float:
    """The intrinsic dimension of a representation, by one of the two estimators below with their usual settings."""
    if method == "mle":
        return maximum_likelihood_dimension(x)
    if method == "two_nn":
        return two_nn_dimension(x)
    raise UsageError(f"intrinsic_dimension: expected 'mle' or 'two_nn', got {method!r}.")


def maximum_likelihood_dimension(x: Float[np.ndarray, "n p"], k: int = NEIGHBOURS) -> float:
    """The estimate of Levina and Bickel with the average of MacKay and Ghahramani.

    Around a point the number of neighbours within a radius grows with its d-th power; with T_j the distance of the j-th
    neighbour, the mean of log(T_k / T_j) over j < k then estimates 1 / d without bias, and is averaged over all points
    before it is inverted. (Averaging d itself gives too much. Dividing by k - 2 instead, as some do, is right for that
    average, but with this one gives too little by one part in k - 1.) It takes the density for constant within k
    neighbours: with few points in many dimensions (from about 10 on for 1,000 points) the estimate is too low.

    Args:
        x: (n, p); equal rows count once.
        k: how many neighbours.

    Raises:
        UsageError: k is less than 2.
        RepresentationError: "too_few" different points, "non_finite" values.

    References:
        Levina & Bickel (2004), Maximum likelihood estimation of intrinsic dimension.
            https://papers.nips.cc/paper/2577-maximum-likelihood-estimation-of-intrinsic-dimension
        MacKay & Ghahramani (2005), Comments on the above.
            http://www.inference.org.uk/mackay/dimension/
    """
    if k < 2:
        raise UsageError(f"maximum_likelihood_dimension: expected at least 2 neighbours, got k={k}.")
    distances = _neighbours(x, k)
    return float(1 / np.log(distances[:, -1:] / distances[:, :-1]).mean())


def two_nn_dimension(x: Float[np.ndarray, "n p"], kept: float = KEPT) -> float:
    """The estimate from two neighbours: the ratio of their distances has the distribution function 1 - ratio^-d.

    d is the slope, through the origin, of -log(1 - F) against the log of the ratio, without the largest ratios.

    Args:
        x: (n, p); equal rows count once.
        kept: the share of the points whose ratios are kept, the smallest.

    Raises:
        UsageError: `kept` is no share.
        RepresentationError: "too_few" different points, "non_finite" values.

    References:
        Facco, d'Errico, Rodriguez & Laio (2017), Estimating the intrinsic dimension of datasets by a minimal
            neighborhood information. https://arxiv.org/abs/1803.06992
    """
    if not 0 < kept <= 1:
        raise UsageError(f"two_nn_dimension: expected a share of at most 1, e.g. 0.9, got kept={kept}.")
    distances = _neighbours(x, 2)
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n = len(ratios)
    last = min(max(int(n * kept), 1), n - 1)  # the very last has 1 - F = 0
    ratios, heights = ratios[:last], -np.log1p(-np.arange(1, last + 1) / n)
    steep = float(ratios @ ratios)
    if not steep > SAME**2 * n:
        raise RepresentationError("two_nn_dimension: all points are equally far from their neighbours.", "too_few")
    return float(ratios @ heights) / steep


def _neighbours(x: Float[np.ndarray, "n p"], k: int) -> Float64[np.ndarray, "m _"]:
    """Distances of each different point to its k nearest others, ascending."""
    from sklearn.neighbors import NearestNeighbors

    values = np.asarray(x, np.float64)
    if not np.isfinite(values).all():
        raise RepresentationError("intrinsic dimension: expected finite values, got NaN or infinity.", "non_finite")
    points = np.unique(values, axis=0)
    if len(points) < k + 2:
        raise RepresentationError(
            f"intrinsic dimension: expected at least {k + 2} different points, got {len(points)} of {len(values)}; "
            "take more examples.",
            "too_few",
        )
    scale = np.abs(points - points[0]).max()
    points = (points - points[0]) / scale
    found = NearestNeighbors(n_neighbors=k).fit(points).kneighbors()[0]
    return np.maximum(found, np.finfo(np.float64).tiny)
