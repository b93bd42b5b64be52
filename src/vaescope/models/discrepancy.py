"""The maximum mean discrepancy: how far apart two sets of codes are drawn."""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError

Kernel = Literal["imq", "rbf"]
KERNELS: tuple[str, ...] = get_args(Kernel)


def similarity(
    one: Float[Tensor, "m d"], other: Float[Tensor, "n d"], kernel: Kernel, bandwidth: float
) -> Float[Tensor, "m n"]:
    """The kernel k(x, y) of each pair, in (0, 1].

    With C = 2 d bandwidth², at bandwidth 1 the mean of ‖x - y‖² over independent draws of N(0, 1) in d dimensions:
    "imq", the inverse multiquadric, is C / (C + ‖x - y‖²), whose heavy tail still pulls codes that are far away;
    "rbf" is exp(-‖x - y‖² / C).

    References:
        Tolstikhin et al. (2018), for the first and its C. https://arxiv.org/abs/1711.01558
    """
    scale = 2 * one.shape[1] * bandwidth**2
    squared = (one.unsqueeze(1) - other).square().sum(dim=2)
    return scale / (scale + squared) if kernel == "imq" else (-squared / scale).exp()


def squared_mmd(
    one: Float[Tensor, "n d"], other: Float[Tensor, "n d"], kernel: Kernel = "imq", bandwidth: float = 1.0
) -> Float[Tensor, ""]:
    """The squared maximum mean discrepancy, without bias: 0 in expectation where both are drawn alike.

    E k(x, x') + E k(y, y') - 2 E k(x, y), the first two over different draws. It may be a little below 0.

    Raises:
        UsageError: for fewer than 2 codes.

    References:
        Gretton et al. (2012), equation 3. https://jmlr.org/papers/v13/gretton12a.html
    """
    n = len(one)
    if n < 2:
        raise UsageError(f"a discrepancy of codes needs batches of at least 2 examples, got {n}; set batch_size.")
    within = similarity(one, one, kernel, bandwidth) + similarity(other, other, kernel, bandwidth)
    among = (within.sum() - within.diagonal().sum()) / (n * (n - 1))
    return among - 2 * similarity(one, other, kernel, bandwidth).mean()
