"""The contract of a form: a representation made ready, once, for the measures that work on it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.progress import Progress
from vaescope.stats.forms.examples import Examples


@runtime_checkable
class Sliceable(Protocol):
    """An array in memory, or on disk and read where it is sliced."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        ...

    def __getitem__(self, part: slice, /) -> np.ndarray:
        """Elements (or rows) of a range, in memory."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Something that maps like `map`: in order, perhaps in parallel."""

    def __call__(self, work: Callable[[Any], Any], parts: Iterable[Any], /) -> Iterator[Any]: ...


F = TypeVar("F", bound="Form")


class Form(ABC):
    """A representation made ready for one measure or a family of them.

    Attributes:
        name: part of the names of scratch files; no two forms have the same.
        version: raised whenever `of` or what is computed from the form would give other numbers.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @classmethod
    @abstractmethod
    def of(cls: type[F], x: Examples) -> F:
        """Prepare a representation.

        Raises:
            RepresentationError: "non_finite", "zero_variance", "too_few", "too_wide", ...
        """

    @abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything it holds, as named arrays of float32, float64, int32, int64, uint8 or uint64."""

    @classmethod
    @abstractmethod
    def from_arrays(cls: type[F], arrays: Mapping[str, Sliceable]) -> F:
        """The inverse of `to_arrays`; the arrays may be on disk, and large ones may stay there until needed."""

    @staticmethod
    @abstractmethod
    def nbytes(n: int, p: int) -> int:
        """Bytes of the prepared form of an (n, p) float32 representation, at most."""

    @staticmethod
    @abstractmethod
    def flops(n: int, p: int) -> float:
        """Floating-point operations of preparing an (n, p) representation, about."""


class ProductForm(Form):
    """A form of which one number a pair, costly to make, serves several measures.

    Attributes:
        whole_blocks: whether `products` computes all pairs of a block whichever are wanted.
    """

    whole_blocks: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def products(
        cls,
        xs: Sequence[Any],
        ys: Sequence[Any],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """What the measures of this form need of every pair, (len(xs), len(ys)); pairs not `wanted` may be anything.

        `progress.check` is called every few milliseconds of work.
        """

    @staticmethod
    @abstractmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        """Floating-point operations of a pair, (n, p) with (n, q), about."""


def whole(array: Sliceable) -> np.ndarray:
    """All of an array, in memory."""
    return array[0 : array.shape[0]]
