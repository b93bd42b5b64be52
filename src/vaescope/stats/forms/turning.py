"""The rotation that brings one family of Gaussians nearest to another, by alternating minimisation.

With A_i and B_i symmetric roots of the covariances, the mean squared 2-Wasserstein distance after the rotation Q is a
constant less twice J(Q) = tr(Q^T M) + mean_i |A_i Q B_i|_*, where M = mean_i x_i y_i^T and |.|_* is the nuclear norm.
Given Q, the nuclear norms are tr(U_i^T A_i Q B_i) for the polar factors U_i of A_i Q B_i; given these, the best Q is
the polar factor of M + mean_i A_i U_i B_i. Neither step lowers J.

References:
    Duong et al. (2023), Representational dissimilarity metric spaces for stochastic neural networks.
        https://arxiv.org/abs/2211.11665
"""

import numpy as np
from jaxtyping import Float64

TRIED = 128  # examples that the starts are tried on
FIRST, SECOND, LAST = 10, 30, 400  # steps: of every start, of the best three, of the best on all examples
TURNS = 2  # fixed rotations to start from, and as many of their inverses
LONGEST = 64.0  # times a plain step
GAIN = 1e-13  # of J: steps that win less are the last


def best_turn(
    x: Float64[np.ndarray, "n d"],
    a: Float64[np.ndarray, "n d d"],
    y: Float64[np.ndarray, "n d"],
    b: Float64[np.ndarray, "n d d"],
) -> Float64[np.ndarray, "d d"]:
    """The Q that maximises J, as far as found: the best of eight starts, tried on every k-th example, then on all.

    The starts turn with either side and are the same, inverted, with the sides exchanged.

    Args:
        x: means of one side.
        a: symmetric roots of its covariances.
        y: means of the other side.
        b: symmetric roots of its covariances.
    """
    every = -(-len(x) // TRIED)
    some = a[::every], b[::every]
    cross = x.T @ y / len(x)
    found = [_climbed(start, cross, *some, FIRST) for start in _starts(x, y, cross, *some)]
    found = sorted(found, key=lambda one: -one[1])[:3]
    found = [_climbed(turn, cross, *some, SECOND) for turn, _ in found]
    return _climbed(max(found, key=lambda one: one[1])[0], cross, a, b, LAST)[0]


def _starts(x: np.ndarray, y: np.ndarray, cross: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Rotations that are right if only the means matter, if only the covariances do, if axes match; and others."""
    axes, others = _axes(x, a), _axes(y, b)
    covariances, _ = _climbed(axes @ others.T, np.zeros_like(cross), a, b, FIRST)
    pulls = (
        np.einsum("ji,jk,ki->i", covariances @ others, cross, others),
        np.einsum("ji,jk,ki->i", axes, cross, covariances.T @ axes),
    )  # covariances do not see the signs of axes, means do
    signs = [np.where(pull < 0, -1.0, 1.0) for pull in pulls]
    rotations = [
        np.linalg.qr(np.random.default_rng([len(cross), k]).standard_normal(cross.shape))[0] for k in range(TURNS)
    ]
    return [
        polar(cross),
        covariances @ (others * signs[0]) @ others.T,
        (axes * signs[1]) @ axes.T @ covariances,
        axes @ others.T,
        *(axes @ turn @ others.T for rotation in rotations for turn in (rotation, rotation.T)),
    ]


def _axes(means: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Principal axes of all that is drawn, as columns, each pointing where the means are skewed to."""
    axes = np.linalg.eigh(means.T @ means / len(means) + np.einsum("nij,nkj->ik", roots, roots) / len(roots))[1]
    return axes * np.where(((means @ axes) ** 3).sum(axis=0) < 0, -1.0, 1.0)


def _climbed(turn: np.ndarray, cross: np.ndarray, a: np.ndarray, b: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    """The rotation after some steps, and its J. Steps are lengthened as long as that pays; none lowers J."""
    value, best = _gain(turn, cross, a, b)
    stride = 1.0
    for _ in range(steps):
        ahead = best if stride == 1 else polar(turn + stride * (best - turn))
        reached, following = _gain(ahead, cross, a, b)
        won = reached - value
        if won > 0:
            turn, value, best = ahead, reached, following
        if won > GAIN * abs(value):
            stride = min(1.5 * stride, LONGEST)
        elif stride == 1:
            break
        else:
            stride = 1.0
    return turn, value


def _gain(turn: np.ndarray, cross: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """J of a rotation, and the best rotation given its couplings."""
    left, sizes, right = np.linalg.svd(a @ turn @ b)
    pull = np.einsum("nij,njk->ik", a @ (left @ right), b) / len(a)
    return float(np.einsum("ij,ij", turn, cross) + sizes.sum() / len(a)), polar(cross + pull)


def polar(matrix: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """The nearest rotation or reflection."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right
