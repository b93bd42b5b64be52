"""Normalised Bures similarity of Gram matrices."""

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
class Bures(FactorMeasure):
    """Normalised Bures similarity: tr((K^1/2 L K^1/2)^1/2) / sqrt(tr K tr L) of the centred Gram matrices K and L.

    For K = X X^T and L = Y Y^T the fidelity in the numerator is the nuclear norm of X^T Y: the value is that of
    `procrustes`, to the last bit, seen as a comparison of similarities between examples instead of rotated features.
    It is here under the name by which kernel methods know it; with both, a study computes it once. Independent
    representations score near 1 for p >= n, as there.

    Attributes:
        energy: share of the variance to keep; None, all of it, is the measure itself. See `FactorMeasure` for the
            bound on the error.

    References:
        Tang, Maddox, Dickens, Diethe & Damianou (2020), Similarity of neural networks with gradients.
            https://arxiv.org/abs/2003.11498
        Harvey, Larsen & Williams (2024), Duality of Bures and shape distances with implications for comparing neural
            representations. https://arxiv.org/abs/2311.11436
    """

    name: ClassVar[str] = "bures"
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
