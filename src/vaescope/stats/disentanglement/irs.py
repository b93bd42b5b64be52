"""The interventional robustness score."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class IRS(CodeScore):
    """IRS: how little a latent moves while the factor it stands for is held fixed and the others change; 0 to 1.

    For latent i and factor f: 1 - E_v[q |z_i - E(z_i | f = v)|] / max |z_i - E z_i|, where v goes over the values of f
    and q is a quantile over the examples that have it. Of each latent the best factor counts; the mean over latents is
    weighted by max |z_i - E z_i|, so that latents that hardly move hardly count. A constant code has 0.

    The paper takes the maximum (`quantile=1`), disentanglement_lib the quantile 0.99, as here. With few examples of a
    value even a latent that knows nothing seems robust (its extremes are not among them): compare scores of the same
    examples only. Values that one example alone has are passed over.

    Args:
        quantile: of the deviations from their mean, of the examples that share a value.

    References:
        Suter, Miladinovic, Schölkopf & Bauer (2019), Robustly disentangled causal mechanisms, section 4.
            https://arxiv.org/abs/1811.00007
    """

    name: ClassVar[str] = "irs"
    title: ClassVar[str] = "IRS"
    invariant_to: ClassVar[frozenset[Change]] = frozenset({"permutation", "translation", "reflection", "scaling"})
    quantile: float = 0.99

    def __post_init__(self) -> None:
        if not 0 < self.quantile <= 1:
            raise UsageError(f"{self.name}.quantile: expected more than 0 and at most 1, got {self.quantile!r}.")

    def value(self, labelled: Labelled, seed: int) -> float:
        codes = labelled.codes[:, labelled.moving]
        if not codes.shape[1]:
            return 0.0
        largest = np.abs(codes - codes.mean(axis=0)).max(axis=0)
        robust = 1 - np.stack([self._spread(labelled, f, codes) for f in range(labelled.factors.shape[1])]) / largest
        return float(np.clip(np.average(robust.max(axis=0), weights=largest), 0, 1))

    def _spread(self, labelled: Labelled, f: int, codes: Float64[np.ndarray, "n m"]) -> Float64[np.ndarray, " m"]:
        """The deviation within a value of the factor, averaged over values, of each latent."""
        groups = labelled.groups[f]
        found = []
        for start in np.unique(groups.start):
            same = codes[groups.rows[start : start + groups.size[start]]]
            found.append(np.quantile(np.abs(same - same.mean(axis=0)), self.quantile, axis=0))
        return np.mean(found, axis=0)
