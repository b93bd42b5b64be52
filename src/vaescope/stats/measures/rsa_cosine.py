"""Representational similarity analysis: the cosine of dissimilarities."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.dissimilarities import Dissimilarities
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class CosineRSA(ProductMeasure[Dissimilarities]):
    """RSA, cosine: the cosine of the angle between the squared Euclidean distances of examples, each pair of them once.

    sum d_ij e_ij / sqrt(sum d_ij^2 sum e_ij^2) over i < j. Nothing is subtracted, so that 0 distance keeps its meaning;
    but for the same reason it is near 1 for all representations of many features, independent ones too, whose distances
    are all much alike. Take it only to compare with work that reports it, else "rsa_pearson" or "cka". Linear maps
    other than rotations change it.

    References:
        Kriegeskorte, Mur & Bandettini (2008), Representational similarity analysis: connecting the branches of systems
            neuroscience. https://doi.org/10.3389/neuro.06.004.2008
        Williams (2024), Equivalence between representational similarity analysis, centered kernel alignment, and
            canonical correlations analysis. https://neurips.cc/virtual/2024/102624
    """

    name: ClassVar[str] = "rsa_cosine"
    form: ClassVar[type[Form]] = Dissimilarities
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Dissimilarities) -> None:
        """Every dissimilarity matrix will do."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Dissimilarities], ys: Sequence[Dissimilarities]
    ) -> Float64[np.ndarray, "a b"]:
        m = xs[0].values.shape[0]  # distances are kept over their mean and less 1, which adds up to m of a product
        norms = np.sqrt(np.outer([m + x.square for x in xs], [m + y.square for y in ys]))
        return np.clip((products + m) / norms, 0.0, 1.0)
