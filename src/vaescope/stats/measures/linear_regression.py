"""Linear regression: how much of one representation is a linear function of another."""

from typing import ClassVar, final

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.stats.forms.basis import Basis
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES, PairMeasure, Pairs, Reason, Transform


@MEASURES.register
@final
class LinearRegression(PairMeasure[Basis]):
    """Linear regression R^2: of y predicted from x by least squares, |U_x^T Y|^2 / |Y|^2, Frobenius norms, Y centred.

    U_x is an orthonormal basis of x's centred features. The direction is from the first argument to the second: the
    share of the variance of y, all features together, that x explains. It is not symmetric. Any invertible linear map
    of x leaves it as it is; of y only rotations and scalings do, as features of large variance count for more. Take it
    to ask what a layer still knows of another one, or of factors of variation. It is fitted and scored on the same
    examples: x independent of y scores about rank(x) / (n - 1) (bias), so examples must outnumber the features of x
    many times. Where x spans all n - 1 directions it would be 1 for every y, and there is no score ("too_few"); y may
    be as wide as it likes.

    References:
        Kornblith, Norouzi, Lee & Hinton (2019), Similarity of neural network representations revisited, section 3.
            https://arxiv.org/abs/1905.00414
    """

    name: ClassVar[str] = "linear_regression"
    form: ClassVar[type[Form]] = Basis
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    larger_is_more_similar: ClassVar[bool] = True
    symmetric: ClassVar[bool] = False
    metric: ClassVar[bool] = False
    invariant_to: ClassVar[frozenset[Transform]] = frozenset({"orthogonal", "scaling", "translation", "permutation"})
    minimum_n: ClassVar[int] = 3  # two examples span one direction, which is all there is
    pairs: ClassVar[Pairs] = "needed"

    def accept(self, x: Basis) -> None:
        """As something to predict every basis will do; `pair` has no score for predictors that span everything."""

    def pair(self, x: Basis, y: Basis) -> float:
        if x.reason is not Reason.OK:
            return np.nan
        explained = np.square((x.values.T @ y.values).astype(np.float64) * y.spread).sum()
        return float(np.clip(explained / np.square(y.spread).sum(), 0.0, 1.0))

    def no_score(self, x: Basis, y: Basis) -> RepresentationError:
        """Why `pair` has none: "too_few" or "ill_conditioned"."""
        try:
            x.refuse()
        except RepresentationError as error:
            return RepresentationError(f"x, from which y is predicted: {error}", error.reason)
        return super().no_score(x, y)
