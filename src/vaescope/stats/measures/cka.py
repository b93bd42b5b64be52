"""Linear centred kernel alignment, debiased: the cosine of two U-centred Gram matrices."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.features import Features, cheaper_than_gram
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Centred, LinearGram, debiased, refuse_alike
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform

EPS = float(np.finfo(np.float32).eps)


@MEASURES.register
@final
class DebiasedCKA(ProductMeasure[Any]):
    """Debiased linear CKA: the cosine of the U-centred Gram matrices. Take this one unless you must match a paper.

    The ratio of unbiased estimates of HSIC; near 0 for independent representations whatever their widths, where the
    biased form tends to 1 as features outnumber examples. It may be below 0 by chance.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? https://arxiv.org/abs/2010.15327
        Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures. https://arxiv.org/abs/2405.01012
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    name: ClassVar[str] = "cka"
    form: ClassVar[type[Form]] = LinearGram
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 4
    pairs: ClassVar[Pairs] = "all"

    def form_for(self, n: int, widths: Sequence[int]) -> type[Form]:
        return Features if cheaper_than_gram(n, widths) else LinearGram

    def accept(self, x: Centred) -> None:
        refuse_alike(self.name, x, EPS)

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
    ) -> Float64[np.ndarray, "a b"]:
        return debiased(products, xs, ys)
