"""Representations as they grow batch by batch, within a budget of bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from vaescope.errors import ResourceError
from vaescope.models.calls import Call
from vaescope.models.nested import Steps

SIZE = 4  # bytes of a float32
SHOWN = 3


@dataclass(frozen=True)
class Wanted:
    """A layer that is captured.

    Attributes:
        name: of the layer.
        call: which call gives it.
        steps: the way to it in what the call returns.
        shape: of what it gives for one example.
        width: features of a row once reduced.
        rows: rows of an example once reduced.
    """

    name: str
    call: Call
    steps: Steps
    shape: tuple[int, ...]
    width: int
    rows: int = 1

    def size(self, examples: int) -> int:
        """Bytes of so many examples."""
        return SIZE * self.width * self.rows * examples


class Rows:
    """The rows of one layer: in one array where it is known how many there will be, else in pieces.

    Args:
        wanted: which layer.
        examples: how many there will be at most; None if that is not known.
    """

    def __init__(self, wanted: Wanted, examples: int | None) -> None:
        self._wanted = wanted
        self._pieces: list[np.ndarray] = []
        self._filled = 0
        if examples:
            self._pieces.append(np.empty((examples * wanted.rows, wanted.width), np.float32))

    def add(self, rows: Tensor) -> None:
        """Copy the rows of a batch, (n, ...), to their place."""
        count = len(rows)
        if not self._pieces or self._filled + count > len(self._pieces[-1]):
            if self._pieces:
                self._pieces[-1] = self._pieces[-1][: self._filled]
            self._pieces.append(np.empty((count, self._wanted.width), np.float32))
            self._filled = 0
        place = self._pieces[-1][self._filled : self._filled + count]
        torch.from_numpy(place).view(rows.shape).copy_(rows)
        self._filled += count

    def whole(self) -> Float32[np.ndarray, "n p"]:
        """All rows; the pieces are given up."""
        pieces, self._pieces = self._pieces, []
        if not pieces:
            return np.empty((0, self._wanted.width), np.float32)
        pieces[-1] = pieces[-1][: self._filled]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def must_fit(wanted: Sequence[Wanted], examples: int, budget: int, so_far: bool = False) -> None:
    """Refuse what would take more bytes than there may be.

    Args:
        wanted: the layers.
        examples: how many there are.
        budget: bytes.
        so_far: whether more examples may come: then pieces are joined at the end, one layer at a time.

    Raises:
        ResourceError: it would.
    """
    needed = sum(w.size(examples) for w in wanted)
    joined = max(w.size(examples) for w in wanted) if so_far else 0
    if needed + joined <= budget:
        return
    each = sum(w.size(1) for w in wanted) + (max(w.size(1) for w in wanted) if so_far else 0)
    widest = sorted(wanted, key=lambda w: -w.size(1))[:SHOWN]
    narrow = {w.name: min(w.width, 256) for w in wanted}
    count = f"{examples:,} examples so far" if so_far else f"{examples:,} examples"
    more = f", and {told(joined)} more to join them" if joined else ""
    wide = ", ".join(f"{w.name} {w.width * w.rows:,}" for w in widest)
    raise ResourceError(
        f"{len(wanted)} layers of {count} take {told(needed)}{more}; memory_budget is {told(budget)}. Widest: {wide} "
        f"numbers an example. Take n={budget // each:,} examples, fewer layers, reduce='average_pool' or "
        f"reduce=vaescope.Projection(256) ({told(SIZE * examples * sum(narrow.values()))}); or keep nothing and stream "
        "them with vaescope.capture_batches."
    )


def told(count: int) -> str:
    """Bytes in words: "1.5 GB".

    >>> told(1_500_000_000), told(2048)
    ('1.5 GB', '2.0 kB')
    """
    for power, unit in ((1e9, "GB"), (1e6, "MB")):
        if count >= power:
            return f"{count / power:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def wholes(rows: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """All layers, each joined in its turn."""
    return {name: rows[name].whole() for name in rows}
