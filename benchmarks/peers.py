"""What others do with a pair of representations: their package where it is installed, else its algorithm in own words.

    python benchmarks/peers.py [--quick]

Nothing is installed here. An own form does what the peer's published code or documentation says it does, with the same
matrix products and decompositions in the same precision, so that it costs what the peer costs; checks of arguments and
the zeroing of tiny values, which cost the peers time as well, are left out. Work on one representation is apart from
work on a pair, as far as the peer's own interface lets one do it once.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from activations import QUICK, STEPS, Activations
from timing import best, gemm_rate, on_cores

import vaescope


@dataclass(frozen=True)
class Peer:
    """One way of scoring a pair: `compare(prepare(x), prepare(y))`.

    Attributes:
        name: of the package; "own" after it where its algorithm is in own words.
        prepare: work on one representation, (n, p) float32.
        compare: work on a pair.
        affordable: whether a pair of these widths takes no more than some ten seconds at n = 2,000.
    """

    name: str
    prepare: Callable[[np.ndarray], Any]
    compare: Callable[[Any, Any], float]
    affordable: Callable[[int, int], bool] = lambda p, q: True

    def __call__(self, x: np.ndarray, y: np.ndarray) -> float:
        """The score of one pair, nothing prepared."""
        return self.compare(self.prepare(x), self.prepare(y))


def double_centred(gram: np.ndarray) -> np.ndarray:
    """`gram` without its row and column means, in place; they are summed in float64."""
    means = gram.mean(axis=0, dtype=np.float64)
    means -= means.mean() / 2
    gram -= means[:, None]
    gram -= means
    return gram


def u_centred(gram: np.ndarray) -> np.ndarray:
    """The same for the debiased form, with an empty diagonal (Székely & Rizzo, 2014)."""
    n = len(gram)
    np.fill_diagonal(gram, 0)
    means = gram.sum(axis=0, dtype=np.float64) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means[:, None]
    gram -= means
    np.fill_diagonal(gram, 0)
    return gram


def cosine(k: np.ndarray, m: np.ndarray) -> float:
    """Of two Gram matrices in float32; the authors take both norms anew for each pair."""
    return float(np.dot(k.ravel(), m.ravel()) / (np.linalg.norm(k) * np.linalg.norm(m)))


def normalised(x: np.ndarray) -> np.ndarray:
    """Centred, of Frobenius norm 1."""
    x = x - x.mean(axis=0)
    x /= np.linalg.norm(x)
    return x


def nuclear(x: np.ndarray, y: np.ndarray) -> float:
    """1 - d^2 / 2 by the p x q matrix of products and all its singular values, in float32."""
    norms = np.sum(x**2) + np.sum(y**2)
    return float(1 - (norms - 2 * np.linalg.norm(x.T @ y, ord="nuc")) / 2)


def feature_form(x: np.ndarray, y: np.ndarray) -> float:
    """Norms of the products of features with features: p x q, p x p and q x q."""
    return float(np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def turned(x: np.ndarray, y: np.ndarray) -> float:
    """The narrower padded with zeros, both turned by a full SVD, then their cosine."""
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z, ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    u, _, vt = np.linalg.svd(x.T @ y)
    x, y = x @ u, y @ vt.T
    return float(np.vdot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)))


def squared_distances(x: np.ndarray) -> np.ndarray:
    """Between examples, divided by the number of features."""
    squares = (x**2).sum(axis=1, keepdims=True)
    return (squares + squares.T - 2 * (x @ x.T)) / x.shape[1]


def bures(x: np.ndarray, y: np.ndarray) -> float:
    """The eigenvalues of K^(1/2) L K^(1/2) in float64, K and L from squared distances."""
    k, m = (double_centred(z.astype(np.float64) / -2) for z in (x, y))
    values, vectors = np.linalg.eigh(k)
    root = vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)
    found = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ m @ root), 0)).sum()
    return float(found / np.sqrt(np.trace(k) * np.trace(m)))


def _rsatoolbox(method: str) -> Peer:
    from rsatoolbox.data import Dataset  # pyright: ignore[reportMissingImports]
    from rsatoolbox.rdm import calc_rdm, compare  # pyright: ignore[reportMissingImports]

    return Peer(
        "rsatoolbox",
        lambda x: calc_rdm(Dataset(x), method="euclidean"),
        lambda x, y: float(compare(x, y, method=method)[0, 0]),
    )


def _ckatorch() -> Peer:
    from ckatorch.core import cka_base  # pyright: ignore[reportMissingImports]
    from torch import from_numpy

    return Peer("ckatorch", from_numpy, lambda x, y: float(cka_base(x, y)))


def _repsim() -> Peer:
    import repsim  # pyright: ignore[reportMissingImports]

    return Peer("repsim", np.asarray, lambda x, y: float(repsim.cka([x, y], "linear", "gretton")[0, 1]), _widest(8_192))


def _widest(width: int) -> Callable[[int, int], bool]:
    return lambda p, q: max(p, q) <= width


# The authors of arXiv 2205.08399; google-research's Gram form is the same. BLAS does x @ x.T as a symmetric product.
AUTHORS_CKA = Peer("authors, own", lambda x: double_centred(x @ x.T), cosine)
AUTHORS_DEBIASED = Peer("authors, own", lambda x: u_centred(x @ x.T), cosine)
# sim_metric's is the same.
AUTHORS_PROCRUSTES = Peer("authors, own", normalised, nuclear, lambda p, q: min(p, q) ** 2 * max(p, q) < 8e10)
GOOGLE = Peer("google features, own", lambda x: x - x.mean(axis=0), feature_form, _widest(8_192))
NETREP = Peer("netrep, own", lambda x: x - x.mean(axis=0), turned, _widest(2_048))


def cka_peers() -> list[Peer]:
    """Biased CKA."""
    return [
        AUTHORS_CKA,
        GOOGLE,
        *([_rsatoolbox("cosine_cov")] if find_spec("rsatoolbox") else []),
        *([_ckatorch()] if find_spec("ckatorch") else []),
        *([_repsim()] if find_spec("repsim") else []),
    ]


def procrustes_peers() -> list[Peer]:
    """Procrustes similarity; rsatoolbox calls it Bures similarity."""
    own = Peer("rsatoolbox, own", squared_distances, bures)
    return [AUTHORS_PROCRUSTES, NETREP, _rsatoolbox("bures") if find_spec("rsatoolbox") else own]


PAIRS = (
    ("mean", "log_var"),
    ("encoder.6", "decoder.1"),
    ("decoder.2", "decoder.3"),
    ("encoder.2", "decoder.4"),
    ("mean", "decoder.5"),
    ("encoder.1", "decoder.5"),
)


def main() -> None:
    """Print, for each measure and pair of layers, the seconds of each and how far it is from ours."""
    quick = "--quick" in sys.argv
    pairs, n, rounds = (PAIRS[:3], 200, 1) if quick else (PAIRS, 2_000, 3)
    with on_cores(1):
        steps = QUICK if quick else STEPS
        layers = Activations(n, steps).layers(steps[-1])
        print(f"n = {n:,}, one core, float32, {gemm_rate() / 1e9:.0f} GFLOP/s; seconds a pair, best of {rounds}")
        for measure, peers in (("cka_biased", cka_peers()), ("procrustes", procrustes_peers())):
            for a, b in pairs:
                x, y = layers[a], layers[b]
                works = {"vaescope": partial(vaescope.similarity, x, y, measure)}
                works |= {peer.name: partial(peer, x, y) for peer in peers if peer.affordable(x.shape[1], y.shape[1])}
                vaescope.similarity(x[:50], y[:50], measure)  # what is loaded at the first call is not counted
                seconds, scores = best(works, rounds)
                print(f"\n{measure}, {x.shape[1]:,} x {y.shape[1]:,}: {scores['vaescope']:.6f}")
                for name, taken in seconds.items():
                    error = abs(scores[name] - scores["vaescope"])
                    print(f"  {name:22} {taken:9.4f} s  {taken / seconds['vaescope']:8.1f} x  differs by {error:.0e}")


if __name__ == "__main__":
    main()
