"""Linear centred kernel alignment, debiased: the cosine of two U-centred Gram matrices."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.gram import Gram
from vaescope.stats.measure import MEASURES, Form, Measure, Pairs, Transform


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
    form: ClassVar[type[Form]] = Gram
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 4
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Gram) -> None:
        if np.sqrt(2 * x.square) < 64 * x.eps:
            raise RepresentationError(
                f"cka: all {x.n} examples are equally far from one another (up to rounding), so the debiased Gram "
                "matrix is zero. Use more examples, or cka_biased.",
                "zero_variance",
            )

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Gram], ys: Sequence[Gram]
    ) -> Float64[np.ndarray, "a b"]:
        norms = np.sqrt(np.outer([x.square for x in xs], [y.square for y in ys]))
        return np.clip(products / norms, -1.0, 1.0)  # a cosine; beyond 1 only by rounding
