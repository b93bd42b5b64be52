"""Mean canonical correlation of the leading principal components, and the form it works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.factor import leading
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.thin import Thin
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform

ENERGY = 0.99
TIED = 1e-6  # of the singular value: components that near are kept or dropped together


@final
@dataclass(frozen=True, eq=False)
class Leading(Thin):
    """The left singular vectors of the fewest principal components that hold 99 % of the variance, (n, k).

    Components whose singular values differ from that of the last one by less than 1e-6 of it are kept as well: among
    equals, which ones come first would be chance.
    """

    name: ClassVar[str] = "leading"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Leading":
        return cls.holding(x, ENERGY)

    @classmethod
    def holding(cls, x: Examples, energy: float) -> "Leading":
        """As `of`, with another share of the variance.

        Raises:
            RepresentationError: "too_few" where that takes n - 1 components; "non_finite", "zero_variance".
        """
        vectors, sizes = x.principal
        kept = leading(np.square(sizes), 1 - energy)
        kept = int((sizes >= sizes[kept - 1] * (1 - TIED)).sum())
        if kept >= x.n - 1:
            raise RepresentationError(
                f"{energy:.4g} of the variance takes all {x.n - 1} directions that {x.n} examples have, so every "
                "score would be 1. Use more examples, or keep less of the variance.",
                "too_few",
            )
        return cls.marked(vectors[:, :kept], x.x.dtype)

    @property
    def own(self) -> float:
        return float(self.rank)


@MEASURES.register
@final
@dataclass(frozen=True)
class SVCCA(ProductMeasure[Leading]):
    """SVCCA: the mean canonical correlation of the principal components that hold 99 % of the variance of each.

    As mean CCA, but directions of little variance, noise among them, are left out: take it where features outnumber
    examples or CCA is refused. Which components just make the 99 % decides the score, so it can jump between
    almost equal representations. Independent representations score about 0.87 sqrt(k / n), k components kept, and
    near 1 where k + l comes to n: a wide layer with a flat spectrum is still biased.

    Attributes:
        energy: share of the variance to keep.

    References:
        Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017), SVCCA. https://arxiv.org/abs/1706.05806
    """

    energy: float = ENERGY

    name: ClassVar[str] = "svcca"
    form: ClassVar[type[Form]] = Leading
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples span one direction, which is all there is
    pairs: ClassVar[Pairs] = "needed"

    def __post_init__(self) -> None:
        if not 0 < self.energy < 1:
            raise UsageError(f"svcca: expected an energy between 0 and 1, got {self.energy!r}.")

    def prepare(self, x: np.ndarray | Examples, form: type[Form] | None = None) -> Leading:
        if self.energy == ENERGY:
            return super().prepare(x, form)
        examples = x if isinstance(x, Examples) else Examples(x)
        self.enough(examples.n)
        return Leading.holding(examples, self.energy)

    def accept(self, x: Leading) -> None:
        """What is refused is refused when it is made."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Leading], ys: Sequence[Leading]
    ) -> Float64[np.ndarray, "a b"]:
        ranks = np.minimum.outer([x.rank for x in xs], [y.rank for y in ys])
        return np.clip(products / ranks, 0.0, 1.0)
