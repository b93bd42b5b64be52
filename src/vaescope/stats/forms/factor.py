"""The form of the Procrustes family: a thin factor of the Gram matrix, and the option to cut it."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from vaescope.errors import UsageError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.thin import Thin
from vaescope.stats.measure import ProductMeasure

DROPPED = {"float32": 1e-10, "float64": 1e-14}  # share of the variance that dropped directions may hold
NEARLY_ALL = 0.97
WORTH_TURNING = 0.95  # of the columns: with more directions than this kept, columns are left as they are


@final
@dataclass(frozen=True, eq=False)
class Factor(Thin):
    """F with F F^T = K, the centred Gram matrix of trace 1; never wider than n - 1 or p.

    If p < n, F holds the principal components of the centred, normalised representation. Else it is the pivoted
    Cholesky factor of K in float64, a tenth of the work of eigenvectors, and turned to principal components only where
    it shows that there are fewer than nearly all directions. The last directions are dropped while together they hold
    at most 1e-10 of the variance (1e-14 for float64): as |nuclear norm of E^T G| <= |E| |G| (Frobenius), a score moves
    by at most 2e-5 (2e-7). Where p < n and nothing but constant features could be dropped, F is the representation
    without those.

    Attributes:
        factor: (n, r), Frobenius norm 1.
        mark: a digest of the values: equal marks, equal representations.
    """

    name: ClassVar[str] = "factor"
    version: ClassVar[int] = 4

    @classmethod
    def of(cls, x: Examples) -> "Factor":
        kind = x.x.dtype
        if x.p < x.n:
            return cls.marked(_turned(x.centred, DROPPED[kind.name]), kind)
        factor = _pivoted(x.gram, DROPPED[kind.name])
        if factor.shape[1] <= NEARLY_ALL * (x.n - 1):  # fewer directions make every pair cheaper
            factor = _turned(factor, DROPPED[kind.name])
        return cls.marked(factor / np.linalg.norm(factor), kind)

    @property
    def own(self) -> float:
        return 1.0

    def cut(self, energy: float) -> "Factor":
        """The fewest principal components that hold this share of the variance, of Frobenius norm 1 again."""
        values = self.values.astype(np.float64)
        squares, vectors = np.linalg.eigh(values.T @ values)
        kept = leading(squares[::-1], 1 - energy)
        values = values @ vectors[:, ::-1][:, :kept]
        return Factor.marked(values / np.linalg.norm(values), self.factor[0:0].dtype)


def leading(squares: np.ndarray, dropped: float) -> int:
    """How many components to keep so that the others hold at most a share `dropped` of the variance.

    Args:
        squares: the variance of each, falling; values below zero are rounding.
        dropped: between 0 and 1.
    """
    squares = np.maximum(squares, 0)
    rest = np.append(np.cumsum(squares[::-1])[::-1], 0.0)  # what keeping the first k leaves
    return max(1, int(np.argmax(rest <= dropped * squares.sum())))


def _pivoted(gram: np.ndarray, dropped: float) -> np.ndarray:
    """F with F F^T = K but for a share `dropped` of the trace: Cholesky's factor, the largest rest first."""
    from scipy.linalg.lapack import dpstrf

    packed, pivots, rank, _ = dpstrf(gram, lower=1)
    lower = np.tril(packed[:, :rank])
    rest = float(gram.trace()) - np.cumsum(np.square(lower).sum(axis=0))
    kept = int(np.argmax(np.append(rest, 0.0) <= dropped * gram.trace())) + 1
    factor = np.empty((len(gram), min(kept, rank)))
    factor[pivots - 1] = lower[:, :kept]
    return factor


def _turned(x: np.ndarray, dropped: float) -> np.ndarray:
    """The principal components of centred `x` that hold all but `dropped`, or its features that are not constant."""
    norms = np.einsum("ij,ij->j", x, x)
    x = x if norms.all() else x[:, norms > 0]
    squares, vectors = np.linalg.eigh(x.T @ x)
    kept = leading(squares[::-1], dropped)
    if kept <= WORTH_TURNING * x.shape[1]:
        x = x @ vectors[:, ::-1][:, :kept]
        x /= np.linalg.norm(x)
    return x


@dataclass(frozen=True)
class FactorMeasure(ProductMeasure[Factor]):
    """A measure on factors that can be told to make do with the leading principal components.

    With `energy` e, each representation is replaced by the fewest principal components that hold the share e of its
    variance, which makes pairs cheaper by the third power of what is left. Proven: the Procrustes similarity moves up
    by at most 1 - e and down by at most 2 sqrt(1 - e), as the nuclear norm of a block is no larger than that of the
    whole and the blocks left out have norms of at most sqrt(1 - e) each; the angle moves by at most 2 arccos(sqrt(e)),
    by the triangle inequality. In practice far less.

    Attributes:
        energy: share of the variance to keep, between 0 and 1; None keeps all but 1e-10 of it.
    """

    energy: float | None = None

    def __post_init__(self) -> None:
        if self.energy is not None and not 0 < self.energy < 1:
            raise UsageError(f"{self.name}: expected an energy between 0 and 1, or None, got {self.energy!r}.")

    def prepare(self, x: np.ndarray | Examples, form: type[Form] | None = None) -> Factor:
        made = super().prepare(x, form)
        return made if self.energy is None else made.cut(self.energy)

    def accept(self, x: Factor) -> None:
        """Every factor will do."""
