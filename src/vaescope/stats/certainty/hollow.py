"""U-centred Gram matrices as `Gram` keeps them: unpacked, with rows permuted, with rows left out.

K~, the U-centred matrix, has a zero diagonal and rows that add to zero. It is kept as its strict upper triangle, row by
row, and the diagonal a of the centred K it comes from: K_ij = K~_ij + u_i + u_j off the diagonal, K_ii = a_i, with
u_i = -a_i / (n - 2) + sum(a) / (2 (n - 1)(n - 2)). So K can be had back, permuted and cut without the features.

References:
    Székely & Rizzo (2014), Partial distance correlation with methods for dissimilarities. https://arxiv.org/abs/1310.2926
"""

import numpy as np
from jaxtyping import Float64, Int, Shaped

from vaescope.stats.forms.features import Features
from vaescope.stats.forms.form import whole
from vaescope.stats.forms.gram import Gram, offsets

Hollow = Gram | Features


def unpacked(form: Hollow) -> Shaped[np.ndarray, "n n"]:
    """K~ as a whole symmetric matrix, in the dtype the form is kept in."""
    n, values = len(form.diagonal), whole(form.values)
    if isinstance(form, Features):
        u = offsets(form.diagonal)
        found = values @ values.T - u[:, None] - u
        np.fill_diagonal(found, 0)
        return found
    return symmetric(values, n)


def symmetric(packed: Shaped[np.ndarray, " packed"], n: int) -> Shaped[np.ndarray, "n n"]:
    """The symmetric matrix of zero diagonal with this strict upper triangle, row by row."""
    found = np.zeros((n, n), packed.dtype)
    start = 0
    for i in range(n - 1):
        found[i, i + 1 :] = packed[start : start + n - 1 - i]
        start += n - 1 - i
    return found + found.T


def triangle(
    matrix: Shaped[np.ndarray, "n n"], order: Int[np.ndarray, " m"] | None = None
) -> Shaped[np.ndarray, " packed"]:
    """The strict upper triangle, row by row, of `matrix` or of `matrix[order][:, order]`."""
    size = len(matrix) if order is None else len(order)
    found = np.empty(size * (size - 1) // 2, matrix.dtype)
    start = 0
    for i in range(size - 1):
        part = found[start : start + size - 1 - i]
        if order is None:
            part[:] = matrix[i, i + 1 :]
        else:
            np.take(matrix[order[i]], order[i + 1 :], out=part, mode="clip")
        start += size - 1 - i
    return found


def centred_whole(form: Hollow) -> Float64[np.ndarray, "n n"]:
    """The centred Gram matrix K, diagonal included."""
    u = offsets(form.diagonal)
    found = unpacked(form).astype(np.float64)
    found += u[:, None]
    found += u
    np.fill_diagonal(found, form.diagonal)
    return found


def centred_again(matrix: Float64[np.ndarray, "n n"], rows: Int[np.ndarray, " m"]) -> Float64[np.ndarray, "m m"]:
    """Some rows and columns of a Gram matrix, centred anew and of trace 1."""
    part = matrix[np.ix_(rows, rows)]
    means = part.mean(axis=1)
    part -= means[:, None]
    part -= means
    part += means.mean()
    part /= part.trace()
    return part
