"""The similarity of mean and sampled codes that active and passive latents bring about: a gauge of collapse.

z = μ + σ ε with ε independent of everything, so with C the covariance of the means and S the diagonal matrix of mean
posterior variances, Cov(μ, z) = C and Cov(z) = C + S. Linear CKA is |Cov(μ, z)|² / (|C| |C + S|), in Frobenius norms,
hence |C| / |C + S|, whatever the shapes of the distributions. In the polarised regime an active latent has variance
1 in μ and next to none in σ², a passive one the reverse: the square root of (active / latents).
"""

import numpy as np
from jaxtyping import Float

from vaescope.errors import UsageError


def gauge(active: int, latents: int) -> float:
    """CKA of mean and sampled codes where so many latents are active and the others passive: sqrt(active / latents).

    Args:
        active: latents with unit variance of the mean and hardly any posterior variance.
        latents: all of them.

    >>> gauge(5, 10)
    0.7071067811865476
    """
    if not (0 <= active <= latents and latents > 0):
        raise UsageError(f"gauge: expected 0 <= active <= latents, latents at least 1; got {active} of {latents}.")
    return float(np.sqrt(active / latents))


def expected_mean_sampled(
    mean_variances: Float[np.ndarray, " d"],
    posterior_variances: Float[np.ndarray, " d"],
    covariance: Float[np.ndarray, "d d"] | None = None,
) -> float:
    """CKA of mean and sampled codes in the limit of many examples, for any latents: |C| / |C + S|.

    Without a covariance the means are taken to be uncorrelated: sqrt(Σ a² / Σ (a + s)²).

    Args:
        mean_variances: a, the variance of each latent's mean over examples.
        posterior_variances: s, each latent's mean posterior variance.
        covariance: of the means, where they are correlated; its diagonal is a.

    Returns:
        0 to 1; NaN where the means do not vary at all, for which there is no CKA.

    >>> round(expected_mean_sampled(np.array([1.0, 1, 0, 0]), np.array([0.0, 0, 1, 1])), 4)
    0.7071
    """
    a, s = (np.asarray(v, np.float64) for v in (mean_variances, posterior_variances))
    off = 0.0
    if covariance is not None:
        off = float(np.square(covariance, dtype=np.float64).sum() - np.square(np.diagonal(covariance)).sum())
    below = np.square(a).sum() + off
    return float(np.sqrt(below / (np.square(a + s).sum() + off))) if below > 0 else float("nan")


def expected_two_draws(mean_variances: Float[np.ndarray, " d"], posterior_variances: Float[np.ndarray, " d"]) -> float:
    """CKA of two independent draws of the sampled codes, uncorrelated means: Σ a² / Σ (a + s)²; about active / latents.

    NaN where the means do not vary at all.
    """
    return expected_mean_sampled(mean_variances, posterior_variances) ** 2


def active_of(mean_sampled: float, latents: int) -> float:
    """How many active latents a CKA of mean and sampled codes speaks of: latents times its square.

    >>> active_of(0.5, 12)
    3.0
    """
    return latents * max(mean_sampled, 0.0) ** 2
