"""Which examples each step of a run sees."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer

from vaescope.data.dataset import Dataset
from vaescope.errors import UsageError
from vaescope.runs.draw import draw
from vaescope.runs.study import Run

AT_ONCE = 8  # batches made in one call: datasets work best on many indices


def batches(run: Run, dataset: Dataset, start: int, purpose: str = "order") -> Iterator[Float[np.ndarray, "b c h w"]]:
    """The batch of each step from `start` to the last one and one beyond, float32 in [0, 1].

    The batch of a step is the same wherever one starts.

    Args:
        run: says how many examples a batch has, and their order.
        dataset: where they come from.
        start: the first step.
        purpose: of the draws of the order, which is another one for every purpose.

    Raises:
        UsageError: the dataset is too small for one batch.
    """
    order = Order(run, len(dataset), purpose)
    for first in range(start, run.steps + 1, AT_ONCE):
        count = min(AT_ONCE, run.steps + 1 - first)
        yield from np.split(dataset.images(order.examples(first, count)), count)


class Order:
    """The examples of every step: pass after pass over the training examples, each in a random order of its own.

    Shuffled, a batch that meets the end of one pass is filled from the next. Contiguous, the data are cut into slices
    of one batch each, a rest that fills none is not used, and a pass is an order of the slices.

    Args:
        run: says which, and how large a batch is.
        total: examples of the dataset.
        purpose: of the draws.

    Attributes:
        trained_on: how many examples the run is trained on.

    Raises:
        UsageError: there is not one batch to train on.
    """

    def __init__(self, run: Run, total: int, purpose: str = "order") -> None:
        self._run, self._purpose = run, purpose
        self._contiguous = run.batches["order"] == "contiguous"
        self._size = run.batch_size if self._contiguous else 1
        self._units = total // self._size
        self._kept = self._units - int(self._units * float(run.batches["held_out"]))
        self.trained_on = self._kept * self._size
        if not self._kept:
            raise UsageError(
                f"{run.dataset} has {total:,} examples, of which batch_size={run.batch_size} and "
                f"batches.held_out={run.batches['held_out']} leave none to train on. Set a smaller one."
            )
        self._epoch, self._pass = -1, np.empty(0, np.int32)

    def examples(self, first: int, count: int) -> Int64[np.ndarray, " k"]:
        """The indices of `count` steps from step `first` on, (count x batch size,)."""
        a_step = self._run.batch_size // self._size
        position, end = first * a_step, (first + count) * a_step
        parts = []
        while position < end:
            self._turn_to(position // self._kept)
            parts.append(self._pass[position % self._kept :][: end - position])
            position += len(parts[-1])
        units = np.concatenate(parts).astype(np.int64)
        return units if self._size == 1 else (units[:, None] * self._size + np.arange(self._size)).ravel()

    def _turn_to(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        run = self._run
        self._epoch = epoch
        self._pass = _shuffled(self._kept, self._purpose, run.seed, epoch)
        if self._kept < self._units and not self._contiguous:  # slices are held out at the end, examples at random
            kept = _shuffled(self._units, "split", run.seed)[: self._kept]
            self._pass = kept[self._pass]


def _shuffled(count: int, purpose: str, *key: int) -> Integer[np.ndarray, " k"]:
    """0 to count - 1 in random order; in 32 bits where these are enough, the same order in half the memory."""
    kind = torch.int32 if count < 2**31 else torch.int64
    return torch.randperm(count, generator=draw(purpose, *key), dtype=kind).numpy()
