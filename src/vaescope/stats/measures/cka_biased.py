"""Linear centred kernel alignment as first defined: the cosine of two centred Gram matrices."""

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
class BiasedCKA(ProductMeasure[Any]):
    """Linear CKA as first defined, and as the paper this package grew from used it. Biased upwards when n is not >> p.

    The mean over independent representations of participation ratios P and Q is about 1 / sqrt((1 + n/P)(1 + n/Q)).

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited. https://arxiv.org/abs/1905.00414
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "cka_biased"
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
