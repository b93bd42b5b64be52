"""The VAE whose codes are uncorrelated: DIP-VAE II."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.models.covariance import covariance, from_identity
from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import at_least
from vaescope.models.reconstruction import Noted


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class DIPVAEII(Objective):
    """DIP-VAE II: reconstruction + KL + λ_od Σ_{i≠j} V_ij² + λ_d Σ_i (V_ii - 1)².

    V is Cov[μ] + E[diag σ²], the covariance of the codes over the batch. λ_od = λ_d = 0 is the VAE. The two sums are
    noted without their strengths.

    Attributes:
        lambda_od: λ_od, the strength off the diagonal. At least 0.
        lambda_d: λ_d, the strength on the diagonal; 1 λ_od if None. At least 0.

    Raises:
        UsageError: if a strength is negative or not finite.

    References:
        Kumar et al. (2018), equation 7; the strengths are those of Locatello et al. (2019).
        https://arxiv.org/abs/1711.00848 https://arxiv.org/abs/1811.12359
    """

    name: ClassVar[str] = "dip_vae_ii"
    per_example: ClassVar[bool] = False
    lambda_od: float = 10.0
    lambda_d: float | None = None

    def __post_init__(self) -> None:
        at_least(0, lambda_od=self.lambda_od)
        if self.lambda_d is not None:
            at_least(0, lambda_d=self.lambda_d)

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        away = from_identity(
            covariance(forward.posterior.mean) + torch.diag(forward.posterior.log_var.exp().mean(dim=0))
        )
        lambda_d = 1 * self.lambda_od if self.lambda_d is None else self.lambda_d
        return Noted(
            kl.sum() + self.lambda_od * away.off_diagonal + lambda_d * away.diagonal,
            {
                "covariance_off_diagonal": away.off_diagonal.detach(),
                "covariance_diagonal": away.diagonal.detach(),
            },
        )
