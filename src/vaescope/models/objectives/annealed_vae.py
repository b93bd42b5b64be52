"""The VAE whose KL term is held near a capacity that grows."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import at_least, whole
from vaescope.models.reconstruction import Noted
from vaescope.models.schedule import linear


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class AnnealedVAE(Objective):
    """Annealed VAE: reconstruction + γ |KL - C_t|, with C_t = min(c_max, c_max t / T).

    The KL is that of the batch, summed over latents and averaged over examples. With c_max = 0 it is the β-VAE, β = γ.
    The capacity is noted.

    Attributes:
        c_max: the last capacity, in nats. At least 0.
        gamma: how much each nat away from the capacity costs. At least 0.
        warmup: T, the steps until the capacity is c_max; 0: from the start.

    Raises:
        UsageError: if an option is negative or not finite, or `warmup` not whole.

    References:
        Burgess et al. (2018), equation 8; γ and T are those of Locatello et al. (2019).
        https://arxiv.org/abs/1804.03599 https://arxiv.org/abs/1811.12359
    """

    name: ClassVar[str] = "annealed_vae"
    per_example: ClassVar[bool] = False
    c_max: float = 25.0
    gamma: float = 1000.0
    warmup: int = 100_000

    def __post_init__(self) -> None:
        at_least(0, c_max=self.c_max, gamma=self.gamma)
        whole(0, warmup=self.warmup)

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        capacity = self.c_max * linear(step, self.warmup)
        return Noted(self.gamma * (kl.sum() - capacity).abs(), {"capacity": capacity})
