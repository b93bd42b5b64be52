"""Examples of any form brought together: tensors whose rows can be taken again and again."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from vaescope.errors import UsageError
from vaescope.models.outputs import described

Batch: TypeAlias = Any
"""A tensor (n, ...), or a tuple, list or dict of such: what a data loader yields."""

MOST = 100_000


def gathered(data: Any, n: int | None = None) -> Batch:
    """The first examples, one batch of them all.

    Args:
        data: an array or tensor (n, ...); a tuple, list or dict of them; a Dataset, as it collates by default; a
            DataLoader or any other iterable of batches, read from its beginning.
        n: how many examples at most; all if None.

    Raises:
        UsageError: there are none, more than can be held without saying how many, or parts differ in number.
    """
    most = MOST if n is None else n
    if isinstance(data, Tensor | np.ndarray | Mapping) or _is_batch(data):
        found = rows(_tensors(data), slice(0, n))
    elif isinstance(data, Dataset) and not isinstance(data, Iterable):
        found = _joined(_collated(data, most), most)
    elif isinstance(data, DataLoader | Iterable):
        found = _joined(data, most)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        found = _joined(_collated(data, most), most)
    else:
        raise UsageError(f"data: expected an array, a tensor, a Dataset or batches of one, got {described(data)}.")
    if n is None and length(found) >= MOST:
        raise UsageError(f"data: more than {MOST:,} examples; say how many are to be looked at, e.g. n=1500.")
    return found


def length(batch: Batch) -> int:
    """How many examples a batch has.

    Raises:
        UsageError: none, or parts of different number.
    """
    counts = {len(tensor) for tensor in _leaves(batch)}
    if len(counts) != 1 or counts == {0}:
        raise UsageError(f"data: expected parts with the same examples, at least one, got {described(batch)}.")
    return counts.pop()


def rows(batch: Batch, which: Any) -> Batch:
    """Some examples of a batch, by a slice or their places."""
    return _mapped(batch, lambda tensor: tensor[which])


def sent_to(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    return _mapped(batch, lambda tensor: tensor.to(device))


def _mapped(batch: Batch, does: Callable[[Tensor], Tensor]) -> Batch:
    if isinstance(batch, Tensor):
        return does(batch)
    if isinstance(batch, Mapping):
        return {key: _mapped(value, does) for key, value in batch.items()}
    return tuple(_mapped(value, does) for value in batch)


def _leaves(batch: Batch) -> list[Tensor]:
    if isinstance(batch, Tensor):
        return [batch]
    inner = batch.values() if isinstance(batch, Mapping) else batch
    return [leaf for value in inner for leaf in _leaves(value)]


def _is_batch(data: Any) -> bool:
    return isinstance(data, tuple | list) and bool(data) and all(isinstance(x, Tensor | np.ndarray) for x in data)


def _tensors(batch: Any) -> Batch:
    if isinstance(batch, Tensor):
        return batch.detach()
    if isinstance(batch, np.ndarray):
        values = torch.from_numpy(np.ascontiguousarray(batch))
        return values.float() if values.dtype == torch.float64 else values
    if isinstance(batch, Mapping):
        return {key: _tensors(value) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(_tensors(value) for value in batch)
    raise UsageError(f"data: expected batches of tensors or arrays, got {described(batch)} in one.")


def _collated(data: Any, most: int) -> Iterable[Any]:
    count = min(len(data), most)
    return (default_collate([data[k] for k in range(start, min(start + 256, count))]) for start in range(0, count, 256))


def _joined(batches: Iterable[Any], most: int) -> Batch:
    kept, count = [], 0
    for batch in batches:
        kept.append(_tensors(batch))
        count += length(kept[-1])
        if count >= most:
            break
    if not kept:
        raise UsageError("data: expected at least one batch, got none. An iterator can be read only once.")
    return rows(_concatenated(kept), slice(0, most))


def _concatenated(batches: list[Batch]) -> Batch:
    first = batches[0]
    if isinstance(first, Tensor):
        return torch.cat(batches)
    if isinstance(first, Mapping):
        return {key: _concatenated([batch[key] for batch in batches]) for key in first}
    return tuple(_concatenated(list(parts)) for parts in zip(*batches, strict=True))
