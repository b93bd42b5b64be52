"""Which examples a CKA score comes from, and what it is without them.

References:
    Davari et al. (2022), Reliability of CKA as a similarity measure in deep learning. https://arxiv.org/abs/2210.16156
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.certainty.hollow import Hollow, unpacked
from vaescope.stats.forms.centring import centred
from vaescope.stats.forms.gram import offsets
from vaescope.stats.similarity import matrix, similarity

BUFFER = 1 << 28  # bytes of matrices at once


@dataclass(frozen=True, eq=False)
class WithoutTop:
    """A score with and without the examples that weigh most.

    Attributes:
        score: of all examples.
        without: of the others.
        left_out: positions of the examples left out, those first without which the score changes most.
        share: the sum of their `influence`, of 1 for all examples.
    """

    score: float
    without: float
    left_out: Int[np.ndarray, " q"]
    share: float


def influence(x: object, y: object) -> Float64[np.ndarray, " n"]:
    """c_i = sum_j K~_ij L~_ij / <K~, L~>: the share of each example in the numerator of debiased CKA. They add to 1.

    About 1 / n each where all examples count alike; below 0 where an example speaks against the score. An outlier of
    one side only can hide here, as it enlarges the norm below the line: `leave_one_out` finds it. Computed from
    features where that is cheaper than from n x n matrices, so that n may be large.

    Args:
        x: (n, ...) as `similarity` takes it; n at least 4.
        y: (n, ...), the same examples.

    Raises:
        RepresentationError: no answer, see its `reason`.
    """
    found = _row_products(*_pair(x, y))
    return found / found.sum()


def leave_one_out(x: object, y: object) -> Float64[np.ndarray, " n"]:
    """Debiased CKA without each of the examples, exactly.

    With t_i = sum_j K~_ij L~_ij the numerator without example i, centred again, is sum t - 2 (n - 2) / (n - 3) t_i,
    since the rows of K~ and L~ add to zero; likewise the norms.

    Args:
        x: (n, ...) as `similarity` takes it; n at least 5.
        y: (n, ...), the same examples.

    Returns:
        (n,); NaN where nothing is left.

    Raises:
        RepresentationError: no answer, see its `reason`.
    """
    a, b = _pair(x, y)
    if len(a) < 5:
        raise RepresentationError(f"expected at least 5 examples, got {len(a)}. Use more examples.", "too_few")
    return _without_each(_row_products(a, b), _row_products(a, a), _row_products(b, b))


def _without_each(xy: np.ndarray, xx: np.ndarray, yy: np.ndarray) -> np.ndarray:
    """Cosines without each example, from the row products of both matrices and of each with itself, (n, ...)."""
    n = len(xy)
    left = [t.sum(axis=0) - 2 * (n - 2) / (n - 3) * t for t in (xy, xx, yy)]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = left[0] / np.sqrt(np.where((left[1] > 0) & (left[2] > 0), left[1] * left[2], np.nan))
    return np.clip(found, -1, 1)


def _pair(x: object, y: object) -> tuple[np.ndarray, np.ndarray]:
    a, b = matrix(x, "x"), matrix(y, "y")
    if len(a) != len(b):
        raise RepresentationError(
            f"x and y must hold the same examples, got {len(a):,} and {len(b):,} rows.", "shape_mismatch"
        )
    if len(a) < 4:
        raise RepresentationError(f"expected at least 4 examples, got {len(a)}. Use more examples.", "too_few")
    return centred(a), centred(b)


def _row_products(a: np.ndarray, b: np.ndarray) -> Float64[np.ndarray, " n"]:
    """t_i = sum over j != i of (K_ij - u_i - u_j)(L_ij - v_i - v_j) for K = a a^T, L = b b^T, rows adding to zero."""
    n, p, q = len(a), a.shape[1], b.shape[1]
    d, e = np.square(a).sum(axis=1), np.square(b).sum(axis=1)
    narrow = p * q < n * (p + q)
    cross = np.einsum("ij,ij->i", a @ (a.T @ b), b) if narrow else _rows_of_products(a, b)
    u, v = offsets(d), offsets(e)
    kv = a @ (a.T @ v) - d * v  # sum over j != i of K_ij v_j
    lu = b @ (b.T @ u) - e * u
    found = cross - d * e + d * v - kv + e * u - lu
    return found + (n - 4) * u * v + u * v.sum() + v * u.sum() + u @ v


def _rows_of_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row sums of (a a^T) * (b b^T), some rows at a time."""
    n = len(a)
    step = max(1, BUFFER // (16 * n))
    parts = [slice(k, k + step) for k in range(0, n, step)]
    return np.concatenate([np.einsum("ij,ij->i", a[part] @ a.T, b[part] @ b.T) for part in parts])


def heaviest(x: object, y: object, share: float = 0.01) -> Int[np.ndarray, " q"]:
    """The examples without which debiased CKA changes most, one at a time: a `share` of all, at least one.

    Raises:
        RepresentationError: no answer, see its `reason`.
        UsageError: a share not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"expected a share between 0 and 1, got {share}. Take 0.01.")
    without = leave_one_out(x, y)
    a, b = _pair(x, y)
    norm = np.sqrt(_row_products(a, a).sum() * _row_products(b, b).sum())
    change = np.abs(without - _row_products(a, b).sum() / norm)
    change[np.isnan(change)] = np.inf
    return np.argsort(-change, kind="stable")[: _count(len(change), share)]


def _count(n: int, share: float) -> int:
    return max(1, int(np.ceil(share * n - 1e-9)))


def without_top(x: object, y: object, measure: str = "cka", share: float = 0.01) -> WithoutTop:
    """The score of a pair without the examples that debiased CKA depends on most.

    A score that moves much hangs on a few examples; look at them before believing it. Outliers that move together
    may hide one another if they are more than the share.

    Args:
        x: (n, ...) as `similarity` takes it; n at least 5.
        y: (n, ...), the same examples.
        measure: of the scores; the examples are chosen by `heaviest` whatever the measure.
        share: of the examples to leave out.

    Raises:
        RepresentationError: no answer, see its `reason`.
        UsageError: no such measure, or a share not between 0 and 1.
    """
    score = similarity(x, y, measure)
    a, b = matrix(x, "x"), matrix(y, "y")
    chosen = heaviest(a, b, share)
    rest = np.ones(len(a), bool)
    rest[chosen] = False
    return WithoutTop(score, similarity(a[rest], b[rest], measure), chosen, float(influence(a, b)[chosen].sum()))


@dataclass(frozen=True, eq=False)
class Concentration:
    """How far each score of debiased CKA hangs on a few examples, both (r, s).

    Attributes:
        top_share: of the influences, signs dropped, the sum of the largest (1 % of the examples) over the sum of all:
            0.01 where all examples count alike, 1 where a few are everything.
        largest_change: of the score when one example is left out.
    """

    top_share: Float64[np.ndarray, "r s"]
    largest_change: Float64[np.ndarray, "r s"]


def concentration(xs: Sequence[Hollow], ys: Sequence[Hollow] | None = None, share: float = 0.01) -> Concentration:
    """`influence` and `leave_one_out` of every pair of a zoo: about twice the work of the scores themselves.

    Args:
        xs: Gram forms of the rows.
        ys: of the columns; those of the rows if None.
        share: of the examples, for `top_share`.
    """
    n = len(xs[0].diagonal)
    columns = xs if ys is None else ys
    count, group = _count(n, share), max(1, BUFFER // (8 * n * n))
    shares, changes = np.empty((2, len(xs), len(columns)))
    for r in range(0, len(xs), group):
        left, own = _stacked(xs[r : r + group])
        for s in range(0, len(columns), group):
            right, other = (left, own) if ys is None and s == r else _stacked(columns[s : s + group])
            block = np.s_[r : r + group, s : s + group]
            products = np.matmul(left, right.transpose(0, 2, 1)).astype(np.float64)
            sizes = np.abs(products)
            without = _without_each(products, own[:, :, None], other[:, None, :])
            norm = np.sqrt(np.outer(own.sum(axis=0), other.sum(axis=0)))
            with np.errstate(invalid="ignore", divide="ignore"):
                score = products.sum(axis=0) / norm
                shares[block] = np.partition(sizes, n - count, axis=0)[n - count :].sum(axis=0) / sizes.sum(axis=0)
                changes[block] = np.abs(without - score).max(axis=0)
    return Concentration(shares, changes)


def _stacked(forms: Sequence[Hollow]) -> tuple[np.ndarray, np.ndarray]:
    """The U-centred matrices side by side, (n, r, n), and the squared norms of their rows, (n, r)."""
    stack = np.stack([unpacked(form) for form in forms], axis=1)
    return stack, np.einsum("irj,irj->ir", stack, stack, dtype=np.float64)
