"""dSprites: a square, an ellipse or a heart in 6 sizes, 40 orientations and 32 x 32 positions; made, not downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from vaescope.data.dataset import DATASETS, Arraylike, Dataset, Indices, checked_indices, checked_integers
from vaescope.data.raster import SIZE, SNAP, Crops, Polygons, rasterise

_RADIUS = 9.6  # pixels: half the side of the largest square
_SIZES = (3, 6, 40, 32, 32)
_BITS = (np.arange(256)[:, None] >> np.arange(7, -1, -1) & 1).astype(np.float32)  # byte -> its 8 pixels


@dataclass(frozen=True)
class OfficialImages:
    """The images of the official file, as `read_dsprites_file` gives them.

    Attributes:
        packed: np.packbits of each image's rows, (737280, 512).
        md5: hexadecimal MD5 of the file they came from.
    """

    packed: UInt8[np.ndarray, "n 512"]
    md5: str


@DATASETS.register
@final
class DSprites(Dataset):
    """737,280 binary images of 64 x 64 pixels, one for each combination of five factors.

    index = (((shape * 6 + scale) * 40 + orientation) * 32 + posX) * 32 + posY. The images are drawn from the geometry
    of the original, fitted to 64,834 real images: 64,829 of these come out bit for bit, one pixel differs in each of
    the other five. Orientations 0 and 39 are the same angle, and some small squares coincide: 715,706 are distinct.

    Args:
        official: the images of the official file, used instead of drawn ones; `load_dataset("dsprites", path=...)`
            reads them.

    References:
        Matthey, Higgins, Hassabis & Lerchner (2017), dSprites. https://github.com/google-deepmind/dsprites-dataset

    >>> dsprites = DSprites()
    >>> dsprites.images([0, 737_279]).shape
    (2, 1, 64, 64)
    >>> dict(zip(dsprites.factor_names, dsprites.factors([737_279])[0].tolist()))
    {'shape': 2, 'scale': 5, 'orientation': 39, 'posX': 31, 'posY': 31}
    """

    name: ClassVar[str] = "dsprites"

    def __init__(self, official: OfficialImages | None = None) -> None:
        self.image_shape = (1, SIZE, SIZE)
        self.factor_names = ("shape", "scale", "orientation", "posX", "posY")
        self.factor_sizes = _SIZES
        self.factor_values = (
            (1.0, 2.0, 3.0),
            tuple(np.linspace(0.5, 1, 6).tolist()),
            tuple(np.linspace(0, 2 * np.pi, 40).tolist()),  # radians, counter-clockwise
            tuple(np.linspace(0, 1, 32).tolist()),
            tuple(np.linspace(0, 1, 32).tolist()),
        )
        self.fingerprint = "dsprites-made-1" if official is None else f"dsprites-official-{official.md5}"
        self._official = None if official is None else official.packed

    def __len__(self) -> int:
        return int(np.prod(_SIZES)) if self._official is None else len(self._official)

    def images(self, indices: Indices) -> Float32[np.ndarray, "n 1 64 64"]:
        return _BITS.take(self.packed(indices), axis=0).reshape(-1, 1, SIZE, SIZE)

    def packed(self, indices: Indices) -> UInt8[np.ndarray, "n 512"]:
        """The same images at one bit a pixel: np.packbits of each image's rows. IndexError as for `images`."""
        checked = checked_indices(indices, len(self))
        if self._official is not None:
            return self._official.take(checked, axis=0)
        return _crops().words(checked).astype(">u8").view(np.uint8)

    def factors(self, indices: Indices) -> Int64[np.ndarray, "n 5"]:
        return np.stack(np.unravel_index(checked_indices(indices, len(self)), _SIZES), axis=1).astype(np.int64)

    def index(self, factors: Sequence[Sequence[int]] | Arraylike) -> Int64[np.ndarray, " n"]:
        """The index of each combination of factor classes (n, 5): the inverse of `factors`.

        Raises:
            IndexError: the shape is not (n, 5), or a class is not an integer or out of range.
        """
        classes = checked_integers(factors, "factors")
        if classes.ndim != 2 or classes.shape[1] != len(_SIZES):
            raise IndexError(f"factors: expected shape (n, {len(_SIZES)}), got {classes.shape}.")
        for name, size, column in zip(self.factor_names, _SIZES, classes.T, strict=True):
            if column.size and (column.min() < 0 or column.max() >= size):
                wrong = column[(column < 0) | (column >= size)][0]
                raise IndexError(f"factors: expected {name} 0 to {size - 1}, got {wrong}.")
        return np.asarray(np.ravel_multi_index(tuple(classes.T.astype(np.int64)), _SIZES), np.int64)


@cache
def _crops() -> Crops:
    """All images; half a second and 80 MB, once a process and only when one is asked for."""
    return rasterise([_placed(outline) for outline in _outlines()])


def _outlines() -> tuple[Float[np.ndarray, "v 2"], ...]:
    """Square, ellipse and heart at scale 1, upright, centred on (0, 0), in pixels with y down, float64."""
    square = _RADIUS * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    t = 2 * np.pi * np.arange(100) / 100
    ellipse = _RADIUS * np.stack([1.33 * np.cos(t), np.sin(t) / 1.33], axis=1)
    a = 2 * np.pi * np.arange(150) / 150
    lobes = (13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)) / 14.5
    heart = _RADIUS * np.stack([np.sin(a) ** 3, -lobes - 0.15], axis=1)
    return square, ellipse, heart


def _placed(outline: Float[np.ndarray, "v 2"]) -> Polygons:
    """The vertices of one shape at every scale and orientation and each position, in 1/256 pixel, (240, 32, v) twice.

    The order of these float32 operations is the original renderer's, as far as its images tell: in float64 or another
    order more pixels come out on the wrong side of an edge.
    """
    one, half, size = np.float32(1), np.float32(SIZE // 2), np.float32(SIZE)
    u, v = outline.T.astype(np.float32)
    scale = (0.5 + 0.1 * np.arange(6)).astype(np.float32)[:, None, None, None]
    angle = (2 * np.pi * np.arange(40) / 39).astype(np.float32).astype(np.float64)[:, None, None]
    cos, sin = np.cos(angle).astype(np.float32) * scale, np.sin(angle).astype(np.float32) * scale
    centre = (16 + 32 * np.arange(32) / 31).astype(np.float32)[:, None]
    x = (cos * u + sin * v + centre) / half - one  # clip space: -1..1, y up
    y = one - (-sin * u + cos * v + centre) / half
    x, y = (x + one) * half, size - (y + one) * half
    x, y = (np.rint(z * np.float32(SNAP)).astype(np.int32).reshape(240, 32, -1) for z in (x, y))
    return x, y
