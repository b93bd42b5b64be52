"""Posteriors whose latents are known."""

import numpy as np

MEASURED = ((10, 0.997, 0.995), (8, 0.897, 0.80), (5, 0.706, 0.50), (3, 0.547, 0.30), (1, 0.319, 0.10))
"""measures.md 5.3: active of ten latents, CKA of mean and sampled codes, CKA of two draws of them."""


def polarised(active, latents, n=2000, seed=0, kept=0.005):
    """Means and log variances: the first latents active (unit variance, hardly any noise), the others passive."""
    rng = np.random.default_rng(seed)
    used = np.arange(latents) < active
    mean = rng.normal(size=(n, latents)) * np.where(used, np.sqrt(1 - kept), 1e-4)
    log_var = np.log(np.where(used, kept, 1.0)) + 0.01 * rng.normal(size=(n, latents))
    return mean, log_var


def noise(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)
