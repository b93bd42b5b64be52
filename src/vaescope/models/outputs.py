"""What a user's modules may return, and the posterior and logits that it stands for."""

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.network import Posterior


def posterior_of(output: Any, n: int, latents: int, name: str) -> Posterior:
    """The posterior of n images from what an encoder returned for them.

    Args:
        output: (mean, log_var), each (n, d); a Posterior; or one tensor (n, 2 d), the means in its first half. Maps of
            one pixel, (n, d, 1, 1), will do too.
        n: how many images there were.
        latents: d.
        name: of the network, for the message.

    Raises:
        UsageError: it is something else.
    """
    given = (output.mean, output.log_var) if isinstance(output, Posterior) else output
    if isinstance(given, Tensor) and _has(given, n, 2 * latents):
        given = given.reshape(n, 2 * latents).chunk(2, dim=1)
    if isinstance(given, tuple | list) and len(given) == 2 and all(_has(x, n, latents) for x in given):
        return Posterior(given[0].reshape(n, latents), given[1].reshape(n, latents))
    raise UsageError(
        f"network {name}: encoder: expected (mean, log_var), each {(n, latents)}, a Posterior of them, or one tensor "
        f"{(n, 2 * latents)} with the means in its first half, for {n} images and {latents} latents, "
        f"got {described(output)}."
    )


def logits_of(output: Any, n: int, image_shape: Sequence[int], name: str) -> Tensor:
    """The logits (n, c, h, w) from what a decoder returned for n codes: them, or the same flat, (n, c h w).

    Raises:
        UsageError: it is something else.
    """
    if isinstance(output, Tensor) and output.is_floating_point():
        if output.shape == (n, *image_shape):
            return output
        if output.shape == (n, prod(image_shape)):
            return output.reshape(n, *image_shape)
    raise UsageError(
        f"network {name}: decoder: expected logits of the pixels, {(n, *image_shape)} or {(n, prod(image_shape))}, for "
        f"{n} codes, got {described(output)}."
    )


def described(value: Any) -> str:
    """What something is, for a message: shapes of tensors, types of the rest."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(map(described, value)) or 'nothing'}"
    return f"a {type(value).__name__}"


def _has(value: Any, n: int, width: int) -> bool:
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.shape[:1] == (n,)
        and value.numel() == n * width
    )
