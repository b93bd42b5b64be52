"""Squared Euclidean distances between examples that keep their digits where examples are close, or one is far off.

From a Gram matrix, d^2 = K_ii + K_jj - 2 K_ij has an error of a few roundings of K_ii + K_jj. Pairs for which that is
much are computed again: groups of close examples from their differences to one of them, step by step, and what is left
of them pair by pair.
"""

import numpy as np
from jaxtyping import Float, Float64

from vaescope.errors import RepresentationError

NARROW = 16  # up to so many features, differences cost less than they save
NEAR = 1e-4  # of K_ii + K_jj: a smaller d^2 is computed again, so that relative errors stay below about 1e-11
TIE = 1e-12  # two d^2 that differ by less, relatively, are the same
SHRUNK = 0.25  # a group of close examples is taken by itself if its largest squared length falls to that
COLUMNS = 4_096
CHUNK = 1 << 21  # values of pairs subtracted at once


def from_features(x: Float[np.ndarray, "n p"]) -> Float64[np.ndarray, "n n"]:
    """Squared distances of rows of few features, from their differences; in units of the summed squared deviations.

    Args:
        x: finite, not all rows equal.
    """
    from scipy.spatial.distance import pdist, squareform

    found = squareform(pdist(_deviations(x, 0, _exponent(x)), "sqeuclidean"))
    found *= 2 * len(x) / found.sum()
    return found


def from_gram(x: Float[np.ndarray, "n p"], gram: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    """Squared distances of rows, from their centred Gram matrix of trace 1, in the same unit; equal rows are at 0.

    Args:
        x: finite, not all rows equal.
        gram: in float64, from float64 products; not changed.
    """
    sizes = gram.diagonal()
    found = np.multiply(gram, -2.0)
    found += sizes
    found += sizes[:, None]
    np.fill_diagonal(found, 0)
    _correct(found, x, sizes)
    np.maximum(found, 0, out=found)
    return found


def refuse_equidistant(spread: float, eps: float) -> None:
    """Raise `RepresentationError` if all examples are equally far from one another.

    Args:
        spread: standard deviation of the squared distances over their mean.
        eps: of the values that they were computed from.
    """
    if spread < 64 * eps:
        raise RepresentationError(
            "all examples are equally far from one another (up to rounding), so their distances say nothing. Use more "
            "examples, or cka_biased.",
            "zero_variance",
        )


def _correct(found: Float64[np.ndarray, "n n"], x: Float[np.ndarray, "n p"], sizes: Float64[np.ndarray, " n"]) -> None:
    """Replace the distances in `found` that are small beside the squared lengths they were computed from."""
    first, second = _near(found, sizes)
    if not len(first):
        return
    exponent = _exponent(x)
    i, j = divmod(int(found.argmax()), len(x))
    unit = found[i, j] / float(_differences(x, np.array([i]), np.array([j]), exponent)[0])
    pending = [(np.arange(len(x)), first, second, sizes)]
    while pending:
        rows, first, second, sizes = pending.pop()
        for members, pairs in _groups(len(rows), first, second):
            some = rows[members]
            lengths = _lengths(x, some, exponent) * unit
            if lengths.max() <= SHRUNK * sizes[members].max():
                part = _anchored(x, some, exponent) * unit
                found[np.ix_(some, some)] = part
                near = _near(part, lengths)
                if len(near[0]):
                    pending.append((some, *near, lengths))
            else:
                a, b = rows[first[pairs]], rows[second[pairs]]
                found[a, b] = found[b, a] = _differences(x, a, b, exponent) * unit


def _near(found: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions i < j of distances that are small beside `sizes`."""
    parts = []
    for start in range(0, len(found), 256):
        block = found[start : start + 256, start:]
        small = block < NEAR * (sizes[start : start + 256, None] + sizes[start:])
        i, j = np.nonzero(small)
        parts.append((i[j > i] + start, j[j > i] + start))
    return np.concatenate([i for i, _ in parts]), np.concatenate([j for _, j in parts])


def _groups(n: int, first: np.ndarray, second: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Connected groups of examples, and which of the pairs lie in each."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n)))
    of_pair = labels[first]
    by_label, by_pair = np.argsort(labels, kind="stable"), np.argsort(of_pair, kind="stable")
    bounds = np.arange(count + 1)
    members = np.split(by_label, np.searchsorted(labels[by_label], bounds[1:-1]))
    pairs = np.split(by_pair, np.searchsorted(of_pair[by_pair], bounds[1:-1]))
    return [(m, p) for m, p in zip(members, pairs, strict=True) if len(m) > 1]


def _exponent(x: np.ndarray) -> int:
    """The power of two of the largest difference between a row and the first."""
    blocks = (slice(k, k + COLUMNS) for k in range(0, x.shape[1], COLUMNS))
    return int(np.frexp(max(float(np.abs(_deviations(x[:, b], 0, 0)).max()) for b in blocks))[1])


def _deviations(x: np.ndarray, anchor: int, exponent: int) -> Float64[np.ndarray, "n p"]:
    """Half the differences to one row, in float64 and units of 2 ** exponent: without rounding but for far values."""
    found = x * np.float64(0.5)
    found -= found[anchor].copy()
    return np.ldexp(found, -exponent) if exponent else found


def _lengths(x: np.ndarray, rows: np.ndarray, exponent: int) -> Float64[np.ndarray, " m"]:
    """Squared lengths of the deviations from the first of `rows`."""
    found = np.zeros(len(rows))
    for start in range(0, x.shape[1], COLUMNS):
        values = _deviations(x[rows, start : start + COLUMNS], 0, exponent)
        found += np.einsum("ij,ij->i", values, values)
    return found


def _anchored(x: np.ndarray, rows: np.ndarray, exponent: int) -> Float64[np.ndarray, "m m"]:
    """Squared distances between `rows`, from products of their deviations from the first of them."""
    gram = np.zeros((len(rows), len(rows)))
    for start in range(0, x.shape[1], COLUMNS):
        values = _deviations(x[rows, start : start + COLUMNS], 0, exponent)
        gram += values @ values.T
    sizes = gram.diagonal().copy()
    gram *= -2
    gram += sizes
    gram += sizes[:, None]
    np.fill_diagonal(gram, 0)
    return gram


def _differences(x: np.ndarray, first: np.ndarray, second: np.ndarray, exponent: int) -> Float64[np.ndarray, " m"]:
    """Squared distances of single pairs, in the unit of `_deviations`."""
    found = np.empty(len(first))
    step = max(1, CHUNK // x.shape[1])
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        values = x[first[part]] * np.float64(0.5)
        values -= x[second[part]] * np.float64(0.5)
        values = np.ldexp(values, -exponent)
        found[part] = np.einsum("ij,ij->i", values, values)
    return found
