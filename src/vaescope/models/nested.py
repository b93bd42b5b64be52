"""What a module returns besides a tensor: tuples, dicts, dataclasses, distributions, and the tensors in them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from torch import Tensor, distributions

Step = tuple[Literal["item", "attribute"], Any]
"""One step into a nested value: `value[key]`, or `value.name`."""

Steps = tuple[Step, ...]
DEEPEST = 8


def leaves(value: Any, deepest: int = DEEPEST) -> Iterator[tuple[Steps, Tensor]]:
    """Each tensor in what a module returned, and the way to it, in order.

    Looked into are mappings (the outputs of transformers and diffusers among them), named tuples, tuples, lists,
    dataclasses, distributions, and the tensors that any other object has as attributes.

    >>> import torch
    >>> [suffix(steps) for steps, _ in leaves((torch.ones(2), {"mean": torch.ones(2), "log_var": None}))]
    ['[0]', '[1][mean]']
    """
    if isinstance(value, Tensor):
        yield (), value
    elif deepest:
        for step, inner in _inside(value):
            for steps, tensor in leaves(inner, deepest - 1):
                yield (step, *steps), tensor


def suffix(steps: Steps) -> str:
    """The way to a tensor as it is written in the name of a layer: "[0]", "[latent][mean]"; "" for the value itself."""
    return "".join(f"[{key}]" for _, key in steps)


def at(value: Any, steps: Steps) -> Any:
    """What is at the end of a way; None where it ends before."""
    for kind, key in steps:
        try:
            value = value[key] if kind == "item" else getattr(value, key)
        except (KeyError, IndexError, TypeError, AttributeError):
            return None
    return value


def _inside(value: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield ("item", key), inner
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name, inner in zip(value._fields, value, strict=True):  # type: ignore[attr-defined]
            yield ("attribute", name), inner
    elif isinstance(value, tuple | list):
        for position, inner in enumerate(value):
            yield ("item", position), inner
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield ("attribute", field.name), getattr(value, field.name, None)
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        for name, inner in vars(value).items():
            if isinstance(inner, Tensor | distributions.Distribution):
                yield ("attribute", name), inner
