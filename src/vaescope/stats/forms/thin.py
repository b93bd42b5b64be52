"""Forms that are one matrix with few columns, and whose pairs are nuclear norms: Procrustes, Bures, the CCA family."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.forms.form import Engine, ProductForm, Sliceable, whole

PAIRS_AT_ONCE = 16
BYTES_AT_ONCE = 32 << 20  # of float64 products, unless one pair alone takes more

T = TypeVar("T", bound="Thin")


@dataclass(frozen=True, eq=False)
class Thin(ProductForm):
    """A representation as an n x r matrix; pairs are the nuclear norms of A^T B.

    Attributes:
        factor: (n, r), float32 or float64.
        mark: a digest of the values: equal marks, equal representations.
    """

    factor: Sliceable
    mark: int

    @classmethod
    def marked(cls: type[T], factor: np.ndarray, kind: np.dtype) -> T:
        """A form of this matrix, kept as `kind`."""
        return cls(*cls.stored(factor, kind))

    @staticmethod
    def stored(factor: np.ndarray, kind: np.dtype) -> tuple[np.ndarray, int]:
        """`factor` and `mark`."""
        factor = np.ascontiguousarray(factor, kind)
        return factor, int.from_bytes(blake2b(factor.tobytes(), digest_size=8).digest(), "little")

    @property
    def values(self) -> np.ndarray:
        """The whole matrix in memory, (n, r)."""
        return whole(self.factor)

    @property
    def rank(self) -> int:
        """The number of columns, r."""
        return self.factor.shape[1]

    @property
    @abstractmethod
    def own(self) -> float:
        """The nuclear norm of A^T A, exactly."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"factor": self.values, "mark": np.array([self.mark], np.uint64)}

    @classmethod
    def from_arrays(cls: type[T], arrays: Mapping[str, Sliceable]) -> T:
        return cls(arrays["factor"], int(arrays["mark"][0:1][0]))

    @classmethod
    def products(
        cls,
        xs: Sequence["Thin"],
        ys: Sequence["Thin"],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """Nuclear norms of A^T B for the wanted pairs (others NaN); at once where both are the same."""
        norms = np.full((len(xs), len(ys)), np.nan)
        wanted = np.ones(norms.shape, bool) if wanted is None else wanted
        same = np.equal.outer(np.array([x.mark for x in xs], np.uint64), np.array([y.mark for y in ys], np.uint64))
        for i, j in np.argwhere(wanted & same):
            norms[i, j] = xs[i].own
        pairs = np.argwhere(wanted & ~same)
        ranks = np.minimum.outer([x.rank for x in xs], [y.rank for y in ys])
        pairs = pairs[np.argsort(ranks[pairs[:, 0], pairs[:, 1]], kind="stable")]
        parts = list(_parts(pairs, ranks))

        def work(part: np.ndarray) -> list[float]:
            left = {i: xs[i].values for i in set(part[:, 0].tolist())}
            right = {j: ys[j].values for j in set(part[:, 1].tolist())}
            return nuclear_norms([_ordered(xs[i], left[i], ys[j], right[j]) for i, j in part.tolist()])

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
        return n * n * p + 9.0 * n**3 if p >= n else 2.0 * n * p * p + 9.0 * p**3

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        r, s = sorted((min(n - 1, p), min(n - 1, q)))
        return 2.0 * n * r * s + 2.0 * r * r * s + 1.4 * r**3


def _ordered(x: Thin, a: np.ndarray, y: Thin, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of both, in an order that is the same for (x, y) and (y, x), so that not a bit depends on it."""
    return (a, b) if (x.rank, x.mark) >= (y.rank, y.mark) else (b, a)


def _parts(pairs: np.ndarray, ranks: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs to be worked on together: as many as fit, of ranks that rise."""
    start = 0
    while start < len(pairs):
        ahead = ranks[pairs[start : start + PAIRS_AT_ONCE, 0], pairs[start : start + PAIRS_AT_ONCE, 1]]
        count = max(1, int((np.cumsum(8 * ahead.astype(np.int64) ** 2) <= BYTES_AT_ONCE).sum()))
        yield pairs[start : start + count]
        start += count


def nuclear_norms(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """The sum of the singular values of x^T y of each pair, for x (n, r) and y (n, s).

    In float64 by the singular values. In float32 by the eigenvalues of the smaller product of x^T y with itself, formed
    in float64: a third of the time, and errors of 1e-8 of the largest singular value, less than those of float32.
    Products of one size are taken together; each is worked on alone, so its result does not depend on the others.
    """
    norms = [0.0] * len(pairs)
    places: dict[int, list[int]] = {}
    for place, (x, y) in enumerate(pairs):
        if np.result_type(x, y) == np.float64:
            norms[place] = singular_sum(x.T @ y)
        else:
            places.setdefault(min(x.shape[1], y.shape[1]), []).append(place)
    for size, alike in places.items():
        squares = np.empty((len(alike), size, size))
        for square, place in zip(squares, alike, strict=True):
            x, y = pairs[place] if pairs[place][0].shape[1] > size else pairs[place][::-1]
            cross = (x.T @ y).astype(np.float64)
            np.matmul(cross.T, cross, out=square)
        for place, eigenvalues in zip(alike, np.linalg.eigvalsh(squares), strict=True):
            norms[place] = float(np.sqrt(np.maximum(eigenvalues, 0)).sum())
    return norms


def singular_sum(cross: Float64[np.ndarray, "r s"]) -> float:
    """The nuclear norm of one matrix, by its singular values."""
    return float(np.linalg.svd(cross, compute_uv=False).sum())
