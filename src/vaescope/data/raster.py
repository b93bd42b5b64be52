"""Polygons to pixels by a graphics processor's rules, in one pass over every position a sprite can take.

Vertices are integers, in 1/256 of a pixel. A pixel is on where its centre is inside; a centre exactly on an edge
belongs to the polygon on left and bottom edges only, so that neighbours share no pixel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int64, UInt32, UInt64

SNAP = 256  # steps a pixel
SIZE = 64  # pixels a side: one row is one 64-bit word
_HALF = SNAP // 2  # pixel centres lie here
_WIDTH = 32  # columns of a crop: one crop row is one 32-bit word


@dataclass(frozen=True)
class Crops:
    """Every sprite at every position, cut to a window that depends on the position alone.

    A picture of 64 x 64 bits takes 512 bytes; its crop takes 4 bytes a row.

    Attributes:
        rows: (sprites * x positions * y positions, height); bit 31 is the window's first column.
        left: first column of the window at each x position, 0..32.
        top: first row of the window at each y position, 0..64 - height.
    """

    rows: UInt32[np.ndarray, "crops height"]
    left: UInt64[np.ndarray, " nx"]
    top: Int64[np.ndarray, " ny"]

    def words(self, crops: Int64[np.ndarray, " n"]) -> UInt64[np.ndarray, "n 64"]:
        """The full pictures, a 64-bit word a row; the highest bit is column 0."""
        x, y = np.divmod(crops % (len(self.left) * len(self.top)), len(self.top))
        window = self.rows.take(crops, axis=0).astype(np.uint64)
        window <<= np.uint64(SIZE - _WIDTH) - self.left.take(x)[:, None]
        pictures = np.zeros((len(crops), SIZE), np.uint64)
        first = self.top.take(y) + np.arange(0, len(crops) * SIZE, SIZE)
        pictures.ravel()[first[:, None] + np.arange(window.shape[1])] = window
        return pictures


Polygons = tuple[Int[np.ndarray, "_ nx _"], Int[np.ndarray, "_ ny _"]]  # x and y of the vertices of a family


def rasterise(families: Sequence[Polygons]) -> Crops:
    """Draw families of closed polygons; within a family all have the same number of vertices.

    Args:
        families: for each family the x of its vertices, (sprites, x positions, vertices), and the y,
            (sprites, y positions, vertices), in 1/256 pixel, x right and y down. Where a sprite moves only along x its
            y do not change, and the other way round: this is why two small arrays say it all.

    Returns:
        The crops in the order (family, sprite, x position, y position).

    Raises:
        ValueError: a sprite leaves the picture or is wider than 32 columns.
    """
    left, right = _extent([x for x, _ in families], first=SNAP - _HALF - 1)
    top, bottom = _extent([y for _, y in families], first=SNAP - _HALF)
    height = int((bottom - top).max())
    if min(left.min(), top.min()) < 0 or max(right.max(), bottom.max()) > SIZE or (right - left).max() > _WIDTH:
        raise ValueError(
            f"rasterise: expected sprites inside {SIZE} x {SIZE} pixels and at most {_WIDTH} columns wide, got columns "
            f"{left.min()} to {right.max() - 1}, rows {top.min()} to {bottom.max() - 1}. Move or shrink them."
        )
    left, top = np.minimum(left, SIZE - _WIDTH), np.minimum(top, SIZE - height)
    rows = np.empty((sum(len(x) for x, _ in families), len(left), len(top), height), np.uint32)
    sprites = ((x, y) for xs, ys in families for x, y in zip(xs, ys, strict=True))
    for crops, (x, y) in zip(rows, sprites, strict=True):
        crops[...] = _draw(x, y, left, top, height)
    return Crops(rows.reshape(-1, height), left.astype(np.uint64), top)


def _extent(
    vertices: Iterable[Int[np.ndarray, "_ positions _"]], first: int
) -> tuple[Int64[np.ndarray, " positions"], Int64[np.ndarray, " positions"]]:
    """First pixel, and last pixel + 1, on one axis at each position, over all sprites."""
    low, high = zip(*((v.min(axis=(0, 2)), v.max(axis=(0, 2))) for v in vertices), strict=True)
    return tuple((z.astype(np.int64) + first) // SNAP for z in (np.min(low, axis=0), np.max(high, axis=0)))


def _draw(
    x: Int[np.ndarray, "nx v"],
    y: Int[np.ndarray, "ny v"],
    left: Int64[np.ndarray, " nx"],
    top: Int64[np.ndarray, " ny"],
    height: int,
) -> UInt32[np.ndarray, "nx ny height"]:
    """One sprite at all its positions."""
    vertices = y.shape[1]
    y = y.astype(np.int64)
    dy = np.roll(y, -1, axis=1) - y
    # An edge crosses the centre line of row r iff lowest < 256 r + 128 <= highest.
    before = (np.minimum(y, y + dy) - _HALF) // SNAP
    count = ((np.maximum(y, y + dy) - _HALF) // SNAP - before).ravel()
    edge = np.repeat(np.arange(count.size), count)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    row = before.ravel()[edge] + 1 + nth
    slot = edge // vertices * height + row - top[edge // vertices]
    order = np.argsort(slot.astype(np.uint16), kind="stable")  # 16 bits: numpy sorts these by radix
    edge, row, slot = edge[order], row[order], slot[order]

    # float64 is exact where it matters: the product is a whole number below 2**53, and a quotient that is no whole
    # number is at least 1/16384 away from one.
    along = (row * SNAP + _HALF - y.ravel()[edge]).astype(np.float64)[:, None]
    start: Float[np.ndarray, "v nx"] = x.T - (left * SNAP + _HALF).astype(np.float64)
    dx = np.roll(x, -1, axis=1).T - x.T.astype(np.float64)
    crossing = dx[edge % vertices]
    crossing *= along
    crossing /= dy.ravel()[edge, None]
    crossing += start[edge % vertices]
    crossing /= SNAP
    column = np.ceil(crossing, out=crossing).astype(np.uint32)

    # Each crossing flips all pixels from its column on; a closed polygon crosses every line an even number of times.
    flipped = np.right_shift(np.uint32(0xFFFFFFFF), column)
    spans, slot = flipped[0::2] ^ flipped[1::2], slot[0::2]
    drawn = np.zeros((len(y) * height, x.shape[0]), np.uint32)
    again = np.diff(slot, prepend=-1) == 0
    drawn[slot[~again]] = spans[~again]
    np.bitwise_xor.at(drawn, slot[again], spans[again])  # rows with two spans: between the lobes of a heart
    return drawn.reshape(len(y), height, -1).transpose(2, 0, 1)
