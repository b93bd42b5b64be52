"""The contract of a dataset: images by index, with the factors that made them where these are known."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from vaescope.registry import Registry

Indices = Sequence[int] | Int[np.ndarray, " n"]


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


DATASETS: Registry[type[Dataset]] = Registry("dataset", "vaescope.data", "vaescope.datasets")
