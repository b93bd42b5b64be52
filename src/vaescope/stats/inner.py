"""Inner products of all pairs of long vectors, the same bits whatever the blocks, the order and the workers.

The vectors are cut into slabs of fixed length. Each slab of a tile of rows times a tile of columns is one matrix
product in the vectors' precision; slabs are added in float64, in their order. Tiles are padded with zeros to multiples
of 32 rows and slabs to their full length, because BLAS chooses other kernels, with other rounding, for small matrices.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from vaescope.progress import Progress
from vaescope.stats.forms.form import Engine, Sliceable

SLAB = 4_096  # elements multiplied at once
PAD = 32
TILE = 512
LEAST_READ = 4  # slabs of a vector read at once, or disks would be slow
CACHED = 64 << 20  # bytes: larger buffers are read from memory again and cost half the speed
BUFFER = 512 << 20  # bytes of vectors in memory at once, unless said otherwise


def inner_products(
    xs: Sequence[Sliceable],
    ys: Sequence[Sliceable],
    engine: Engine = map,
    progress: Progress | None = None,
    buffer: int = BUFFER,
) -> Float64[np.ndarray, "a b"]:
    """The inner product of every x with every y.

    Args:
        xs: vectors of one length, in memory or on disk.
        ys: likewise; if it is `xs` itself, each unordered pair is computed once.
        engine: maps reading and tiles.
        progress: its `check` is called several times a second.
        buffer: bytes of vectors to hold at once; does not change the result.

    Returns:
        (len(xs), len(ys)), float64.
    """
    found = np.zeros((len(xs), len(ys)))
    if not found.size:
        return found
    size, same = xs[0].shape[0], ys is xs
    kind = np.result_type(*{v[0:0].dtype for v in (*xs, *ys)})
    rows = _padded(len(xs)) + (0 if same else _padded(len(ys)))
    slab = rows * SLAB * kind.itemsize
    enough = max(LEAST_READ, CACHED // slab)
    slabs = max(1, min(buffer // slab, enough, -(-size // SLAB)))
    left = np.zeros((_padded(len(xs)), slabs * SLAB), kind)
    right = left if same else np.zeros((_padded(len(ys)), slabs * SLAB), kind)
    tiles = _tiles(len(xs), len(ys), same, getattr(engine, "count", 1))
    for start in range(0, size, slabs * SLAB):
        part = slice(start, min(start + slabs * SLAB, size))
        width = part.stop - part.start
        used = -(-width // SLAB)
        for buffered, vectors in ((left, xs),) if same else ((left, xs), (right, ys)):
            buffered[:, width : used * SLAB] = 0
            _each(partial(_read, buffered, vectors, part), _groups(len(vectors)), engine, progress)
        _each(partial(_add, found, left, right, used), tiles, engine, progress)
    if same:
        found = np.triu(found) + np.triu(found, 1).T
    return found


def _each(work: Callable[[Any], None], parts: Sequence[Any], engine: Engine, progress: Progress | None) -> None:
    for _ in engine(work, parts):
        if progress is not None:
            progress.check()


def _read(buffered: np.ndarray, vectors: Sequence[Sliceable], part: slice, group: range) -> None:
    for k in group:
        buffered[k, : part.stop - part.start] = vectors[k][part]


def _add(found: np.ndarray, left: np.ndarray, right: np.ndarray, slabs: int, tile: tuple[slice, slice]) -> None:
    """Add the slabs in the buffers to one tile of the result."""
    rows, columns = tile
    target = found[rows, columns]
    high, wide = target.shape
    a = left[rows.start : rows.start + _padded(high)]
    b = right[columns.start : columns.start + _padded(wide)]
    for slab in range(slabs):
        span = slice(slab * SLAB, (slab + 1) * SLAB)
        one = a[:, span]
        other = one if left is right and rows == columns else b[:, span]  # numpy then computes one triangle only
        target += (one @ other.T)[:high, :wide]


def _tiles(a: int, b: int, same: bool, workers: int) -> list[tuple[slice, slice]]:
    """Tiles of at most `TILE` a side, some for each worker; only those not below the diagonal if `same`."""
    share = 1 if workers == 1 else 2 * workers
    side = min(TILE, max(PAD, _padded(-(-max(a, b) // share))))
    rows, columns = ([slice(k, min(k + side, count)) for k in range(0, count, side)] for count in (a, b))
    return [(r, c) for r in rows for c in columns if not same or c.start >= r.start]


def _groups(count: int) -> list[range]:
    return [range(k, min(k + 64, count)) for k in range(0, count, 64)]


def _padded(count: int) -> int:
    return -(-count // PAD) * PAD
