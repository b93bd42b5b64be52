"""The examples two models are shown: read once and held, so that both see the same ones in the same order."""

from typing import Any

import numpy as np

from vaescope.errors import ResourceError, UsageError


def held(data: Any, n: int | None, seed: int, batch_size: int, budget: int) -> Any:
    """Data that any number of models can be shown, each the same examples.

    Tensors, arrays and datasets of `vaescope`, which give the same examples each time, are given back as they are. Of
    anything else (a dataset with random transforms, a DataLoader that
    shuffles, a generator) the batches are read once: both models see what came, though another pass would bring other
    examples, another order or other augmentation. They come as `vaescope.capture` with that seed would read them, and
    all random states are afterwards as they were.

    Args:
        data: what `vaescope.capture` takes.
        n: so many examples at most.
        seed: of what is drawn on the way.
        batch_size: of what does not come in batches.
        budget: bytes to hold at most.

    Raises:
        UsageError: no examples come, or the data are of no kind that is known.
        ResourceError: they do not fit the budget.
    """
    from vaescope.data.batch import bytes_of, examples
    from vaescope.data.dataset import Dataset
    from vaescope.data.feed import feed
    from vaescope.models.randomness import borrowed
    from vaescope.runs.draw import draw

    fed = feed(data, batch_size, n, choice_of(seed))
    if fed.resident or isinstance(data, Dataset):
        return data
    kept, size = [], 0
    with borrowed((), fed.generators) as reseed:
        batches = fed.batches()
        while True:
            reseed(draw("capture data", seed, len(kept)).initial_seed())
            batch = next((batch for batch in batches if examples(batch)), None)
            if batch is None:
                break
            size += bytes_of(batch)
            whole = size if kept or not fed.rows else size * max(1, fed.rows // examples(batch))
            if whole > budget:
                raise ResourceError(
                    f"data: both models must see the same examples, so they are held: at least {whole:,} bytes, more "
                    f"than the {budget:,} there are for them. Give n, the number of examples to take (some 1,000 will "
                    "do), or a larger memory_budget."
                )
            kept.append(batch)
    if not kept:
        raise UsageError("data: no examples came. An iterator that was gone through before is empty: make a new one.")
    return kept


def choice_of(seed: int) -> Any:
    """Length of a dataset -> the order in which `vaescope.capture` with that seed takes its examples."""
    import torch

    from vaescope.runs.draw import draw

    return lambda length: torch.randperm(length, generator=draw("probe", seed)).numpy()


def rows_taken(data: Any, total: int, n: int | None, seed: int) -> np.ndarray | None:
    """Which rows of an array are the examples that a model is shown: those `vaescope.capture` takes of `data`.

    Args:
        data: what the model is shown.
        total: rows of the array.
        n: examples taken; None for all.
        seed: of the choice among the examples of a dataset.
    """
    if n is None or n >= total:
        return None
    arrays = hasattr(data, "shape") or isinstance(data, dict | list | tuple)
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__") and not arrays
    return choice_of(seed)(total)[:n] if indexed or hasattr(data, "image_shape") else np.arange(n)


def shuffles(data: Any) -> bool:
    """Whether it is a DataLoader that gives its examples in an order of its own."""
    kind = type(getattr(data, "sampler", None)).__name__
    return "Random" in kind
