"""The forms of the CKA family: who is similar to whom, packed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, final, runtime_checkable

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Sliceable, whole
from vaescope.stats.forms.vector import Vector, square

G = TypeVar("G", bound="Gram")


@runtime_checkable
class Centred(Protocol):
    """What the CKA measures need of a representation, whether it is kept as a Gram matrix or as features.

    Attributes:
        diagonal: of the centred kernel matrix K, (n,), adds to 1: the share of each example in the variance.
        square: half the squared norm of the U-centred matrix, off its diagonal.
    """

    diagonal: Float64[np.ndarray, " n"]
    square: float


@dataclass(frozen=True, eq=False)
class Gram(Vector):
    """A centred kernel matrix K of trace 1, as its diagonal and the U-centred rest.

    The U-centred matrix is K_ij - u_i - u_j off the diagonal, with u_i = r_i / (n - 2) - s / (2 (n - 1)(n - 2)), where
    r_i and s are the sums of the off-diagonal entries of row i and of all of them; its rows add to zero. Kept apart,
    debiased CKA is a plain cosine without cancellation, and K's own inner products follow in closed form.

    Attributes:
        values: the strict upper triangle of the U-centred matrix, row by row, (n (n - 1) / 2,), the dtype of x.
        diagonal: of K, (n,), adds to 1.
        square: the inner product of `values` with itself.

    References:
        Székely & Rizzo (2014), Partial distance correlation with methods for dissimilarities. https://arxiv.org/abs/1310.2926
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    values: Sliceable
    diagonal: Float64[np.ndarray, " n"]
    square: float

    @classmethod
    def packed(cls: type[G], upper: np.ndarray, kind: np.dtype) -> G:
        """From the upper triangle, diagonal included, of a centred kernel matrix of any trace."""
        n = len(upper)
        trace = float(upper.trace(dtype=np.float64))
        diagonal = upper.diagonal().astype(np.float64) / trace
        u, scale = offsets(diagonal).astype(upper.dtype), upper.dtype.type(1 / trace)
        values = np.empty(n * (n - 1) // 2, kind)
        start = 0
        for i in range(n - 1):
            row = upper[i, i + 1 :] * scale
            row -= u[i]
            np.subtract(row, u[i + 1 :], out=values[start : start + n - 1 - i], casting="same_kind")
            start += n - 1 - i
        return cls(values, diagonal, square(values))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": whole(self.values), "diagonal": self.diagonal, "square": np.array([self.square])}

    @classmethod
    def from_arrays(cls: type[G], arrays: Mapping[str, Sliceable]) -> G:
        return cls(arrays["values"], whole(arrays["diagonal"]), float(whole(arrays["square"])[0]))

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * (n * (n - 1) // 2) + 8 * n + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return float(n) * n * p


@final
@dataclass(frozen=True, eq=False)
class LinearGram(Gram):
    """The Gram matrix of inner products of centred rows."""

    name: ClassVar[str] = "gram"
    version: ClassVar[int] = 2

    @classmethod
    def of(cls, x: Examples) -> "LinearGram":
        return cls.packed(x.upper_gram, x.x.dtype)


def offsets(diagonal: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """The u of `Gram`: the off-diagonal row sums of a centred matrix are its diagonal with the sign changed."""
    n = len(diagonal)
    if n < 3:
        return np.zeros(n)
    return -diagonal / (n - 2) + diagonal.sum() / (2 * (n - 1) * (n - 2))


def refuse_alike(name: str, x: Centred, eps: float) -> None:
    """Raise `RepresentationError` where all examples are equally far from one another: the debiased norm is zero."""
    if np.sqrt(2 * max(x.square, 0.0)) < 64 * eps:
        raise RepresentationError(
            f"{name}: all {len(x.diagonal)} examples are equally far from one another (up to rounding), so the "
            "debiased Gram matrix is zero. Use more examples, or cka_biased.",
            "zero_variance",
        )


def debiased(
    products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
) -> Float64[np.ndarray, "a b"]:
    """Cosines of the U-centred matrices, from half their inner products."""
    norms = np.sqrt(np.outer([x.square for x in xs], [y.square for y in ys]))
    return np.clip(products / norms, -1.0, 1.0)  # beyond 1 only by rounding


def biased(
    products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
) -> Float64[np.ndarray, "a b"]:
    """Cosines of the centred kernel matrices themselves, diagonals included."""
    norms = np.sqrt(np.outer([full_square(x) for x in xs], [full_square(y) for y in ys]))
    return np.clip(full_products(products, xs, ys) / norms, 0.0, 1.0)


def full_products(
    products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
) -> Float64[np.ndarray, "a b"]:
    """Inner products of the whole centred matrices, diagonals included, from those of the U-centred triangles.

    With K_ij = K~_ij + u_i + u_j and rows of K~ adding to zero, the off-diagonal part of <K, L> is
    <K~, L~> + 2 (n - 2) u.v + 2 (sum u)(sum v).
    """
    a, b = np.stack([x.diagonal for x in xs]), np.stack([y.diagonal for y in ys])
    u, v = np.stack([offsets(d) for d in a]), np.stack([offsets(d) for d in b])
    n = a.shape[1]
    return 2 * products + 2 * (n - 2) * (u @ v.T) + 2 * np.outer(u.sum(axis=1), v.sum(axis=1)) + a @ b.T


def full_square(x: Centred) -> float:
    """The squared Frobenius norm of the whole centred matrix."""
    return float(full_products(np.array([[x.square]]), [x], [x])[0, 0])
