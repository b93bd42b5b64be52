"""Debiased centred kernel alignment with a Laplace kernel."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Centred, debiased, refuse_alike
from vaescope.stats.forms.kernel_grams import LaplaceGram
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform

EPS = float(np.finfo(np.float32).eps)


@MEASURES.register
@final
class LaplaceCKA(ProductMeasure[Any]):
    """Debiased CKA of Laplace kernels exp(-d / w) whose width w is the median distance between the examples.

    d is the Euclidean distance (not the sum of absolute differences, which rotations change). The cosine of the two
    U-centred kernel matrices. Against "cka_rbf", the nearest examples count more and far ones are not all alike: the
    kernel has a peak at 0 and a long tail. The mean over independent representations is about 0. Linear maps other than
    rotations change it.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited (CKA of any kernel).
            https://arxiv.org/abs/1905.00414
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    name: ClassVar[str] = "cka_laplace"
    form: ClassVar[type[Form]] = LaplaceGram
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 4
    pairs: ClassVar[Pairs] = "all"

    def accept(self, x: Centred) -> None:
        refuse_alike(self.name, x, EPS)

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[Centred], ys: Sequence[Centred]
    ) -> Float64[np.ndarray, "a b"]:
        return debiased(products, xs, ys)
