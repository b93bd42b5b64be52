"""A batch of examples: the tensors and arrays in it, how many examples they hold, where they are computed with."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from vaescope.errors import UsageError


def is_array(value: Any) -> bool:
    """Whether it is a tensor or array with an axis of examples: also memory-mapped ones, and those of h5py or zarr."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__")) and len(value.shape) > 0


def arrays(batch: Any) -> Iterator[Any]:
    """Every tensor and array in a batch, in its order."""
    if is_array(batch):
        yield batch
    elif isinstance(batch, Mapping | tuple | list):
        for value in batch.values() if isinstance(batch, Mapping) else batch:
            yield from arrays(value)


def examples(batch: Any) -> int:
    """How many examples a batch has: the length of the first tensor or array in it.

    Raises:
        UsageError: there is none.
    """
    first = next(arrays(batch), None)
    if first is None:
        if hasattr(batch, "__len__"):
            return len(batch)
        raise UsageError(f"data: expected batches with a tensor or an array in them, got {described(batch)}.")
    return len(first)


def bytes_of(batch: Any) -> int:
    """What its arrays take."""
    return sum(int(array.nbytes) for array in arrays(batch))


def described(value: Any) -> str:
    """What a batch is, for a message: types and shapes."""
    if isinstance(value, Tensor | np.ndarray):
        return f"{'a tensor' if isinstance(value, Tensor) else 'an array'} {tuple(value.shape)} of {value.dtype}"
    if isinstance(value, Mapping):
        return "a dict of " + (", ".join(f"{k!r}: {described(v)}" for k, v in value.items()) or "nothing")
    if isinstance(value, tuple | list):
        more = ", ..." if len(value) > 4 else ""
        return f"a {type(value).__name__} of " + (", ".join(map(described, value[:4])) or "nothing") + more
    return f"a {type(value).__name__}"


def as_tensor(value: Any) -> Tensor:
    """An array as a tensor, sharing its memory where that can be written to.

    Raises:
        UsageError: it holds no numbers.
    """
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise UsageError(
            f"data: expected numbers, got an array of {array.dtype} of shape {array.shape}. Texts are tokenised first, "
            "pictures made tensors by a transform."
        )
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(native if native.flags.writeable and min(native.strides, default=0) >= 0 else native.copy())


def mapped(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The batch with each array in it changed; containers become plain ones, but for dicts of a class of their own."""
    if is_array(batch):
        return change(batch)
    if isinstance(batch, Mapping):
        changed = {k: mapped(v, change) for k, v in batch.items()}
        try:
            return changed if type(batch) is dict else cast(Any, type(batch))(changed)
        except TypeError:
            return changed
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(mapped(v, change) for v in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(mapped(v, change) for v in batch)
    return batch


def placed(batch: Any, device: torch.device, floating: torch.dtype) -> Any:
    """The batch with its arrays as tensors on the device; floating ones of the given type, others of their own."""

    def sent(value: Any) -> Any:
        tensor = value if isinstance(value, Tensor) else as_tensor(value)
        return tensor.to(device, floating) if tensor.is_floating_point() else tensor.to(device)

    return mapped(batch, sent)


def cut(batch: Any, count: int) -> Any:
    """The first examples of a batch; None where that is not known to be possible: not all in it has a row for each."""
    n = examples(batch)
    if not _is_plain(batch, n):
        return None
    return mapped(batch, lambda value: value[:count])


def copied(batch: Any) -> Any:
    """The batch with copies of its arrays, for what may be written over."""
    return mapped(batch, lambda v: v.clone() if isinstance(v, Tensor) else np.array(v))


def _is_plain(batch: Any, n: int) -> bool:
    if is_array(batch):
        return len(batch) == n
    if isinstance(batch, Mapping | tuple | list):
        return all(_is_plain(v, n) for v in (batch.values() if isinstance(batch, Mapping) else batch))
    return batch is None
