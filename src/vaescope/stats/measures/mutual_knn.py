"""Mutual nearest neighbours: how many of its nearest examples each example keeps."""

from typing import ClassVar, final

import numpy as np

from vaescope.stats.forms.form import Form
from vaescope.stats.forms.neighbours import K, Neighbours, pair_flops, shared
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Transform


@MEASURES.register
@final
class MutualKNN(PairMeasure[Neighbours]):
    """Mutual k-nearest-neighbour overlap: the share of the 10 nearest neighbours of an example in x that are so in y.

    The mean over examples of |N_x(i) & N_y(i)| / k, neighbours by Euclidean distance (the paper takes inner products of
    rows of length 1, which a translation changes). Where distances tie, all examples as near as the k-th count and the
    larger neighbourhood divides. It looks at the local arrangement only: robust to far examples and to how clusters lie
    to one another, blind to both. For independent representations about k / (n - 1), whatever their widths (more where
    the same examples are near to many in both), so compare values of one n. Linear maps other than rotations change it.

    References:
        Huh, Cheung, Wang & Isola (2024), The platonic representation hypothesis. https://arxiv.org/abs/2405.07987
    """

    name: ClassVar[str] = "mutual_knn"
    form: ClassVar[type[Form]] = Neighbours
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = K + 2  # with k + 1, all others are neighbours
    pairs: ClassVar[Pairs] = "needed"

    def accept(self, x: Neighbours) -> None:
        """Every form will do."""

    def pair(self, x: Neighbours, y: Neighbours) -> float:
        return float((shared(x, y) / np.maximum(x.sizes, y.sizes)).mean())

    def pair_flops(self, n: int, p: int, q: int) -> float:
        return pair_flops(n)
