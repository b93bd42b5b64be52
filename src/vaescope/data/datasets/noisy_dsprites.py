"""dSprites on noise."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from vaescope.data.dataset import DATASETS
from vaescope.data.keyed import words
from vaescope.data.variant import Variant

_PURPOSE = 2
_BYTES = 3 * 64 * 64


@DATASETS.register
@final
class NoisyDSprites(Variant):
    """A white sprite on noise: each colour of each pixel of the background uniform among 256 values in [0, 1].

    The noise is a function of the index: an image always has the same.

    References:
        Locatello et al. (2019), Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations. https://arxiv.org/abs/1811.12359

    >>> NoisyDSprites().images([0]).shape
    (1, 3, 64, 64)
    """

    name: ClassVar[str] = "noisy_dsprites"

    def __init__(self) -> None:
        super().__init__("noisy_dsprites-1")

    def _drawn(
        self, indices: Int64[np.ndarray, " n"], sprite: Bool[np.ndarray, "n 1 64 64"]
    ) -> Float32[np.ndarray, "n 3 64 64"]:
        images = np.where(sprite, np.uint8(255), noise(indices)).astype(np.float32)
        images /= np.float32(255)
        return images


def noise(indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 3 64 64"]:
    """The background of each image."""
    return words(_PURPOSE, indices, _BYTES // 8).astype("<u8", copy=False).view(np.uint8).reshape(-1, 3, 64, 64)
