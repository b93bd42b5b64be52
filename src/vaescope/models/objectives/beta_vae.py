"""The VAE with its KL term times β."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import at_least


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class BetaVAE(Objective):
    """β-VAE: reconstruction + β KL; β = 1 is the VAE.

    Attributes:
        beta: multiplies nats per example: the β of the paper, not its normalised β. At least 0.

    Raises:
        UsageError: if beta is negative or not finite.

    References:
        Higgins et al. (2017), equation 4. https://openreview.net/forum?id=Sy2fzU9gl
    """

    name: ClassVar[str] = "beta_vae"
    beta: float = 4.0

    def __post_init__(self) -> None:
        at_least(0, beta=self.beta)

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Float[Tensor, ""]:
        return self.beta * kl.sum()
