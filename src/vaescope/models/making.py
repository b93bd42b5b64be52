"""Networks with their first weights, or with loaded ones: what touches torch's global generator, under a lock."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.network import Network, initialise
from vaescope.models.tied import keep_once

_GLOBAL = RLock()


@contextmanager
def drawing_from(generator: torch.Generator, device: torch.device | None = None) -> Generator[None, None, None]:
    """Within the block, torch's global generator draws what a copy of this one would; afterwards it is as before.

    For modules that know no other generator: first weights that layers draw themselves, dropout. Other threads that
    want the same wait.

    Args:
        generator: on the CPU; it is not moved on.
        device: where the block computes, if it is a GPU; that one's generator is seeded from `generator` too.
    """
    cuda = device is not None and device.type == "cuda"
    index = (torch.cuda.current_device() if device.index is None else device.index) if device and cuda else 0
    with _GLOBAL, torch.random.fork_rng(devices=[index] if cuda else []):
        torch.default_generator.set_state(generator.get_state())
        if cuda:
            torch.cuda.default_generators[index].manual_seed(generator.initial_seed())
        yield


def first(
    kind: type[Network],
    image_shape: Sequence[int],
    latents: int,
    options: Mapping[str, Any],
    generator: torch.Generator,
) -> Network:
    """A network with its first weights, which depend on the generator alone.

    Raises:
        UsageError: it takes no such images or options.
    """
    with drawing_from(generator):
        network = kind(tuple(image_shape), latents, **options)
    keep_once(network)
    if kind.initialisation == "own":
        return network
    initialise(network, generator)
    return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def unfilled(kind: type[Network], image_shape: Sequence[int], latents: int, options: Mapping[str, Any]) -> Network:
    """A network whose weights mean nothing, made without drawing any where that can be: on the device "meta"."""
    if kind.initialisation == "glorot":
        with torch.device("meta"):
            network = kind(tuple(image_shape), latents, **options)
        if not _has_more_than_weights(network):
            keep_once(network)
            return network
    with drawing_from(torch.Generator().manual_seed(0)):
        network = kind(tuple(image_shape), latents, **options)
    keep_once(network)
    return network


def filled(
    kind: type[Network],
    image_shape: Sequence[int],
    latents: int,
    options: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> Network:
    """A network with these weights, in evaluation mode.

    Raises:
        UsageError: the weights are those of another network.
    """
    network = unfilled(kind, image_shape, latents, options)
    glorot = kind.initialisation == "glorot"
    try:
        network.load_state_dict(dict(weights), assign=glorot)
    except RuntimeError as error:
        raise UsageError(
            f"network {kind.name}: the weights kept are not of the network that is there now: "
            f"{' '.join(str(error).split())[:500]} Bring back the network they were trained with, or train anew "
            "in another folder."
        ) from error
    if glorot:
        network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval()


def _has_more_than_weights(network: Network) -> bool:
    """Whether it keeps constants made in `__init__`: no snapshot gives them, and on "meta" they have no values."""
    given = set(network.state_dict())
    return any(name not in given for name, _ in network.named_buffers()) or any(
        isinstance(value, Tensor) for module in network.modules() for value in vars(module).values()
    )
