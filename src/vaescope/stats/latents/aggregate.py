"""Whether sampled codes look like draws from the prior: each latent's moments and its distance from N(0, 1)."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64

from vaescope.errors import RepresentationError
from vaescope.stats.latents.posterior import variances

Fit = Literal["prior", "shifted", "narrow", "wide", "shaped"]
TOLERANCE = 0.05


@dataclass(frozen=True)
class Marginal:
    """The aggregate posterior q(z_l) of one latent.

    Attributes:
        mean: of z_l; the prior's is 0.
        variance: of z_l, Var[μ] + E[σ²]; the prior's is 1.
        skewness: third standardised central moment; the prior's is 0.
        excess: fourth standardised central moment less 3; the prior's is 0.
        distance: Kolmogorov-Smirnov, the largest gap between the distribution functions of q(z_l) and N(0, 1), 0 to 1.
        fit: "prior" where the distance is within the tolerance; else what is off most: "shifted" (the mean), "narrow"
            or "wide" (the variance), or "shaped" (neither; the form, as of two humps).
    """

    mean: float
    variance: float
    skewness: float
    excess: float
    distance: float
    fit: Fit


def marginals(
    mean: Float[np.ndarray, "n d"], log_var: Float[np.ndarray, "n d"], tolerance: float = TOLERANCE
) -> tuple[Marginal, ...]:
    """How far each latent's aggregate posterior is from the prior.

    q(z_l) is the mixture of n posteriors, whose moments and distribution function are known: nothing is drawn. The n
    examples are a sample: of a latent that fits exactly and has no posterior variance, the distance is about
    0.87 / sqrt(n) (0.027 with n = 1,000).

    Args:
        mean: posterior means.
        log_var: natural-log posterior variances.
        tolerance: the distance within which a latent is said to follow the prior.

    References:
        Rosca, Lakshminarayanan & Mohamed (2018), Distribution matching in variational inference, on q(z) beside p(z).
            https://arxiv.org/abs/1802.06847
    """
    spread = variances(log_var)
    wide = np.asarray(mean, np.float64)
    if not np.isfinite(wide).all():
        raise RepresentationError("mean: expected finite posterior means, got NaN or infinity.", "non_finite")
    return tuple(_marginal(m, v, tolerance) for m, v in zip(wide.T, spread.T, strict=True))


def aggregate_covariance(
    mean: Float[np.ndarray, "n d"], log_var: Float[np.ndarray, "n d"]
) -> tuple[Float64[np.ndarray, "d d"], Float64[np.ndarray, "d d"]]:
    """Covariances over examples of the means, and of the sampled codes: the same with E[σ²] added to the diagonal."""
    wide = np.asarray(mean, np.float64)
    centred = wide - wide.mean(axis=0)
    found = centred.T @ centred / len(wide)
    return found, found + np.diag(variances(log_var).mean(axis=0))


def gaussian_total_correlation(covariance: Float[np.ndarray, "d d"]) -> float:
    """The total correlation, in nats, of a Gaussian of this covariance: -½ log det of the correlation matrix.

    Latents without variance are left out; infinite where one is a linear function of the others.

    References:
        Locatello et al. (2019), Challenging common assumptions, which compares it between mean and sampled
            codes. https://arxiv.org/abs/1811.12359
    """
    scale = np.sqrt(np.diagonal(covariance))
    there = scale > 0
    correlation = covariance[np.ix_(there, there)] / np.outer(scale[there], scale[there])
    sign, log_det = np.linalg.slogdet(correlation)
    return float(max(-0.5 * log_det, 0.0)) if sign > 0 else math.inf


def _marginal(mean: Float64[np.ndarray, " n"], variance: Float64[np.ndarray, " n"], tolerance: float) -> Marginal:
    centre = float(mean.mean())
    off = mean - centre
    total = float((off**2 + variance).mean())
    third = float((off**3 + 3 * off * variance).mean())
    fourth = float((off**4 + 6 * off**2 * variance + 3 * variance**2).mean())
    known = total > 0
    distance = _distance(mean, np.sqrt(variance))
    fit: Fit = "prior"
    if distance > tolerance:
        misses: dict[Fit, float] = {
            "shifted": _gaussian_gap(centre, 1.0),
            "narrow" if total < 1 else "wide": _gaussian_gap(0.0, math.sqrt(total)),
            "shaped": tolerance,
        }
        fit = max(misses, key=lambda name: misses[name])
    return Marginal(
        centre,
        total,
        third / total**1.5 if known else 0.0,
        fourth / total**2 - 3 if known else 0.0,
        distance,
        fit,
    )


def _distance(mean: Float64[np.ndarray, " n"], std: Float64[np.ndarray, " n"]) -> float:
    """The largest gap between the mixture's distribution function and that of N(0, 1).

    Looked for at 200 quantiles of the prior and 200 of the means, where narrow posteriors make the function jump.
    """
    from scipy.special import ndtr, ndtri

    shares = (np.arange(200) + 0.5) / 200
    grid = np.concatenate([ndtri(shares), np.quantile(mean, shares)])
    gap = 0.0
    scale = np.maximum(std, 1e-12)
    for piece in np.array_split(grid, max(1, len(grid) * len(mean) // 200_000)):
        mixture = ndtr((piece[:, None] - mean) / scale).mean(axis=1)
        gap = max(gap, float(np.abs(mixture - ndtr(piece)).max()))
    return gap


def _gaussian_gap(mean: float, std: float) -> float:
    """The distance between N(mean, std²) and N(0, 1), where only one of the two is off."""
    from scipy.special import ndtr

    if std == 1.0:
        return float(2 * ndtr(abs(mean) / 2) - 1)
    if std <= 0:
        return 0.5
    at = math.sqrt(2 * math.log(std) / (1 - std**-2))
    return float(abs(ndtr(at / std) - ndtr(at)))
