"""The VAE whose total correlation, as a discriminator tells it, counts γ times more."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.critic import Critic
from vaescope.models.discriminator import Discriminator
from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import at_least
from vaescope.models.reconstruction import Noted


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class FactorVAE(Objective):
    """FactorVAE: reconstruction + KL + γ TC, with TC = E[log D(z) - log(1 - D(z))]; γ = 0 is the VAE.

    D is the probability that z was drawn from q(z) rather than from Π_l q(z_l), as told by a discriminator trained
    beside the VAE; its weights get no gradient from this loss. The total correlation is noted, by the discriminator
    its accuracy.

    Attributes:
        gamma: multiplies the total correlation. At least 0.

    Raises:
        UsageError: if gamma is negative or not finite.

    References:
        Kim & Mnih (2018), equation 2 and algorithm 2. https://arxiv.org/abs/1802.05983
    """

    name: ClassVar[str] = "factor_vae"
    gamma: float = 10.0

    def __post_init__(self) -> None:
        at_least(0, gamma=self.gamma)

    def critic(self, latents: int) -> Critic:
        return Discriminator(latents)

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        if not isinstance(forward.critic, Discriminator):
            raise UsageError(
                f"factor_vae needs its discriminator, got {type(forward.critic).__name__}; pass what its "
                "critic(latents) makes as Forward(critic=...)."
            )
        total_correlation = forward.critic.total_correlation(forward.sampled)
        return Noted(kl.sum() + self.gamma * total_correlation, {"total_correlation": total_correlation.detach()})
