"""Mean canonical correlation."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.basis import Basis
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class CCA(ProductMeasure[Basis]):
    """Mean CCA: the mean canonical correlation, (1 / m) times the nuclear norm of U_x^T U_y, m the smaller rank.

    U_x and U_y are orthonormal bases of the centred features. All directions that are there count the same, however
    little they vary: take it to ask whether one representation could be mapped linearly onto the other, and only where
    examples outnumber features many times. Independent representations score about 0.87 sqrt(q / n) for p = q << n and
    near 1 as p + q comes to n (bias); with rank n - 1 every score would be 1, which is refused ("too_few"), as are
    directions that the rounding of float32 does not tell from none ("ill_conditioned").

    References:
        Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017), SVCCA. https://arxiv.org/abs/1706.05806
        Kornblith, Norouzi, Lee & Hinton (2019), section 3, the mean of the canonical correlations.
            https://arxiv.org/abs/1905.00414
    """

    name: ClassVar[str] = "cca"
    form: ClassVar[type[Form]] = Basis
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset(
        {"orthogonal", "scaling", "translation", "permutation", "linear"}
    )
    minimum_n: ClassVar[int] = 3  # two examples span one direction, which is all there is
    pairs: ClassVar[Pairs] = "needed"

    def takes(self, n: int, p: int) -> bool:
        return p < n - 1  # else the features span everything

    def accept(self, x: Basis) -> None:
        x.refuse()

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Basis], ys: Sequence[Basis]
    ) -> Float64[np.ndarray, "a b"]:
        ranks = np.minimum.outer([x.rank for x in xs], [y.rank for y in ys])
        return np.clip(products / ranks, 0.0, 1.0)
