"""What keeps a recorder from standing in a training's way."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from operator import index
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor, nn

from vaescope.errors import UsageError, VaescopeError


@contextmanager
def lost(what: str) -> Iterator[list[str]]:
    """Whatever goes wrong meanwhile costs what was to be kept, with a warning, and not the training.

    Args:
        what: was to be kept, e.g. "the look at step 8".

    Yields:
        A list that gets the sentence that says what was lost.
    """
    told: list[str] = []
    try:
        yield told
    except Exception as error:
        said = str(error) if isinstance(error, VaescopeError) else f"{type(error).__name__}: {error}"
        told.append(f"{what[0].upper()}{what[1:]} was lost: {said}")
        with suppress(Exception):  # where warnings are errors, this one must not stop a training either
            warnings.warn(f"vaescope: {what} was lost: {said}", RuntimeWarning, stacklevel=5)


def is_first() -> bool:
    """Whether this process is the one that records; torchrun says so before there is a process group."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() == 0
    return os.environ.get("RANK", "0") == "0" or os.environ.get("WORLD_SIZE", "1") == "1"


def versions(model: nn.Module) -> int:
    """A number that grows when an optimiser changes the weights in place."""
    return sum(parameter._version for parameter in model.parameters() if not parameter.is_inference())


def numbers_of(losses: Mapping[str, SupportsFloat | None]) -> dict[str, float]:
    """What a loop passes as losses, as plain numbers; without those that are None."""
    given = {k: v for k, v in losses.items() if v is not None}
    return {k: float(v.detach()) if isinstance(v, Tensor) else float(v) for k, v in given.items()}


def whole_step(step: SupportsIndex, before: int | None) -> int:
    """The number of steps taken so far, as a plain number.

    Args:
        step: what the loop says.
        before: what it said last; None at first.

    Raises:
        UsageError: it is no whole number of at least 0, or smaller than before.
    """
    taken = -1 if isinstance(step, bool) or not hasattr(step, "__index__") else index(step)
    if taken < 0:
        raise UsageError(f"record: expected the number of steps taken so far, a whole number, got {step!r}.")
    if before is not None and taken < before:
        raise UsageError(
            f"record: step {taken:,} comes after step {before:,}. Count over the whole training, not each epoch."
        )
    return taken
