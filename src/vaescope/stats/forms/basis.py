"""The form of CCA and linear regression: an orthonormal basis of what a representation spans."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Sliceable, whole
from vaescope.stats.forms.thin import Thin
from vaescope.stats.measure import Reason

ROUNDING = 5.0  # times (sqrt(n) + sqrt(p)) rounding errors: about nine times what rounding alone would leave
UNSURE = 4.0  # times that: neither clearly rounding nor clearly not
GRAM_UNSURE = 1e-5  # of the largest singular value: below, float64 Gram matrices give directions with errors above 1e-6


@final
@dataclass(frozen=True, eq=False)
class Basis(Thin):
    """Orthonormal columns U that span the centred features, and the singular values that go with them.

    The rank: with p < n every feature is first divided by the rounding error of its own values (6e-8 of their root
    mean square for float32), so that the decision does not depend on the features' scales. A direction counts if its
    singular value is above 5 (sqrt(n) + sqrt(p)); rounding alone would leave about 0.6 of that sum. With p >= n the
    same, without the division, on the eigenvalues of the Gram matrix, and above sqrt(8 n) 1.5e-8 of the largest.

    Attributes:
        factor: U, (n, r), columns in order of their singular values.
        mark: a digest of U.
        spread: singular values of the representation centred and of Frobenius norm 1, (r,), falling.
        reason: OK; TOO_FEW where r reaches n - 1, so that U spans everything; ILL_CONDITIONED where some singular value
            is within 4 times the limit: whether that direction is one, only a finer dtype could tell.
    """

    spread: Float64[np.ndarray, " r"]
    reason: Reason

    name: ClassVar[str] = "basis"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Basis":
        vectors, spread, reason = span(x)
        return cls(*cls.stored(vectors, x.x.dtype), spread, reason)

    @property
    def own(self) -> float:
        return float(self.rank)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return super().to_arrays() | {"spread": self.spread, "reason": np.array([self.reason], np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Basis":
        reason = Reason(int(whole(arrays["reason"])[0]))
        return cls(arrays["factor"], int(whole(arrays["mark"])[0]), whole(arrays["spread"]), reason)

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return (4 * n + 8) * min(n - 1, p) + 9

    def refuse(self) -> None:
        """Raise `RepresentationError` where U is not determined, or spans all that n examples can span."""
        if self.reason is Reason.TOO_FEW:
            n = self.factor.shape[0]
            raise RepresentationError(
                f"its features span all {n - 1} directions that {n} examples have, so every other representation is "
                "a linear function of them and the score is the same for all. Use svcca, or more examples.",
                "too_few",
            )
        if self.reason is Reason.ILL_CONDITIONED:
            raise RepresentationError(
                f"some directions vary by little more than the rounding of {self.factor[0:0].dtype}, and whether they "
                "count decides the score. Use svcca, or compute the representation in float64.",
                "ill_conditioned",
            )


def span(x: Examples) -> tuple[Float64[np.ndarray, "n r"], Float64[np.ndarray, " r"], Reason]:
    """`factor`, `spread` and `reason` of `Basis`, in float64.

    Raises:
        RepresentationError: "non_finite", "zero_variance".
    """
    vectors, spread, sure = _of_features(x) if x.p < x.n else _of_gram(x)
    if not sure:
        return vectors, spread, Reason.ILL_CONDITIONED
    return vectors, spread, Reason.TOO_FEW if vectors.shape[1] >= x.n - 1 else Reason.OK


def _of_features(x: Examples) -> tuple[np.ndarray, np.ndarray, bool]:
    centred = x.centred
    noise = _rounding(x)
    alive = (noise > 0) & centred.any(axis=0)
    vectors, sizes, _ = np.linalg.svd(centred[:, alive] / noise[alive], full_matrices=False)
    limit = max(ROUNDING * (np.sqrt(x.n) + np.sqrt(x.p)), 16 * np.finfo(np.float64).eps * sizes[0])
    kept = int((sizes > limit).sum())
    sure = kept > 0 and not ((sizes > limit) & (sizes < UNSURE * limit)).any()
    vectors = vectors[:, :kept]
    turn, spread, _ = np.linalg.svd(vectors.T @ centred, full_matrices=False)
    return vectors @ turn, spread, sure


def _of_gram(x: Examples) -> tuple[np.ndarray, np.ndarray, bool]:
    vectors, sizes = x.principal
    vectors, sizes = vectors[:, : x.n - 1], sizes[: x.n - 1]
    of_input = ROUNDING * (np.sqrt(x.n) + np.sqrt(x.p)) * float(np.sqrt(np.square(_rounding(x)).mean()))
    limit = max(of_input, float(np.sqrt(8 * x.n * np.finfo(np.float64).eps / 2) * sizes[0]))
    kept = int((sizes > limit).sum())
    unsure = (sizes > limit) & (sizes < max(UNSURE * limit, GRAM_UNSURE * sizes[0]))
    return vectors[:, :kept], sizes[:kept], kept > 0 and not unsure.any()


def _rounding(x: Examples) -> Float64[np.ndarray, " p"]:
    """The rounding error of each feature's values, in units of the Frobenius norm of the centred representation."""
    largest = int(np.frexp(float(np.abs(x.x).max()))[1])
    smallest = float(np.ldexp(float(np.finfo(x.x.dtype).smallest_subnormal), -largest)) / 2
    noise, square = np.empty(x.p), 0.0
    width = max(1, 4_000_000 // x.n)
    for start in range(0, x.p, width):
        part = slice(start, start + width)
        values = np.ldexp(x.x[:, part].astype(np.float64), -largest)
        noise[part] = np.sqrt(np.square(values).mean(axis=0)) * x.eps
        values -= values.mean(axis=0)
        square += float(np.square(values).sum())
    return np.where(noise > 0, np.maximum(noise, smallest), 0.0) / np.sqrt(square)
