"""Pixels as coins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vaescope.models.reconstruction import RECONSTRUCTIONS, Reconstruction


@RECONSTRUCTIONS.register
@final
@dataclass(frozen=True, kw_only=True)
class Bernoulli(Reconstruction):
    """Independent Bernoulli pixels: binary cross-entropy. What the paper takes for all its datasets.

    References:
        Kingma & Welling (2014), appendix C.1. https://arxiv.org/abs/1312.6114
    """

    name: ClassVar[str] = "bernoulli"

    def minus_log_likelihood(
        self, logits: Float[Tensor, "n c h w"], images: Float[Tensor, "n c h w"], learned: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        return F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / images.shape[0]
