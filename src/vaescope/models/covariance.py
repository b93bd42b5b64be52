"""How far the covariance of codes is from the identity: the penalty of DIP-VAE."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError


@dataclass(frozen=True)
class FromIdentity:
    """Squared distances of a covariance from the identity.

    Attributes:
        off_diagonal: Σ_{i≠j} V_ij².
        diagonal: Σ_i (V_ii - 1)².
    """

    off_diagonal: Float[Tensor, ""]
    diagonal: Float[Tensor, ""]


def covariance(codes: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """E[z zᵀ] - E[z] E[z]ᵀ over the batch, (d, d): divided by n, so that a batch is taken as the whole distribution.

    Raises:
        UsageError: for a batch of one example, which has none.
    """
    if len(codes) < 2:
        raise UsageError(
            f"a covariance of codes needs batches of at least 2 examples, got {len(codes)}; set batch_size."
        )
    centred = codes - codes.mean(dim=0)
    return centred.T @ centred / len(codes)


def from_identity(matrix: Float[Tensor, "d d"]) -> FromIdentity:
    """How far a covariance is from the identity, off and on its diagonal.

    References:
        Kumar et al. (2018), equation 6. https://arxiv.org/abs/1711.00848

    >>> from_identity(torch.tensor([[3.0, 0.5], [0.5, 1.0]]))
    FromIdentity(off_diagonal=tensor(0.5000), diagonal=tensor(4.))
    """
    diagonal = matrix.diagonal()
    off = matrix - torch.diag(diagonal)
    return FromIdentity(off.square().sum(), (diagonal - 1).square().sum())
