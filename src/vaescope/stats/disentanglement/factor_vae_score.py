"""The score of the FactorVAE paper: which factor was held fixed, told from the latent that varies least."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class FactorVAEScore(CodeScore):
    """FactorVAE score: share of batches whose fixed factor is named by the latent that varies least in them; to 1.

    A batch has one factor fixed at the value of a random example; the latent whose variance, over its variance in all
    examples, is smallest has its vote. Each latent stands for the factor that most of its `train` votes came from; the
    score is the share of right votes among `test` new ones. Noise has about 1/factors. It does not see whether a factor
    is spread over several latents.

    Batches are drawn with replacement from the examples that share the value. disentanglement_lib takes 10,000 + 5,000
    batches of 64 examples, as here. The paper leaves out latents that collapsed to the prior; disentanglement_lib those
    whose standard deviation is below `smallest`, 0 in its code, 0.05 in configurations that go with it: then untrained
    networks have 0, where they have about 0.4 in truth. A code in which no latent is left has 0.

    Args:
        batch: examples in a batch.
        train, test: batches.
        smallest: standard deviation from which on a latent takes part.

    References:
        Kim & Mnih (2018), Disentangling by factorising, section 4. https://arxiv.org/abs/1802.05983
    """

    name: ClassVar[str] = "factor_vae_score"
    title: ClassVar[str] = "FactorVAE score"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    minimum_factors: ClassVar[int] = 2
    batch: int = 64
    train: int = 10_000
    test: int = 5_000
    smallest: float = 0.0

    def __post_init__(self) -> None:
        at_least(self.name, "batch", self.batch, 2)
        at_least(self.name, "train", self.train, 1)
        at_least(self.name, "test", self.test, 1)
        at_least(self.name, "smallest", self.smallest, 0)

    def value(self, labelled: Labelled, seed: int) -> float:
        codes = labelled.standard[:, labelled.codes.std(axis=0)[labelled.moving] >= self.smallest]
        if not codes.shape[1]:
            return 0.0
        fixed, least = self._votes(labelled, codes, np.random.default_rng([seed, 3]))
        votes = np.zeros((labelled.factors.shape[1], codes.shape[1]), np.int64)
        np.add.at(votes, (fixed[: self.train], least[: self.train]), 1)
        return float(np.mean(votes.argmax(axis=0)[least[self.train :]] == fixed[self.train :]))

    def _votes(
        self, labelled: Labelled, codes: Float64[np.ndarray, "n m"], rng: np.random.Generator
    ) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
        """The fixed factor of each batch, and the latent that varies least in it."""
        fixed = rng.integers(labelled.factors.shape[1], size=self.train + self.test)
        least = np.empty(len(fixed), np.int64)
        for f, groups in enumerate(labelled.groups):
            mine = np.flatnonzero(fixed == f)
            one = rng.integers(len(groups.rows), size=(len(mine), 1))
            start, size = groups.start[one], groups.size[one]
            members = start + rng.integers(0, size, size=(len(mine), self.batch))
            least[mine] = codes[groups.rows[members]].var(axis=1).argmin(axis=1)
        return fixed, least
