"""Affine maps from one representation to another by least squares: direct matching. Pure.

With X (n, p) and Y (n, q) centred on the examples the map is learned from, X = U S V', and a ridge λ,

    W = V S / (S^2 + λ) U' Y,        y = mean(Y) + (x - mean(X)) W,

the least-squares map of smallest norm as λ goes to 0. λ is the one of a grid with the smallest error of examples left
out one by one, which needs no fit but the one: with H = U S^2 / (S^2 + λ) U' + 1 / n, the error of example i is that of
the fit divided by 1 - H_ii.

References:
    Csiszárik et al. (2021), Similarity and matching of neural network representations, section 3 (direct matching).
        https://proceedings.neurips.cc/paper/2021/hash/2cb274e6ce940f47beb8011d8ecb1462-Abstract.html
    Golub, Heath & Wahba (1979), Generalized cross-validation as a method for choosing a good ridge parameter (whose
        first section has the error of examples left out). https://doi.org/10.1080/00401706.1979.10489751
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

RIDGES = tuple(10.0 ** np.arange(-10.0, 4.0))
"""λ as shares of the mean of S^2."""
NOTHING = 1e-12  # of the largest S^2: directions that hold no more are rounding


@dataclass(frozen=True, eq=False)
class Basis:
    """The principal directions of the examples a map is learned from.

    Attributes:
        centre: their mean, (p,).
        directions: V, (p, r).
        spread: S, (r,), descending.
        left: U, (n, r).
    """

    centre: Float64[np.ndarray, " p"]
    directions: Float64[np.ndarray, "p r"]
    spread: Float64[np.ndarray, " r"]
    left: Float64[np.ndarray, "n r"]

    @property
    def rank(self) -> int:
        """How many directions there are, r."""
        return len(self.spread)

    def coordinates(self, x: Float[np.ndarray, "m p"]) -> Float64[np.ndarray, "m r"]:
        """Where examples lie along the directions: (x - centre) V."""
        return (x - self.centre) @ self.directions


@dataclass(frozen=True, eq=False)
class Affine:
    """A map from coordinates of a basis to a representation.

    Attributes:
        basis: of what it maps from.
        weights: (r, q).
        offset: what the centre is mapped to, (q,).
        ridge: λ as a share of the mean of S^2.
        error: mean squared error of examples left out one by one, as a share of the variance; NaN without any variance.
    """

    basis: Basis
    weights: Float64[np.ndarray, "r q"]
    offset: Float64[np.ndarray, " q"]
    ridge: float
    error: float

    def __call__(self, x: Float[np.ndarray, "m p"]) -> Float64[np.ndarray, "m q"]:
        """What examples are mapped to."""
        return self.offset + self.basis.coordinates(x) @ self.weights


def basis_of(x: Float[np.ndarray, "n p"]) -> Basis:
    """The directions in which examples differ, from the eigenvectors of the smaller of both Gram matrices."""
    centre = x.mean(axis=0, dtype=np.float64)
    centred = x - centre
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(NOTHING * float(values[0]), 0.0)
    spread, vectors = np.sqrt(values[kept]), vectors[:, kept]
    if wide:
        return Basis(centre, centred.T @ (vectors / spread), spread, vectors)
    return Basis(centre, vectors, spread, centred @ (vectors / spread))


def matched(basis: Basis, y: Float[np.ndarray, "n q"], ridge: float | None = None) -> Affine:
    """The map to `y` of the same examples.

    Args:
        basis: of the examples.
        y: what they are to be mapped to.
        ridge: λ as a share of the mean of S^2; the best of `RIDGES` for examples left out if None.
    """
    offset = y.mean(axis=0, dtype=np.float64)
    centred = y - offset
    along = basis.left.T @ centred
    squares = basis.spread**2
    unit = float(squares.mean()) if basis.rank else 1.0
    left, variance = centred - basis.left @ along, float((centred**2).mean(axis=0).sum())
    tried = RIDGES if ridge is None else (ridge,)
    errors = _left_out(basis, along, left, unit * np.asarray(tried))
    best = int(np.argmin(errors))
    weights = (basis.spread / (squares + tried[best] * unit))[:, None] * along
    error = float(errors[best]) / variance if variance > 0 else np.nan
    return Affine(basis, weights, offset, float(tried[best]), error)


def _left_out(
    basis: Basis, along: Float64[np.ndarray, "r q"], left: Float64[np.ndarray, "n q"], ridges: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, " k"]:
    """Mean squared error of examples left out, for each λ.

    The residual of example i is what no direction reaches, plus U_i λ / (S^2 + λ) U'Y: small numbers are added up,
    nothing large is subtracted.
    """
    inner, cross, beyond = along @ along.T, left @ along.T, (left**2).sum(axis=1)
    squares, found = basis.spread**2, []
    for ridge in ridges:
        shrunk = basis.left * (ridge / (squares + ridge) if ridge > 0 else np.zeros_like(squares))
        residual = beyond + 2 * (cross * shrunk).sum(axis=1) + ((shrunk @ inner) * shrunk).sum(axis=1)
        held = 1 / len(left) + (basis.left**2) @ (squares / (squares + ridge))
        found.append(float(np.mean(np.maximum(residual, 0) / np.maximum(1 - held, 1e-12) ** 2)))
    return np.array(found)
