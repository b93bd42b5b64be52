"""The form of the CKA family: who is similar to whom, packed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.centre import centred_gram, summed_gram
from vaescope.stats.measure import Engine, Form, Sliceable

SLAB = 4_096  # elements of the packed axis multiplied at once; fixed, so that sums do not depend on the blocks of pairs
READ = 4 * SLAB  # elements read at once


@final
@dataclass(frozen=True, eq=False)
class Gram(Form):
    """A centred Gram matrix K of trace 1, as its diagonal and the U-centred rest.

    The U-centred matrix is K_ij - u_i - u_j off the diagonal, with u_i = r_i / (n - 2) - s / (2 (n - 1)(n - 2)), where
    r_i and s are the sums of the off-diagonal entries of row i and of all of them; its rows add to zero. Kept apart,
    debiased CKA is a plain cosine without cancellation, and K's own inner products follow in closed form.

    Attributes:
        packed: the strict upper triangle of the U-centred matrix, row by row, (n (n - 1) / 2,), the dtype of x.
        diagonal: of K, (n,), adds to 1: the share of each example in the variance.
        square: the inner product of `packed` with itself.

    References:
        Székely & Rizzo (2014), Partial distance correlation with methods for dissimilarities. https://arxiv.org/abs/1310.2926
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    packed: Sliceable
    diagonal: Float64[np.ndarray, " n"]
    square: float

    name: ClassVar[str] = "gram"
    version: ClassVar[int] = 1
    whole_blocks: ClassVar[bool] = True

    @classmethod
    def begin(cls, x: np.ndarray, engine: Engine = map) -> Callable[[], "Gram"]:
        total, kind = summed_gram(x, x.dtype.type, engine), x.dtype
        return lambda: cls._packed(centred_gram(total), kind)

    @classmethod
    def _packed(cls, gram: Float64[np.ndarray, "n n"], kind: np.dtype) -> "Gram":
        n = len(gram)
        diagonal = gram.diagonal().copy()
        u = offsets(diagonal)
        packed = np.empty(n * (n - 1) // 2, kind)
        start = 0
        for i in range(n - 1):
            np.subtract(gram[i, i + 1 :] - u[i], u[i + 1 :], out=packed[start : start + n - 1 - i], casting="same_kind")
            start += n - 1 - i
        square = 0.0
        for first in range(0, len(packed), SLAB):
            slab = packed[first : first + SLAB].astype(np.float64)
            square += float(slab @ slab)
        return cls(packed, diagonal, square)

    @property
    def n(self) -> int:
        """The number of examples."""
        return len(self.diagonal)

    @property
    def eps(self) -> float:
        """The rounding of one stored entry."""
        return float(np.finfo(self.packed[0:1].dtype).eps)

    def to_arrays(self) -> dict[str, np.ndarray]:
        size = self.packed.shape[0]
        return {"packed": self.packed[0:size], "diagonal": self.diagonal, "square": np.array([self.square])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Gram":
        diagonal = arrays["diagonal"]
        return cls(arrays["packed"], diagonal[0 : diagonal.shape[0]], float(arrays["square"][0:1][0]))

    @classmethod
    def products(
        cls,
        xs: Sequence["Gram"],
        ys: Sequence["Gram"],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """Inner products of the packed triangles: a GEMM a slab in the forms' precision, slabs added in float64.

        All pairs cost less than choosing among them would save, so `wanted` is not looked at.
        """
        total = np.zeros((len(xs), len(ys)))
        size = xs[0].packed.shape[0] if xs else 0

        def work(start: int) -> np.ndarray:
            part = slice(start, min(start + READ, size))
            left = np.stack([x.packed[part] for x in xs])
            right = left if xs is ys else np.stack([y.packed[part] for y in ys])
            found = np.zeros(total.shape)
            for first in range(0, left.shape[1], SLAB):
                slab = slice(first, first + SLAB)
                found += left[:, slab] @ right[:, slab].T
            return found

        for found in engine(work, range(0, size, READ)):
            total += found
            if progress is not None:
                progress.check()
        return total

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * (n * (n - 1) // 2) + 8 * n + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return float(n) * n * p

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        return float(n) * n


def offsets(diagonal: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The u of `Gram`: the off-diagonal row sums of a centred matrix are its diagonal with the sign changed."""
    n = len(diagonal)
    return -diagonal / (n - 2) + diagonal.sum() / (2 * (n - 1) * (n - 2))


def full_products(
    products: Float64[np.ndarray, "a b"], xs: Sequence[Gram], ys: Sequence[Gram]
) -> Float64[np.ndarray, "a b"]:
    """Inner products of the whole centred Gram matrices, diagonals included, from those of the packed triangles.

    With K_ij = K~_ij + u_i + u_j and rows of K~ adding to zero, the off-diagonal part of <K, L> is
    <K~, L~> + 2 (n - 2) u.v + 2 (sum u)(sum v).
    """
    a, b = np.stack([x.diagonal for x in xs]), np.stack([y.diagonal for y in ys])
    u, v = np.stack([offsets(d) for d in a]), np.stack([offsets(d) for d in b])
    n = a.shape[1]
    return 2 * products + 2 * (n - 2) * (u @ v.T) + 2 * np.outer(u.sum(axis=1), v.sum(axis=1)) + a @ b.T


def full_square(x: Gram) -> float:
    """The squared Frobenius norm of the whole centred Gram matrix."""
    return float(full_products(np.array([[x.square]]), [x], [x])[0, 0])
