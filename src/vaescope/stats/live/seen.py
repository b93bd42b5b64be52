"""A layer at a step as it is kept in memory, and how similar it is to itself at other steps, with an interval.

Kept is the U-centred Gram matrix K~ of unit norm, of which debiased CKA is the inner product. Without example i it is,
with t_i = sum_j K~_ij L~_ij, (sum t - c t_i) / sqrt((sum k - c k_i) (sum l - c l_i)), where c = 2 (n - 2) / (n - 3) and
k, l are the same sums of each matrix with itself (`certainty.influence`). All intervals come from these n + 1 numbers.

References:
    Székely & Rizzo (2014), Partial distance correlation with methods for dissimilarities. https://arxiv.org/abs/1310.2926
    Efron & Stein (1981), The jackknife estimate of variance. https://doi.org/10.1214/aos/1176345462
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from vaescope.stats.certainty.intervals import jackknife
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.gram import LinearGram
from vaescope.stats.measure import MEASURES
from vaescope.stats.similarity import matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FEWEST = 10  # examples, below which leaving one out says nothing
UNMOVED = 1e-5  # of 1 - similarity: a few times what float32 triangles are off by


class Reading(NamedTuple):
    """A number and the ends of its interval over examples; NaN where there is none."""

    value: float
    low: float
    high: float


NOTHING = Reading(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Seen:
    """A layer at a step.

    Attributes:
        step: when it was looked at.
        triangle: the strict upper triangle of K~, row by row, n (n - 1) / 2 numbers; its squares add to 1/2.
        own: the squared norm of each row of K~, (n,); they add to 1.
    """

    step: int
    triangle: Float32[np.ndarray, " packed"]
    own: Float64[np.ndarray, " n"]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.triangle.nbytes + self.own.nbytes


@dataclass(frozen=True, eq=False)
class Scores:
    """Debiased CKA of one layer now and at other steps.

    Attributes:
        whole: of all examples, (m,).
        without: without each example, (n, m).
    """

    whole: Float64[np.ndarray, " m"]
    without: Float64[np.ndarray, "n m"]

    def readings(self, confidence: float) -> list[Reading]:
        """Each score with its interval."""
        return _readings(self.whole, self.without, confidence)

    def corrected(self, floor: int, confidence: float) -> list[Reading]:
        """(s - f) / (1 - f) with f the score at the place `floor`.

        As |K~ - L~|^2 is 2 (1 - s), this is 1 less the squared distance from the one, over that from the floor. The
        interval is that of the whole expression: every example is left out of s and f at once. NaN where the layer is
        at the floor up to rounding.
        """
        f, f_without = self.whole[floor], self.without[:, [floor]]
        if 1 - f < UNMOVED:
            return [NOTHING] * len(self.whole)
        with np.errstate(invalid="ignore", divide="ignore"):
            return _readings((self.whole - f) / (1 - f), (self.without - f_without) / (1 - f_without), confidence)


def seen(step: int, x: np.ndarray) -> Seen:
    """A representation (n, p) as it is kept.

    Raises:
        RepresentationError: it cannot be compared: too few examples, constant, not finite.
    """
    form = MEASURES["cka"]().prepare(Examples(matrix(x, "x")), LinearGram)
    assert isinstance(form, LinearGram)  # noqa: S101
    triangle = (np.asarray(form.values) / np.sqrt(2 * form.square)).astype(np.float32)
    n = len(form.diagonal)
    return Seen(step, triangle, _rows(triangle, triangle, n))


def scores(now: Seen, others: Sequence[Seen]) -> Scores:
    """Debiased CKA of a layer now with itself at other steps.

    Args:
        now: the layer now.
        others: the same layer, of the same examples.
    """
    n = len(now.own)
    rows = np.stack([_rows(now.triangle, other.triangle, n) for other in others], axis=1)
    own = np.stack([other.own for other in others], axis=1)
    c = 2 * (n - 2) / (n - 3)
    whole = rows.sum(axis=0)
    norms = [squares.sum(axis=0) - c * squares for squares in (now.own[:, None], own)]
    with np.errstate(invalid="ignore", divide="ignore"):
        without = (whole - c * rows) / np.sqrt(norms[0] * norms[1])
        whole = whole / np.sqrt(now.own.sum() * own.sum(axis=0))
    return Scores(np.clip(whole, -1, 1), np.clip(without, -1, 1))


def _readings(whole: np.ndarray, without: np.ndarray, confidence: float) -> list[Reading]:
    found = jackknife(whole, without, confidence)
    columns = (found.value.tolist(), found.low.tolist(), found.high.tolist())
    return [Reading(v, lo, min(hi, 1.0)) for v, lo, hi in zip(*columns, strict=True)]


def _rows(a: np.ndarray, b: np.ndarray, n: int) -> Float64[np.ndarray, " n"]:
    """The row sums of the product, element by element, of two symmetric matrices given by their triangles."""
    return np.asarray(_incidence(n) @ (a * b), np.float64)


@lru_cache(maxsize=2)
def _incidence(n: int) -> "csr_matrix":
    """Which entries of the triangle lie in each row or column, (n, n (n - 1) / 2)."""
    from scipy.sparse import csr_matrix

    ends = np.concatenate(np.triu_indices(n, 1))
    entries = np.tile(np.arange(len(ends) // 2), 2)
    return csr_matrix((np.ones(len(ends), np.float32), (ends, entries)), shape=(n, len(ends) // 2))
