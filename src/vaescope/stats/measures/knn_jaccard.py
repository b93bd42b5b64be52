"""Jaccard similarity of nearest neighbours."""

from typing import ClassVar, final

from vaescope.stats.forms.form import Form
from vaescope.stats.forms.neighbours import K, Neighbours, pair_flops, shared
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Transform


@MEASURES.register
@final
class NeighbourJaccard(PairMeasure[Neighbours]):
    """k-nearest-neighbour Jaccard similarity: the mean over examples of |N_x(i) & N_y(i)| / |N_x(i) | N_y(i)|, k = 10.

    Neighbours by Euclidean distance (ReSi takes the cosine of rows, which a translation changes); where distances tie,
    all examples as near as the k-th count. It ranks much as "mutual_knn" does, of which it is s / (2 - s) for every
    single example, and so punishes lost neighbours more. For independent representations about k / (2 (n - 1) - k),
    whatever their widths. 1 less this is a mean of metrics. Linear maps other than rotations change it.

    References:
        Klabunde et al. (2023), Similarity of neural network models: a survey of functional and representational
            measures. https://arxiv.org/abs/2305.06329
        Klabunde et al. (2024), ReSi: a comprehensive benchmark for representational similarity measures.
            https://arxiv.org/abs/2408.00531
    """

    name: ClassVar[str] = "knn_jaccard"
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
        both = shared(x, y)
        return float((both / (x.sizes + y.sizes - both)).mean())

    def pair_flops(self, n: int, p: int, q: int) -> float:
        return pair_flops(n)
