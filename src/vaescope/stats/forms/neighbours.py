"""The form of neighbourhood measures: which examples lie nearest to each example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int, Int32

from vaescope.errors import RepresentationError
from vaescope.stats.forms.distances import TIE, refuse_equidistant
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form, Sliceable, whole
from vaescope.stats.forms.vector import packed

K = 10  # neighbours
MOST = 2 * K  # neighbours of an example on average, where distances tie


@final
@dataclass(frozen=True, eq=False)
class Neighbours(Form):
    """The neighbourhood of each example: the examples that are no farther than its k-th nearest other one, k = 10.

    Distances are Euclidean. Where the k-th and farther ones tie (repeated examples, discrete values), all of them are
    in, so that nothing depends on the order of the examples; without ties a neighbourhood has k members.

    Attributes:
        links: i n + j for every member j of the neighbourhood of i, rising; then zeros, (2 k n,).
        sizes: of the neighbourhoods, (n,), each at least k.
    """

    name: ClassVar[str] = "neighbours"
    version: ClassVar[int] = 1

    links: Int32[np.ndarray, " m"]
    sizes: Int32[np.ndarray, " n"]

    @classmethod
    def of(cls, x: Examples) -> "Neighbours":
        squared = x.squared_distances
        upper = packed(squared, np.float64)
        refuse_equidistant(float(upper.std() / upper.mean()), float(np.finfo(x.x.dtype).eps))
        links, sizes = nearest(squared, K)
        if len(links) > MOST * x.n:
            raise RepresentationError(
                f"{len(links) / x.n:,.1f} examples on average are as near as the {K}th nearest or nearer: so many "
                "equal distances do not tell who the nearest are. Leave repeated examples out of both.",
                "ill_conditioned",
            )
        padded = np.zeros(MOST * x.n, np.int32)
        padded[: len(links)] = links
        return cls(padded, sizes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"links": self.links, "sizes": self.sizes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Neighbours":
        return cls(whole(arrays["links"]), whole(arrays["sizes"]))

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * n * (MOST + 1)

    @staticmethod
    def flops(n: int, p: int) -> float:
        return float(n) * n * p


def nearest(squared: Float64[np.ndarray, "n n"], k: int) -> tuple[Int32[np.ndarray, " m"], Int32[np.ndarray, " n"]]:
    """`links` (those there are) and `sizes` of `Neighbours`, for n > k examples."""
    n = len(squared)
    links, sizes = [], np.empty(n, np.int32)
    for start in range(0, n, 256):
        block = squared[start : start + 256].copy()
        own = np.arange(len(block))
        block[own, start + own] = np.inf
        limit = np.partition(block, k - 1, axis=1)[:, k - 1, None]
        within = block <= limit * (1 + TIE)
        sizes[start : start + 256] = within.sum(axis=1)
        links.append(np.flatnonzero(within) + start * n)
    return np.concatenate(links).astype(np.int32), sizes


def shared(x: Neighbours, y: Neighbours) -> Int[np.ndarray, " n"]:
    """How many examples each has in both of its neighbourhoods."""
    links = np.concatenate([f.links[: f.sizes.sum()] for f in (x, y)])
    links.sort(kind="stable")  # merges two sorted runs in linear time
    both = links[1:][links[1:] == links[:-1]]
    return np.bincount(both // len(x.sizes), minlength=len(x.sizes))


def pair_flops(n: int) -> float:
    """Operations of a pair of these forms, about."""
    return 10.0 * n * K
