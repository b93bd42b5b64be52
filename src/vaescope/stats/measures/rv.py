"""Escoufier's RV coefficient: the correlation of two configurations of the same examples."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.features import Features, cheaper_than_gram
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Centred, LinearGram, biased
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class RV(ProductMeasure[Any]):
    """The RV coefficient, tr(S_xy S_yx) / sqrt(tr(S_xx^2) tr(S_yy^2)) for covariances S: the same as "cka_biased".

    Kornblith's linear CKA is this coefficient of 1973 under another name, and is computed by the same code; it is here
    so that those who know it by this name find it. For a single feature each it is the squared correlation. Biased
    upwards when n is not >> p: take "cka" instead, unless you must match earlier work. Linear maps other than rotations
    change it.

    References:
        Robert & Escoufier (1976), A unifying tool for linear multivariate statistical methods: the RV-coefficient.
            https://doi.org/10.2307/2347233
        Josse, Pagès & Husson (2008), Testing the significance of the RV coefficient. https://doi.org/10.1016/j.csda.2008.06.012
    """

    name: ClassVar[str] = "rv"
    form: ClassVar[type[Form]] = LinearGram
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "all"

    def form_for(self, n: int, widths: Sequence[int]) -> type[Form]:
        return Features if cheaper_than_gram(n, widths) else LinearGram

    def accept(self, x: Centred) -> None:
        """Every Gram matrix will do."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
    ) -> Float64[np.ndarray, "a b"]:
        return biased(products, xs, ys)
