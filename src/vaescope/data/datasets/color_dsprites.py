"""dSprites with a sprite of random colour."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vaescope.data.dataset import DATASETS
from vaescope.data.keyed import words
from vaescope.data.variant import Variant

_PURPOSE = 1


@DATASETS.register
@final
class ColorDSprites(Variant):
    """dSprites on black, each sprite of one colour whose red, green and blue are uniform in [1/2, 1].

    The colour is a function of the index and no factor: it is what a model has to see past.

    References:
        Locatello et al. (2019), Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations. https://arxiv.org/abs/1811.12359

    >>> images = ColorDSprites().images([0, 1])
    >>> images.shape, bool((images[0].max(axis=(1, 2)) >= 0.5).all())
    ((2, 3, 64, 64), True)
    """

    name: ClassVar[str] = "color_dsprites"

    def __init__(self) -> None:
        super().__init__("color_dsprites-1")

    def _drawn(
        self, indices: Int64[np.ndarray, " n"], sprite: Bool[np.ndarray, "n 1 64 64"]
    ) -> Float32[np.ndarray, "n 3 64 64"]:
        return np.where(sprite, colours(indices)[:, :, None, None], np.float32(0))


def colours(indices: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n 3"]:
    """Red, green and blue of the sprite of each image, in [1/2, 1], in 2^20 steps."""
    word = words(_PURPOSE, indices, 1)
    steps = word >> np.array([44, 24, 4], np.uint64) & np.uint64(2**20 - 1)
    return (0.5 + steps.astype(np.float64) / (2 * (2**20 - 1))).astype(np.float32)
