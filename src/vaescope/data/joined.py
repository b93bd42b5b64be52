"""Examples brought together in one batch, whose rows can be taken again and again."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vaescope.data.batch import arrays, as_tensor, described, mapped
from vaescope.data.feed import Choice, feed
from vaescope.errors import UsageError

MOST = 100_000


def joined(data: Any, n: int | None = None, choice: Choice | None = None) -> Any:
    """All examples as one batch of tensors: a tensor, a tuple or a dict of them, as the data's batches are.

    Args:
        data: what `vaescope.capture` takes.
        n: so many examples at most; all if None.
        choice: which examples of a dataset.

    Raises:
        UsageError: there are none, or more than can be held without saying how many; parts differ in number.
    """
    kept, count = [], 0
    for batch in feed(data, 256, n, choice).batches():
        kept.append(_tensors(batch))
        count += length(kept[-1])
        if n is None and count > MOST:
            raise UsageError(f"data: more than {MOST:,} examples; say how many are to be looked at, e.g. n=1500.")
    if not kept:
        raise UsageError("data: expected at least one example, got none. An iterator that was gone through is empty.")
    return _concatenated(kept)


def length(batch: Any) -> int:
    """How many examples a batch has.

    Raises:
        UsageError: none, or parts of different number.
    """
    counts = {len(part) for part in arrays(batch)}
    if len(counts) != 1 or counts == {0}:
        raise UsageError(f"data: expected parts with the same examples, at least one, got {described(batch)}.")
    return counts.pop()


def rows(batch: Any, which: Any) -> Any:
    """Some examples of a batch, by a slice or their places."""
    return mapped(batch, lambda tensor: tensor[which])


def _tensors(batch: Any) -> Any:
    """Arrays as tensors, of float32 where they are of float64, and lists as tuples."""
    if isinstance(batch, list):
        batch = tuple(batch)

    def one(value: Any) -> Tensor:
        tensor = as_tensor(value).detach()
        return tensor.float() if tensor.dtype == torch.float64 else tensor

    return mapped(batch, one)


def _concatenated(batches: list[Any]) -> Any:
    first = batches[0]
    if isinstance(first, Tensor):
        return torch.cat(batches)
    if isinstance(first, Mapping):
        return {key: _concatenated([batch[key] for batch in batches]) for key in first}
    return tuple(_concatenated(list(parts)) for parts in zip(*batches, strict=True))
