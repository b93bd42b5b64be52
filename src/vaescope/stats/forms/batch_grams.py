"""The form of minibatch CKA: U-centred Gram matrices of consecutive batches, one after the other."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.stats.forms import centring
from vaescope.stats.forms.direction import Direction
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import whole
from vaescope.stats.forms.gram import LinearGram

BATCH = 500  # examples, at most


@final
@dataclass(frozen=True, eq=False)
class BatchGrams(Direction):
    """The strict upper triangles of the U-centred Gram matrices of all batches, in one scale.

    The n examples are cut, in their order, into ceil(n / 500) batches whose sizes differ by one at most. Each batch is
    centred by itself.
    """

    name: ClassVar[str] = "gram_batches"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "BatchGrams":
        kind = x.x.dtype.type
        values = np.zeros(sum(_length(rows) for rows in batches(x.n)), kind)
        parts: list[tuple[np.ndarray, float, int]] = []
        refused: list[RepresentationError] = []
        start = 0
        for rows in batches(x.n):
            part = values[start : start + _length(rows)]
            start += len(part)
            upper, means, exponent = centring.scaled_gram(x.x[rows], kind, x.precision == "fast")
            trace = float(upper.trace(dtype=np.float64))
            try:
                centring.refuse_constant(x.x[rows], means, trace, exponent)
            except RepresentationError as error:
                refused.append(error)
            if trace:
                part[:] = whole(LinearGram.packed(upper, x.x.dtype).values)
                parts.append((part, trace, exponent))
        if len(refused) == len(batches(x.n)):
            raise refused[0]
        highest = max(exponent for _, _, exponent in parts)
        traces = [float(np.ldexp(trace, 2 * (exponent - highest))) for _, trace, exponent in parts]
        for (part, _, _), trace in zip(parts, traces, strict=True):
            part *= kind(trace / sum(traces))
        return cls.along(values)

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * sum(_length(rows) for rows in batches(n)) + 8

    @staticmethod
    def flops(n: int, p: int) -> float:
        return sum(float(b.stop - b.start) ** 2 * p for b in batches(n))

    @staticmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        return sum(float(b.stop - b.start) ** 2 for b in batches(n))


def _length(rows: slice) -> int:
    n = rows.stop - rows.start
    return n * (n - 1) // 2


def batches(n: int) -> list[slice]:
    """Consecutive batches of `BATCH` examples at most, their sizes as equal as can be."""
    count = max(1, -(-n // BATCH))
    size, larger = divmod(n, count)  # the first ones have one example more
    bounds = [k * size + min(k, larger) for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]
