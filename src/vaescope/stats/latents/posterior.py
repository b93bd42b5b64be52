"""What single latents do: variances, Kullback-Leibler divergences, active units. Pure, on means and log variances."""

import numpy as np
from jaxtyping import Bool, Float, Float64

from vaescope.errors import RepresentationError

ACTIVE_UNIT = 0.01


def variances(log_var: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """σ² = exp(log_var), in float64.

    Raises:
        RepresentationError: "non_finite" where a log variance or its exponential is no number.
    """
    with np.errstate(over="ignore"):
        found = np.exp(np.asarray(log_var, np.float64))
    if not np.isfinite(found).all():
        raise RepresentationError("log_var: expected finite posterior variances, got NaN or infinity.", "non_finite")
    return found


def kl_per_latent(mean: Float[np.ndarray, "n d"], log_var: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " d"]:
    """KL(q(z_l|x) || N(0, 1)) of each latent in nats, averaged over examples: ½ (μ² + σ² - log σ² - 1).

    References:
        Kingma & Welling (2014), appendix B. https://arxiv.org/abs/1312.6114

    >>> kl_per_latent(np.array([[2.0, -1.0]]), np.zeros((1, 2)))
    array([2. , 0.5])
    """
    wide = np.asarray(log_var, np.float64)
    return 0.5 * (np.square(mean, dtype=np.float64) + variances(wide) - wide - 1).mean(axis=0)


def mean_variances(mean: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " d"]:
    """The variance of each latent's posterior mean over examples."""
    return np.asarray(mean, np.float64).var(axis=0)


def active_units(mean: Float[np.ndarray, "n d"], threshold: float = ACTIVE_UNIT) -> Bool[np.ndarray, " d"]:
    """Which latents are active units: the variance of the posterior mean over examples is above the threshold.

    References:
        Burda, Grosse & Salakhutdinov (2016), Importance weighted autoencoders.
            https://arxiv.org/abs/1509.00519
    """
    return mean_variances(mean) > threshold


def information(mean: Float[np.ndarray, "n d"], log_var: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, " d"]:
    """The most that each latent can tell of the example, I(x; z_l) in nats: ½ (log(Var μ + E σ²) - E log σ²).

    The entropy of a code is at most that of a Gaussian of its variance, the entropy of a code given the example is that
    of its posterior; the bound is exact where the codes are Gaussian. 0 where the posterior is the same for all
    examples, whatever it is: a latent can be far from the prior, cost nats of KL, and tell nothing.

    References:
        Cover & Thomas (2006), Elements of information theory, theorem 8.6.5. https://doi.org/10.1002/047174882X

    >>> information(np.array([[1.0, 5.0], [-1.0, 5.0]]), np.log([[0.01, 0.3], [0.01, 0.3]])).round(3)
    array([2.308, 0.   ])
    """
    total = mean_variances(mean) + variances(log_var).mean(axis=0)
    return np.maximum(0.5 * (np.log(total) - np.asarray(log_var, np.float64).mean(axis=0)), 0.0)
