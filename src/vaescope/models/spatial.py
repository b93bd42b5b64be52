"""What a layer gives for a batch, as a matrix: flattened, averaged, or projected where it is very wide."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.registry import suggestion

SLAB: Final = 2**22  # elements of a projection made at a time: 16 MiB


@dataclass(frozen=True)
class Reduction(ABC):
    """From what a layer gives for a batch, (n, ...), to a matrix.

    A layer of four or five axes is a map with its channels in axis 1, as convolutions give them; one of three axes is
    (n, tokens, features), as transformers give it, and features stand for channels; one of two has no locations.

    Attributes:
        channels: the axis of the channels where that is another one: 1 for a layer (n, c, length), -1 for a map
            (n, h, w, c).
    """

    name: ClassVar[str]
    channels: int | None = field(default=None, kw_only=True)

    @abstractmethod
    def width(self, shape: tuple[int, ...]) -> int:
        """Features of a row, for what a layer gives for one example."""

    @abstractmethod
    def matrix(self, value: Tensor) -> Tensor:
        """The rows of a batch (n, ...), which may be a view of it, of its type and on its device."""

    def rows(self, shape: tuple[int, ...]) -> int:
        """Rows of an example."""
        return 1

    def unfolded(self, value: Tensor) -> Tensor:
        """The same rows, each perhaps of several axes that are still to be flattened: so they are copied but once."""
        return self.matrix(value)

    def channels_last(self, value: Tensor) -> Tensor:
        """The same, (n, locations, channels): one location where there are no others."""
        if value.dim() < 3:
            return value.reshape(len(value), 1, -1)
        return value.movedim(self._axis(value.dim()), -1).flatten(1, -2)

    def _axis(self, dimensions: int) -> int:
        axis = (1 if dimensions > 3 else -1) if self.channels is None else self.channels
        if not (0 < axis < dimensions or -dimensions < axis < 0):
            raise UsageError(
                f"reduce: expected the axis of the channels, 1 to {dimensions - 1} or -1, got {axis}, for a layer of "
                f"{dimensions} axes, the examples first."
            )
        return axis

    def _sizes(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Locations and channels of an example."""
        if len(shape) < 2:
            return 1, prod(shape)
        count = shape[self._axis(len(shape) + 1) % (len(shape) + 1) - 1]
        return prod(shape) // max(count, 1), count


@final
@dataclass(frozen=True)
class Flatten(Reduction):
    """All numbers of an example in a row: maps in the order (h, w, c), as in the paper, others as they are.

    References:
        Bonheme & Grzes (2022). https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "flatten"

    def width(self, shape: tuple[int, ...]) -> int:
        return prod(shape)

    def matrix(self, value: Tensor) -> Tensor:
        return self.unfolded(value).flatten(1)

    def unfolded(self, value: Tensor) -> Tensor:
        return self.channels_last(value)


@final
@dataclass(frozen=True)
class ChannelMean(Reduction):
    """The mean over channels at each location: (n, h w)."""

    name: ClassVar[str] = "channel_mean"

    def width(self, shape: tuple[int, ...]) -> int:
        locations, count = self._sizes(shape)
        return locations if len(shape) > 1 else count

    def matrix(self, value: Tensor) -> Tensor:
        return self.channels_last(value).float().mean(-1) if value.dim() > 2 else value.reshape(len(value), -1)


@final
@dataclass(frozen=True)
class AveragePool(Reduction):
    """The mean over locations, or tokens, of each channel: (n, c)."""

    name: ClassVar[str] = "average_pool"

    def width(self, shape: tuple[int, ...]) -> int:
        return self._sizes(shape)[1]

    def matrix(self, value: Tensor) -> Tensor:
        return self.channels_last(value).float().mean(1)


@final
@dataclass(frozen=True)
class PerLocation(Reduction):
    """A row for each location, or token, of each example: (n h w, c), the locations of an example together."""

    name: ClassVar[str] = "per_location"

    def width(self, shape: tuple[int, ...]) -> int:
        return self._sizes(shape)[1]

    def rows(self, shape: tuple[int, ...]) -> int:
        return self._sizes(shape)[0]

    def matrix(self, value: Tensor) -> Tensor:
        return self.channels_last(value).flatten(0, 1)


@final
@dataclass(frozen=True)
class Projection(Reduction):
    """k random projections of a flattened layer; one of no more than k features stays as it is.

    Distances and inner products are kept up to a relative error of about sqrt(2 / k) (standard deviation, of squared
    distances). The matrix, of signs divided by sqrt(k), depends on the width and the seed alone, so layers of equal
    width share it, in one model and in others. It is made in slabs and never whole where it is large.

    Attributes:
        k: how many.
        seed: of the signs.

    References:
        Johnson & Lindenstrauss (1984), Extensions of Lipschitz mappings into a Hilbert space.
            https://doi.org/10.1090/conm/026/737400
        Achlioptas (2003), Database-friendly random projections, theorem 1.1, equation 1.
            https://doi.org/10.1016/S0022-0000(03)00025-4

    >>> x = torch.randn(20, 5000, generator=torch.Generator().manual_seed(0))
    >>> distances = torch.pdist(x), torch.pdist(Projection(1000).matrix(x))
    >>> bool((distances[1] / distances[0] - 1).abs().max() < 0.1)
    True
    """

    name: ClassVar[str] = "project"
    k: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("k", self.k, 1), ("seed", self.seed, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(f"Projection: expected {name} to be a whole number from {least}, got {value!r}.")

    def width(self, shape: tuple[int, ...]) -> int:
        return min(self.k, prod(shape))

    def matrix(self, value: Tensor) -> Tensor:
        flat = self.channels_last(value).flatten(1)
        if flat.shape[1] <= self.k:
            return flat
        projected = torch.zeros(len(flat), self.k, dtype=torch.float32, device=flat.device)
        for columns, signs in slabs(flat.shape[1], self.k, self.seed):
            projected.addmm_(flat[:, columns].float(), signs.to(flat.device))
        return projected.div_(self.k**0.5)


REDUCTIONS: Final = {kind.name: kind for kind in (Flatten, ChannelMean, AveragePool, PerLocation, Projection)}


def reduction(given: "str | Reduction") -> Reduction:
    """The reduction of that name, or itself.

    Raises:
        UsageError: there is none of that name.
    """
    if isinstance(given, Reduction):
        return given
    if not isinstance(given, str) or given not in REDUCTIONS:
        raise UsageError(
            f"reduce: expected one of {', '.join(REDUCTIONS)}, or e.g. vaescope.Projection(500), got {given!r}."
            f"{suggestion(str(given), list(REDUCTIONS))}"
        )
    return REDUCTIONS[given]()


def slabs(width: int, k: int, seed: int) -> Iterator[tuple[slice, Float[Tensor, "s k"]]]:
    """The signs of a projection, some of its rows at a time; the same ones wherever they are made."""
    size = max(1, SLAB // k)
    for number, start in enumerate(range(0, width, size)):
        count = min(size, width - start)
        words = np.random.PCG64([seed, width, k, number]).random_raw(-(-count * k // 64))
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=count * k).reshape(count, k)
        yield slice(start, start + count), torch.from_numpy(bits).float().mul_(2).sub_(1)
