"""What the datasets of official files share: their facts are known before any file is there."""

from typing import ClassVar

import numpy as np
from jaxtyping import Integer, UInt8

from vaescope.data.stored import Factors, Pixels, Stored
from vaescope.errors import UsageError


class Published(Stored):
    """Base of a dataset that was published as files; a reader in `vaescope.data.readers` gives its arguments.

    Attributes:
        SHAPE: (channels, height, width) of an image.
        COUNT: how many images there are.
        FACTORS: names and values of the factors.

    Args:
        pixels: all images, uint8, (COUNT, h, w) for one channel, else (COUNT, h, w, c).
        fingerprint: changes whenever the pixels do.
        factors: those of `FACTORS`, with the class of each image where the images are not all combinations in order.

    Raises:
        UsageError: the pixels are not what `SHAPE` and `COUNT` say.
    """

    SHAPE: ClassVar[tuple[int, int, int]]
    COUNT: ClassVar[int]
    FACTORS: ClassVar[Factors]

    def __init__(self, pixels: Pixels, fingerprint: str, factors: Factors | None = None) -> None:
        check_pixels(pixels, self.COUNT, self.SHAPE, self.name)
        super().__init__(pixels, fingerprint, factors or self.FACTORS, None if self.SHAPE[0] == 1 else "hwc")


def check_pixels(pixels: Pixels, count: int, shape: tuple[int, int, int], who: str) -> None:
    """UsageError unless there are `count` images of `shape` (channels, height, width), uint8, channels last."""
    channels, height, width = shape
    expected = (count, height, width) if channels == 1 else (count, height, width, channels)
    if pixels.shape != expected or pixels.dtype != np.uint8:
        raise UsageError(f"{who}: expected uint8 images {expected}, got {pixels.dtype} {pixels.shape}.")


def with_classes(factors: Factors, classes: Integer[np.ndarray, "n f"], who: str) -> Factors:
    """The factors with the class of each image. UsageError where one is out of range or the columns are others."""
    if classes.shape[1] != len(factors.names):
        raise UsageError(f"{who}: expected classes of {', '.join(factors.names)}, got {classes.shape[1]} columns.")
    for name, size, column in zip(factors.names, factors.sizes, classes.T, strict=True):
        if column.size and (column.min() < 0 or column.max() >= size):
            raise UsageError(f"{who}: expected {name} 0 to {size - 1}, got {column.min()} to {column.max()}.")
    return Factors(factors.names, factors.values, classes)


class Enlarged:
    """`Pixels` of 28 x 28 made larger without making up values: two black pixels at each edge, then each one repeated.

    Args:
        pixels: (n, 28, 28), uint8.
        size: 32, 64, 128 or 256 pixels a side.
    """

    def __init__(self, pixels: Pixels, size: int) -> None:
        self._pixels, self._times = pixels, size // 32
        self.shape, self.dtype = (pixels.shape[0], size, size), pixels.dtype

    def take(self, indices: Integer[np.ndarray, " k"]) -> UInt8[np.ndarray, "k s s"]:
        padded = np.pad(self._pixels.take(indices), ((0, 0), (2, 2), (2, 2)))
        return padded.repeat(self._times, axis=1).repeat(self._times, axis=2)


class TenClasses(Stored):
    """Base of the datasets in MNIST's form: 70,000 grey images of 28 x 28, ten classes, training images first.

    Args:
        pixels: all images, uint8, (70000, 28, 28).
        labels: the class of each, 0 to 9.
        fingerprint: changes whenever the pixels do.
        size: pixels a side: 28 as published; 32 with two black pixels at each edge; 64, 128 or 256, where each pixel
            of the 32 x 32 is repeated.

    Raises:
        UsageError: another size; other images or labels.
    """

    SHAPE: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    COUNT: ClassVar[int] = 70_000
    FACTORS: ClassVar[Factors] = Factors.counted(("label",), (10,))

    def __init__(self, pixels: Pixels, labels: Integer[np.ndarray, " n"], fingerprint: str, size: int = 28) -> None:
        check_pixels(pixels, self.COUNT, self.SHAPE, self.name)
        if isinstance(size, bool) or size not in (28, 32, 64, 128, 256):
            raise UsageError(f"{self.name}: expected `size` 28, 32, 64, 128 or 256, got {size!r}.")
        factors = with_classes(self.FACTORS, labels[:, None], self.name)
        shown = pixels if size == 28 else Enlarged(pixels, size)
        super().__init__(shown, f"{fingerprint}-{size}", factors)
