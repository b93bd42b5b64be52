"""One-to-one matching of units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form, Sliceable, whole
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Transform

WIDEST = 4096


@final
@dataclass(frozen=True, eq=False)
class Units(Form):
    """The centred representation itself, of Frobenius norm 1, (n, p)."""

    values: Sliceable

    name: ClassVar[str] = "units"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Units":
        if x.p > WIDEST:
            raise RepresentationError(
                f"expected at most {WIDEST:,} units to match one to one, got {x.p:,}: the time grows with their third "
                "power. Use procrustes, or match pooled activations.",
                "too_wide",
            )
        return cls(x.centred.astype(x.x.dtype))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": whole(self.values)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Units":
        return cls(arrays["values"])

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 4 * n * p

    @staticmethod
    def flops(n: int, p: int) -> float:
        return 6.0 * n * p


@MEASURES.register
@final
class Permutation(PairMeasure[Units]):
    """Permutation alignment: the largest tr(X^T Y P) over one-to-one matchings P of the units.

    X and Y are centred, of Frobenius norm 1, the narrower one padded with zeros; the best matching is found exactly.
    1 - d^2 / 2, where d is the distance left after the best reordering of units, so sqrt(2 - 2 score) is a metric. Take
    it where single units are what is compared: rotating a representation changes it. It is at most the Procrustes
    similarity, and can be negative where few units vary against each other. Independent representations of p = q
    features score about 0.8 sqrt(2 log(p) / n), for p >= n too: chance grows slowly with the width. At most 4,096
    units; two independent sets of 2,000 take half a second.

    References:
        Li, Yosinski, Clune, Lipson & Hopcroft (2015), Convergent learning. https://arxiv.org/abs/1511.07543
        Williams, Kunz, Kornblith & Linderman (2021), Generalized shape metrics on neural representations.
            https://arxiv.org/abs/2110.14739
    """

    name: ClassVar[str] = "permutation"
    form: ClassVar[type[Form]] = Units
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)  # at least the mean over all matchings, which is at least -1
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples give every unit the same values up to sign and scale
    pairs: ClassVar[Pairs] = "needed"

    def accept(self, x: Units) -> None:
        """What is refused is refused when it is made."""

    def pair(self, x: Units, y: Units) -> float:
        from scipy.optimize import linear_sum_assignment

        gains = (whole(x.values).T @ whole(y.values)).astype(np.float64)
        rows, columns = linear_sum_assignment(gains, maximize=True)
        return float(np.clip(gains[rows, columns].sum(), -1.0, 1.0))

    def takes(self, n: int, p: int) -> bool:
        return p <= WIDEST

    def pair_flops(self, n: int, p: int, q: int) -> float:
        return 2.0 * n * p * q + 20.0 * min(p, q) ** 2 * max(p, q)
