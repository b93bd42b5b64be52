"""Representational similarity analysis: the correlation of dissimilarities."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.direction import cosines
from vaescope.stats.forms.dissimilarities import Dissimilarities
from vaescope.stats.forms.distances import refuse_equidistant
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class PearsonRSA(ProductMeasure[Dissimilarities]):
    """RSA, Pearson: the correlation of the squared Euclidean distances between examples, each pair of them once.

    Take it to compare with work that reports it. A dissimilarity matrix is centred here by one number, its mean, where
    CKA centres every row and column: an example that is far from all others in both representations raises the score.
    The mean over independent representations is 0, whatever their widths, with a wider spread than that of CKA: for
    normal data of n = 200 a standard deviation of 0.03 against 0.007. Linear maps other than rotations change it.

    References:
        Kriegeskorte, Mur & Bandettini (2008), Representational similarity analysis: connecting the branches of systems
            neuroscience. https://doi.org/10.3389/neuro.06.004.2008
        Williams (2024), Equivalence between representational similarity analysis, centered kernel alignment, and
            canonical correlations analysis. https://neurips.cc/virtual/2024/102624
    """

    name: ClassVar[str] = "rsa_pearson"
    form: ClassVar[type[Form]] = Dissimilarities
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples have one distance
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Dissimilarities) -> None:
        refuse_equidistant(x.spread, float(np.finfo(x.values[0:0].dtype).eps))

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Dissimilarities], ys: Sequence[Dissimilarities]
    ) -> Float64[np.ndarray, "a b"]:
        return cosines(products, xs, ys)
