"""A dataset so small that its total correlation is known: two latents, q(z) over all N examples, integrated on a grid.

`python -m tests.models.objectives.exact` prints how far each estimator is from it at every batch size.
"""

import math
from itertools import permutations

import numpy as np
import torch

from vaescope.models.network import Posterior, sample
from vaescope.models.total_correlation import decompose

N = 12
LIMIT, POINTS = 9.0, 1201


def posteriors(examples=N, latents=2, log_var=-1.0, seed=1):
    """Correlated means of unit size with posteriors around them, float64."""
    rng = torch.Generator().manual_seed(seed)
    mean = torch.randn(examples, latents, generator=rng, dtype=torch.float64)
    mean[:, 1] = 0.8 * mean[:, 0] + 0.6 * mean[:, 1]
    noise = torch.randn(examples, latents, generator=rng, dtype=torch.float64)
    return Posterior(mean, log_var + 0.3 * noise)


def normal(z, mean, log_var):
    return np.exp(-((z - mean) ** 2) / (2 * np.exp(log_var))) / np.sqrt(2 * np.pi * np.exp(log_var))


def aggregate(codes, posterior):
    """q(z) and each q(z_l) of codes (m, d): the mean density over all examples. Returns (m,), (m, d)."""
    mean, log_var = posterior.mean.numpy(), posterior.log_var.numpy()
    each = normal(np.asarray(codes)[:, None, :], mean[None], log_var[None])
    return each.prod(axis=2).mean(axis=1), each.mean(axis=1)


def integrated(posterior):
    """KL(q(z) || q(z_1) q(z_2)) by the trapezoidal rule, and the mass the grid holds."""
    mean, log_var = posterior.mean.numpy(), posterior.log_var.numpy()
    grid = np.linspace(-LIMIT, LIMIT, POINTS)
    first = normal(grid[:, None], mean[:, 0], log_var[:, 0])
    second = normal(grid[:, None], mean[:, 1], log_var[:, 1])
    joint = first @ second.T / len(mean)
    product = np.outer(first.mean(axis=1), second.mean(axis=1))
    ratio = np.log(np.maximum(joint, 1e-300)) - np.log(np.maximum(product, 1e-300))
    cell = (grid[1] - grid[0]) ** 2
    return float((joint * ratio).sum() * cell), float(joint.sum() * cell)


def expected_density(posterior, code, own, batch, estimate):
    """The mean of an estimate of q(z) over every batch, in every order, that has the code's own example first."""
    mean, log_var = posterior.mean.numpy(), posterior.log_var.numpy()
    density = normal(np.asarray(code), mean, log_var).prod(axis=1)
    others = [i for i in range(len(mean)) if i != own]
    found = [estimate([density[own], *density[list(b)]], 0, len(mean)) for b in permutations(others, batch - 1)]
    return sum(found) / len(found), float(density.mean())


def estimates(posterior, batch, estimator, draws, seed=0):
    """The estimated total correlation of `draws` random batches with fresh codes."""
    rng = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(draws):
        rows = torch.randperm(len(posterior.mean), generator=rng)[:batch]
        shown = Posterior(posterior.mean[rows], posterior.log_var[rows])
        noise = torch.randn(shown.mean.shape, generator=rng, dtype=torch.float64)
        parts = decompose(sample(shown, noise), shown, len(posterior.mean), estimator)
        found.append(parts.total_correlation.item())
    return np.array(found)


def main():
    for log_var in (-1.0, -4.0):
        posterior = posteriors(log_var=log_var)
        truth, mass = integrated(posterior)
        print(f"N = {N}, d = 2, mean log variance {log_var}: exact TC {truth:.5f} nats (mass on the grid {mass:.9f})")
        print("    M   weighted: mean  +-se     bias   stratified: mean  +-se     bias   (d - 1) log N =", end=" ")
        print(f"{math.log(N):.4f}")
        for batch in (2, 3, 4, 6, 8, 10, 12):
            line = f"{batch:5d}"
            for estimator in ("weighted", "stratified"):
                found = estimates(posterior, batch, estimator, 20_000)
                error = found.std() / math.sqrt(len(found))
                line += f"   {found.mean():10.4f} {error:8.4f} {found.mean() - truth:+8.4f}"
            print(line)


if __name__ == "__main__":
    main()
