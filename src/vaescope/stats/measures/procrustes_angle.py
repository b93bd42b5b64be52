"""Angular Procrustes distance: a metric between representations up to rotation and scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.factor import Factor, FactorMeasure
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.thin import singular_sum
from vaescope.stats.measure import MEASURES, Pairs, Transform

NEAR = 0.99  # similarities above are computed again in float64: the angle magnifies their error


@MEASURES.register
@final
@dataclass(frozen=True)
class ProcrustesAngle(FactorMeasure):
    """Angular Procrustes distance: the arc cosine of the nuclear norm of X^T Y, centred, of Frobenius norm 1.

    In radians, 0 for the same shape, pi / 2 for representations that share no example's variation. It satisfies the
    triangle inequality: take it for clustering, embedding and nearest neighbours of layers or networks. Computed as
    2 arcsin(sqrt((1 - s) / 2)); angles below about 1e-6 are rounding of float32. Independent representations are at
    about arccos(0.85 sqrt(p / n)) for p << n, and near 0 for p >= n.

    Attributes:
        energy: share of the variance to keep; None, all of it, is the measure itself. See `FactorMeasure` for the
            bound on the error.

    References:
        Williams, Kunz, Kornblith & Linderman (2021), Generalized shape metrics on neural representations, eq. 5 to 7.
            https://arxiv.org/abs/2110.14739
    """

    name: ClassVar[str] = "procrustes_angle"
    form: ClassVar[type[Form]] = Factor
    bounds: ClassVar[tuple[float, float]] = (0.0, float(np.pi / 2))
    larger_is_more_similar: ClassVar[bool] = False
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 0
    pairs: ClassVar[Pairs] = "needed"

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Factor], ys: Sequence[Factor]
    ) -> Float64[np.ndarray, "a b"]:
        similarities = np.clip(products, 0.0, 1.0)
        for i, j in np.argwhere(similarities > NEAR):
            similarities[i, j] = 1.0 if xs[i].mark == ys[j].mark else exact_similarity(xs[i].values, ys[j].values)
        return 2 * np.arcsin(np.sqrt((1 - similarities) / 2))


def exact_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """The Procrustes similarity of two factors with all products in float64, at most 1."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return min(1.0, singular_sum(x.T @ y) / float(np.linalg.norm(x) * np.linalg.norm(y)))
