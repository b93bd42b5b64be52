"""The KL term of a VAE in three parts, from one batch: mutual information, total correlation, dimension-wise KL.

All rest on q(z), the mixture of the posteriors of all N training examples, of which a batch shows M.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.network import Posterior

Estimator = Literal["weighted", "stratified"]
ESTIMATORS: tuple[str, ...] = get_args(Estimator)
LOG_TWO_PI = math.log(2 * math.pi)
# exp(80) and 1e18 squared are numbers in float32; a density that far out is 0 in any sum.
LEAST_LOG_VAR = -160.0
FARTHEST = 1e18


@dataclass(frozen=True)
class Decomposition:
    """The parts of E KL(q(z|x) || p(z)), in nats per example, estimated from sampled codes.

    Their sum is the mean of log q(z|x) - log p(z) over the sampled codes, whatever the estimator of q(z).

    Attributes:
        mutual_information: I(z; x) = E[log q(z|x) - log q(z)].
        total_correlation: KL(q(z) || Π_l q(z_l)) = E[log q(z) - Σ_l log q(z_l)].
        dimension_wise_kl: Σ_l KL(q(z_l) || p(z_l)) = Σ_l E[log q(z_l) - log p(z_l)].
    """

    mutual_information: Float[Tensor, ""]
    total_correlation: Float[Tensor, ""]
    dimension_wise_kl: Float[Tensor, ""]


def log_density(codes: Float[Tensor, "m d"], posterior: Posterior) -> Float[Tensor, "m n d"]:
    """The log density log q(z_jl | x_i), in nats, of every code j under the posterior of every example i.

    Finite in float32 for whatever finite means and log variances, and so is its gradient.
    """
    log_var = posterior.log_var
    inverse_std = (-0.5 * log_var.clamp(min=LEAST_LOG_VAR)).exp()
    standard = ((codes.unsqueeze(1) - posterior.mean) * inverse_std).clamp(-FARTHEST, FARTHEST)
    return -0.5 * (standard.square() + log_var + LOG_TWO_PI)


def log_weights(estimator: Estimator, batch: int, examples: int, like: Float[Tensor, "..."]) -> Float[Tensor, "#n #n"]:
    """The logarithm of what q(z_j|x_i) counts for in the estimate of q(z_j): row j, column i.

    "weighted" is minibatch-weighted sampling: 1 / (N M) for all. In expectation the estimate lies below q(z), between
    q(z) / N where the posteriors overlap and q(z) / M where they do not; the total correlation is then too high, by
    (d - 1) log N with M = N, which does not change the gradient.

    "stratified" is minibatch-stratified sampling: 1 / N for the example the code was drawn from and
    (N - 1) / (N (M - 1)) for each other. Its expectation over batches is q(z). The paper gives one of the others,
    whichever is last, a smaller weight; this is the mean of the paper's estimator over the choice of the last one, so
    it varies less, is exact with M = N and does not depend on the order of the batch.

    Args:
        estimator: "weighted" or "stratified".
        batch: M, how many examples the batch has.
        examples: N, how many the training set has.
        like: a tensor of the device and type wanted.

    Returns:
        (M, M), or (1, 1) where all count the same.

    References:
        Chen et al. (2018), appendix C, on both ways of sampling. https://arxiv.org/abs/1802.04942
    """
    if estimator == "weighted":
        return like.new_full((1, 1), -math.log(examples * batch))
    own = -math.log(examples)
    other = math.log(examples - 1) - math.log(examples * (batch - 1))
    return torch.eye(batch, dtype=like.dtype, device=like.device) * (own - other) + other


def decompose(
    codes: Float[Tensor, "n d"], posterior: Posterior, examples: int, estimator: Estimator = "weighted"
) -> Decomposition:
    """The three parts of the KL term.

    Args:
        codes: one drawn from each posterior, (n, d).
        posterior: of the same examples.
        examples: N, how many examples the training set has.
        estimator: how q(z) is estimated; `log_weights` says what is known of each.

    Raises:
        UsageError: if `examples` or the batch is less than 2.

    References:
        Chen et al. (2018), 'Sources of disentanglement in the ELBO'. https://arxiv.org/abs/1802.04942
    """
    batch = len(codes)
    if examples < 2:
        raise UsageError(
            f"the total correlation needs the number of training examples, at least 2, got {examples}; "
            "pass it as Forward(examples=len(dataset))."
        )
    if batch < 2:
        raise UsageError(f"the total correlation needs batches of at least 2 examples, got {batch}; set batch_size.")
    each = log_density(codes, posterior)
    joint = each.sum(dim=2)
    weights = log_weights(estimator, batch, examples, codes)
    log_q = (joint + weights).logsumexp(dim=1)
    log_marginals = (each + weights.unsqueeze(-1)).logsumexp(dim=1).sum(dim=1)
    log_prior = -0.5 * (codes.square() + LOG_TWO_PI).sum(dim=1)
    return Decomposition(
        mutual_information=(joint.diagonal() - log_q).mean(),
        total_correlation=(log_q - log_marginals).mean(),
        dimension_wise_kl=(log_marginals - log_prior).mean(),
    )
