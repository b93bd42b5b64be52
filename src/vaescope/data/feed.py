"""Any data as batches: tensors, arrays, datasets, loaders and iterators, as people have them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate

from vaescope.data.batch import as_tensor, described, examples, is_array, mapped
from vaescope.data.dataset import Dataset
from vaescope.errors import UsageError

Choice = Callable[[int], Sequence[int]]
"""How many examples a dataset has -> which of them, in which order."""

KINDS = (
    "a tensor or array (n, ...), a dict or tuple of them, a Dataset, a DataLoader, or an iterable of batches (tensors, "
    "tuples whose first element is the input, or dicts of keywords)"
)


@dataclass(frozen=True)
class Feed:
    """Data as batches of examples.

    Attributes:
        batches: gives them anew at each call, where `again`.
        rows: how many examples there are, at most; None where that is not known beforehand.
        again: whether they can be gone through more than once.
        resident: whether each time costs nothing, as of tensors and arrays that are there in any case.
        generators: of the user's, that going through them draws from.
    """

    batches: Callable[[], Iterator[Any]]
    rows: int | None
    again: bool = True
    resident: bool = False
    generators: tuple[torch.Generator, ...] = ()


def feed(data: Any, batch_size: int = 64, n: int | None = None, choice: Choice | None = None) -> Feed:
    """Data in whatever shape they are, as batches.

    Args:
        data: a tensor or array (n, ...), or anything numpy makes one of; a dict or tuple of such, all of one length;
            a `vaescope` dataset; a `torch.utils.data` dataset or anything with a length and an index; a DataLoader,
            a list of batches, an iterator or generator of batches, which are taken as they come.
        batch_size: examples in a batch, where the data are not in batches already.
        n: so many examples at most.
        choice: which examples of a dataset; in their order if None. For all else they are the first ones.

    Raises:
        UsageError: the data are nothing of the kind, their lengths differ, or `n` or `batch_size` is no number.
    """
    for name, number in (("batch_size", batch_size), ("n", n)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1):
            raise UsageError(f"{name}: expected a whole number of at least 1, got {number!r}.")
    if isinstance(data, DataLoader):
        return _of_loader(data, n)
    if isinstance(data, Dataset):
        chosen = _indices(len(data), n, choice)
        return _by_index(lambda rows: torch.from_numpy(data.images(chosen[rows])), len(chosen), batch_size, False)
    if isinstance(data, IterableDataset):
        loader: DataLoader[Any] = DataLoader(data, batch_size=batch_size, collate_fn=_collated)
        return _cut(lambda: iter(loader), None, n, True)
    if isinstance(data, tuple | Mapping):
        return _of_columns(data, batch_size, n)
    if is_array(data):
        length = _bounded(len(data), n)
        return _by_index(lambda rows: as_tensor(data[rows]), length, batch_size)
    if hasattr(data, "__array__"):
        return feed(np.asarray(data), batch_size, n, choice)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, list | str | bytes):
        return _of_items(data, batch_size, n, choice)
    if isinstance(data, Iterator):
        given = data
        return _cut(lambda: given, None, n, False)
    if isinstance(data, Iterable) and not isinstance(data, str | bytes):
        return _cut(lambda: iter(data), None, n, True)
    raise UsageError(f"data: expected {KINDS}, got a {type(data).__name__}.")


def _bounded(length: int, n: int | None) -> int:
    return length if n is None else min(length, n)


def _indices(length: int, n: int | None, choice: Choice | None) -> np.ndarray:
    order = np.arange(length) if choice is None or n is None or n >= length else np.asarray(choice(length))
    return order[: _bounded(length, n)]


def _by_index(take: Callable[[slice], Any], length: int, size: int, resident: bool = True) -> Feed:
    def batches() -> Iterator[Any]:
        for start in range(0, length, size):
            yield take(slice(start, min(start + size, length)))

    return Feed(batches, length, resident=resident)


def _of_columns(data: Any, size: int, n: int | None) -> Feed:
    """Several arrays of one length: (x, y), or what a tokeniser gives."""
    columns = dict(data) if isinstance(data, Mapping) else dict(enumerate(data))
    columns = {k: v if is_array(v) or not isinstance(v, list) else as_tensor(np.asarray(v)) for k, v in columns.items()}
    lengths = {k: len(v) for k, v in columns.items() if is_array(v)}
    if not lengths or len(lengths) < len(columns) or len(set(lengths.values())) > 1:
        found = {k: lengths.get(k, type(v).__name__) for k, v in columns.items()}
        raise UsageError(
            f"data: expected a {'dict' if isinstance(data, Mapping) else 'tuple'} of tensors or arrays with one row an "
            f"example, all of one length, got {found}. Batches are given as a list, an iterator or a DataLoader."
        )

    def take(rows: slice) -> Any:
        cut = {k: as_tensor(v[rows]) for k, v in columns.items()}
        return cut if isinstance(data, Mapping) else tuple(cut.values())

    return _by_index(take, _bounded(next(iter(lengths.values())), n), size)


def _of_items(data: Any, size: int, n: int | None, choice: Choice | None) -> Feed:
    chosen = _indices(len(data), n, choice).tolist()
    loader: DataLoader[Any] = DataLoader(data, size, sampler=cast(Any, chosen), collate_fn=_collated)
    return Feed(lambda: iter(loader), len(chosen))


def _of_loader(loader: DataLoader[Any], n: int | None) -> Feed:
    if loader.persistent_workers and loader.num_workers:  # a loop under way elsewhere would lose its place
        how: dict[str, Any] = {"batch_sampler": loader.batch_sampler}
        if isinstance(loader.dataset, IterableDataset):
            how = {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
        elif loader.batch_sampler is None:
            how = {"batch_size": None, "sampler": loader.sampler}
        loader = DataLoader(loader.dataset, collate_fn=loader.collate_fn, generator=loader.generator, **how)
    rows = None
    if loader.batch_size is not None and not isinstance(loader.dataset, IterableDataset):
        try:
            rows = len(cast(Any, loader.sampler))
            rows -= rows % loader.batch_size if loader.drop_last else 0
        except (TypeError, NotImplementedError):  # a sampler without a length
            rows = None
    samplers = [loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)]
    drawn = {id(g): g for s in (loader, *samplers) if (g := getattr(s, "generator", None)) is not None}
    return _cut(lambda: iter(loader), rows, n, True, tuple(g for g in drawn.values() if isinstance(g, torch.Generator)))


def _cut(
    batches: Callable[[], Iterator[Any]],
    rows: int | None,
    n: int | None,
    again: bool,
    generators: tuple[torch.Generator, ...] = (),
) -> Feed:
    """Batches as they come, until there are n examples."""

    def some() -> Iterator[Any]:
        left = n
        for batch in batches():
            if left is None:
                yield batch
                continue
            count = examples(batch)
            yield batch if count <= left else mapped(batch, lambda v, c=count, k=left: v[:k] if len(v) == c else v)
            left -= min(count, left)
            if not left:
                return

    return Feed(some, rows if rows is None else _bounded(rows, n), again, generators=generators)


def _collated(items: list[Any]) -> Any:
    """Items of a dataset as a batch; lists of numbers, as token ids are, become tensors first."""
    try:
        return default_collate([_listless(item) for item in items])
    except (TypeError, RuntimeError) as error:
        raise UsageError(
            f"data: the items of the dataset, the first of which is {described(items[0])}, make no batch: {error}. "
            "Give a DataLoader with a collate_fn, or a dataset whose transform makes tensors of one size."
        ) from error


def _listless(item: Any) -> Any:
    if isinstance(item, list) and item and all(isinstance(x, int | float) for x in item):
        return torch.tensor(item)
    if isinstance(item, Mapping):
        return {k: _listless(v) for k, v in item.items()}
    return item
