"""The contract of a dataset: images by index, with the factors that made them where these are known."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Int64, Integer

from vaescope.registry import Registry


@runtime_checkable
class Arraylike(Protocol):
    """What numpy can turn into an array: its own arrays, torch tensors on the CPU, pandas columns."""

    def __array__(self) -> np.ndarray: ...


Indices = Sequence[int] | Arraylike


class Dataset(ABC):
    """Images with random access. Deterministic: the same index gives the same image, on every machine.

    Attributes:
        name: the registered name, an identifier.
        image_shape: (channels, height, width).
        factor_names: names of the factors of variation; () where none are known.
        factor_sizes: how many values each factor has.
        factor_values: the physical value of each class of each factor.
        fingerprint: changes whenever the images of any index change.
    """

    name: ClassVar[str]
    image_shape: tuple[int, int, int]
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    factor_values: tuple[tuple[float, ...], ...]
    fingerprint: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def images(self, indices: Indices) -> Float[np.ndarray, "n c h w"]:
        """The images of these indices, float32 in [0, 1], (n, c, h, w). IndexError where one is out of range."""

    @abstractmethod
    def factors(self, indices: Indices) -> Int[np.ndarray, "n f"]:
        """The class of each factor, int64, (n, f). IndexError where an index is out of range."""


def checked_integers(values: Indices | Sequence[Sequence[int]], what: str) -> Integer[np.ndarray, "..."]:
    """The values as an integer array of any shape.

    Raises:
        IndexError: a value is not an integer, or the rows have different lengths.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:  # ragged rows, tensors on another device
        raise IndexError(f"{what}: expected integers, got {type(values).__name__}: {error}") from error
    if not array.size:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        fix = "Use np.flatnonzero(mask) for a mask." if array.dtype == bool else "Convert with .astype(np.int64)."
        raise IndexError(f"{what}: expected integers, got {array.dtype} such as {array.flat[0]!r}. {fix}")
    return array


def checked_indices(indices: Indices, length: int) -> Int64[np.ndarray, " n"]:
    """Example indices as int64, in the order given.

    Raises:
        IndexError: they are not one-dimensional, not integers, or one lies outside 0..length - 1.
    """
    array = checked_integers(indices, "indices")
    if array.ndim != 1:
        raise IndexError(f"indices: expected one dimension, got shape {array.shape}. For one example give [index].")
    if array.size and (array.min() < 0 or array.max() >= length):
        wrong = array[(array < 0) | (array >= length)]
        raise IndexError(
            f"indices: expected 0 to {length - 1}, got {wrong[0]} ({len(wrong)} of {len(array)} out of range). "
            "Negative indices do not count from the end here."
        )
    return array.astype(np.int64)


DATASETS: Registry[type[Dataset]] = Registry("dataset", "vaescope.data.datasets", "vaescope.datasets")
