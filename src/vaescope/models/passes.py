"""All examples through a module, some at a time."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vaescope.errors import RepresentationError

ROWS = 250  # examples a forward pass: large enough for full speed, small enough for little memory


@torch.inference_mode()
def passed(module: nn.Module, value: Tensor, check: Callable[[], None]) -> Tensor:
    """What a module makes of all examples (n, ...), in the memory layout in which it gives them.

    Args:
        module: gives one row for each it is given.
        value: all examples.
        check: called before each part; it may raise to end the pass.

    Raises:
        RepresentationError: there are no examples.
    """
    whole: Tensor | None = None
    for start in range(0, len(value), ROWS):
        check()
        part = module(value[start : start + ROWS])
        if whole is None:
            whole = torch.empty((len(value), *part.shape[1:]), dtype=part.dtype, memory_format=_format(part))
        whole[start : start + ROWS] = part
    if whole is None:
        raise RepresentationError("there are no examples to pass through the network.", "too_few")
    return whole


def _format(value: Tensor) -> torch.memory_format:
    last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
