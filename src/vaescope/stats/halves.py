"""Similarity on a probe set and on halves of it, for every half at once where the measure is a CKA.

With K and L centred Gram matrices, S a half of m examples, A and B their parts on S without the diagonal, a and b the
row sums of those, debiased CKA on S is N(K, L) / sqrt(N(K, K) N(L, L)) with

    N(K, L) = sum A B + (sum a)(sum b) / ((m - 1)(m - 2)) - 2 / (m - 2) sum a b,

which does not ask for K to be centred on S; nor does the biased one, with the diagonals included and factors 1 / m^2
and 2 / m. All halves of a pair are then two small matrix products with their indicators.

References:
    Song et al. (2012), Feature selection via dependence maximization, eq. 4. https://jmlr.org/papers/v13/song12a.html
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float32, Float64, Int

from vaescope.errors import RepresentationError
from vaescope.stats.certainty.hollow import centred_whole
from vaescope.stats.certainty.resampling import CKA
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.factor import Factor
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import Gram
from vaescope.stats.measure import MEASURES, Measure

SEED = 2205
HALVES, FEW_HALVES = 8, 4
MOST_COSTLY = 200  # examples of a measure whose pairs cost more than a product of matrices
NOTHING = 1e-5  # of the variance: a half that holds no more is constant up to rounding
EPS = float(np.finfo(np.float32).eps)

T = TypeVar("T")


def half(n: int, draw: int) -> Int[np.ndarray, " m"]:
    """The rows of one half of n examples, ascending: the same for all runs."""
    rng = np.random.default_rng([SEED, draw])
    return np.sort(rng.permutation(n)[: n // 2])


class Halved(ABC, Generic[T]):
    """A measure on the first examples and on halves of them.

    Attributes:
        name: of the measure.
        examples: how many are looked at.
        halves: how many halves; 0 where a half would be too few for the measure.
    """

    def __init__(self, measure: Measure[Any], examples: int, halves: int) -> None:
        self.name = measure.name
        self.measure = measure
        self.examples = examples
        self.halves = halves if examples // 2 >= measure.minimum_n else 0

    @property
    def draws(self) -> range:
        """-1 for all examples, then one number a half."""
        return range(-1, self.halves)

    @property
    def shared(self) -> str:
        """Measures of which this is the same can use what the other has prepared."""
        return self.name

    @abstractmethod
    def prepare(self, x: Examples) -> T | None:
        """What is compared; None where nothing is, as of a constant layer."""

    @abstractmethod
    def scores(self, x: T | None, y: T | None) -> Float64[np.ndarray, " draws"]:
        """One score a draw, NaN where there is none."""

    def examples_of(self, x: np.ndarray) -> Examples:
        """The first examples of a representation."""
        return Examples(np.ascontiguousarray(x[: self.examples]))


@dataclass(frozen=True, eq=False)
class Sums:
    """What CKA on every draw needs of a representation.

    Attributes:
        form: of all examples.
        matrix: the centred Gram matrix without its diagonal.
        diagonal: of the Gram matrix.
        rows: for each draw the row sums of its part of `matrix`, 0 for the other rows.
        traces: for each draw that of its part of the Gram matrix, centred.
        squares: for each draw the product with itself, debiased and biased.
    """

    form: Gram
    matrix: Float32[np.ndarray, "n n"]
    diagonal: Float64[np.ndarray, " n"]
    rows: Float64[np.ndarray, "draws n"]
    traces: Float64[np.ndarray, " draws"]
    squares: Float64[np.ndarray, "2 draws"]


class HalvedCKA(Halved[Sums]):
    """One of the CKA family: the Gram matrix is made once, the halves are sums over it."""

    def __init__(self, measure: Measure[Any], examples: int, halves: int = HALVES) -> None:
        super().__init__(measure, examples, halves)
        self.biased = CKA[measure.name]
        chosen = np.zeros((1 + self.halves, examples))
        chosen[0] = 1
        for draw in range(self.halves):
            chosen[1 + draw, half(examples, draw)] = 1
        self.chosen = chosen
        self.sizes = chosen.sum(axis=1)

    @property
    def shared(self) -> str:
        return self.measure.form.__name__

    def prepare(self, x: Examples) -> Sums | None:
        try:
            self.measure.enough(x.n)
            form = self.measure.form.of(x)
        except RepresentationError:
            return None
        assert isinstance(form, Gram)  # noqa: S101
        whole = centred_whole(form)
        diagonal = whole.diagonal().copy()
        np.fill_diagonal(whole, 0)
        rows = self.chosen * (self.chosen @ whole)
        traces = self.chosen @ diagonal * (1 - 1 / self.sizes) - rows.sum(axis=1) / self.sizes
        made = Sums(form, whole.astype(np.float32), diagonal, rows, traces, np.empty((2, len(rows))))
        made.squares[:] = [self._products(made, made, biased) for biased in (False, True)]
        return made

    def scores(self, x: Sums | None, y: Sums | None) -> Float64[np.ndarray, " draws"]:
        if x is None or y is None:
            return np.full(1 + self.halves, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self._products(x, y, self.biased) / np.sqrt(self._square(x) * self._square(y))
        low, high = self.measure.bounds
        return np.where(np.isfinite(found), np.clip(found, low, high), np.nan)

    def _square(self, x: Sums) -> Float64[np.ndarray, " draws"]:
        """That of x; NaN where nothing varies, or where debiased all examples are equally far from one another."""
        square = x.squares[int(self.biased)]
        varies = x.traces > NOTHING * x.traces[0]
        if not self.biased:
            varies &= np.sqrt(np.maximum(square, 0)) >= 64 * EPS * x.traces
        return np.where(varies, square, np.nan)

    def _products(self, x: Sums, y: Sums, biased: bool) -> Float64[np.ndarray, " draws"]:
        m, chosen = self.sizes, self.chosen
        inner = np.einsum("bi,bi->b", chosen @ np.multiply(x.matrix, y.matrix, dtype=np.float64), chosen)
        if not biased:
            ends = x.rows.sum(axis=1) * y.rows.sum(axis=1) / np.maximum((m - 1) * (m - 2), 1)
            return inner + ends - 2 / np.maximum(m - 2, 1) * np.einsum("bi,bi->b", x.rows, y.rows)
        a, b = x.rows + chosen * x.diagonal, y.rows + chosen * y.diagonal
        inner += chosen @ (x.diagonal * y.diagonal)
        return inner + a.sum(axis=1) * b.sum(axis=1) / m**2 - 2 / m * np.einsum("bi,bi->b", a, b)


class HalvedForms(Halved[Sequence[Form | None]]):
    """Any other measure: every half is prepared anew, from the factor of the Gram matrix where that is the form."""

    def __init__(self, measure: Measure[Any], examples: int, halves: int = FEW_HALVES) -> None:
        super().__init__(measure, examples, halves)
        self.rows = [half(examples, draw) for draw in range(self.halves)]

    def prepare(self, x: Examples) -> Sequence[Form | None] | None:
        whole = self._prepared(x)
        if whole is None:
            return None
        source = whole.values if isinstance(whole, Factor) else x.x  # turned, and far narrower
        return [whole, *(self._prepared(Examples(source[rows])) for rows in self.rows)]

    def _prepared(self, x: Examples) -> Form | None:
        try:
            return self.measure.prepare(x)
        except RepresentationError:
            return None

    def scores(self, x: Sequence[Form | None] | None, y: Sequence[Form | None] | None) -> Float64[np.ndarray, " draws"]:
        if x is None or y is None:
            return np.full(1 + self.halves, np.nan)
        pairs = zip(x, y, strict=True)
        return np.array([np.nan if a is None or b is None else self.measure.compare(a, b) for a, b in pairs])


def halved(name: str, examples: int, halves: int | None = None) -> Halved[Any]:
    """The measure of that name on so many examples, or fewer where its pairs are costly.

    Args:
        name: of the measure.
        examples: how many there are.
        halves: how many halves; 8, or 4 of a costly measure, if None.
    """
    measure = MEASURES[name]()
    if name in CKA and issubclass(measure.form, Gram):
        return HalvedCKA(measure, examples, HALVES if halves is None else halves)
    return HalvedForms(measure, min(examples, MOST_COSTLY), FEW_HALVES if halves is None else halves)
