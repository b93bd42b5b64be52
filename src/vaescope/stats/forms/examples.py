"""One representation, and what several forms need of it, made at most once."""

from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float64, Shaped

from vaescope.errors import RepresentationError
from vaescope.stats.forms import centring, distances

Precision = Literal["exact", "fast"]
FAST_FROM = 512  # features; below, rounding to bfloat16 costs digits and saves no time
MOST_EXAMPLES = 40_000  # an n x n matrix of float64 then takes 13 GB


class Examples:
    """A representation on its way to its forms.

    Args:
        x: (n, p), float32 or float64, not changed.
        precision: "fast" lets `upper_gram` multiply in bfloat16; all else is the same.

    Attributes:
        x: as given.
        precision: as given.
    """

    def __init__(self, x: Shaped[np.ndarray, "n p"], precision: Precision = "exact") -> None:
        self.x = x
        self.precision: Precision = precision

    @property
    def n(self) -> int:
        """The number of examples."""
        return self.x.shape[0]

    @property
    def p(self) -> int:
        """The number of features."""
        return self.x.shape[1]

    @property
    def eps(self) -> float:
        """The rounding of the values, 6e-8 or 1.1e-16."""
        return float(np.finfo(self.x.dtype).eps) / 2

    @cached_property
    def upper_gram(self) -> Shaped[np.ndarray, "n n"]:
        """Upper triangle, diagonal included, of the Gram matrix of the centred rows, up to a power of 4.

        Products in the precision of `x` (or in bfloat16, see `precision`); what is below the diagonal means nothing.

        Raises:
            RepresentationError: "non_finite", "zero_variance", "too_many".
        """
        self._must_fit()
        return centring.upper_gram(self.x, self.x.dtype.type, fast=self.precision == "fast" and self.p >= FAST_FROM)

    @cached_property
    def gram(self) -> Float64[np.ndarray, "n n"]:
        """The Gram matrix of the centred rows: rows add to zero, trace 1; products in float64. Not to change.

        Raises:
            RepresentationError: as `upper_gram`.
        """
        self._must_fit()
        gram = centring.full(centring.upper_gram(self.x, np.float64))
        gram.flags.writeable = False
        return gram

    @cached_property
    def squared_distances(self) -> Float64[np.ndarray, "n n"]:
        """Squared Euclidean distances between the rows, of mean 2 / n x (n / (n - 1)) off the diagonal. Not to change.

        The unit is that of `gram`: K_ii + K_jj - 2 K_ij for the centred K of trace 1. Relative errors are below about
        1e-9, however close two examples are to one another; equal ones are at 0.

        Raises:
            RepresentationError: as `upper_gram`.
        """
        self._must_fit()
        if self.p <= distances.NARROW:
            centring.centred(self.x)  # refuses what cannot be compared
            found = distances.from_features(self.x)
        else:
            found = distances.from_gram(self.x, self.gram)
        found.flags.writeable = False
        return found

    @cached_property
    def principal(self) -> tuple[Float64[np.ndarray, "n r"], Float64[np.ndarray, " r"]]:
        """Left singular vectors and singular values, falling, of `x` centred and divided by its Frobenius norm.

        r = min(n, p); values that are zero up to rounding are there too. From the eigenvectors of `gram` where p >= n,
        so that values below 1e-8 of the largest are noise there. Not to change.
        """
        if self.p < self.n:
            vectors, values, _ = np.linalg.svd(centring.centred(self.x), full_matrices=False)
        else:
            squares, vectors = np.linalg.eigh(self.gram)
            vectors, values = vectors[:, ::-1], np.sqrt(np.maximum(squares[::-1], 0))
        return vectors, values

    @cached_property
    def centred(self) -> Float64[np.ndarray, "n p"]:
        """`x` less its column means, divided by its Frobenius norm, in float64. Not to change. For few columns."""
        return centring.centred(self.x)

    def _must_fit(self) -> None:
        if self.n > MOST_EXAMPLES:
            raise RepresentationError(
                f"a matrix of {self.n:,} x {self.n:,} similarities between examples would take "
                f"{8e-9 * self.n**2:,.0f} GB; at most {MOST_EXAMPLES:,} examples are taken. Use fewer, or the "
                "minibatch estimator (vaescope.StreamingCKA).",
                "too_many",
            )
