"""Whether each latent knows about one factor only."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.information import Binning, by_chance, information
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class Modularity(CodeScore):
    """Modularity: 1 - Σ_f≠best I_f² / (I_best² (F - 1)) of each latent, averaged over latents; 0 to 1.

    I_f is the mutual information of the latent with factor f, best the factor it knows most about. 1 if each latent
    knows about one factor; 0 if each knows the same of all. Two latents for one factor cost nothing. Constant latents
    are left out (the formula is 0/0; disentanglement_lib counts them as 0); a code with none but constant ones has 0.

    The estimate of I_f has a bias that grows with classes over examples and lowers the score of good codes: on dSprites
    0.73, 0.85 and 0.89 for 1,000, 3,000 and 15,000 examples of the same codes. `corrected=True` first takes off what
    permuted examples give: 0.90 for each. Either way a latent that knows nothing has a score of its own, by chance:
    compare scores of the same examples only.

    Args:
        bins: into how many intervals a latent is cut: 20 in the paper and in disentanglement_lib.
        binning: "width", of equal width; "quantile", of equal counts.
        corrected: take off what chance alone gives, down to 0; False in the paper and in disentanglement_lib.

    References:
        Ridgeway & Mozer (2018), Learning deep disentangled embeddings with the F-statistic loss, section 3.
            https://arxiv.org/abs/1802.05312
    """

    name: ClassVar[str] = "modularity"
    title: ClassVar[str] = "Modularity"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    minimum_factors: ClassVar[int] = 2
    bins: int = 20
    binning: Binning = "width"
    corrected: bool = False

    def __post_init__(self) -> None:
        at_least(self.name, "bins", self.bins, 2)

    def value(self, labelled: Labelled, seed: int) -> float:
        known = information(labelled, self.bins, self.binning)
        if self.corrected:
            known = np.maximum(known - by_chance(labelled, self.bins, self.binning, seed), 0)
        squares = known**2
        best = squares.max(axis=1)
        told = best > 0
        if not told.any():
            return 0.0
        others = (squares.sum(axis=1) - best)[told] / (best[told] * (squares.shape[1] - 1))
        return float(np.mean(1 - others))
