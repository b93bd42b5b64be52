"""Measures of third parties: slow definitions in float64 on the public contract, whose steps mutants replace."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from vaescope.errors import RepresentationError
from vaescope.stats.forms.centring import refuse_non_finite
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.form import Form, Sliceable, whole
from vaescope.stats.measure import PairMeasure

Score = Callable[[np.ndarray, np.ndarray], float]
RIGID = frozenset({"orthogonal", "scaling", "translation", "permutation"})
LINEAR = RIGID | {"linear"}
DOC = """A measure of a test.

References:
    https://example.org/equation
"""


@dataclass(frozen=True, eq=False)
class Centred(Form):
    """The centred representation of Frobenius norm 1, in float64."""

    values: Sliceable
    name = "test_centred"
    version = 1

    @classmethod
    def of(cls, x: Examples) -> "Centred":
        return cls(cls.values_of(x))

    @staticmethod
    def values_of(x: Examples) -> np.ndarray:
        return x.centred

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"values": whole(self.values)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Sliceable]) -> "Centred":
        return cls(arrays["values"])

    @staticmethod
    def nbytes(n: int, p: int) -> int:
        return 8 * n * p

    @staticmethod
    def flops(n: int, p: int) -> float:
        return 3.0 * n * p


def raw(x: Examples) -> np.ndarray:
    """Checked, but neither centred nor scaled."""
    refuse_non_finite(x.x)
    if not (x.x != x.x[0]).any():
        raise RepresentationError("equal rows", "zero_variance")
    return x.x.astype(np.float64)


def form(values_of: Callable[[Examples], np.ndarray], **members: Any) -> type[Form]:
    """`Centred` with another step from the representation to what is kept."""
    return type("Changed", (Centred,), {"values_of": staticmethod(values_of), "__annotations__": {}, **members})


def third_party(score: Score, **declared: Any) -> type[PairMeasure]:
    """A measure of this score and these declarations."""
    body = {
        "__doc__": DOC,
        "name": "third_party",
        "form": Centred,
        "bounds": (0.0, 1.0),
        "larger_is_more_similar": True,
        "symmetric": True,
        "metric": False,
        "invariant_to": RIGID,
        "minimum_n": 3,
        "pairs": "all",
        "accept": lambda self, x: None,
        "pair": lambda self, x, y: float(score(whole(x.values), whole(y.values))),
    }
    return type("ThirdParty", (PairMeasure,), body | declared)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.clip((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), -1, 1))


def must_fit(n: int) -> None:
    if n > 20_000:
        raise RepresentationError(f"{n:,} x {n:,} would not fit", "too_many")


def gram(x: np.ndarray) -> np.ndarray:
    must_fit(len(x))
    return x @ x.T


def centred_matrix(k: np.ndarray) -> np.ndarray:
    return k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()


def u_centred(k: np.ndarray, less: int = 2, hollow: bool = True) -> np.ndarray:
    """Székely & Rizzo (2014), of a matrix whose diagonal does not count."""
    n = len(k)
    k = k - np.diag(np.diag(k)) if hollow else k
    rows = k.sum(axis=0) / (n - less)
    u = k - rows - rows[:, None] + k.sum() / ((n - 1) * (n - less))
    return u - np.diag(np.diag(u)) if hollow else u


def cka_biased(x: np.ndarray, y: np.ndarray) -> float:
    return max(cosine(gram(x), gram(y)), 0.0)


def cka(x: np.ndarray, y: np.ndarray) -> float:
    return cosine(u_centred(gram(x)), u_centred(gram(y)))


def thin(x: np.ndarray) -> np.ndarray:
    """The same Gram matrix from at most n features."""
    if x.shape[1] <= len(x):
        return x
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u * s


def singular_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.svd(thin(x).T @ thin(y), compute_uv=False)


def procrustes(x: np.ndarray, y: np.ndarray) -> float:
    return min(float(singular_values(x, y).sum()), 1.0)


def angle(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.arccos(procrustes(x, y)))


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Between the configurations of norm 1 after the best rotation."""
    return float(np.sqrt(2 - 2 * procrustes(x, y)))


def distances(x: np.ndarray) -> np.ndarray:
    must_fit(len(x))
    found = pdist(x)
    found[found < 1e-12 * found.max()] = 0
    return found


def rsa(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.clip(np.corrcoef(distances(x), distances(y))[0, 1], -1, 1))


def ranked(d: np.ndarray) -> np.ndarray:
    """Ranks, equal to rounding being ties."""
    return rankdata(np.round(d, 13))


def rsa_spearman(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.clip(np.corrcoef(ranked(distances(x)), ranked(distances(y)))[0, 1], -1, 1))


def rsa_cosine(x: np.ndarray, y: np.ndarray) -> float:
    return cosine(distances(x), distances(y))


def doubly(x: np.ndarray) -> np.ndarray:
    return centred_matrix(squareform(distances(x)))


def distance_correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(max(cosine(doubly(x), doubly(y)), 0)))


def rbf(x: np.ndarray, sigma: float | None = None) -> np.ndarray:
    d = squareform(distances(x))
    sigma = float(np.median(d[np.triu_indices(len(d), 1)])) if sigma is None else sigma
    return np.exp(-(d**2) / (2 * sigma**2))


def cka_rbf(x: np.ndarray, y: np.ndarray) -> float:
    return max(cosine(centred_matrix(rbf(x)), centred_matrix(rbf(y))), 0.0)


def neighbours(x: np.ndarray, k: int = 5, itself: bool = False) -> np.ndarray:
    """Who is among the k nearest of whom; those tied with the k-th are."""
    d = np.round(squareform(distances(x)), 13)
    if not itself:
        np.fill_diagonal(d, np.inf)
    return d <= np.sort(d, axis=1)[:, k - 1 : k]


def jaccard(x: np.ndarray, y: np.ndarray) -> float:
    a, b = neighbours(x), neighbours(y)
    return float(((a & b).sum(axis=1) / (a | b).sum(axis=1)).mean())


def narrow(x: Examples) -> np.ndarray:
    """Centred, with fewer directions than examples, which would fit by themselves otherwise."""
    values = np.linalg.svd(x.centred, compute_uv=False)
    live = int((values > 1e-10 * values[0]).sum())
    if live > x.n - 2:
        raise RepresentationError(f"{x.n} examples for {live} directions", "too_few")
    return x.centred


def basis(x: np.ndarray, kept: float = 1e-10) -> np.ndarray:
    """Orthonormal columns that span x, dead directions left out."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, s > kept * s[0]]


def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.clip(np.linalg.svd(basis(x).T @ basis(y), compute_uv=False), 0, 1)


def cca(x: np.ndarray, y: np.ndarray) -> float:
    return float(correlations(x, y).mean())


def svcca(x: np.ndarray, y: np.ndarray, share: Callable[[np.ndarray], np.ndarray] = np.square) -> float:
    def cut(a: np.ndarray) -> np.ndarray:
        u, s, _ = np.linalg.svd(a, full_matrices=False)
        weight = np.cumsum(share(s)) / share(s).sum()
        return (u * s)[:, : int(np.searchsorted(weight, 0.9)) + 1]

    return cca(cut(x), cut(y))


def pwcca(x: np.ndarray, y: np.ndarray, total: Callable[[np.ndarray], float] = np.sum) -> float:
    left, values, _ = np.linalg.svd(basis(x).T @ basis(y), full_matrices=False)
    weights = np.abs(x.T @ (basis(x) @ left)).sum(axis=0)
    return float(np.clip((weights * values).sum() / total(weights), 0, 1))


def regression(x: np.ndarray, y: np.ndarray) -> float:
    """The share of y's variance that a linear regression on x explains."""
    return float(np.clip(((basis(x).T @ y) ** 2).sum() / (y**2).sum(), 0, 1))


def matchable(x: Examples) -> np.ndarray:
    """Centred, and narrow enough for a p x q matrix."""
    if x.p > 2000:
        raise RepresentationError(f"{x.p} features to match", "too_wide")
    return x.centred


def matched(x: np.ndarray, y: np.ndarray, assign: Callable = linear_sum_assignment) -> float:
    """The mean product of matched features over those of the live ones, each weighed by its norm."""
    products = x.T @ y
    rows, columns = assign(products, maximize=True)
    return float(np.clip(products[rows, columns].sum(), 0, 1))


def gaussians(rng: np.random.Generator, n: int, p: int) -> np.ndarray:
    """Means and covariances, (n, d + d d)."""
    d = max(int(np.sqrt(p)) - 1, 1)
    means = rng.standard_normal((n, d)) * np.geomspace(1, 2, d)
    roots = rng.standard_normal((n, d, d)) / np.sqrt(d)
    return np.hstack([means, (roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(d)).reshape(n, -1)])


def parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    d = int(np.sqrt(x.shape[1] + 0.25))
    return x[:, :d] - x[:, :d].mean(axis=0), x[:, d:].reshape(-1, d, d)


def roots(c: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((c + c.transpose(0, 2, 1)) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.transpose(0, 2, 1)


def gaussian_distance(x: np.ndarray, y: np.ndarray, covariances: bool = True, root: bool = True) -> float:
    """Root mean squared 2-Wasserstein distance of Gaussians, as they lie (no rotation): a metric."""
    (m, c), (k, e) = parts(x), parts(y)
    found = ((m - k) ** 2).sum(axis=1)
    if covariances:
        half = roots(c)
        cross = roots(half @ e @ half)
        found = found + np.trace(c + e - 2 * cross, axis1=1, axis2=2)
    mean = max(float(found.mean()), 0.0)
    return float(np.sqrt(mean)) if root else mean


BIASED = DOC + "\nBiased where p > n."
NARROW: dict[str, Any] = {"form": form(narrow), "minimum_n": 4}
UNBOUNDED = (0.0, np.inf)
GAUSSIAN: dict[str, Any] = {
    "form": form(raw),
    "bounds": UNBOUNDED,
    "larger_is_more_similar": False,
    "metric": True,
    "invariant_to": frozenset(),
    "minimum_n": 2,
    "example": lambda self, rng, n, p: gaussians(rng, n, p),
}
RIGHT: dict[str, tuple[Score, dict[str, Any]]] = {
    "cka": (cka, {"bounds": (-1.0, 1.0), "minimum_n": 4}),
    "cka_biased": (cka_biased, {"__doc__": BIASED}),
    "cka_rbf": (cka_rbf, {"__doc__": BIASED}),
    "procrustes": (procrustes, {"__doc__": BIASED}),
    "procrustes_angle": (
        angle,
        {
            "bounds": (0.0, float(np.pi / 2)),
            "larger_is_more_similar": False,
            "metric": True,
            "__doc__": BIASED,
        },
    ),
    "rsa_pearson": (rsa, {"bounds": (-1.0, 1.0), "__doc__": DOC}),
    "rsa_spearman": (rsa_spearman, {"bounds": (-1.0, 1.0)}),
    "rsa_cosine": (rsa_cosine, {"__doc__": DOC + "\nBiased: all pairs of examples are about equally far where p > n."}),
    "distance_correlation": (distance_correlation, {"__doc__": BIASED}),
    "knn_jaccard": (jaccard, {"minimum_n": 7}),
    "cca": (cca, NARROW | {"invariant_to": LINEAR}),
    "svcca": (svcca, NARROW),
    "pwcca": (pwcca, NARROW | {"symmetric": False, "invariant_to": RIGID - {"orthogonal"}}),
    "linear_regression": (regression, NARROW | {"symmetric": False}),
    "permutation": (matched, {"invariant_to": RIGID - {"orthogonal"}, "form": form(matchable), "__doc__": BIASED}),
    "gaussian_shape": (gaussian_distance, GAUSSIAN),
}


def reference(name: str) -> Score:
    """The right score of representations as they come."""
    score, declared = RIGHT[name]
    if declared.get("form") is GAUSSIAN["form"]:
        return score
    return lambda x, y: score(*(Examples(a.astype(np.float64)).centred for a in (x, y)))
