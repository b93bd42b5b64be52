"""Losses of each example by name, for models that continue from another's layer."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vaescope.errors import UsageError
from vaescope.registry import suggestion

if TYPE_CHECKING:
    from torch import Tensor

    from vaescope.models.reconstruction import Reconstruction

Given = str | Callable[[Any, Any], Any]
"""A name of `NAMES`, or a function (what the model returned, its batch) -> the loss of each example, (n,)."""

Loss = Callable[[Any, Any, Any], "Tensor"]
"""(what the model returned, its batch, what the untouched model returns) -> the loss of each example, (n,)."""

NAMES = ("output", "input", "target", "cross_entropy", "reconstruction", "elbo")


def loss_of(given: Given) -> Loss:
    """The loss that is meant.

    "output": mean squared difference from what the untouched model returns, which needs no targets. "input": from the
    batch. "target": from the second part of the batch. "cross_entropy" in nats, of logits (n, classes, ...) with the
    second part of the batch. "reconstruction" and "elbo" of a `Network`, in nats: see `vae_losses`.

    Raises:
        UsageError: there is no such loss; in a pass: it does not give one number an example.
    """
    if callable(given):
        return lambda output, batch, own: _per_example(given(output, batch), batch)
    if given not in NAMES:
        raise UsageError(
            f"loss: expected one of {', '.join(NAMES)}, or a function (output, batch) -> losses (n,), got {given!r}."
            f"{suggestion(str(given), list(NAMES))}"
        )
    if given in ("reconstruction", "elbo"):
        return vae_losses(given == "elbo")
    return {
        "output": lambda output, batch, own: _square(output, own),
        "input": lambda output, batch, own: _square(output, _part(batch, 0, given)),
        "target": lambda output, batch, own: _square(output, _part(batch, 1, given)),
        "cross_entropy": lambda output, batch, own: _entropy(output, _part(batch, 1, given)),
    }[given]


def vae_losses(
    elbo: bool, reconstruction: "Reconstruction | None" = None, learned: "Mapping[str, Tensor] | None" = None
) -> Loss:
    """-log p(x|z) of each image in nats; with `elbo`, the KL divergence from the prior is added.

    Args:
        elbo: whether it is; codes are then sampled, else they are the posterior means.
        reconstruction: what the decoder's output means; Bernoulli pixels if None.
        learned: values of what the reconstruction learns.
    """
    import torch

    from vaescope.models.objective import BERNOULLI, gaussian_kl
    from vaescope.models.reconstruction import value_and_notes

    term = reconstruction or BERNOULLI

    def one(logits: "Tensor", image: "Tensor") -> "Tensor":
        return value_and_notes(term.of(logits[None], image[None], learned))[0]

    def of(output: Any, batch: Any, own: Any) -> "Tensor":
        posterior, logits = output
        found = torch.vmap(one)(logits, batch[0] if isinstance(batch, tuple) else batch)
        return found + gaussian_kl(posterior).sum(dim=1) if elbo else found

    return of


def _tensor(value: Any) -> "Tensor":
    from vaescope.models.calls import first_tensor

    named = next((getattr(value, key) for key in ("logits", "sample", "recon_x") if hasattr(value, key)), value)
    found = first_tensor(named)
    if found is None:
        raise UsageError(
            f"loss: the model returned {type(value).__name__}, in which there is no tensor to compare. Pass a "
            "function, loss=lambda output, batch: ... of shape (n,)."
        )
    return found


def _square(output: Any, other: Any) -> "Tensor":
    mine, its = _tensor(output), _tensor(other)
    if mine.shape != its.shape:
        raise UsageError(
            f"loss: expected a model that returns {tuple(its.shape)}, got {tuple(mine.shape)}. Pass a function, "
            "loss=lambda output, batch: ... of shape (n,)."
        )
    return (mine.float() - its.float()).square().flatten(1).mean(dim=1)


def _entropy(output: Any, target: "Tensor") -> "Tensor":
    import torch.nn.functional as F

    found = F.cross_entropy(_tensor(output).float(), target.long(), reduction="none")
    return found.reshape(len(found), -1).mean(dim=1)


def _part(batch: Any, number: int, name: str) -> "Tensor":
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch if isinstance(batch, tuple) else (batch,)
    if number >= len(parts):
        raise UsageError(
            f"loss {name!r}: expected data of (input, target), got inputs alone. Pass data=(inputs, targets), a data "
            "loader of both, or loss='output'."
        )
    return parts[number]


def _per_example(found: Any, batch: Any) -> "Tensor":
    import torch

    from vaescope.models.calls import first_tensor

    n = len(_tensor(batch))
    if not isinstance(found, torch.Tensor) or found.shape != (n,):
        got = tuple(found.shape) if first_tensor(found) is found and found is not None else type(found).__name__
        raise UsageError(
            f"loss: expected one number an example, shape ({n},), got {got}. With losses of torch, reduction='none'."
        )
    return found
