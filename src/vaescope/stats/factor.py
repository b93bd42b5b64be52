"""The form of the Procrustes family: a thin factor of the Gram matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.examples import Examples
from vaescope.stats.form import Engine, ProductForm, Sliceable, whole

DROPPED = {"float32": 1e-10, "float64": 1e-14}  # share of the variance that dropped directions may hold
PAIRS_AT_ONCE = 16  # numpy lets other threads run only while it works on a stack of matrices


@final
@dataclass(frozen=True, eq=False)
class Factor(ProductForm):
    """F with F F^T = K, the centred Gram matrix of trace 1; never wider than n or p.

    F is the centred, normalised representation itself if p < n, else its principal components, from the eigenvectors
    of K in float64. The last components are dropped while together they hold at most 1e-10 of the variance (1e-14 for
    float64): as |nuclear norm of E^T G| <= |E| |G| (Frobenius), a score moves by at most 2e-5 (2e-7).

    Attributes:
        factor: (n, r), Frobenius norm 1.
        mark: a digest of the values: equal marks, equal representations.
    """

    factor: Sliceable
    mark: int

    name: ClassVar[str] = "factor"
    version: ClassVar[int] = 2

    @classmethod
    def of(cls, x: Examples) -> "Factor":
        kind = x.x.dtype
        if x.p < x.n:
            return cls.marked(x.centred, kind)
        vectors, values = x.principal
        squares = np.square(values)
        kept = int(np.searchsorted(-np.cumsum(squares[::-1])[::-1], -DROPPED[kind.name] * squares.sum(), side="left"))
        values = values[:kept] / np.sqrt(squares[:kept].sum())
        return cls.marked(vectors[:, :kept] * values, kind)

    @classmethod
    def marked(cls, factor: np.ndarray, kind: np.dtype) -> "Factor":
        """A form of this factor, kept as `kind`."""
        factor = np.ascontiguousarray(factor, kind)
        return cls(factor, int.from_bytes(blake2b(factor.tobytes(), digest_size=8).digest(), "little"))

    @property
    def values(self) -> np.ndarray:
        """The whole factor in memory, (n, r)."""
        return whole(self.factor)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"factor": self.values, "mark": np.array([self.mark], np.uint64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Factor":
        return cls(arrays["factor"], int(arrays["mark"][0:1][0]))

    @classmethod
    def products(
        cls,
        xs: Sequence["Factor"],
        ys: Sequence["Factor"],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """Nuclear norms of F_x^T F_y, for the wanted pairs (others NaN); 1 at once where both are the same."""
        norms = np.full((len(xs), len(ys)), np.nan)
        wanted = np.ones(norms.shape, bool) if wanted is None else wanted
        same = np.equal.outer(np.array([x.mark for x in xs], np.uint64), np.array([y.mark for y in ys], np.uint64))
        norms[wanted & same] = 1.0
        pairs = np.argwhere(wanted & ~same)
        ranks = np.minimum.outer([x.factor.shape[1] for x in xs], [y.factor.shape[1] for y in ys])
        pairs = pairs[np.argsort(ranks[pairs[:, 0], pairs[:, 1]], kind="stable")]
        parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]

        def work(part: np.ndarray) -> list[float]:
            return nuclear_norms([(xs[i].values, ys[j].values) for i, j in part])

        for part, found in zip(parts, engine(work, parts), strict=True):
            norms[part[:, 0], part[:, 1]] = found
            if progress is not None:
                progress.check()
        return norms

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * n * min(n - 1, p) + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return n * n * p + 9.0 * n**3 if p >= n else 2.0 * n * p

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        r, s = sorted((min(n - 1, p), min(n - 1, q)))
        return 2.0 * n * r * s + 2.0 * r * r * s + 1.4 * r**3


def nuclear_norms(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """The sum of the singular values of x^T y of each pair, for x (n, r) and y (n, s).

    In float64 by the singular values. In float32 by the eigenvalues of the smaller product of x^T y with itself, formed
    in float64: half the time, and errors of 1e-8 of the largest singular value, less than those of float32. Products
    of one size are taken together; each is worked on alone, so its result does not depend on the others.
    """
    norms = [0.0] * len(pairs)
    squares: dict[int, list[tuple[int, np.ndarray]]] = {}
    for place, (x, y) in enumerate(pairs):
        cross = x.T @ y if x.shape[1] >= y.shape[1] else y.T @ x
        if cross.dtype == np.float64:
            norms[place] = float(np.linalg.svd(cross, compute_uv=False).sum())
        else:
            cross = cross.astype(np.float64)
            squares.setdefault(cross.shape[1], []).append((place, cross.T @ cross))
    for alike in squares.values():
        values = np.linalg.eigvalsh(np.stack([square for _, square in alike]))
        for (place, _), eigenvalues in zip(alike, values, strict=True):
            norms[place] = float(np.sqrt(np.maximum(eigenvalues, 0)).sum())
    return norms
