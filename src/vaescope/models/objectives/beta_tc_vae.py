"""The VAE whose total correlation counts β times."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import at_least, one_of
from vaescope.models.reconstruction import Noted
from vaescope.models.total_correlation import ESTIMATORS, Estimator, decompose


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class BetaTCVAE(Objective):
    """β-TC VAE: reconstruction + KL + (β - 1) TC, where TC = KL(q(z) || Π_l q(z_l)); β = 1 is the VAE.

    The KL term is the mutual information of code and example, the total correlation and the dimension-wise KL; this
    multiplies the second by β. The three are noted as the stratified estimator tells them, whichever the loss has: the
    weighted one is about (d - 1) log N too high, 122 nats for 10 latents that know nothing of dSprites.

    Attributes:
        beta: multiplies the total correlation. At least 0.
        estimator: of q(z) from a batch, "weighted" (which most implementations have) or "stratified" (unbiased for
            q(z)). The normalisers are kept; without those of the weighted one the loss would be lower by
            (β - 1) (d - 1) log(N M), the gradient the same.

    Raises:
        UsageError: if beta is negative or not finite, or the estimator unknown.

    References:
        Chen et al. (2018), the β-TC VAE, with α = γ = 1. https://arxiv.org/abs/1802.04942
    """

    name: ClassVar[str] = "beta_tc_vae"
    per_example: ClassVar[bool] = False
    beta: float = 4.0
    estimator: Estimator = "weighted"

    def __post_init__(self) -> None:
        at_least(0, beta=self.beta)
        one_of(ESTIMATORS, estimator=self.estimator)

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        parts = decompose(forward.sampled, forward.posterior, forward.examples, self.estimator)
        with torch.no_grad():
            noted = decompose(forward.sampled, forward.posterior, forward.examples, "stratified")
        return Noted(kl.sum() + (self.beta - 1) * parts.total_correlation, vars(noted))
