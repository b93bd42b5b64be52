"""Whether the values of the factors can be told from the codes by a linear classifier."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.stats.code_score import CODE_SCORES, Change, CodeScore, at_least
from vaescope.stats.labelled import Labelled


@CODE_SCORES.register
@final
@dataclass(frozen=True)
class Explicitness(CodeScore):
    """Explicitness: area under the ROC curve of each value of a factor, told by logistic regression; chance 0.5 to 1.

    The classifier of a factor learns from two thirds of the examples; the area is that for "this value or another" on
    the others, averaged over the values of a factor and then over factors. Latents are given variance 1, as in
    disentanglement_lib. It says whether the factors can be read off linearly, not whether latents are separate: any
    invertible linear map of the codes has nearly the same score.

    Args:
        strength: inverse of the penalty on the weights (`C` of scikit-learn); 1 in disentanglement_lib.

    References:
        Ridgeway & Mozer (2018), Learning deep disentangled embeddings with the F-statistic loss, section 3.
            https://arxiv.org/abs/1802.05312
    """

    name: ClassVar[str] = "explicitness"
    title: ClassVar[str] = "Explicitness"
    invariant_to: ClassVar[frozenset[Change]] = frozenset(
        {"permutation", "translation", "reflection", "scaling", "units"}
    )
    strength: float = 1.0

    def __post_init__(self) -> None:
        at_least(self.name, "strength", self.strength, 1e-12)

    def value(self, labelled: Labelled, seed: int) -> float:
        from sklearn.linear_model import LogisticRegression

        learnt, tested = labelled.split(seed)
        x = labelled.standard
        found = []
        for classes in labelled.factors.T:
            if not x.shape[1] or len(np.unique(classes[learnt])) < 2:
                found.append(0.5)
                continue
            model = LogisticRegression(C=self.strength, max_iter=100, tol=1e-3).fit(x[learnt], classes[learnt])
            chances = model.predict_proba(x[tested])
            areas = [
                area_under_curve(column, classes[tested] == c)
                for c, column in zip(model.classes_, chances.T, strict=True)
                if 0 < np.mean(classes[tested] == c) < 1
            ]
            found.append(float(np.mean(areas)) if areas else 0.5)
        return float(np.mean(found))


def area_under_curve(scores: Float64[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> float:
    """The share of (right, wrong) pairs in which the right one has the larger score, ties counting half."""
    order = np.sort(scores[~right])
    below = np.searchsorted(order, scores[right], side="left") + np.searchsorted(order, scores[right], side="right")
    return float(below.mean() / (2 * len(order)))
