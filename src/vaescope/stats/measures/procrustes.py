"""Orthogonal Procrustes: how well one representation is turned onto another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.factor import Factor, FactorMeasure
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, Transform


@MEASURES.register
@final
@dataclass(frozen=True)
class Procrustes(FactorMeasure):
    """Procrustes similarity: the nuclear norm of X^T Y for centred X and Y of Frobenius norm 1.

    1 - d^2 / 2, where d is the distance left after the best rotation or reflection. Its arc cosine is a metric
    (`procrustes_angle`), it is not itself one. It weighs all directions by their standard deviation, where CKA weighs
    them by their variance: take it where small directions count. Independent representations score about
    0.85 sqrt(p / n) for p << n, and near 1 for p >= n: compare only values of like widths, or with many examples.

    Attributes:
        energy: share of the variance to keep; None, all of it, is the measure itself. See `FactorMeasure` for the
            bound on the error.

    References:
        Ding, Denain & Steinhardt (2021), Grounding representation similarity with statistical testing.
            https://arxiv.org/abs/2108.01661
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "procrustes"
    form: ClassVar[type[Form]] = Factor
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "needed"

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Factor], ys: Sequence[Factor]
    ) -> Float64[np.ndarray, "a b"]:
        return np.clip(products, 0.0, 1.0)  # beyond 1 only by rounding
