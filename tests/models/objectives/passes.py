"""Passes through no network at all: random images, logits, posteriors and codes for objectives to be asked about."""

from dataclasses import replace
from functools import cache

import torch

from vaescope.models.critic import Critic
from vaescope.models.discriminator import Discriminator
from vaescope.models.network import Posterior, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward

EXAMPLES = 1000


@cache
def discriminator(latents: int, dtype: torch.dtype = torch.float32) -> Critic:
    critic = Discriminator(latents)
    initialise(critic, torch.Generator().manual_seed(latents))
    return critic.to(dtype)


def pass_of(mean, log_var, seed=0, dtype=torch.float32) -> Forward:
    """A pass with this posterior; all else is drawn."""
    rng = torch.Generator().manual_seed(seed)
    n, d = mean.shape
    images = (torch.rand(n, 1, 6, 6, generator=rng, dtype=torch.float64) > 0.5).to(dtype)
    logits = (3 * torch.randn(n, 1, 6, 6, generator=rng, dtype=torch.float64)).to(dtype)
    noise = torch.randn(n, d, generator=rng, dtype=torch.float64).to(dtype)
    prior = torch.randn(n, d, generator=rng, dtype=torch.float64).to(dtype)
    posterior = Posterior(mean.to(dtype), log_var.to(dtype))
    return Forward(images, logits, posterior, sample(posterior, noise), EXAMPLES, discriminator(d, dtype), prior)


def random_pass(seed=0, n=5, latents=4, dtype=torch.float32, spread=1.0) -> Forward:
    """A pass whose means and log variances are normal, times `spread`."""
    rng = torch.Generator().manual_seed(seed + 77)
    mean = spread * torch.randn(n, latents, generator=rng, dtype=torch.float64)
    log_var = spread * torch.randn(n, latents, generator=rng, dtype=torch.float64)
    return pass_of(mean, log_var, seed, dtype)


def joined(one: Forward, other: Forward) -> Forward:
    """The pass of both batches at once."""
    return replace(
        one,
        images=torch.cat([one.images, other.images]),
        logits=torch.cat([one.logits, other.logits]),
        posterior=Posterior(
            torch.cat([one.posterior.mean, other.posterior.mean]),
            torch.cat([one.posterior.log_var, other.posterior.log_var]),
        ),
        sampled=torch.cat([one.sampled, other.sampled]),
        prior=torch.cat([one.prior, other.prior]),
    )


def variants():
    """Every objective with its defaults, and those whose options change what is computed."""
    more = {
        "beta_tc_vae": [{"estimator": "stratified"}],
        "info_vae": [{"kernel": "rbf", "alpha": 0.5}],
        "beta_anneal": [{"shape": "cyclical"}],
        "dip_vae_ii": [{"lambda_od": 2.0, "lambda_d": 0.5}],
    }
    return [(name, options) for name in sorted(OBJECTIVES) for options in [{}, *more.get(name, [])]]


def label(variant) -> str:
    name, options = variant
    return "-".join([name, *map(str, options.values())])
