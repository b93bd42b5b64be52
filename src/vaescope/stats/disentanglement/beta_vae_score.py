"""The score of the β-VAE paper: which factor was held fixed, told from differences of codes."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class BetaVAEScore(CodeScore):
    """β-VAE score: share of points whose fixed factor a linear classifier names from E|z - z'|; chance 1/factors to 1.

    A point is the mean of |z - z'|, per latent, over `pairs` pairs of examples that agree in one factor, drawn anew for
    each point. Its classifier is logistic regression, trained on `train` points and tested on `test` others. The pairs
    come from the examples at hand: the first of a pair among all whose value of the factor another one shares, the
    second among those. It does not see whether a factor is spread over several latents, or latents are linear mixtures
    of factors, as long as the mixtures differ.

    disentanglement_lib takes logistic regression on 10,000 + 5,000 points of 64 pairs, as here, but of codes as they
    are (`standardise=False`). Then the penalty on the classifier's weights hides latents of small scale: the codes of
    untrained networks on dSprites (standard deviation 0.01) score 0.39 so and 0.7 in units of their spread, and the
    score seems to rise with training where only the codes grow.

    Args:
        pairs: averaged over in each point.
        train, test: points.
        standardise: divide each latent by its standard deviation first.

    References:
        Higgins et al. (2017), β-VAE: learning basic visual concepts with a constrained variational framework, section
            3. https://openreview.net/forum?id=Sy2fzU9gl
    """

    name: ClassVar[str] = "beta_vae_score"
    title: ClassVar[str] = "β-VAE score"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    minimum_factors: ClassVar[int] = 2
    pairs: int = 64
    train: int = 10_000
    test: int = 5_000
    standardise: bool = True

    def __post_init__(self) -> None:
        for option in ("pairs", "train", "test"):
            at_least(self.name, option, getattr(self, option), 1)

    def value(self, labelled: Labelled, seed: int) -> float:
        from sklearn.linear_model import LogisticRegression

        codes = labelled.standard if self.standardise else labelled.codes[:, labelled.moving]
        rng = np.random.default_rng([seed, 2])
        fixed, points = self._points(labelled, codes, rng)
        if not codes.shape[1] or len(np.unique(fixed[: self.train])) < 2:
            return float(np.mean(fixed[self.train :] == np.bincount(fixed[: self.train]).argmax()))
        classifier = LogisticRegression(solver="newton-cholesky").fit(points[: self.train], fixed[: self.train])
        return float(np.mean(classifier.predict(points[self.train :]) == fixed[self.train :]))

    def _points(
        self, labelled: Labelled, codes: Float64[np.ndarray, "n m"], rng: np.random.Generator
    ) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, "k m"]]:
        fixed = rng.integers(labelled.factors.shape[1], size=self.train + self.test)
        points = np.empty((len(fixed), codes.shape[1]))
        for f, groups in enumerate(labelled.groups):
            mine = np.flatnonzero(fixed == f)
            first = rng.integers(len(groups.rows), size=(len(mine), self.pairs))
            start, size = groups.start[first], groups.size[first]
            second = start + (first - start + rng.integers(1, size)) % size
            differences = np.abs(codes[groups.rows[first]] - codes[groups.rows[second]])
            points[mine] = differences.mean(axis=1)
        return fixed, points
