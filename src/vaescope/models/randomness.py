"""The global random states of torch, numpy and Python: borrowed, and given back as they were.

A model draws from them, in a layer that samples or a transform of its data, and nobody can hand it a generator. This is
the one file that sets them: within `borrowed` they are seeded, so that a pass draws the same numbers each time;
afterwards they are as they were, so that a training loop draws what it would have drawn.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

KINDS = frozenset((torch.Generator, np.random.Generator, np.random.RandomState, random.Random))


@contextmanager
def borrowed(devices: Iterable[torch.device], own: Iterable[Any] = ()) -> Iterator[Callable[[int], None]]:
    """Let global random states be seeded, and give them back afterwards, also after an error.

    Args:
        devices: besides the CPU, those whose generators a model may use.
        own: generators of the model or of the data, which are seeded and given back likewise: of torch, numpy
            (`Generator` and `RandomState`) or `random.Random`; anything else is ignored.

    Yields:
        A function that seeds all of them with a number.
    """
    states = [torch.default_generator, *(g for g in map(_of_device, devices) if g is not None)]
    generators = list({id(g): g for g in (*states, *own)}.values())
    before = [state(generator) for generator in generators]
    numpys = np.random.get_state()  # noqa: NPY002
    pythons = random.getstate()

    def seed(number: int) -> None:
        for generator in generators:
            _seeded(generator, number)
        np.random.seed(number % 2**32)  # noqa: NPY002
        random.seed(number)

    try:
        yield seed
    finally:
        for generator, was in zip(generators, before, strict=True):
            restored(generator, was)
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)


def is_generator(value: Any) -> bool:
    """Whether something is a generator of random numbers whose state can be kept."""
    return type(value) in KINDS  # asked of every attribute of every module: `isinstance` takes ten times as long


def _of_device(device: torch.device) -> torch.Generator | None:
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    return torch.mps._get_default_mps_generator() if device.type == "mps" else None


def state(generator: Any) -> Any:
    """The state of a generator, for `restored`; None for anything else."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state()
    return generator.getstate() if isinstance(generator, random.Random) else None


def _seeded(generator: Any, number: int) -> None:
    if isinstance(generator, torch.Generator):
        generator.manual_seed(number)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(number).state
    elif isinstance(generator, np.random.RandomState):
        generator.seed(number % 2**32)
    elif isinstance(generator, random.Random):
        generator.seed(number)


def restored(generator: Any, was: Any) -> None:
    """Give a generator the state it had."""
    if isinstance(generator, torch.Generator):
        generator.set_state(was)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = was
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(was)
    elif isinstance(generator, random.Random):
        generator.setstate(was)
