"""How much each latent counts where a factor is predicted from all of them: what the three DCI scores are made of."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.errors import UsageError
from vaescope.stats.code_score import CodeScore, at_least
from vaescope.stats.labelled import Labelled

Predictor = Literal["forest", "boosting", "lasso"]


@dataclass(frozen=True)
class Importance:
    """Of latents for factors.

    Attributes:
        weights: importance of each latent for each factor, at least 0, (d, f). Columns sum to 1, or to 0 where nothing
            could be learnt.
        told: how well each factor is predicted for examples not learnt from, 0 to 1, (f,).
    """

    weights: Float64[np.ndarray, "d f"]
    told: Float64[np.ndarray, " f"]


@dataclass(frozen=True)
class DCI(CodeScore):
    """Base of disentanglement, completeness and informativeness: the predictor, learnt once for the three of them.

    Args:
        predictor: "forest": random forests of classification trees, the default, for their speed; "boosting":
            scikit-learn's gradient boosting, which disentanglement_lib uses, about a hundred times slower; "lasso":
            linear regression of the number of the class, which suits factors whose classes are in order.
        trees: of a forest.
        depth: of each tree of a forest, at most.
        leaf: examples in each leaf of a forest, at least.
        penalty: of the lasso, with latents and factors of variance 1.
    """

    predictor: Predictor = "forest"
    trees: int = 10
    depth: int = 8
    leaf: int = 5
    penalty: float = 0.02

    def __post_init__(self) -> None:
        if self.predictor not in ("forest", "boosting", "lasso"):
            raise UsageError(f"predictor: expected forest, boosting or lasso, got {self.predictor!r}.")
        at_least(self.name, "trees", self.trees, 1)
        at_least(self.name, "depth", self.depth, 1)
        at_least(self.name, "leaf", self.leaf, 1)
        at_least(self.name, "penalty", self.penalty, 0)

    @abstractmethod
    def summary(self, found: Importance) -> float:
        """The score."""

    def value(self, labelled: Labelled, seed: int) -> float:
        return self.summary(self.importance(labelled, seed))

    def importance(self, labelled: Labelled, seed: int) -> Importance:
        """What the predictor learns from two thirds of the examples, and how it does on the others."""
        key = ("importance", self.predictor, self.trees, self.depth, self.leaf, self.penalty, seed)
        return labelled.once(key, lambda: self._importance(labelled, seed))

    def _importance(self, labelled: Labelled, seed: int) -> Importance:
        learnt, tested = labelled.split(seed)
        x = labelled.standard
        weights = np.zeros((labelled.latents, labelled.factors.shape[1]))
        told = np.zeros(labelled.factors.shape[1])
        for f, classes in enumerate(labelled.factors.T):
            if not x.shape[1] or len(np.unique(classes[learnt])) < 2:
                told[f] = np.mean(classes[tested] == np.bincount(classes[learnt]).argmax())
                continue
            found, told[f] = self._learn(x[learnt], classes[learnt], x[tested], classes[tested], seed)
            weights[labelled.moving, f] = found / (found.sum() or 1.0)
        return Importance(weights, told)

    def _learn(
        self,
        x: Float64[np.ndarray, "t m"],
        classes: Int64[np.ndarray, " t"],
        tested: Float64[np.ndarray, "h m"],
        right: Int64[np.ndarray, " h"],
        seed: int,
    ) -> tuple[Float64[np.ndarray, " m"], float]:
        """The importance of each latent for one factor, and how well it is predicted."""
        if self.predictor == "lasso":
            from sklearn.linear_model import Lasso

            mean, spread = classes.mean(), classes.std()
            line = Lasso(alpha=self.penalty).fit(x, (classes - mean) / spread)
            left = np.sqrt(np.mean((line.predict(tested) - (right - mean) / spread) ** 2))
            return np.abs(np.asarray(line.coef_, np.float64)), float(max(0.0, 1 - left))
        model = self._trees(seed).fit(x, classes)
        return np.asarray(model.feature_importances_, np.float64), float(np.mean(model.predict(tested) == right))

    def _trees(self, seed: int) -> Any:
        from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

        if self.predictor == "boosting":
            return GradientBoostingClassifier(random_state=seed % 2**32)
        every: Any = None  # latents are looked at in each split; scikit-learn's types want a text
        return RandomForestClassifier(
            self.trees,
            max_features=every,
            max_depth=self.depth,
            min_samples_leaf=self.leaf,
            random_state=seed % 2**32,
            n_jobs=1,
        )


def concentration(weights: Float64[np.ndarray, "r c"]) -> float:
    """1 - entropy, to the base of the number of columns, of each row made to sum to 1; the mean, weighted by row sums.

    0 where all weights are 0.
    """
    sums = weights.sum(axis=1)
    if not sums.sum() > 0:
        return 0.0
    p = weights[sums > 0] / sums[sums > 0][:, None]
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1) / np.log(weights.shape[1])
    return float(np.average(1 - entropy, weights=sums[sums > 0]))
