"""Projection-weighted canonical correlation, and the form it works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.stats.forms.basis import Basis, span
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form, Sliceable, whole
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Reason, Transform

TIED = 1e-9  # canonical correlations that near are one: what tells them apart is rounding


@final
@dataclass(frozen=True, eq=False)
class Projected(Form):
    """An orthonormal basis U of the centred features, and the features in it, in float64.

    Attributes:
        vectors: U, (n, r).
        features: U^T X, (r, p), for X centred and of Frobenius norm 1.
    """

    vectors: Sliceable
    features: Sliceable

    name: ClassVar[str] = "projected"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Projected":
        vectors, spread, reason = span(x)
        if reason is not Reason.OK:
            Basis(vectors.astype(x.x.dtype), 0, spread, reason).refuse()
        return cls(vectors, vectors.T @ x.centred)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"vectors": whole(self.vectors), "features": whole(self.features)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Projected":
        return cls(arrays["vectors"], arrays["features"])

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 8 * (n + p) * min(n - 1, p)

    @staticmethod
    def flops(n: int, p: int) -> float:
        return 20.0 * n * min(n, p) * p


@MEASURES.register
@final
class PWCCA(PairMeasure[Projected]):
    """PWCCA of y for x: canonical correlations, weighted by how much of x's features each direction accounts for.

    The mean of the correlations rho_i with weights sum_j |h_i . x_j|, h_i the i-th canonical direction of x as a vector
    over examples, x_j the j-th centred feature of x. The weights are those of the first argument: it is not symmetric.
    As they are sums of absolute values over features, rotating x changes it; any invertible linear map of y does not.
    Take it in place of mean CCA where many directions of x are small. Directions of equal correlation (shared by both,
    say) are told apart by the variance of x along them. Independent representations score about as with mean CCA, near
    1 as p + q comes to n (bias). Refusals are those of `cca`. Where x has more directions than y and some correlation
    is 0, the weights are not determined: no score.

    References:
        Morcos, Raghu & Bengio (2018), Insights on representational similarity in neural networks with canonical
            correlation. https://arxiv.org/abs/1806.05759
    """

    name: ClassVar[str] = "pwcca"
    form: ClassVar[type[Form]] = Projected
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = False
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples span one direction, which is all there is
    pairs: ClassVar[Pairs] = "needed"

    def accept(self, x: Projected) -> None:
        """What is refused is refused when it is made."""

    def pair(self, x: Projected, y: Projected) -> float:
        turn, correlations, _ = np.linalg.svd(whole(x.vectors).T @ whole(y.vectors), full_matrices=False)
        if turn.shape[1] < len(turn) and correlations[-1] < TIED:
            return np.nan
        features = whole(x.features)
        along = turn.T @ features
        starts = np.flatnonzero(np.append(True, correlations[:-1] - correlations[1:] > TIED))
        for start, stop in zip(starts, [*starts[1:], len(correlations)], strict=True):
            if stop - start > 1:
                _, _, principal = np.linalg.svd(along[start:stop].T, full_matrices=False)
                along[start:stop] = principal @ along[start:stop]
        weights = np.abs(along).sum(axis=1)
        return float(np.clip(weights @ correlations / weights.sum(), 0.0, 1.0))

    def takes(self, n: int, p: int) -> bool:
        return p < n - 1  # else the features span everything

    def pair_flops(self, n: int, p: int, q: int) -> float:
        r, s = min(n - 1, p), min(n - 1, q)
        return 2.0 * n * r * s + 20.0 * r * s * min(r, s) + 2.0 * r * p * min(r, s)
