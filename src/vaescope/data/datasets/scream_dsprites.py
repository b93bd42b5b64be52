"""dSprites on patches of a picture."""

from hashlib import blake2b
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from vaescope.data.dataset import DATASETS
from vaescope.data.keyed import words
from vaescope.data.raster import SIZE
from vaescope.data.texture import waves
from vaescope.data.variant import Variant
from vaescope.errors import UsageError

_PURPOSE = 3


@DATASETS.register
@final
class ScreamDSprites(Variant):
    """The sprite as a negative on a random patch of a picture, tinted at random.

    background = (patch + tint) / 2 with tint uniform in [0, 1] per colour; the sprite shows 1 - background. Patch and
    tint are functions of the index. In the paper the picture is The Scream; here it is the one given, or waves.

    Args:
        texture: the picture, (h, w, 3); `load_dataset("scream_dsprites", path=...)` reads it from a file. None: waves
            of five colours, drawn.

    Raises:
        UsageError: the picture has fewer than 64 pixels a side.

    References:
        Locatello et al. (2019), Challenging Common Assumptions in the Unsupervised Learning of Disentangled
        Representations. https://arxiv.org/abs/1811.12359

    >>> ScreamDSprites().images([0]).shape
    (1, 3, 64, 64)
    """

    name: ClassVar[str] = "scream_dsprites"

    def __init__(self, texture: UInt8[np.ndarray, "h w 3"] | None = None) -> None:
        picture = waves() if texture is None else texture
        if min(picture.shape[:2]) < SIZE:
            height, width, _ = picture.shape
            raise UsageError(
                f"{self.name}: expected a picture of at least {SIZE} pixels a side, got {width} x {height}."
            )
        digest = blake2b(f"{picture.shape}/".encode() + picture.tobytes(), digest_size=8).hexdigest()
        super().__init__(f"scream_dsprites-1-{digest}")
        self._picture = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(255)

    def _drawn(
        self, indices: Int64[np.ndarray, " n"], sprite: Bool[np.ndarray, "n 1 64 64"]
    ) -> Float32[np.ndarray, "n 3 64 64"]:
        place, tint = words(_PURPOSE, indices, 2).T
        _, height, width = self._picture.shape
        top = (place >> np.uint64(32)) % np.uint64(height - SIZE + 1)
        left = (place & np.uint64(2**32 - 1)) % np.uint64(width - SIZE + 1)
        steps = tint[:, None] >> np.array([44, 24, 4], np.uint64) & np.uint64(2**20 - 1)
        patches = np.empty((len(indices), 3, SIZE, SIZE), np.float32)
        for patch, y, x in zip(patches, top.tolist(), left.tolist(), strict=True):
            patch[...] = self._picture[:, y : y + SIZE, x : x + SIZE]
        patches += (steps.astype(np.float64) / (2**20 - 1)).astype(np.float32)[:, :, None, None]
        patches /= 2
        return np.where(sprite, np.float32(1) - patches, patches)
