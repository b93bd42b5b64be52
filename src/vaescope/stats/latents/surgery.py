"""The KL term taken apart: mutual information, total correlation, and the KL of each latent's marginal.

All of it rests on the aggregate posterior q(z), the mixture of the posteriors of all N examples of the dataset. A probe
set shows n of them, so log q(z) is an estimate, of which more is known than that it is one (`Surgery`).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from vaescope.errors import UsageError
from vaescope.stats.latents.posterior import kl_per_latent, variances

CELLS = 500_000  # densities held at once: what a core's cache has room for
LEAST_LOG_VAR = -600.0  # below it, a standard deviation has no inverse in float64


@dataclass(frozen=True)
class Surgery:
    """The parts of E KL(q(z|x) || p(z)), in nats: kl = mutual_information + marginal_kl.

    Attributes:
        kl: exact, the mean over the examples given.
        mutual_information: I(x; z), by stratified weights of the n posteriors, at most `kl`. Its q(z) is unbiased, its
            logarithm is therefore too low (Jensen) and this too high, the more so the sharper the posteriors; it
            cannot exceed log N.
        mutual_information_low: a lower bound in expectation, which cannot exceed log n.
        mutual_information_high: an upper bound in expectation: the least of `kl`, log N and the estimate that leaves
            the code's own example out of the mixture.
        marginal_kl: KL(q(z) || p(z)) = kl - mutual_information: what a better prior could save.
        total_correlation: KL(q(z) || Π q(z_l)); as much too low as mutual_information is too high, and below 0 where
            the latents are nearly independent.
        kl_per_latent: (d,), exact.
        marginal_kl_per_latent: KL(q(z_l) || p(z_l)), (d,), in 1-D, where n posteriors show the mixture well.
    """

    kl: float
    mutual_information: float
    mutual_information_low: float
    mutual_information_high: float
    marginal_kl: float
    total_correlation: float
    kl_per_latent: Float64[np.ndarray, " d"]
    marginal_kl_per_latent: Float64[np.ndarray, " d"]

    @property
    def information_per_latent(self) -> Float64[np.ndarray, " d"]:
        """I(x; z_l) = KL - marginal KL of each latent, (d,), nats."""
        return np.maximum(self.kl_per_latent - self.marginal_kl_per_latent, 0.0)


def surgery(
    mean: Float[np.ndarray, "n d"],
    log_var: Float[np.ndarray, "n d"],
    noise: Float[np.ndarray, "n d"],
    examples: int | None = None,
) -> Surgery:
    """The parts of the KL term, from posteriors and one code drawn from each.

    Args:
        mean: posterior means.
        log_var: natural-log posterior variances.
        noise: ε of the codes, standard normal and independent of the examples.
        examples: N, of the dataset the n were drawn from; None: the n are all there are, and q(z) is exact.

    Raises:
        UsageError: fewer than 2 examples, or N is less than n.
        RepresentationError: "non_finite" posterior variances.

    References:
        Hoffman & Johnson (2016), ELBO surgery. http://approximateinference.org/accepted/HoffmanJohnson2016.pdf
        Chen et al. (2018), Isolating sources of disentanglement, appendix C. https://arxiv.org/abs/1802.04942
        Poole et al. (2019), On variational bounds of mutual information, for the two bounds.
            https://arxiv.org/abs/1905.06922
    """
    n = len(mean)
    total = n if examples is None else examples
    if n < 2 or total < n:
        raise UsageError(f"surgery: expected at least 2 examples, and N at least as many; got n = {n}, N = {total}.")
    mean, log_var = np.asarray(mean, np.float64), np.asarray(log_var, np.float64)
    each_kl = kl_per_latent(mean, log_var)
    kl = float(each_kl.sum())
    log_var = np.maximum(log_var, LEAST_LOG_VAR)
    std = np.sqrt(variances(log_var))
    codes = mean + std * noise
    own, others, marginals = _log_densities(codes, mean, log_var, 1 / std, total)
    log_q = np.logaddexp(own - np.log(total), others + _log1m(total))
    within = np.logaddexp(own - np.log(n), others + _log1m(n))
    information = float((own - log_q).mean())
    low, high = float((own - within).mean()), float((own - others).mean())
    kept = float(np.clip(information, 0.0, kl))
    log_prior = -0.5 * (np.square(codes) + np.log(2 * np.pi))
    return Surgery(
        kl=kl,
        mutual_information=kept,
        mutual_information_low=float(np.clip(low, 0.0, kept)),
        mutual_information_high=max(kept, min(kl, high, float(np.log(total)))),
        marginal_kl=kl - kept,
        total_correlation=float((log_q - marginals.sum(axis=1)).mean()),
        kl_per_latent=each_kl,
        marginal_kl_per_latent=(marginals - log_prior).mean(axis=0),
    )


def _log_densities(
    codes: Float64[np.ndarray, "n d"],
    mean: Float64[np.ndarray, "n d"],
    log_var: Float64[np.ndarray, "n d"],
    inverse_std: Float64[np.ndarray, "n d"],
    total: int,
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Float64[np.ndarray, "n d"]]:
    """Of each code: log q(z|x) of its own example; of the mean of the others; and log q(z_l), of each latent alone."""
    n, d = codes.shape
    own, others, marginals = np.empty(n), np.empty(n), np.empty((n, d))
    constant = -0.5 * (log_var + np.log(2 * np.pi))
    own_weight, other_weight = 1 / total, (total - 1) / (total * (n - 1))
    rows = max(1, CELLS // (n * d))
    for start in range(0, n, rows):
        here = np.arange(start, min(start + rows, n))
        each = (codes[here, None, :] - mean) * inverse_std  # (rows, n, d)
        np.square(each, out=each)
        each *= -0.5
        each += constant
        joint = each.sum(axis=2)
        itself = here - start, here
        own[here] = joint[itself]
        joint[itself] = -np.inf
        top = joint.max(axis=1)
        others[here] = top + np.log(np.exp(joint - top[:, None]).sum(axis=1) / (n - 1))
        highest = each.max(axis=1)
        each -= highest[:, None, :]
        np.exp(each, out=each)
        mixture = other_weight * each.sum(axis=1) + (own_weight - other_weight) * each[itself]
        marginals[here] = highest + np.log(np.maximum(mixture, np.finfo(np.float64).tiny))
    return own, others, marginals


def _log1m(total: int) -> float:
    """Log of the weight of all others together, 1 - 1/N."""
    return float(np.log1p(-1 / total))
