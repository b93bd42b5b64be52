"""The contract of an objective: what is minimised, in nats per example."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor, nn

from vaescope.models.critic import Critic
from vaescope.models.network import Posterior
from vaescope.models.reconstruction import Noted, Reconstruction, value_and_notes
from vaescope.models.reconstructions.bernoulli import Bernoulli
from vaescope.registry import Registry

BERNOULLI = Bernoulli()


@dataclass(frozen=True)
class Forward:
    """What one pass through a network leaves for the objective.

    Attributes:
        images: (n, c, h, w) in [0, 1].
        logits: of the pixels, the same shape.
        posterior: means and log variances, (n, d).
        sampled: the codes that were decoded, (n, d).
        examples: how many examples the training set has, N; what estimates of q(z) are weighted by. 0 if not known.
        critic: the network that `Objective.critic` made, None where it makes none.
        prior: codes drawn from the prior N(0, 1) at this step, (n, d); None where `Objective.draws_prior` is False.
    """

    images: Float[Tensor, "n c h w"]
    logits: Float[Tensor, "n c h w"]
    posterior: Posterior
    sampled: Float[Tensor, "n d"]
    examples: int = 0
    critic: Critic | None = None
    prior: Float[Tensor, "n d"] | None = None


@dataclass(frozen=True)
class Terms:
    """The terms of a loss, in nats per example.

    Attributes:
        loss: what is minimised: reconstruction + regularisation.
        reconstruction: -E log p(x|z).
        regularisation: everything else, with its strength.
        kl: KL(q(z|x) || p(z)) of each latent, (d,), without any strength.
        notes: what else is worth logging, by name: a capacity, the total correlation, a learned variance.
    """

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    regularisation: Float[Tensor, ""]
    kl: Float[Tensor, " d"]
    notes: Mapping[str, Float[Tensor, ""] | float] = field(default_factory=dict)


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


class Objective(ABC):
    """What a VAE minimises. A subclass is a frozen dataclass of its strengths and adds only its own term.

    Attributes:
        name: the registered name, an identifier.
        per_example: whether the loss of a batch is the mean of the losses of its halves. False where examples of a
            batch count against one another, so that a batch may not be split.
        draws_prior: whether `regularisation` needs codes drawn from the prior.
    """

    name: ClassVar[str]
    per_example: ClassVar[bool] = True
    draws_prior: ClassVar[bool] = False

    @abstractmethod
    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Float[Tensor, ""] | Noted:
        """The term added to the reconstruction, in nats per example; a `Noted` also says what to log.

        Args:
            forward: the pass through the network.
            kl: KL of each latent averaged over the batch, (d,), as `Terms.kl`.
            step: optimiser steps done so far, for schedules.
        """

    def critic(self, latents: int) -> Critic | None:
        """A network trained beside the VAE, for objectives that need one; its weights are drawn by the caller."""
        return None

    @final
    def __call__(
        self,
        forward: Forward,
        step: int,
        reconstruction: Reconstruction = BERNOULLI,
        learned: nn.ParameterDict | Mapping[str, Tensor] | None = None,
    ) -> Terms:
        """The terms of the loss of one batch.

        Args:
            forward: the pass through the network.
            step: optimiser steps done so far.
            reconstruction: -log p(x|z).
            learned: what the reconstruction learns beside the network, by name; its initial values if None.
        """
        kl = gaussian_kl(forward.posterior).mean(dim=0)
        rebuilt, notes = value_and_notes(reconstruction.of(forward.logits, forward.images, learned))
        added, more = value_and_notes(self.regularisation(forward, kl, step))
        return Terms(rebuilt + added, rebuilt, added, kl, {**notes, **more})


OBJECTIVES: Registry[type[Objective]] = Registry("objective", "vaescope.models.objectives", "vaescope.objectives")
