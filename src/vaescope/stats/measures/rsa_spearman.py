"""Representational similarity analysis: the rank correlation of dissimilarities."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.direction import cosines
from vaescope.stats.forms.dissimilarities import DissimilarityRanks
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class SpearmanRSA(ProductMeasure[DissimilarityRanks]):
    """RSA, Spearman: the rank correlation of the distances between examples, each pair of them once.

    Tied distances have the mean of their ranks. Take it where only the order of distances is to be trusted: it is the
    same for any rising function of the distance, and a few far examples do not decide it. The mean over independent
    representations is about 0, whatever their widths. Linear maps other than rotations change it.

    References:
        Kriegeskorte, Mur & Bandettini (2008), Representational similarity analysis: connecting the branches of systems
            neuroscience. https://doi.org/10.3389/neuro.06.004.2008
    """

    name: ClassVar[str] = "rsa_spearman"
    form: ClassVar[type[Form]] = DissimilarityRanks
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples have one distance
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: DissimilarityRanks) -> None:
        """Ranks that are there are not all equal."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[DissimilarityRanks], ys: Sequence[DissimilarityRanks]
    ) -> Float64[np.ndarray, "a b"]:
        return cosines(products, xs, ys)
