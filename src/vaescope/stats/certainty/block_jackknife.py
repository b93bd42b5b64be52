"""CKA of all pairs with each block of examples left out, exactly, without preparing again.

Leaving out examples cuts rows and columns from K~ and centres what is left again. With r_i the sum of row i over the
kept examples (minus that over the left-out ones, as whole rows add to zero) and m kept examples, the inner product of
the newly U-centred matrices is

    N - 2 / (m - 2) r.s + (sum r)(sum s) / ((m - 1)(m - 2)),

where N is the inner product of the cut matrices. N is that of the whole less what the left-out rows and columns hold:
cut the triangle into tiles of block by block, take the inner products of all pairs tile by tile (together one pass
over all the triangles) and subtract, for each block, the tiles that touch it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Shaped

from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.stats.certainty.hollow import Hollow, unpacked
from vaescope.stats.forms.gram import offsets


def left_out_cka(
    xs: Sequence[Hollow],
    ys: Sequence[Hollow] | None,
    parts: Sequence[np.ndarray],
    biased: bool = False,
    progress: Progress | None = None,
) -> Float64[np.ndarray, "j r s"]:
    """CKA of every pair without each block, equal to preparing again up to rounding (1e-5 for float32 forms).

    Holds the whole triangles of all forms in memory, and 24 bytes for each block and pair.

    Args:
        xs: Gram forms of the rows.
        ys: of the columns; those of the rows if None.
        parts: blocks that partition the examples; at least 4 examples must be left without any of them.
        biased: CKA as first defined instead of debiased CKA.
        progress: checked between tiles.

    Raises:
        UsageError: the blocks are not a partition, or leave too few.
    """
    n = len(xs[0].diagonal)
    order = np.concatenate(list(parts))
    sizes = np.array([len(part) for part in parts])
    if not np.array_equal(np.sort(order), np.arange(n)) or len(parts) < 2:
        raise UsageError(f"expected blocks that hold each of the {n} examples once, got {sizes.tolist()}.")
    if n - sizes.max() < 4:
        raise UsageError(f"expected at least 4 examples to be left, got {n - sizes.max()}. Take smaller blocks.")
    x = _Cut(xs, order, sizes)
    y = x if ys is None else _Cut(ys, order, sizes)
    count = len(parts)
    total = np.zeros((len(xs), len(y.diagonals)))
    touched = np.zeros((count, *total.shape))
    own_x, own_y = np.zeros((2, count, len(xs))), np.zeros((2, count, len(y.diagonals)))
    for a in range(count):
        for b in range(a, count):
            left, right = x.tile(a, b), y.tile(a, b)
            _count(total, touched, (left @ right.T).astype(np.float64), a, b)
            for own, tile in ((own_x, left), (own_y, right)):
                _count(own[0, 0], own[1], np.einsum("ij,ij->i", tile, tile, dtype=np.float64), a, b)
            if progress is not None:
                progress.check()
    found = np.empty((count, *total.shape))
    for j, size in enumerate(sizes):
        m = n - int(size)
        r, s = x.sums(j), y.sums(j)
        cross = _centred(2 * (total - touched[j]), r @ s.T, np.outer(r.sum(axis=1), s.sum(axis=1)), m)
        squares = [
            _centred(2 * (own[0, 0] - own[1, j]), np.square(t).sum(axis=1), t.sum(axis=1) ** 2, m)
            for own, t in ((own_x, r), (own_y, s))
        ]
        if biased:
            a, b = x.kept_diagonals(j, r), y.kept_diagonals(j, s)
            cross = cross + _affine(a, m) @ _affine(b, m).T
            squares = [q + np.square(_affine(d, m)).sum(axis=1) for q, d in zip(squares, (a, b), strict=True)]
        low = 0.0 if biased else -1.0
        with np.errstate(invalid="ignore", divide="ignore"):
            found[j] = np.clip(cross / np.sqrt(np.outer(*squares)), low, 1.0)
    return found


class _Cut:
    """The U-centred matrices of some forms, with the examples in the order of the blocks."""

    def __init__(self, forms: Sequence[Hollow], order: np.ndarray, sizes: np.ndarray) -> None:
        self.ends = np.concatenate([[0], np.cumsum(sizes)])
        self.diagonals = np.stack([np.asarray(form.diagonal, np.float64)[order] for form in forms])
        n, count = len(order), len(sizes)
        self.block_sums = np.empty((len(forms), count, n))  # over the rows of each block
        places = np.triu_indices(n, 1)
        keys = np.searchsorted(self.ends, places[0], side="right") * (count + 1)
        keys += np.searchsorted(self.ends, places[1], side="right")
        sorting = np.argsort(keys, kind="stable")
        flat = (places[0] * n + places[1])[sorting]
        starts = np.searchsorted(keys[sorting], np.arange((count + 1) ** 2 + 1))
        self.spans = {
            (a, b): slice(*starts[[key := (a + 1) * (count + 1) + b + 1, key + 1]])
            for a in range(count)
            for b in range(a, count)
        }
        self.tiles: np.ndarray | None = None
        for k, form in enumerate(forms):
            matrix = unpacked(form)[order][:, order]
            self.block_sums[k] = np.add.reduceat(matrix, self.ends[:-1], axis=0, dtype=np.float64)
            if self.tiles is None:
                self.tiles = np.empty((len(forms), len(flat)), matrix.dtype)
            np.take(matrix.ravel(), flat, out=self.tiles[k])

    def tile(self, a: int, b: int) -> Shaped[np.ndarray, "r k"]:
        """The entries above the diagonal in the rows of block a and the columns of block b, a <= b."""
        assert self.tiles is not None  # noqa: S101
        return self.tiles[:, self.spans[a, b]]

    def sums(self, j: int) -> Float64[np.ndarray, "r m"]:
        """Row sums of the kept examples over the kept examples."""
        return -np.delete(self.block_sums[:, j], np.s_[self.ends[j] : self.ends[j + 1]], axis=1)

    def kept_diagonals(self, j: int, sums: Float64[np.ndarray, "r m"]) -> Float64[np.ndarray, "r m"]:
        """The diagonals of K centred anew over the kept examples: K_ii - 2 mean of row i + mean of K."""
        left = np.s_[self.ends[j] : self.ends[j + 1]]
        u = np.delete(offsets_of(self.diagonals), left, axis=1)
        diagonal = np.delete(self.diagonals, left, axis=1)
        m = diagonal.shape[1]
        rows = sums + (m - 1) * u + u.sum(axis=1, keepdims=True) - u + diagonal
        return diagonal - 2 * rows / m + rows.sum(axis=1, keepdims=True) / m**2


def offsets_of(diagonals: Float64[np.ndarray, "r n"]) -> Float64[np.ndarray, "r n"]:
    """`offsets` of every row."""
    return np.stack([offsets(diagonal) for diagonal in diagonals])


def _count(total: np.ndarray, touched: np.ndarray, found: np.ndarray, a: int, b: int) -> None:
    total += found
    touched[a] += found
    if a != b:
        touched[b] += found


def _centred(cut: np.ndarray, rows: np.ndarray, sums: np.ndarray, m: int) -> np.ndarray:
    return cut - 2 / (m - 2) * rows + sums / ((m - 1) * (m - 2))


def _affine(diagonals: Float64[np.ndarray, "r m"], m: int) -> Float64[np.ndarray, "r k"]:
    """Vectors whose products are what the whole matrices' products have beyond those of the U-centred ones.

    n / (n - 2) a.b for the centred diagonals a and b, and tr K tr L / (n - 1).
    """
    traces = diagonals.sum(axis=1, keepdims=True)
    return np.hstack([np.sqrt(m / (m - 2)) * (diagonals - traces / m), traces / np.sqrt(m - 1)])
