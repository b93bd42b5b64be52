"""Separated attribute predictability."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.errors import UsageError
from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.labelled import Labelled

Factors = Literal["classes", "ordered"]


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class SAP(CodeScore):
    """SAP: by how much the latent that best predicts a factor leads over the next one, averaged over factors; 0 to 1.

    With `factors="classes"` a latent predicts as well as a linear support vector machine that sees it alone: the share
    of right answers for the third of the examples it did not learn from, as in disentanglement_lib (there 10,000 and
    5,000). A latent that is constant, and the one that is missing where there is one only, is as good as always naming
    the most frequent class. With "ordered" it is the squared correlation with the number of the class.

    Kumar et al. take the squared correlation for continuous factors, and thresholds that minimise the balanced error
    for the others; disentanglement_lib takes the support vector machine for all factors of its study, of codes as they
    are; here they have variance 1, so that the penalty does not depend on their units.

    Args:
        factors: whether the numbers of classes are names or have an order.
        penalty: `C` of the support vector machine, balanced between classes; 0.01 in disentanglement_lib.

    References:
        Kumar, Sattigeri & Balakrishnan (2018), Variational inference of disentangled latent concepts from unlabeled
            observations, section 3. https://arxiv.org/abs/1711.00848
    """

    name: ClassVar[str] = "sap"
    title: ClassVar[str] = "SAP"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    factors: Factors = "classes"
    penalty: float = 0.01

    def __post_init__(self) -> None:
        if self.factors not in ("classes", "ordered"):
            raise UsageError(f"sap.factors: expected classes or ordered, got {self.factors!r}.")
        at_least(self.name, "penalty", self.penalty, 1e-12)

    def value(self, labelled: Labelled, seed: int) -> float:
        if self.factors == "ordered":
            table, nothing = _correlations(labelled), np.zeros(labelled.factors.shape[1])
        else:
            table, nothing = self._shares(labelled, seed)
        if labelled.latents == 1:
            table = np.vstack([table, nothing])
        top = np.sort(table, axis=0)
        return float(np.mean(top[-1] - top[-2]))

    def _shares(self, labelled: Labelled, seed: int) -> tuple[Float64[np.ndarray, "d f"], Float64[np.ndarray, " f"]]:
        """The share of right answers of each latent for each factor, and of none for each factor."""
        from sklearn.svm import LinearSVC

        learnt, tested = labelled.split(seed)
        nothing = np.array([np.mean(y[tested] == np.bincount(y[learnt]).argmax()) for y in labelled.factors.T])
        table = np.tile(nothing, (labelled.latents, 1))
        for i, latent in zip(np.flatnonzero(labelled.moving), labelled.standard.T, strict=True):
            x = latent[:, None]
            for f, classes in enumerate(labelled.factors.T):
                if len(np.unique(classes[learnt])) > 1:
                    model: Any = LinearSVC(C=self.penalty, class_weight="balanced", random_state=0)
                    table[i, f] = np.mean(model.fit(x[learnt], classes[learnt]).predict(x[tested]) == classes[tested])
        return table, nothing


def _correlations(labelled: Labelled) -> Float64[np.ndarray, "d f"]:
    y: Int64[np.ndarray, "n f"] = labelled.factors
    standard = (y - y.mean(axis=0)) / y.std(axis=0)
    found = np.zeros((labelled.latents, y.shape[1]))
    found[labelled.moving] = (labelled.standard.T @ standard / labelled.n) ** 2
    return found
