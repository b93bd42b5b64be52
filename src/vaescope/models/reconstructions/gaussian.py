"""Pixels as normal numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.models.options import above, yes_or_no
from vaescope.models.reconstruction import RECONSTRUCTIONS, Noted, Reconstruction


@RECONSTRUCTIONS.register
@final
@dataclass(frozen=True, kw_only=True)
class Gaussian(Reconstruction):
    """Independent normal pixels of one variance σ²: Σ (x - m)² / (2 σ²) + ½ log(2π σ²), m = sigmoid(logit).

    With a fixed variance of ½ it is the sum of squared errors plus a constant. A learned variance is one number,
    log σ², learned with the network; σ² is noted as "variance".

    Attributes:
        variance: σ², or what it starts from where it is learned. Above 0.
        learned: whether σ² is learned.

    Raises:
        UsageError: if the variance is not a number above 0.

    References:
        Kingma & Welling (2014), the Gaussian decoder of appendix C: https://arxiv.org/abs/1312.6114
        Rybkin et al. (2021), one learned variance: https://arxiv.org/abs/2006.13202
    """

    name: ClassVar[str] = "gaussian"
    variance: float = 1.0
    learned: bool = False

    def __post_init__(self) -> None:
        above(0, variance=self.variance)
        yes_or_no(learned=self.learned)

    def learns(self) -> dict[str, float]:
        return {"log_variance": math.log(self.variance)} if self.learned else {}

    def minus_log_likelihood(
        self, logits: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], learned: Mapping[str, Tensor]
    ) -> Float[Tensor, ""] | Noted:
        squared = (images - torch.sigmoid(logits)).square().sum() / images.shape[0]
        pixels = images[0].numel()
        if not self.learned:
            return squared / (2 * self.variance) + 0.5 * pixels * math.log(2 * math.pi * self.variance)
        log_variance = learned["log_variance"]
        value = 0.5 * squared * (-log_variance).exp() + 0.5 * pixels * (log_variance + math.log(2 * math.pi))
        return Noted(value, {"variance": log_variance.detach().exp()})
