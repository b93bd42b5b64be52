"""The VAE that holds all codes together, rather than each, to the prior."""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.discrepancy import KERNELS, Kernel, squared_mmd
from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import above, at_least, one_of
from vaescope.models.reconstruction import Noted


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class InfoVAE(Objective):
    """InfoVAE: reconstruction + (1 - α) KL + (α + λ - 1) MMD²(q(z), p(z)).

    α = 0, λ = 1 is the VAE; λ = 1 - α the β-VAE with β = 1 - α; α = 1 the MMD-VAE. The squared maximum mean discrepancy
    between the sampled codes and draws of the prior is estimated without bias and noted as "mmd".

    Attributes:
        alpha: α, how much of the KL is left out. At most 1.
        lambda_mmd: λ of the paper. At least 1 - α, so that no term is rewarded for growing.
        kernel: "imq" or "rbf", as `vaescope.models.discrepancy.similarity` defines them.
        bandwidth: of the kernel, in standard deviations of the prior. Above 0.

    Raises:
        UsageError: if an option is out of its range.

    References:
        Zhao et al. (2019), the InfoVAE family, with the MMD as divergence. https://arxiv.org/abs/1706.02262
    """

    name: ClassVar[str] = "info_vae"
    per_example: ClassVar[bool] = False
    draws_prior: ClassVar[bool] = True
    alpha: float = 0.0
    lambda_mmd: float = 1000.0
    kernel: Kernel = "imq"
    bandwidth: float = 1.0

    def __post_init__(self) -> None:
        at_least(float("-inf"), alpha=self.alpha)
        at_least(0, lambda_mmd=self.lambda_mmd)
        above(0, bandwidth=self.bandwidth)
        one_of(KERNELS, kernel=self.kernel)
        if self.alpha > 1:
            raise UsageError(f"alpha must be a number of at most 1, got {self.alpha!r}.")
        if self.alpha + self.lambda_mmd < 1:
            raise UsageError(
                f"lambda_mmd must be at least 1 - alpha, {1 - self.alpha:g}, got {self.lambda_mmd!r}: "
                "the discrepancy counts alpha + lambda_mmd - 1 times."
            )

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        if forward.prior is None:
            raise UsageError(
                "info_vae needs codes drawn from the prior, got none; pass as many as the batch has examples as "
                "Forward(prior=...)."
            )
        mmd = squared_mmd(forward.sampled, forward.prior, self.kernel, self.bandwidth)
        value = (1 - self.alpha) * kl.sum() + (self.alpha + self.lambda_mmd - 1) * mmd
        return Noted(value, {"mmd": mmd.detach()})
