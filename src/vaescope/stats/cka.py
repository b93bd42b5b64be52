"""Linear centred kernel alignment: the cosine of two centred Gram matrices, debiased or as first defined."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.gram import Gram, full_products, full_square
from vaescope.stats.measure import MEASURES, Measure, Pairs, Transform

_INVARIANT: frozenset[Transform] = frozenset({"orthogonal", "scaling", "translation", "permutation"})


@MEASURES.register
@final
class DebiasedCKA(Measure[Gram]):
    """Debiased linear CKA: the cosine of the U-centred Gram matrices. Take this one unless you must match a paper.

    The ratio of unbiased estimates of HSIC; near 0 for independent representations whatever their widths, where the
    biased form tends to 1 as features outnumber examples. It may be below 0 by chance.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? https://arxiv.org/abs/2010.15327
        Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures. https://arxiv.org/abs/2405.01012
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    name: ClassVar[str] = "cka"
    form: ClassVar[type[Gram]] = Gram
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = _INVARIANT
    minimum_n: ClassVar[int] = 4
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Gram) -> None:
        if np.sqrt(2 * x.square) < 64 * x.eps:
            raise RepresentationError(
                f"cka: all {x.n} examples are equally far from one another (up to rounding), so the debiased Gram matrix "
                "is zero. Use more examples, or cka_biased.",
                "zero_variance",
            )

    def scores(self, products: Float64[np.ndarray, "a b"], xs: Sequence[Gram], ys: Sequence[Gram]) -> Float64[np.ndarray, "a b"]:
        norms = np.sqrt(np.outer([x.square for x in xs], [y.square for y in ys]))
        return np.clip(products / norms, -1.0, 1.0)  # a cosine; beyond 1 only by rounding


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
    form: ClassVar[type[Gram]] = Gram
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = _INVARIANT
    minimum_n: ClassVar[int] = 3  # with two examples it is always 1
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Gram) -> None:
        """Every Gram matrix will do."""

    def scores(self, products: Float64[np.ndarray, "a b"], xs: Sequence[Gram], ys: Sequence[Gram]) -> Float64[np.ndarray, "a b"]:
        norms = np.sqrt(np.outer([full_square(x) for x in xs], [full_square(y) for y in ys]))
        return np.clip(full_products(products, xs, ys) / norms, 0.0, 1.0)
