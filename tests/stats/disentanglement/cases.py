"""Codes whose disentanglement is known: four factors in every combination, ten times, and what codes make of them."""

import numpy as np

SIZES = (3, 4, 5, 6)
COPIES = 10
ALL_SCORES = (
    *("beta_vae_score", "dci_completeness", "dci_disentanglement", "dci_informativeness", "explicitness"),
    *("factor_vae_score", "irs", "mig", "modularity", "sap"),
)


def factors(copies=COPIES):
    """(3600, 4): each combination equally often, so that factors are exactly independent; in no particular order."""
    grid = np.stack(np.meshgrid(*map(np.arange, SIZES), indexing="ij"), axis=-1).reshape(-1, 4)
    return np.random.default_rng(0).permutation(np.tile(grid, (copies, 1)))


def standard(f):
    """Each factor with mean 0 and variance 1."""
    return (f - f.mean(axis=0)) / f.std(axis=0)


def turned(z, degrees):
    """Latents 0 and 1, and 2 and 3, turned in their planes."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.hstack([z[:, :2] @ turn, z[:, 2:] @ turn])


def noise(f, seed=1, d=4):
    return np.random.default_rng(seed).standard_normal((len(f), d))


def split_in_two(f):
    """Each factor in a latent for whether it is odd and one for its half: two latents a factor, one factor a latent."""
    return np.hstack([f % 2, f // 2]) * 1.0


def pairs_in_one(f):
    """Two latents, each of which numbers the combinations of two factors."""
    return np.stack([f[:, 0] * SIZES[1] + f[:, 1], f[:, 2] * SIZES[3] + f[:, 3]], axis=1) * 1.0


def cases(f):
    """Name -> codes."""
    z = standard(f)
    hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    return {
        "perfect": z,
        "permuted, scaled, shifted": z[:, [2, 0, 3, 1]] * [0.01, -1, 3, 100] + [5, 0, -7, 1],
        "perfect and dead latents": np.hstack([z, np.zeros((len(f), 3))]),
        "perfect and noisy latents": np.hstack([z, noise(f, d=3)]),
        "perfect with noise": z + 0.5 * noise(f),
        "duplicated": np.hstack([z, z]),
        "each factor in two latents": split_in_two(f),
        "two factors in each latent": pairs_in_one(f),
        "rotated by 45 degrees": turned(z, 45),
        "all factors in each latent": z @ hadamard,
        "noise": noise(f),
        "collapsed": np.zeros((len(f), 4)),
    }


def read_the_wrong_way(z):
    """What `.view(d, n)` gives where a transpose was meant, as rows again: the latents and the examples mixed up."""
    return z.reshape(z.shape[::-1]).T
