"""Linear centred kernel alignment from batches of examples: what networks too large for a whole Gram matrix allow."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.forms.batch_grams import BatchGrams
from vaescope.stats.forms.direction import cosines
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, Pairs, ProductMeasure, Transform


@MEASURES.register
@final
class MinibatchCKA(ProductMeasure[BatchGrams]):
    """Minibatch CKA: unbiased estimates of HSIC summed over batches of at most 500 examples, divided once at the end.

    sum_b <K_b, L_b> / sqrt(sum_b <K_b, K_b> sum_b <L_b, L_b>) for the U-centred Gram matrices of the batches: each
    batch counts by its pairs. The examples are cut in their order into ceil(n / 500) batches as equal as can be; up to
    500 examples this is "cka". Take it for very many examples: it costs n x 500 x p, not n^2 p, and estimates what
    "cka" gives of all of them, with a little more noise. Examples of one batch must be a fair sample: shuffle sorted
    data first, since similarity between batches is not seen, and another order gives another value. The mean over
    independent representations is about 0. Linear maps other than rotations change it.

    References:
        Nguyen, Raghu & Kornblith (2021), Do wide and deep networks learn the same things? https://arxiv.org/abs/2010.15327
        Song et al. (2012), Feature selection via dependence maximization. https://jmlr.org/papers/v13/song12a.html
    """

    name: ClassVar[str] = "cka_minibatch"
    form: ClassVar[type[Form]] = BatchGrams
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = True
    metric: ClassVar[bool] = False
    debiased: ClassVar[bool] = True
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 4
    pairs: ClassVar[Pairs] = "all"
    ordered: ClassVar[bool] = True  # batches are taken as the examples come

    def accept(self, x: BatchGrams) -> None:
        if np.sqrt(2 * x.square) < 64 * float(np.finfo(np.float32).eps):  # the traces of all batches add to 1
            raise RepresentationError(
                f"{self.name}: the examples of each batch are equally far from one another (up to rounding), so the "
                "debiased Gram matrices are zero. Use more examples, or cka_biased.",
                "zero_variance",
            )

    def scores(
        self, products: Float64[np.ndarray, "a b"], xs: Sequence[BatchGrams], ys: Sequence[BatchGrams]
    ) -> Float64[np.ndarray, "a b"]:
        return cosines(products, xs, ys)
