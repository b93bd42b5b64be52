"""A wide representation on its principal axes: fewer numbers, the same inner products. Pure."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def coordinates(x: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n q"]:
    """A representation with at most n features that has the same centred inner products.

    With p <= n it is returned as it is. Else its features are centred and turned onto the axes of the centred Gram
    matrix K = X Xᵀ = U Λ Uᵀ: X' = U Λ^½, so X' X'ᵀ = K. Whatever ignores shifts and rotations of the features (CKA,
    Procrustes, RSA with Euclidean distances, their nulls and intervals) gives what it gives for x, to the precision of
    float32; so do the same rows of both.

    Args:
        x: (n, p), float32 or float64.

    Returns:
        (n, min(n, p)), float32.
    """
    n, p = x.shape
    if p <= n:
        return x.astype(np.float32, copy=False)
    values = torch.from_numpy(np.ascontiguousarray(x))
    gram = _gram(values, values.mean(0, dtype=torch.float64))
    scale = gram.diagonal().max()
    if not torch.isfinite(scale) or scale <= 0:
        return np.full((n, n), np.nan if not torch.isfinite(scale) else 0, np.float32)
    powers, axes = torch.linalg.eigh(gram / scale)
    return (axes * (powers.clamp_min(0) * scale).sqrt()).float().numpy()


def _gram(x: Tensor, mean: Tensor, slab: int = 4096) -> Tensor:
    """Centred inner products, float64 sums of products of slabs of features."""
    n, p = x.shape
    gram = torch.zeros(n, n, dtype=torch.float64)
    for start in range(0, p, slab):
        part = (x[:, start : start + slab].double() - mean[start : start + slab]).to(x.dtype)
        gram += (part @ part.T).double()
    return gram
