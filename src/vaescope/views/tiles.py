"""Pictures for a page: batches of images laid out in one grid and written as small WebP data URIs."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TypeVar

import numpy as np
from PIL import Image

T = TypeVar("T")
GAP = 2
SETTINGS = ((1.0, 70), (1.0, 45), (1.0, 25), (0.75, 25), (0.5, 25), (0.5, 10))
"""(scale, WebP quality) in the order they are tried until a picture fits."""


def grid(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of images as one picture with thin gaps.

    Args:
        rows: each (k, c, h, w), uint8; c is 1 or 3, the same h and w in all.

    Returns:
        (height, width, 3), uint8.
    """
    h, w = rows[0].shape[2:]
    wide = max(len(row) for row in rows)
    canvas = np.full((len(rows) * (h + GAP) - GAP, wide * (w + GAP) - GAP, 3), 128, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (h + GAP), j * (w + GAP)
            canvas[top : top + h, left : left + w] = np.broadcast_to(image.transpose(1, 2, 0)[..., :3], (h, w, 3))
    return canvas


def data_uri(picture: np.ndarray, at_most: int) -> str:
    """A picture as WebP in a data URI of about `at_most` characters: smaller and coarser until it fits.

    Args:
        picture: (height, width, 3), uint8.
        at_most: characters; the coarsest setting is used when none fits.
    """
    image = Image.fromarray(picture)
    text = ""
    for scale, quality in SETTINGS:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        out = BytesIO()
        (image if scale == 1 else image.resize(size, Image.Resampling.BOX)).save(out, "WEBP", quality=quality, method=4)
        text = "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode("ascii")
        if len(text) <= at_most:
            break
    return text


def spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` (or two) of the values, first and last among them, evenly by position."""
    if len(values) <= count:
        return list(values)
    return [values[int(i)] for i in np.unique(np.linspace(0, len(values) - 1, max(count, 2)).round())]
