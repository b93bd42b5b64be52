"""Images side by side in one picture."""

from io import BytesIO
from math import ceil, sqrt

import numpy as np
from jaxtyping import Float
from PIL import Image

_GAP = 2  # pixels between images
_BETWEEN = 96  # their colour, of 255
_LEAST = 64  # pixels a side; smaller images are shown two, three, … times as large


def picture_grid(images: Float[np.ndarray, "n c h w"]) -> bytes:
    """A PNG of images in [0, 1], row by row, as near to a square as their number allows.

    One channel is grey, two are red and green, three are red, green and blue, four have the opacity besides.

    Args:
        images: at least one; every pixel is rounded to the nearest of 256 values.
    """
    count, channels, height, width = images.shape
    times = max(1, ceil(_LEAST / max(height, width)))
    pixels = np.rint(255 * images).astype(np.uint8).repeat(times, axis=2).repeat(times, axis=3)
    if channels == 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:, :1])], axis=1)
    height, width = height * times + _GAP, width * times + _GAP
    columns = columns_of(count)
    sheet = np.full(
        (ceil(count / columns) * height + _GAP, columns * width + _GAP, pixels.shape[1]), _BETWEEN, np.uint8
    )
    if channels == 4:
        sheet[..., 3] = 255
    for place, image in enumerate(pixels):
        top, left = place // columns * height + _GAP, place % columns * width + _GAP
        sheet[top : top + height - _GAP, left : left + width - _GAP] = image.transpose(1, 2, 0)
    written = BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(written, "PNG")
    return written.getvalue()


def columns_of(count: int) -> int:
    """How many images `picture_grid` puts into a row.

    >>> columns_of(64), columns_of(10)
    (8, 4)
    """
    return ceil(sqrt(count))
