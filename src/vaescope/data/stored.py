"""Datasets whose images lie in an array, in memory or in a file: one class for all, the rest is where the array is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int64, Integer

from vaescope.data.dataset import Dataset, Indices, checked_indices
from vaescope.errors import UsageError

Layout = Literal["hwc", "chw"]
SMALLEST, LARGEST, MOST_CHANNELS = 16, 256, 4
MOST_CLASSES = 2**16


@runtime_checkable
class Pixels(Protocol):
    """An array of images that is read by index: `vaescope.data.rows.Rows`, `InMemory`, or anything alike.

    Attributes:
        shape: of the whole array, images first.
        dtype: of what `take` gives.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        """The images of these indices, in that order, (k, *shape[1:])."""
        ...


class InMemory:
    """`Pixels` of an array that is in memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        return self.array.take(indices, axis=0)


@dataclass(frozen=True)
class Factors:
    """The factors of variation of a dataset.

    Attributes:
        names: of the factors.
        values: the value of each class of each factor: a physical one where there is one, else the class itself.
        classes: the class of each factor of each image (n, f); None where the images are all combinations, in order,
            the last factor changing fastest.
    """

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    classes: Integer[np.ndarray, "n f"] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many classes each factor has."""
        return tuple(len(of_one) for of_one in self.values)

    @classmethod
    def counted(cls, names: Sequence[str], sizes: Sequence[int]) -> "Factors":
        """All combinations of factors whose classes have no values but their numbers."""
        return cls(tuple(names), tuple(tuple(float(k) for k in range(size)) for size in sizes))

    @classmethod
    def observed(cls, names: Sequence[str], table: np.ndarray) -> "Factors":
        """From one value per image and factor, (n, f): the classes are the distinct values in ascending order.

        Raises:
            UsageError: the table is not numeric, one value is not finite, or they are no classes but measurements.
        """
        if table.ndim != 2 or table.shape[1] != len(names) or table.dtype.kind not in "buif":
            raise UsageError(f"factors: expected numbers (images, {len(names)}), got {table.dtype} {table.shape}.")
        if table.dtype.kind == "f" and not np.isfinite(table).all():
            row, column = np.argwhere(~np.isfinite(table))[0]
            raise UsageError(f"factors: expected finite numbers, got {table[row, column]} in row {row}. Remove it.")
        found = [np.unique(column, return_inverse=True) for column in table.T]
        most = max((len(values) for values, _ in found), default=0)
        if most > MOST_CLASSES:
            raise UsageError(f"factors: expected classes, got {most:,} distinct values of one factor. Bin them first.")
        classes = np.stack([inverse.ravel() for _, inverse in found], axis=1).astype(np.min_scalar_type(most))
        return cls(tuple(names), tuple(tuple(map(float, values)) for values, _ in found), classes)


class Stored(Dataset):
    """Base of the datasets whose images lie in an array; a subclass says its name and how the array comes about.

    Args:
        pixels: (n, h, w), (n, h, w, c) or (n, c, h, w) with 1 to 4 channels of 16 to 256 pixels a side; booleans,
            integers or floats.
        fingerprint: changes whenever the pixels do.
        factors: None where none are known.
        layout: what the last three axes of a four-dimensional array are; guessed where it is None.
        scale: what is white. None: 255 for integers (65535 for uint16), 1 for booleans and floats.

    Raises:
        UsageError: no images, or of a size or number of channels that no network takes; factors that do not fit.
    """

    def __init__(
        self,
        pixels: Pixels,
        fingerprint: str,
        factors: Factors | None = None,
        layout: str | None = None,
        scale: float | None = None,
    ) -> None:
        self._layout = checked_layout(pixels.shape, layout, self.name)
        height, width, channels = (
            (*pixels.shape[1:], 1) if self._layout is None else [pixels.shape[1 + self._layout.index(a)] for a in "hwc"]
        )
        check_size(pixels.shape[0], height, width, channels, self.name)
        if pixels.dtype.kind not in "buif":
            raise UsageError(f"{self.name}: expected booleans, integers or floats, got {pixels.dtype}.")
        usual = {"b": 1, "f": 1, "u": 65535 if pixels.dtype.itemsize == 2 else 255}.get(pixels.dtype.kind, 255)
        if scale is not None and not 0 < scale < float("inf"):
            raise UsageError(f"{self.name}: expected `scale` to be a positive number, what is white, got {scale}.")
        self.image_shape = (channels, height, width)
        self.fingerprint = fingerprint if scale is None else f"{fingerprint}-scale-{scale:g}"
        factors = Factors((), ()) if factors is None else factors
        self.factor_names, self.factor_sizes, self.factor_values = factors.names, factors.sizes, factors.values
        count = prod(factors.sizes) if factors.classes is None else len(factors.classes)
        if factors.names and count != pixels.shape[0]:
            raise UsageError(f"{self.name}: expected factors of {pixels.shape[0]} images, got {count}.")
        self._pixels, self._classes, self._scale = pixels, factors.classes, usual if scale is None else scale
        self._checked = pixels.dtype.kind != "b" and not (pixels.dtype == np.uint8 and self._scale >= 255)

    def __len__(self) -> int:
        return self._pixels.shape[0]

    def images(self, indices: Indices) -> Float[np.ndarray, "n c h w"]:
        """As every dataset's. UsageError where one of them leaves [0, 1]: told which, and its range."""
        wanted = checked_indices(indices, len(self))
        found = self._pixels.take(wanted)
        if self._layout is None:
            found = found[:, None]
        elif self._layout == "hwc":
            found = found.transpose(0, 3, 1, 2)
        images = np.array(found, np.float32, order="C")
        if self._scale != 1:
            images /= np.float32(self._scale)
        if self._checked:
            self._refuse_outside(images, wanted)
        return images

    def factors(self, indices: Indices) -> Int64[np.ndarray, "n f"]:
        wanted = checked_indices(indices, len(self))
        if not self.factor_names:
            return np.empty((len(wanted), 0), np.int64)
        if self._classes is not None:
            return self._classes[wanted].astype(np.int64)
        return np.stack(np.unravel_index(wanted, self.factor_sizes), axis=1).astype(np.int64)

    def _refuse_outside(self, images: Float[np.ndarray, "n c h w"], indices: Int64[np.ndarray, " n"]) -> None:
        if not images.size or (images.min() >= 0 and images.max() <= 1):  # false also where one is NaN
            return
        inside = ((images >= 0) & (images <= 1)).all(axis=(1, 2, 3))
        position = int(np.argmin(inside))
        low, high = (float(edge) * self._scale for edge in (images[position].min(), images[position].max()))
        raise UsageError(
            f"{self.name}: image {indices[position]}: expected pixels from 0 to {self._scale:g}, got {low:g} to "
            f"{high:g}. Option `scale` says what is white; negative or missing values have to be mended in the data."
        )


def checked_layout(shape: tuple[int, ...], layout: str | None, who: str) -> Layout | None:
    """The layout of an array of this shape; None where it has no axis for channels.

    Raises:
        UsageError: neither three nor four axes, no channels where they should be, or on both sides.
    """
    if layout not in (None, "hwc", "chw"):
        raise UsageError(f'{who}: expected `layout` "hwc" or "chw", got {layout!r}.')
    if len(shape) == 3:
        return None
    if len(shape) == 4:
        fits = [a for a, axis in (("hwc", 3), ("chw", 1)) if 1 <= shape[axis] <= MOST_CHANNELS and layout in (None, a)]
        if len(fits) == 1:
            return "hwc" if fits == ["hwc"] else "chw"
        if fits:
            raise UsageError(f'{who}: shape {shape} could be either way. Give `layout`: "hwc" or "chw".')
    raise UsageError(
        f"{who}: expected (images, height, width), (images, height, width, channels) or (images, channels, height, "
        f"width) with 1 to {MOST_CHANNELS} channels, got {shape}" + (f" with layout {layout!r}." if layout else ".")
    )


def check_size(count: int, height: int, width: int, channels: int, who: str) -> None:
    """UsageError unless there are images of a size that the networks take."""
    if count == 0:
        raise UsageError(f"{who}: expected images, got none.")
    if not SMALLEST <= min(height, width) <= max(height, width) <= LARGEST:
        fix = "Pad them with zeros." if min(height, width) < SMALLEST else "Make them smaller."
        raise UsageError(
            f"{who}: expected images of {SMALLEST} to {LARGEST} pixels a side, got {height} x {width}. {fix}"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise UsageError(f"{who}: expected 1 to {MOST_CHANNELS} channels, got {channels}. Choose some of them.")
