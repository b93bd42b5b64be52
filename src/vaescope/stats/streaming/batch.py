"""One batch of a streaming estimate: U-centred Gram matrices of all layers, packed, and all their inner products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Float64

Fault = Literal["", "non_finite", "ill_conditioned"]

COLUMNS = 8_192  # multiplied at once in the precision of the layer; such blocks are added in float64
SLAB = 4_096  # packed entries multiplied at once, in float64
SAMPLE = 8  # rows that show whether the mean is large
OFFSET = 1.0  # a squared mean above so many variances (in the sample) is subtracted before multiplying
ROUNDING_STEPS = 32.0  # a spread below so many rounding errors of the mean is not information
SMALLEST, LARGEST = 1e-150, 1e150  # of a squared norm, so that its square still is a float64


@final
@dataclass(frozen=True, eq=False)
class BatchProducts:
    """What one batch adds to the sums.

    Attributes:
        products: <K, L> of the U-centred Gram matrices of every two layers, halved, (layers, layers): n (n - 3) / 2
            times the unbiased estimate of HSIC. 0 where a layer does not vary or has a fault.
        faults: of each layer: "", "non_finite", or "ill_conditioned" where its squares leave the range of float64.
    """

    products: Float64[np.ndarray, "layers layers"]
    faults: tuple[Fault, ...]


def batch_products(layers: Sequence[np.ndarray]) -> BatchProducts:
    """All inner products of a batch.

    Each Gram matrix is made once (once for layers that are equal), and one GEMM multiplies all of them.

    Args:
        layers: arrays (n, p) of float32 or float64 with the same n >= 4, not changed.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? Equation 3.
            https://arxiv.org/abs/2010.15327
        Székely & Rizzo (2014), Partial distance correlation with methods for dissimilarities, definition 2.
            https://arxiv.org/abs/1310.2926
    """
    where, distinct = _distinct(layers)
    n = len(layers[0])
    above = np.flatnonzero(np.triu(np.ones((n, n), bool), 1))
    packed = np.zeros((len(distinct), len(above)), np.result_type(*distinct))
    exponents = np.zeros(len(distinct), np.int64)
    faults: list[Fault] = []
    for i, x in enumerate(distinct):
        values, exponents[i], fault = _u_centred(x, above)
        faults.append(fault)
        if values is not None:
            packed[i] = values
    total = np.zeros((len(distinct), len(distinct)))
    for start in range(0, len(above), SLAB):
        slab = packed[:, start : start + SLAB].astype(np.float64)
        total += slab @ slab.T
    with np.errstate(over="ignore", under="ignore"):
        total = np.ldexp(total, exponents[:, None] + exponents)
    square = total.diagonal().copy()
    beyond = (packed != 0).any(axis=1) & ~((square > SMALLEST) & (square < LARGEST))
    total[beyond], total[:, beyond] = 0, 0
    faults = ["ill_conditioned" if b else f for f, b in zip(faults, beyond, strict=True)]
    return BatchProducts(total[np.ix_(where, where)], tuple(faults[i] for i in where))


def _distinct(layers: Sequence[np.ndarray]) -> tuple[list[int], list[np.ndarray]]:
    """The different arrays among `layers`, and for each layer which of them it is."""
    found: list[np.ndarray] = []
    where = []
    for x in layers:
        same = (i for i, y in enumerate(found) if _equal(x, y))
        index = next(same, len(found))
        if index == len(found):
            found.append(x)
        where.append(index)
    return where, found


def _equal(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two layers hold the same values; a few rows tell most of those apart that do not."""
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.__array_interface__["data"][0] == y.__array_interface__["data"][0] and x.strides == y.strides:
        return True
    some = slice(None, None, max(1, len(x) // 2))
    return np.array_equal(x[some], y[some]) and np.array_equal(x, y)


def _u_centred(x: np.ndarray, above: np.ndarray) -> tuple[np.ndarray | None, int, Fault]:
    """The entries of the U-centred Gram matrix of `x` above its diagonal, float64, as fractions of 2 ** exponent.

    None if `x` has nothing to tell or a fault.
    """
    gram, noise = _gram(x)
    if gram is None:
        return None, 0, "" if np.isfinite(x).all() else "non_finite"
    n, diagonal = len(gram), gram.diagonal()
    if not 0 < diagonal.sum() < np.inf:  # squares overflow or vanish even in float64
        return None, 0, "ill_conditioned"
    variance = float(diagonal.sum() - gram.sum() / n)
    rows = gram.sum(axis=1) - diagonal
    u = rows / (n - 2) - rows.sum() / (2 * (n - 1) * (n - 2))
    gram -= u[:, None]
    gram -= u
    values = gram.ravel().take(above)
    exponent = int(np.frexp(np.abs(values).max())[1])
    values = np.ldexp(values, -exponent)
    norm = np.ldexp(np.sqrt(2 * float(values @ values)), exponent)
    alike = norm < 64 * float(np.finfo(x.dtype).eps) * variance  # examples that are all equally far from one another
    return (None if variance <= noise or alike else values), exponent, ""


def _gram(x: np.ndarray) -> tuple[Float64[np.ndarray, "n n"] | None, float]:
    """The inner products of the rows of `x` less some common row, and the variance that rounding of `x` explains.

    U-centring removes whatever common row is left or taken, exactly; but products in float32 keep their digits only
    where the common row is no longer than the rows vary. So the mean is subtracted where it is large. That of a ReLU
    layer mostly is not, and then no second copy of the layer is made. None: the rows are equal, or not finite.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        sample = x[:: max(1, len(x) // SAMPLE)].astype(np.float64)
        if _offset(sample @ sample.T) <= OFFSET:
            gram = _summed(x, x.dtype)[0]
            if _in_range(gram, x.dtype):
                return gram, 0.0
        gram, means = _summed(x, x.dtype, centre=True)
        if not _in_range(gram, x.dtype):
            if (x == x[0]).all() or not np.isfinite(x).all():
                return None, 0.0
            gram, means = _summed(x, np.dtype(np.float64), centre=True)
        return gram, _rounding(x, means, gram)


def _offset(gram: np.ndarray) -> float:
    """The squared length of the mean row in units of the variance; infinite or NaN if there is none."""
    n = len(gram)
    squares = gram.trace() / n
    mean = (gram.sum() / n - squares) / (n - 1)
    return float(mean / (squares - mean)) if squares > mean else np.inf


def _in_range(gram: np.ndarray, kind: np.dtype) -> bool:
    """Whether products of that precision neither overflowed nor vanished."""
    largest = float(gram.diagonal().max())
    return 1e-20 < largest < 1e30 if kind == np.float32 else 0 < largest < np.inf


def _summed(x: np.ndarray, kind: np.dtype, centre: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The Gram matrix, made in the precision `kind` and added in float64 over blocks of columns; and their means."""
    n, p = x.shape
    total, means = np.zeros((n, n)), np.zeros(p)
    for start in range(0, p, COLUMNS):
        block = x[:, start : start + COLUMNS].astype(kind, copy=False)
        if centre:
            mean = np.full(n, 1 / n, kind) @ block
            means[start : start + COLUMNS] = mean
            block = block - mean
        total += block @ block.T
    return total, means


def _rounding(x: np.ndarray, means: np.ndarray, gram: np.ndarray) -> float:
    """The variance that the rounding of the values of `x` explains; that of constant columns explains none."""
    step = np.abs(means) * np.finfo(x.dtype).eps
    noise = (ROUNDING_STEPS * step) ** 2 * len(x)
    if gram.trace() - gram.sum() / len(x) > noise.sum():
        return 0.0
    return float(noise[(x != x[0]).any(axis=0)].sum())
