"""Forms of which only the direction of one long vector counts: the score of a pair is a cosine, or follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.form import Sliceable, whole
from vaescope.stats.forms.vector import Vector, square

D = TypeVar("D", bound="Direction")


@dataclass(frozen=True, eq=False)
class Direction(Vector):
    """One long vector and its squared length.

    Attributes:
        values: (m,), m depends on n alone; the dtype of x.
        square: the inner product of `values` with itself.
    """

    values: Sliceable
    square: float

    @classmethod
    def along(cls: type[D], values: np.ndarray) -> D:
        """The form with these values."""
        return cls(values, square(values))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": whole(self.values), "square": np.array([self.square])}

    @classmethod
    def from_arrays(cls: type[D], arrays: Mapping[str, Sliceable]) -> D:
        return cls(arrays["values"], float(whole(arrays["square"])[0]))

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * (n * (n - 1) // 2) + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return float(n) * n * p


def cosines(
    products: Float64[np.ndarray, "a b"], xs: Sequence[Direction], ys: Sequence[Direction]
) -> Float64[np.ndarray, "a b"]:
    """The cosine of every pair, from the inner products."""
    norms = np.sqrt(np.outer([x.square for x in xs], [y.square for y in ys]))
    return np.clip(products / norms, -1.0, 1.0)  # beyond 1 only by rounding
