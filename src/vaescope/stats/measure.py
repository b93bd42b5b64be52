"""The contract of a similarity measure, and of the form into which a representation is prepared once for many measures.

Work on one representation is a `Form`; work on a pair is split in two: `Form.products`, the costly part that every
measure of that form shares, and `Measure.scores`, a closed form per measure. All pairs of a zoo cost one `Form.of` a
representation and one `products` a block of pairs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.registry import Registry

Transform = Literal["orthogonal", "scaling", "translation", "permutation", "linear"]
Pairs = Literal["all", "needed"]


class Reason(IntEnum):
    """Why a score is there or not, as the store keeps it (one byte); `label` is the word people see."""

    OK = 0
    NOT_COMPUTED = 1
    MISSING = 2
    NON_FINITE = 3
    ZERO_VARIANCE = 4
    TOO_FEW = 5
    OTHER_EXAMPLES = 6
    UNSUPPORTED_TYPE = 7
    SHAPE_MISMATCH = 8

    @property
    def label(self) -> str:
        """The lower-case name, e.g. "zero_variance"; also the `reason` of `RepresentationError`."""
        return self.name.lower()


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
    """A representation made ready for a family of measures.

    Attributes:
        name: part of the names of scratch files.
        version: raised whenever `begin` or `products` would give other numbers.
        whole_blocks: whether `products` computes all pairs of a block whichever are wanted.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    whole_blocks: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def begin(cls: type[F], x: np.ndarray, engine: Engine = map) -> Callable[[], F]:
        """Do the part of preparing that needs `x` and can use `engine`; the rest is done when the result is called.

        Args:
            x: (n, p), float32 or float64, not changed; n is at least the measure's minimum.
            engine: maps blocks of `x`; the result does not depend on it, bit for bit.

        Raises:
            RepresentationError: "non_finite" or "zero_variance".
        """

    @classmethod
    def of(cls: type[F], x: np.ndarray) -> F:
        """Prepare `x`, as `begin` and then the rest."""
        return cls.begin(x)()

    @abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything it holds, as named arrays."""

    @classmethod
    @abstractmethod
    def from_arrays(cls: type[F], arrays: Mapping[str, Sliceable]) -> F:
        """The inverse of `to_arrays`; large arrays may stay on disk and are then read in parts, when needed."""

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
    def nbytes(n: int, p: int) -> int:
        """Bytes of the prepared form of an (n, p) float32 representation."""

    @staticmethod
    @abstractmethod
    def flops(n: int, p: int) -> float:
        """Floating-point operations of preparing an (n, p) representation, about."""

    @staticmethod
    @abstractmethod
    def pair_flops(n: int, p: int, q: int) -> float:
        """Floating-point operations of a pair, (n, p) with (n, q), about."""


class Measure(ABC, Generic[F]):
    """A similarity or distance between two representations of the same examples. Final subclasses have no state.

    Attributes:
        name: how it is asked for.
        form: what it works on.
        bounds: the closed interval of its values.
        larger_is_more_similar: False for a distance.
        symmetric: whether score(x, y) = score(y, x).
        metric: whether it satisfies the triangle inequality.
        invariant_to: transforms of one representation's features that leave the score as it is: "orthogonal" (rotations
            and reflections), "scaling" (isotropic), "translation", "permutation" (of features), "linear" (invertible).
        minimum_n: with fewer examples it is undefined or always the same.
        pairs: the choice a study makes if it says nothing.
    """

    name: ClassVar[str]
    form: ClassVar[type[Form]]
    bounds: ClassVar[tuple[float, float]]
    larger_is_more_similar: ClassVar[bool]
    symmetric: ClassVar[bool]
    metric: ClassVar[bool]
    invariant_to: ClassVar[frozenset[Transform]]
    minimum_n: ClassVar[int]
    pairs: ClassVar[Pairs]

    @abstractmethod
    def accept(self, x: F) -> None:
        """Raise `RepresentationError` where `x` has a form but not this measure."""

    @abstractmethod
    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[F], ys: Sequence[F]
    ) -> Float64[np.ndarray, "a b"]:
        """The score of every pair, from `form.products(xs, ys)`."""

    def enough(self, n: int) -> None:
        """Raise `RepresentationError` if `n` examples are too few."""
        if n < self.minimum_n:
            raise RepresentationError(
                f"{self.name} needs at least {self.minimum_n} examples, got {n}. Use more examples.", "too_few"
            )

    def prepare(self, x: np.ndarray) -> F:
        """The form of `x`, (n, p) float32 or float64, checked for this measure.

        Raises:
            RepresentationError: "too_few", "non_finite" or "zero_variance".
        """
        self.enough(x.shape[0])
        form = self.form.of(x)
        self.accept(form)  # type: ignore[arg-type]
        return form  # type: ignore[return-value]

    def compare(self, x: F, y: F) -> float:
        """The score of one pair of prepared representations."""
        return float(self.scores(self.form.products([x], [y]), [x], [y])[0, 0])


MEASURES: Registry[type[Measure]] = Registry("measure", "vaescope.stats", "vaescope.measures")
