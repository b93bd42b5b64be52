"""The D of DCI: whether each latent counts for one factor only."""

from dataclasses import dataclass
from typing import ClassVar, final

from vaescope.stats.code_score import CODE_SCORES, Change
from vaescope.stats.importance import DCI, Importance, concentration


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class DCIDisentanglement(DCI):
    """Disentanglement: 1 - H(importance of a latent over the F factors) / log F, averaged over latents; 0 to 1.

    A latent weighs as much as it counts for all factors together. 1 if each latent counts for one factor only; 0 if
    each counts for all alike. Several latents may share a factor.

    Eastwood & Williams take lasso and random forests of 10 trees whose depth is chosen by cross-validation;
    disentanglement_lib gradient boosting with 100 trees of depth 3 (`predictor="boosting"`). The forests here have 10
    trees of depth 8; docs/disentanglement.md shows that they rank codes as boosting does. Values depend on the
    predictor and on the number of examples: compare those of one predictor, on the same examples.

    References:
        Eastwood & Williams (2018), A framework for the quantitative evaluation of disentangled representations, section
            2. https://openreview.net/forum?id=By-7dz-AZ
    """

    name: ClassVar[str] = "dci_disentanglement"
    title: ClassVar[str] = "DCI disentanglement"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    minimum_factors: ClassVar[int] = 2

    def summary(self, found: Importance) -> float:
        return concentration(found.weights)
