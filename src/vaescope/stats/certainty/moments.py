"""The exact moments of CKA when the examples of one side are permuted, from a few numbers a representation.

Write T = sum over i != j of K~_ij L~_{s(i) s(j)} for U-centred K~, L~ and a permutation s drawn uniformly, and
D = sum of a_i b_{s(i)} for the centred diagonals a of K and b of L. The inner product of the whole matrices is
T + n / (n - 2) D + constant, as K_ij = K~_ij + u_i + u_j with u an affine function of the diagonal. A moment of T and
D is a sum over tuples of index pairs; permutation averages the L part over all injective placings of a tuple's
vertices, and since rows add to zero every such sum reduces to those of which each vertex lies on two edges or more (a
diagonal entry counting as one). What is left, up to third order: the invariants below. E T = E D = E T D = 0.

References:
    Kazi-Aoual, Hitier, Sabatier & Lebreton (1995), Refined approximations to permutation tests for multivariate
        inference. https://zbmath.org/?q=an:0875.62183
    Josse, Pagès & Husson (2008), Testing the significance of the RV coefficient. https://doi.org/10.1016/j.csda.2008.06.012
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.certainty.hollow import Hollow, unpacked


@dataclass(frozen=True, eq=False)
class Invariants:
    """What the permutation moments need of each of r representations, for K of trace 1 (or any other scale).

    Attributes:
        n: examples.
        trace: tr K, (r,).
        norm: the Frobenius norm of K, diagonal included, (r,).
        hollow_norm: that of K~, (r,).
        spread: the norm of the centred diagonal a, (r,).
        cubes: sum of K~_ij^3, over hollow_norm^3, (r,).
        triangles: tr K~^3, over hollow_norm^3, (r,).
        spread_cubes: sum of a_i^3, (r,).
        edges: a^T K~ a, (r,).
        rows: sum of a_i (K~^2)_ii, (r,).
    """

    n: int
    trace: Float64[np.ndarray, " r"]
    norm: Float64[np.ndarray, " r"]
    hollow_norm: Float64[np.ndarray, " r"]
    spread: Float64[np.ndarray, " r"]
    cubes: Float64[np.ndarray, " r"]
    triangles: Float64[np.ndarray, " r"]
    spread_cubes: Float64[np.ndarray, " r"]
    edges: Float64[np.ndarray, " r"]
    rows: Float64[np.ndarray, " r"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean, variance and skewness of scores under permutation, each (r, s)."""

    mean: Float64[np.ndarray, "r s"]
    variance: Float64[np.ndarray, "r s"]
    skewness: Float64[np.ndarray, "r s"]


def invariants(forms: Sequence[Hollow]) -> Invariants:
    """The invariants of Gram forms; one product of an n x n matrix with itself each, in the precision of the form.

    Args:
        forms: of one n, at least 4; values may lie on disk.

    Raises:
        UsageError: no forms, or of different n.
    """
    sizes = {len(form.diagonal) for form in forms}
    if len(sizes) != 1:
        raise UsageError(f"expected forms of the same examples, got n = {sorted(sizes)}.")
    n = sizes.pop()
    columns = np.array([_of_one(form) for form in forms]).T
    return Invariants(n, *columns)


def _of_one(form: Hollow) -> tuple[float, ...]:
    n, diagonal = len(form.diagonal), np.asarray(form.diagonal, np.float64)
    matrix = unpacked(form)
    squares = np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64)
    q = float(squares.sum())
    scaled = matrix / matrix.dtype.type(np.sqrt(q / n)) if q else matrix  # rows of norm about 1
    product = scaled @ scaled.T
    triangles = float(np.einsum("ij,ij->i", product, scaled, dtype=np.float64).sum()) / n**1.5
    np.multiply(scaled, scaled, out=product)
    cubes = float(np.einsum("ij,ij->i", product, scaled, dtype=np.float64).sum()) / n**1.5
    a = diagonal - diagonal.mean()
    spread = float(a @ a)
    trace = float(diagonal.sum())
    # |K|^2 = |K~|^2 + 2 (n - 2) |u|^2 + 2 (sum u)^2 + |diagonal|^2, written without cancellation
    square = q + n / (n - 2) * spread + trace**2 / (n - 1)
    edges = float(a @ (matrix @ a.astype(matrix.dtype)))
    norms = np.sqrt([square, q, spread]).tolist()
    return (trace, *norms, cubes, triangles, float((a**3).sum()), edges, float(a @ squares))


def _falling(n: int, k: int) -> float:
    """1 / (n (n - 1) ... (n - k + 1)); 0 where that many distinct examples do not exist."""
    found = 1.0
    for i in range(k):
        found *= n - i
    return 1 / found if found else 0.0


def _third_of_t(x: Invariants, y: Invariants) -> Float64[np.ndarray, "r s"]:
    """E T^3 over hollow_norm^3 of both.

    One row a multigraph of three edges: vertices, how many triples of ordered pairs have this shape for each injective
    placing, and its sum over injective placings as a combination of (cubes, triangles).
    """
    shapes = (
        (2, 4, 1, 0),  # a threefold edge
        (3, 24, -1, 0),  # a double edge and one that touches it
        (3, 8, 0, 1),  # a triangle
        (4, 8, 2, 0),  # a star
        (4, 24, 1, -1),  # a path
        (4, 6, 2, 0),  # a double edge and one apart
        (5, 12, -4, 2),  # a path of two and an edge apart
        (6, 1, 16, -8),  # three edges apart
    )
    found = np.zeros((len(x.cubes), len(y.cubes)))
    for vertices, count, c, t in shapes:
        found += (
            count * _falling(x.n, vertices) * np.outer(c * x.cubes + t * x.triangles, c * y.cubes + t * y.triangles)
        )
    return found


def debiased_moments(x: Invariants, y: Invariants) -> Moments:
    """Of debiased CKA: mean 0, variance 2 / (n (n - 3)) whatever the data, and the skewness.

    Args:
        x: of the rows of the matrix of scores.
        y: of its columns.
    """
    shape = (len(x.trace), len(y.trace))
    variance = 2 / (x.n * (x.n - 3))
    return Moments(np.zeros(shape), np.full(shape, variance), _third_of_t(x, y) / variance**1.5)


def biased_moments(x: Invariants, y: Invariants) -> Moments:
    """Of CKA as first defined (the RV coefficient): mean tr K tr L / ((n - 1) |K| |L|), variance and skewness.

    T and D are uncorrelated, with variances 2 |K~|^2 |L~|^2 / (n (n - 3)) and |a|^2 |b|^2 / (n - 1).
    """
    n = x.n
    norm = np.outer(x.norm, y.norm)
    c = n / (n - 2)
    per_t, per_d = 2 / (n * (n - 3)), 1 / (n - 1)
    t = np.outer(x.hollow_norm, y.hollow_norm)
    d = np.outer(x.spread, y.spread)
    variance = per_t * t**2 + c**2 * per_d * d**2
    ttd = 4 * _falling(n, 2) + 20 * _falling(n, 3) + 52 * _falling(n, 4) + 64 * _falling(n, 5)
    ddd = n / ((n - 1) * (n - 2))
    third = (
        t**3 * _third_of_t(x, y)
        + 3 * c * ttd * np.outer(x.rows, y.rows)
        + 3 * c**2 * per_t * np.outer(x.edges, y.edges)
        + c**3 * ddd * np.outer(x.spread_cubes, y.spread_cubes)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = np.where(variance > 0, third / variance**1.5, 0.0)
    return Moments(np.outer(x.trace, y.trace) / ((n - 1) * norm), variance / norm**2, skewness)
