"""The I of DCI: how well the factors are predicted."""

from dataclasses import dataclass
from typing import ClassVar, final

from vaescope.stats.code_score import CODE_SCORES, Change
from vaescope.stats.importance import DCI, Importance


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class DCIInformativeness(DCI):
    """Informativeness: how well a factor is predicted from all latents for new examples, averaged over factors; 0 to 1.

    The share of right answers of forests and boosting, as in disentanglement_lib; a predictor that knows nothing has
    about 1/classes. With the lasso 1 - NRMSE, where guessing the mean has NRMSE 1: the paper gives that error itself,
    smaller being better.

    References:
        Eastwood & Williams (2018), A framework for the quantitative evaluation of disentangled representations, section
            2. https://openreview.net/forum?id=By-7dz-AZ
    """

    name: ClassVar[str] = "dci_informativeness"
    title: ClassVar[str] = "DCI informativeness"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )

    def summary(self, found: Importance) -> float:
        return float(found.told.mean())
