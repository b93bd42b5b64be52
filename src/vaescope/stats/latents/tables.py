"""Posteriors as tables: a row a latent, and a row for all of them together."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from vaescope.errors import RepresentationError
from vaescope.stats.latents.aggregate import aggregate_covariance, gaussian_total_correlation, marginals
from vaescope.stats.latents.gauge import expected_mean_sampled, gauge
from vaescope.stats.latents.kinds import USUAL, Thresholds, kinds
from vaescope.stats.latents.posterior import active_units, information, kl_per_latent, mean_variances, variances
from vaescope.stats.latents.surgery import surgery

if TYPE_CHECKING:
    import pandas as pd

LATENT_COLUMNS = (
    *("latent", "kind", "variance", "variance_spread", "mean_variance", "kl", "active_unit"),
    *("information", "mean", "sampled_variance", "skewness", "excess", "distance", "fit"),
)
POSTERIOR_COLUMNS = (
    *("active", "mixed", "passive", "active_units", "kl", "mutual_information", "marginal_kl", "total_correlation"),
    *("mean_sampled", "gauge", "expected_mean_sampled", "mutual_information_low", "mutual_information_high"),
    *("mean_correlation", "sampled_correlation"),
)


def latent_table(
    mean: Float[np.ndarray, "n d"], log_var: Float[np.ndarray, "n d"], thresholds: Thresholds = USUAL
) -> "pd.DataFrame":
    """What each latent does, one row a latent.

    Args:
        mean: posterior means of n examples.
        log_var: natural-log posterior variances.
        thresholds: of the kinds.

    Returns:
        latent, kind, variance (E σ²), variance_spread (Var σ²), mean_variance (Var μ), kl (nats), active_unit,
        information (the most it can tell of the example, nats); and of the aggregate posterior q(z_l): mean,
        sampled_variance, skewness, excess (kurtosis), distance (Kolmogorov-Smirnov, from N(0, 1)) and fit
        (`aggregate.Marginal`).

    Raises:
        RepresentationError: "non_finite" values.
    """
    import pandas as pd

    spread = variances(log_var)
    whole = marginals(mean, log_var)
    with np.errstate(over="ignore", invalid="ignore"):
        columns: dict[str, Any] = {
            "latent": range(mean.shape[1]),
            "kind": kinds(log_var, thresholds),
            "variance": spread.mean(axis=0),
            "variance_spread": spread.var(axis=0),
            "mean_variance": mean_variances(mean),
            "kl": kl_per_latent(mean, log_var),
            "active_unit": active_units(mean),
            "information": information(mean, log_var),
            "mean": [m.mean for m in whole],
            "sampled_variance": [m.variance for m in whole],
            "skewness": [m.skewness for m in whole],
            "excess": [m.excess for m in whole],
            "distance": [m.distance for m in whole],
            "fit": [m.fit for m in whole],
        }
    return pd.DataFrame(columns, columns=list(LATENT_COLUMNS))


def posterior_row(
    mean: Float[np.ndarray, "n d"],
    log_var: Float[np.ndarray, "n d"],
    noise: Float[np.ndarray, "n d"],
    examples: int | None = None,
    thresholds: Thresholds = USUAL,
) -> dict[str, Any]:
    """What all latents do together.

    Args:
        mean: posterior means of n examples.
        log_var: natural-log posterior variances.
        noise: ε of the sampled codes.
        examples: N, of the dataset the n were drawn from.
        thresholds: of the kinds.

    Returns:
        By name: active, mixed, passive and active_units (counts); kl, mutual_information (with _low and _high),
        marginal_kl, total_correlation (nats, `surgery.Surgery`); mean_sampled, the debiased CKA of mean and sampled
        codes (NaN where a layer does not vary); gauge, sqrt(active / latents); expected_mean_sampled, what the
        variances alone lead one to expect of mean_sampled; mean_correlation and sampled_correlation, the total
        correlation of Gaussians of the codes' covariances (nats).

    Raises:
        RepresentationError: "non_finite" values.
    """
    from vaescope.stats.similarity import similarity

    found = list(kinds(log_var, thresholds))
    parts = surgery(mean, log_var, noise, examples)
    of_means, of_codes = aggregate_covariance(mean, log_var)
    posterior = variances(log_var).mean(axis=0)
    try:
        measured = similarity(mean, mean + np.exp(0.5 * log_var) * noise, "cka")
    except RepresentationError:
        measured = float("nan")
    return {
        **{kind: found.count(kind) for kind in ("active", "mixed", "passive")},
        "active_units": int(active_units(mean).sum()),
        "kl": parts.kl,
        "mutual_information": parts.mutual_information,
        "marginal_kl": parts.marginal_kl,
        "total_correlation": parts.total_correlation,
        "mean_sampled": measured,
        "gauge": gauge(found.count("active"), len(found)),
        "expected_mean_sampled": expected_mean_sampled(np.diagonal(of_means), posterior, of_means),
        "mutual_information_low": parts.mutual_information_low,
        "mutual_information_high": parts.mutual_information_high,
        "mean_correlation": gaussian_total_correlation(of_means),
        "sampled_correlation": gaussian_total_correlation(of_codes),
    }
