"""Linear centred kernel alignment as first defined: the cosine of two centred Gram matrices."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.gram import Gram, full_products, full_square
from vaescope.stats.measure import MEASURES, Form, Measure, Pairs, Transform


@MEASURES.register
@final
class BiasedCKA(Measure[Gram]):
    """Linear CKA as first defined, and as the paper this package grew from used it. Biased upwards when n is not >> p.

    The mean over independent representations of participation ratios P and Q is about 1 / sqrt((1 + n/P)(1 + n/Q)).

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited. https://arxiv.org/abs/1905.00414
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "cka_biased"
    form: ClassVar[type[Form]] = Gram
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Gram) -> None:
        """Every Gram matrix will do."""

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Gram], ys: Sequence[Gram]
    ) -> Float64[np.ndarray, "a b"]:
        norms = np.sqrt(np.outer([full_square(x) for x in xs], [full_square(y) for y in ys]))
        return np.clip(full_products(products, xs, ys) / norms, 0.0, 1.0)
