"""Pixels as Laplace numbers: absolute errors."""

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
class Laplace(Reconstruction):
    """Independent Laplace pixels of one scale b: Σ |x - m| / b + log(2 b), m = sigmoid(logit).

    With a fixed scale of 1 it is the sum of absolute errors plus a constant. A learned scale is one number, log b,
    learned with the network; b is noted as "scale".

    Attributes:
        scale: b, or what it starts from where it is learned. Above 0.
        learned: whether b is learned.

    Raises:
        UsageError: if the scale is not a number above 0.

    References:
        The density: https://en.wikipedia.org/wiki/Laplace_distribution
        Rybkin et al. (2021), a learned scale of the decoder: https://arxiv.org/abs/2006.13202
    """

    name: ClassVar[str] = "laplace"
    scale: float = 1.0
    learned: bool = False

    def __post_init__(self) -> None:
        above(0, scale=self.scale)
        yes_or_no(learned=self.learned)

    def learns(self) -> dict[str, float]:
        return {"log_scale": math.log(self.scale)} if self.learned else {}

    def minus_log_likelihood(
        self, logits: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], learned: Mapping[str, Tensor]
    ) -> Float[Tensor, ""] | Noted:
        absolute = (images - torch.sigmoid(logits)).abs().sum() / images.shape[0]
        pixels = images[0].numel()
        if not self.learned:
            return absolute / self.scale + pixels * math.log(2 * self.scale)
        log_scale = learned["log_scale"]
        value = absolute * (-log_scale).exp() + pixels * (log_scale + math.log(2))
        return Noted(value, {"scale": log_scale.detach().exp()})
