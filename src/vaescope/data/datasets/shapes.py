"""A small set for tests and first tries: shapes on black, made in a moment."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import UInt8

from vaescope.data.dataset import DATASETS
from vaescope.data.stored import LARGEST, SMALLEST, Factors, InMemory, Stored
from vaescope.errors import UsageError

_COLOURS = np.array([[255, 255, 255], [255, 64, 64], [64, 255, 64], [64, 96, 255]], np.uint8)
_RADII = (3, 4, 5)  # 32nds of the side: the largest shape is 5/16 of the image wide
_PLACES = 8
_FACTORS = {"shape": 3, "colour": len(_COLOURS), "size": len(_RADII), "posX": _PLACES, "posY": _PLACES}


@DATASETS.register
@final
class Shapes(Stored):
    """2,304 colour images: a square, a disc or a triangle in 4 colours, 3 sizes and 8 x 8 positions.

    index = (((shape * 4 + colour) * 3 + size) * 8 + posX) * 8 + posY. After the manner of dSprites, but small enough
    to be learnt in seconds; edges are hard and the shapes never leave the image.

    Args:
        side: pixels a side, 16 to 256.

    Raises:
        UsageError: another side.

    References:
        Matthey, Higgins, Hassabis & Lerchner (2017), dSprites. https://github.com/google-deepmind/dsprites-dataset

    >>> shapes = Shapes()
    >>> len(shapes), shapes.image_shape, shapes.factor_names
    (2304, (3, 32, 32), ('shape', 'colour', 'size', 'posX', 'posY'))
    """

    name: ClassVar[str] = "shapes"

    def __init__(self, side: int = 32) -> None:
        if isinstance(side, bool) or not isinstance(side, int) or not SMALLEST <= side <= LARGEST:
            raise UsageError(f"{self.name}: expected `side` to be {SMALLEST} to {LARGEST}, got {side!r}.")
        factors = Factors.counted(tuple(_FACTORS), tuple(_FACTORS.values()))
        super().__init__(InMemory(_drawn(side)), f"shapes-1-{side}", factors, "hwc")


def _drawn(side: int) -> UInt8[np.ndarray, "n side side 3"]:
    """All images, by integers alone: lengths are in 1/224 of half a pixel, so that every centre is a whole number."""
    unit = 32 * (_PLACES - 1)  # of half a pixel
    centres = (2 * np.arange(side) + 1) * unit  # of the pixels
    radii = np.array(_RADII) * side * unit // 16
    reach = int(radii.max())
    steps = np.arange(_PLACES)
    places = reach + steps * (2 * side * unit - 2 * reach) // (_PLACES - 1)
    across = centres - places[:, None]  # (place, pixel): from the shape's centre
    dx, dy, r = across[None, :, None, None, :], across[None, None, :, :, None], radii[:, None, None, None, None]
    masks = np.stack(
        [
            (abs(dx) <= r) & (abs(dy) <= r),
            dx**2 + dy**2 <= r**2,
            (dy <= r) & (2 * abs(dx) <= dy + r),  # stands on its side, its tip above
        ]
    )  # (shape, size, x, y, row, column)
    images = masks[:, None, ..., None] * _COLOURS[:, None, None, None, None, None]
    return images.reshape(-1, side, side, 3)
