"""Gaussian posteriors as rows of a representation: the mean, then the covariance matrix row by row."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from vaescope.errors import RepresentationError, UsageError

NEGATIVE = 1e-5  # of the largest eigenvalue: what rounding of float32 may leave below zero


def gaussian(mean: object, log_var: object = None, covariance: object = None) -> Shaped[np.ndarray, "n w"]:
    """Rows that `gaussian_shape` compares, from the parameters of q(z|x) for n examples.

    Args:
        mean: (n, d), a numpy array or a torch tensor.
        log_var: (n, d), logarithms of variances, for diagonal covariances.
        covariance: (n, d, d); exactly one of the two is given.

    Returns:
        (n, d + d * d), float64 if the parameters are, else float32.

    Raises:
        UsageError: the shapes do not fit, or both or none of `log_var` and `covariance` are given.

    >>> gaussian([[0.0, 1.0]], log_var=[[0.0, 0.0]])
    array([[0., 1., 1., 0., 0., 1.]])
    """
    if (log_var is None) == (covariance is None):
        raise UsageError("gaussian: give either log_var, (n, d), or covariance, (n, d, d).")
    centre = _array(mean)
    spread = _array(covariance if log_var is None else log_var)
    if centre.ndim != 2 or not centre.size:
        raise UsageError(f"gaussian: expected a mean of shape (n, d), got {centre.shape}.")
    n, d = centre.shape
    if spread.shape != ((n, d, d) if log_var is None else (n, d)):
        raise UsageError(
            f"gaussian: with a mean of shape {centre.shape} expected "
            f"{f'covariance of shape {(n, d, d)}' if log_var is None else f'log_var of shape {(n, d)}'}, "
            f"got {spread.shape}."
        )
    if log_var is not None:
        with np.errstate(over="ignore"):
            variances = np.exp(spread)
        if not np.isfinite(variances).all() and np.isfinite(spread).all():
            raise UsageError(f"gaussian: the variance of log_var {float(spread.max()):.3g} is beyond {spread.dtype}.")
        spread = np.zeros((n, d, d), variances.dtype)
        spread[:, np.arange(d), np.arange(d)] = variances
    return np.hstack([centre, spread.reshape(n, d * d)])


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values if values.element_size() > 2 else values.float()).numpy()
    found = np.asarray(values)
    return found.astype(np.float32 if found.dtype in (np.float32, np.float16) else np.float64, copy=False)


def dimensions(width: int) -> int:
    """The d of rows of d + d * d numbers.

    Raises:
        RepresentationError: "shape_mismatch" if there is none.
    """
    d = (math.isqrt(1 + 4 * width) - 1) // 2
    if d + d * d != width:
        raise RepresentationError(
            f"expected rows of a mean (d) and a covariance (d x d), d + d * d numbers: 2, 6, 12, 20, 30, ...; got "
            f"{width}. Make them with vaescope.gaussian(mean, log_var) or (mean, covariance=...).",
            "shape_mismatch",
        )
    return d


def moments(x: Shaped[np.ndarray, "n w"]) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "n d d"]]:
    """Means, less their mean over examples, and square roots of covariances, of posteriors of total variance 1.

    The total variance is that of a draw of z for a random example: the mean of |mean|^2 + trace of the covariance.

    Args:
        x: (n, d + d * d), finite.

    Raises:
        RepresentationError: "ill_conditioned" if a covariance is not symmetric or has a negative eigenvalue, up to
            rounding; "shape_mismatch" as `dimensions`.
    """
    n, d = len(x), dimensions(x.shape[1])
    means, covariances = x[:, :d].astype(np.float64), x[:, d:].astype(np.float64).reshape(n, d, d)
    unit = int(np.frexp(max(float(np.abs(means - means[0]).max()), float(np.sqrt(np.abs(covariances).max()))))[1])
    means, covariances = np.ldexp(means - means[0], -unit), np.ldexp(covariances, -2 * unit)
    means -= means.mean(axis=0)
    size = np.abs(covariances).max(axis=(1, 2))
    skew = np.abs(covariances - covariances.swapaxes(1, 2)).max(axis=(1, 2))
    _refuse(skew > NEGATIVE * size, "symmetric entries")
    variances, axes = np.linalg.eigh((covariances + covariances.swapaxes(1, 2)) / 2)
    _refuse(variances[:, 0] < -NEGATIVE * size, "no negative eigenvalue")
    roots = (axes * np.sqrt(np.maximum(variances, 0))[:, None, :]) @ axes.swapaxes(1, 2)
    total = float(np.sqrt((np.square(means).sum() + np.square(roots).sum()) / n))
    return means / total, roots / total


def _refuse(bad: np.ndarray, expected: str) -> None:
    if bad.any():
        raise RepresentationError(
            f"expected every covariance to have {expected}; {int(bad.sum()):,} of {len(bad):,} have not, the first at "
            f"row {int(bad.argmax())}. Rows are a mean, then the covariance row by row.",
            "ill_conditioned",
        )
