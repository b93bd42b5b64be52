"""Debiased centred kernel alignment with a Gaussian kernel."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Centred, debiased, refuse_alike
from vaescope.stats.forms.kernel_grams import GaussianGram
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform

EPS = float(np.finfo(np.float32).eps)


@MEASURES.register
@final
class GaussianCKA(ProductMeasure[Any]):
    """Debiased CKA of Gaussian kernels exp(-d^2 / (2 w^2)) whose width w is the median distance between the examples.

    The cosine of the two U-centred kernel matrices, each with its own width. Take it where similar examples should
    count more than far ones, such as representations of clusters: distances well beyond w all count alike, so a few
    far examples weigh less than in linear CKA. In high dimensions all distances are near w, where the kernel is nearly
    linear in d^2, and it says much the same as "cka". The mean over independent representations is about 0. Linear
    maps other than rotations change it.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited, section 3 (widths as fractions
            of the median distance). https://arxiv.org/abs/1905.00414
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    name: ClassVar[str] = "cka_rbf"
    form: ClassVar[type[Form]] = GaussianGram
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
