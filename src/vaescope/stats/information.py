"""Mutual information of each latent, cut into bins, with each factor."""

from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from vaescope.stats.labelled import Labelled

PERMUTATIONS = 5

Binning = Literal["width", "quantile"]


def information(labelled: Labelled, bins: int, binning: Binning = "width") -> Float64[np.ndarray, "d f"]:
    """I(latent; factor) in nats, of the empirical joint distribution (the plug-in estimate); at least 0.

    It is too large by about (bins - 1)(classes - 1) / 2n where latent and factor are independent.

    Args:
        labelled: codes and factors.
        bins: into how many intervals each latent is cut.
        binning: "width": of equal width from the smallest to the largest value; "quantile": of equal counts.
    """
    return labelled.once(("information", bins, binning), lambda: _information(labelled, bins, binning))


def _information(labelled: Labelled, bins: int, binning: Binning) -> Float64[np.ndarray, "d f"]:
    cut = discretised(labelled.codes, bins, binning)
    found = np.zeros((labelled.latents, labelled.factors.shape[1]))
    for i in np.flatnonzero(labelled.moving):
        for j, classes in enumerate(labelled.factors.T):
            found[i, j] = _mutual(cut[:, i], classes)
    return found


def by_chance(labelled: Labelled, bins: int, binning: Binning, seed: int) -> Float64[np.ndarray, "d f"]:
    """What `information` gives where codes and factors have nothing to do with each other, the mean of permutations."""
    rng = np.random.default_rng([seed, 4])
    orders = [rng.permutation(labelled.n) for _ in range(PERMUTATIONS)]
    tables = [
        _information(Labelled(labelled.codes, labelled.factors[o], labelled.positions), bins, binning) for o in orders
    ]
    return np.mean(tables, axis=0)


def discretised(codes: Float64[np.ndarray, "n d"], bins: int, binning: Binning = "width") -> Int64[np.ndarray, "n d"]:
    """The bin of each code, 0 to bins - 1."""
    if binning == "quantile":
        inner = np.quantile(codes, np.arange(1, bins) / bins, axis=0)
    else:
        low, high = codes.min(axis=0), codes.max(axis=0)
        inner = low + np.arange(1, bins)[:, None] / bins * (high - low)
    return np.stack([np.searchsorted(edges, x, side="right") for edges, x in zip(inner.T, codes.T, strict=True)], 1)


def entropies(labelled: Labelled) -> Float64[np.ndarray, " f"]:
    """H(factor) in nats, of the classes of these examples."""
    return np.array([_mutual(classes, classes) for classes in labelled.factors.T])


def _mutual(a: Int64[np.ndarray, " n"], b: Int64[np.ndarray, " n"]) -> float:
    """Σ n_ab / n log(n n_ab / (n_a n_b)); exactly 0, and exactly the entropy, where the counts say so."""
    classes = int(b.max()) + 1
    joint = np.bincount(a * classes + b)
    cells = np.flatnonzero(joint)
    counts = joint[cells]
    expected = np.bincount(a)[cells // classes] * np.bincount(b)[cells % classes]
    return max(0.0, float(np.sort(counts / len(a) * np.log(len(a) * counts / expected)).sum()))
