"""What chance alone would give for the similarity of a layer to its final self."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.certainty.moments import Invariants, invariants
from vaescope.stats.certainty.null import MOMENTS, best_of, calibrated, null_from_moments
from vaescope.stats.certainty.permutation import permutations
from vaescope.stats.certainty.reorder import permuted
from vaescope.stats.halves import Halved, HalvedCKA

PERMUTATIONS, SEED = 4, 2205

Read = tuple[float, float, float, float, float]


class Chance:
    """The null of one measure, layer by layer: the examples of one side in any other order.

    Exact moments where they are known, of CKA. Of other measures a few permutations give the mean, which serves where
    the score of unrelated representations hardly varies, as that of Procrustes does: a nuclear norm is a sum over all
    directions. Their spread is rough, and no p-value is made of so few.

    Args:
        measure: what compares.
    """

    def __init__(self, measure: Halved[Any]) -> None:
        self.measure = measure
        self.exact = isinstance(measure, HalvedCKA) and measure.name in MOMENTS
        self._ends: dict[str, Any] = {}

    def of(self, layer: str, x: Any, end: Any, score: float) -> Read:
        """Score, mean and standard deviation under the null, p-value, and the score calibrated; NaN without a score.

        Args:
            layer: its name: what is made of `end` is kept for the next step.
            x: what the measure has prepared of the layer at a step.
            end: likewise at the end of the run.
            score: of the two.
        """
        if np.isnan(score):
            return np.nan, np.nan, np.nan, np.nan, np.nan
        if self.exact:
            if layer not in self._ends:
                self._ends[layer] = self._invariants(end)
            null = null_from_moments(self.measure.measure, np.array([[score]]), self._invariants(x), self._ends[layer])
            mean, sd, p = null.mean[0, 0], null.sd[0, 0], null.p[0, 0]
        else:
            drawn = self._drawn(layer, x[0], end[0])
            if drawn is None:
                return score, np.nan, np.nan, np.nan, np.nan
            mean, sd, p = drawn.mean(), drawn.std(ddof=1), np.nan
        scaled = calibrated(np.array([score]), np.array([mean]), best_of(self.measure.measure))[0]
        return score, float(mean), float(sd), float(p), float(scaled)

    def _invariants(self, x: Any) -> Invariants:
        return invariants([x.form])

    def _drawn(self, layer: str, x: Any, end: Any) -> Float64[np.ndarray, " b"] | None:
        """Scores under a few permutations; None for a form that cannot be permuted."""
        if layer not in self._ends:
            orders = permutations(self.measure.examples, PERMUTATIONS, SEED)
            try:
                self._ends[layer] = permuted(end, orders)
            except UsageError:
                self._ends[layer] = None
        shuffled = self._ends[layer]
        return None if shuffled is None else self.measure.measure.block([x], shuffled)[0]
