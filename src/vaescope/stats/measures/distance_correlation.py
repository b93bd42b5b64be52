"""Distance correlation: dependence of any kind, from distances between examples."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Centred, biased
from vaescope.stats.forms.kernel_grams import DistanceGram
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class DistanceCorrelation(ProductMeasure[Any]):
    """Distance correlation dCor = sqrt(<A, B> / (|A| |B|)) for doubly centred matrices A, B of Euclidean distances.

    The V-statistic of the paper, with its square root. In the limit of many examples it is 0 only for independent
    representations: it sees dependence that is not linear. For given n it is biased upwards, much as "cka_biased", and
    tends to 1 for independent representations as features outnumber examples: compare only values of like n and widths.
    Its square is biased CKA with the distance as kernel. Linear maps other than rotations change it.

    References:
        Székely, Rizzo & Bakirov (2007), Measuring and testing dependence by correlation of distances.
            https://doi.org/10.1214/009053607000000505
        Sejdinovic, Sriperumbudur, Gretton & Fukumizu (2013), Equivalence of distance-based and RKHS-based statistics in
            hypothesis testing. https://arxiv.org/abs/1207.6076
    """

    name: ClassVar[str] = "distance_correlation"
    form: ClassVar[type[Form]] = DistanceGram
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Centred) -> None:
        """Every distance matrix will do."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
    ) -> Float64[np.ndarray, "a b"]:
        return np.sqrt(biased(products, xs, ys))
