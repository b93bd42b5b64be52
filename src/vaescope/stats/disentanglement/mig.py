"""The mutual information gap."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.information import Binning, entropies, information
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class MIG(CodeScore):
    """MIG: by how much the most informative latent leads, (I₁ - I₂) / H(factor), averaged over factors; 0 to 1.

    I₁ and I₂ are the largest and second largest mutual information of a latent with the factor; with one latent I₂ is
    0. 1 if each factor is known from one latent and nothing about it from any other; 0 if two latents know the same.
    It says nothing about latents that stand for several factors.

    Chen et al. compute I from the encoder's posterior q(z|x); here, as in disentanglement_lib (20 bins, 10,000
    examples), from a histogram of the codes, mean or sampled. A factor with more classes than there are bins cannot
    reach 1.

    Args:
        bins: into how many intervals a latent is cut.
        binning: "width", of equal width, as in disentanglement_lib; "quantile", of equal counts.

    References:
        Chen, Li, Grosse & Duvenaud (2018), Isolating sources of disentanglement in variational autoencoders, equation
            6. https://arxiv.org/abs/1802.04942
    """

    name: ClassVar[str] = "mig"
    title: ClassVar[str] = "MIG"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    bins: int = 20
    binning: Binning = "width"

    def __post_init__(self) -> None:
        at_least(self.name, "bins", self.bins, 2)

    def value(self, labelled: Labelled, seed: int) -> float:
        known = np.vstack([information(labelled, self.bins, self.binning), np.zeros(labelled.factors.shape[1])])
        top = np.sort(known, axis=0)[::-1]
        return float(np.mean((top[0] - top[1]) / entropies(labelled)))
