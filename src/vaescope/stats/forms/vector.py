"""Forms whose pairs are inner products of one long vector a representation: the CKA family, RSA, and their like."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.forms.form import Engine, ProductForm, Sliceable
from vaescope.stats.inner import SLAB, inner_products

READ = 64 * SLAB  # elements read at once


class Vector(ProductForm):
    """A form with one long vector; all pairs of a zoo are one matrix product, read from disk in slabs where need be.

    Attributes:
        values: (m,), float32 or float64; m depends on n alone.
    """

    whole_blocks: ClassVar[bool] = True

    values: Sliceable

    @classmethod
    def products(
        cls,
        xs: Sequence["Vector"],
        ys: Sequence["Vector"],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """Inner products of the vectors. All pairs cost less than choosing would save: `wanted` is not looked at."""
        if len(xs) == len(ys) == 1:
            return np.array([[dot(xs[0].values, ys[0].values)]])
        rows = [x.values for x in xs]
        return inner_products(rows, rows if xs is ys else [y.values for y in ys], engine, progress)

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        return float(n) * n


def packed(matrix: np.ndarray, kind: np.dtype | type) -> np.ndarray:
    """The strict upper triangle of a matrix, row by row, (n (n - 1) / 2,)."""
    n = len(matrix)
    found = np.empty(n * (n - 1) // 2, kind)
    start = 0
    for i in range(n - 1):
        found[start : start + n - 1 - i] = matrix[i, i + 1 :]
        start += n - 1 - i
    return found


def square(values: np.ndarray) -> float:
    """The inner product of a long vector with itself, summed in float64 slab by slab."""
    return dot(values, values)


def dot(x: Sliceable, y: Sliceable) -> float:
    """The inner product of two long vectors, summed in float64 slab by slab."""
    total = 0.0
    for start in range(0, x.shape[0], READ):
        a, b = x[start : start + READ], y[start : start + READ]
        total += sum(float(a[k : k + SLAB] @ b[k : k + SLAB]) for k in range(0, len(a), SLAB))
    return total
