"""The contract of a similarity measure: `prepare` for the work on one representation, `compare` for that on a pair.

What a representation is made into is a `Form`. A measure is one of two kinds: a `ProductMeasure` turns one number that
its form gives for every pair (an inner product, a nuclear norm) into a score, so that several measures share the work;
a `PairMeasure` looks at each pair of forms by itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.registry import Registry
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Engine, Form, ProductForm

Transform = Literal["orthogonal", "scaling", "translation", "permutation", "linear"]
Pairs = Literal["all", "needed"]
PAIRS_AT_ONCE = 16


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
    TOO_WIDE = 9
    ILL_CONDITIONED = 10
    TOO_MANY = 11

    @property
    def label(self) -> str:
        """The lower-case name, e.g. "zero_variance"; also the `reason` of `RepresentationError`."""
        return self.name.lower()


F = TypeVar("F", bound=Form)
P = TypeVar("P", bound=ProductForm)


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
            and reflections), "scaling" (isotropic, positive), "translation", "permutation" (of features), "linear"
            (invertible).
        minimum_n: with fewer examples it is undefined or always the same.
        pairs: the choice a study makes if it says nothing.
        debiased: whether independent representations score about the same whatever their widths.
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
    debiased: ClassVar[bool] = False

    @abstractmethod
    def accept(self, x: F) -> None:
        """Raise `RepresentationError` where `x` has a form but not this measure."""

    @abstractmethod
    def block(
        self,
        xs: Sequence[F],
        ys: Sequence[F],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        """The score of every pair of prepared representations, (len(xs), len(ys)).

        Pairs not `wanted` may be anything. A score is NaN where the pair has none though both forms were accepted.
        """

    @abstractmethod
    def pair_flops(self, n: int, p: int, q: int) -> float:
        """Floating-point operations of a pair, (n, p) with (n, q), about."""

    def form_for(self, n: int, widths: Sequence[int]) -> type[Form]:
        """The cheapest form for representations of these widths that are all to be compared with one another."""
        return self.form

    def takes(self, n: int, p: int) -> bool:
        """False for widths that are always refused: for estimates of cost."""
        return n >= self.minimum_n and p >= 1

    def example(self, rng: np.random.Generator, n: int, p: int) -> np.ndarray:
        """A representation of the kind this measure is for, (n, about p) float64: for tests and estimates of time."""
        return rng.standard_normal((n, p)) * np.geomspace(1, 3, p) + rng.standard_normal(p)

    def enough(self, n: int) -> None:
        """Raise `RepresentationError` if `n` examples are too few."""
        if n < self.minimum_n:
            raise RepresentationError(
                f"{self.name} needs at least {self.minimum_n} examples, got {n}. Use more examples.", "too_few"
            )

    def prepare(self, x: "np.ndarray | Examples", form: type[Form] | None = None) -> F:
        """The form of `x`, checked for this measure.

        Args:
            x: (n, p) float32 or float64, not changed; or `Examples`, which lets several measures share work.
            form: one that `form_for` gave; `self.form` if None.

        Raises:
            RepresentationError: "too_few", "non_finite", "zero_variance", ...
        """
        examples = x if isinstance(x, Examples) else Examples(x)
        self.enough(examples.n)
        made = (form or self.form).of(examples)
        self.accept(made)  # type: ignore[arg-type]
        return made  # type: ignore[return-value]

    def compare(self, x: F, y: F) -> float:
        """The score of one pair of prepared representations."""
        return float(self.block([x], [y])[0, 0])

    def no_score(self, x: F, y: F) -> RepresentationError:
        """Why a pair whose score is NaN has none, to be raised where one score was asked for."""
        return RepresentationError(
            f"{self.name} has no score for this pair, though for each with others: these values do not determine it.",
            "ill_conditioned",
        )


class ProductMeasure(Measure[P]):
    """A measure that is a closed form of what its form's `products` give: all pairs at the speed of those."""

    @abstractmethod
    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[P], ys: Sequence[P]
    ) -> Float64[np.ndarray, "a b"]:
        """The score of every pair, from `form.products(xs, ys)`."""

    def block(
        self,
        xs: Sequence[P],
        ys: Sequence[P],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        if not xs or not ys:
            return np.full((len(xs), len(ys)), np.nan)
        return self.scores(type(xs[0]).products(xs, ys, wanted, engine, progress), xs, ys)

    def pair_flops(self, n: int, p: int, q: int) -> float:
        form: Any = self.form
        return form.pair_flops(n, p, q)


class PairMeasure(Measure[F]):
    """A measure whose pairs are computed one by one."""

    @abstractmethod
    def pair(self, x: F, y: F) -> float:
        """The score of a pair; the same bits whatever else is computed. NaN where it has none."""

    def block(
        self,
        xs: Sequence[F],
        ys: Sequence[F],
        wanted: Bool[np.ndarray, "a b"] | None = None,
        engine: Engine = map,
        progress: Progress | None = None,
    ) -> Float64[np.ndarray, "a b"]:
        found = np.full((len(xs), len(ys)), np.nan)
        pairs = np.argwhere(np.ones(found.shape, bool) if wanted is None else wanted)
        parts = [pairs[start : start + PAIRS_AT_ONCE] for start in range(0, len(pairs), PAIRS_AT_ONCE)]

        def work(part: np.ndarray) -> list[float]:
            return [self.pair(xs[i], ys[j]) for i, j in part]

        for part, scores in zip(parts, engine(work, parts), strict=True):
            found[part[:, 0], part[:, 1]] = scores
            if progress is not None:
                progress.check()
        return found

    def pair_flops(self, n: int, p: int, q: int) -> float:
        return 2.0 * n * min(n, p) * min(n, q)


MEASURES: Registry[type[Measure]] = Registry("measure", "vaescope.stats.measures", "vaescope.measures")
