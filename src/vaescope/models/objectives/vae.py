"""The variational autoencoder."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from vaescope.models.objective import OBJECTIVES, Forward, Objective


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class VAE(Objective):
    """The variational autoencoder: minus the evidence lower bound, reconstruction + KL.

    References:
        Kingma & Welling (2014), equation 3. https://arxiv.org/abs/1312.6114
    """

    name: ClassVar[str] = "vae"

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Float[Tensor, ""]:
        return kl.sum()
