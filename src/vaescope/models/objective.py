"""The contract of an objective: what is minimised, in nats per example."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vaescope.models.network import Posterior
from vaescope.registry import Registry


@dataclass(frozen=True)
class Forward:
    """What one pass through a network leaves for the objective.

    Attributes:
        images: (n, c, h, w) in [0, 1].
        logits: of the pixels, the same shape.
        posterior: means and log variances, (n, d).
        sampled: the codes that were decoded, (n, d).
    """

    images: Float[Tensor, "n c h w"]
    logits: Float[Tensor, "n c h w"]
    posterior: Posterior
    sampled: Float[Tensor, "n d"]


@dataclass(frozen=True)
class Terms:
    """The terms of a loss, in nats per example.

    Attributes:
        loss: what is minimised: reconstruction + regularisation.
        reconstruction: -E log p(x|z).
        regularisation: everything else, with its strength.
        kl: KL(q(z|x) || p(z)) of each latent, (d,), without any strength.
    """

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    regularisation: Float[Tensor, ""]
    kl: Float[Tensor, " d"]


def gaussian_kl(posterior: Posterior) -> Float[Tensor, "n d"]:
    """KL divergence from N(0, 1) to the posterior of each latent.

    Args:
        posterior: means and natural-log variances, each (n examples, d latents).

    Returns:
        KL in nats, (n, d). Sum over latents and average over examples for the ELBO.

    References:
        Kingma & Welling (2014), appendix B. https://arxiv.org/abs/1312.6114

    >>> import torch
    >>> gaussian_kl(Posterior(mean=torch.tensor([[2.0, -1.0]]), log_var=torch.zeros(1, 2))).sum()
    tensor(2.5000)
    """
    mean, log_var = posterior.mean, posterior.log_var
    return 0.5 * (mean.square() + log_var.exp() - log_var - 1)


def bernoulli_reconstruction(logits: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """-log p(x|z) for independent Bernoulli pixels: summed over pixels, averaged over examples, in nats.

    References:
        Kingma & Welling (2014), appendix C.1. https://arxiv.org/abs/1312.6114
    """
    return F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / images.shape[0]


class Objective(ABC):
    """What a VAE minimises. A subclass is a frozen dataclass of its strengths and adds only its own term."""

    name: ClassVar[str]

    @abstractmethod
    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Float[Tensor, ""]:
        """The term added to the reconstruction, in nats per example.

        Args:
            forward: the pass through the network.
            kl: KL of each latent averaged over the batch, (d,), as `Terms.kl`.
            step: optimiser steps done so far, for schedules.
        """

    @final
    def __call__(self, forward: Forward, step: int) -> Terms:
        """The terms of the loss of one batch."""
        reconstruction = bernoulli_reconstruction(forward.logits, forward.images)
        kl = gaussian_kl(forward.posterior).mean(dim=0)
        regularisation = self.regularisation(forward, kl, step)
        return Terms(reconstruction + regularisation, reconstruction, regularisation, kl)


OBJECTIVES: Registry[type[Objective]] = Registry("objective", "vaescope.models", "vaescope.objectives")
