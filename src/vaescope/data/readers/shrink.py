"""Images made smaller the way the study's authors did it."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def shrunk(images: UInt8[np.ndarray, "n h w *c"], side: int) -> UInt8[np.ndarray, "n s s *c"]:
    """Each image at `side` x `side` pixels, by Pillow's Lanczos filter (once called ANTIALIAS).

    For 128 -> 64 this is what `Image.thumbnail` gives too.

    References:
        Pillow's filters. https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters
    """
    small = np.empty((len(images), side, side, *images.shape[3:]), np.uint8)
    for row, image in zip(small, images, strict=True):
        row[:] = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))
    return small
