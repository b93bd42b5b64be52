"""The C of DCI: whether each factor is told by one latent only."""

from dataclasses import dataclass
from typing import ClassVar, final

from vaescope.stats.code_score import CODE_SCORES, Change
from vaescope.stats.importance import DCI, Importance, concentration


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class DCICompleteness(DCI):
    """Completeness: 1 - H(importance for a factor over latents) / log D, averaged over factors; 0 to 1.

    1 if each factor is predicted from one latent; 0 if from all alike. One latent may serve several factors. Factors
    of which nothing is learnt do not count. `DCIDisentanglement` says which predictors others take.

    References:
        Eastwood & Williams (2018), A framework for the quantitative evaluation of disentangled representations, section
            2. https://openreview.net/forum?id=By-7dz-AZ
    """

    name: ClassVar[str] = "dci_completeness"
    title: ClassVar[str] = "DCI completeness"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    minimum_latents: ClassVar[int] = 2

    def summary(self, found: Importance) -> float:
        return concentration(found.weights.T)
