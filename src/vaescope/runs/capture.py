"""What the layers of any model represent: captured by forward hooks, the model as it was afterwards."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from vaescope.data.feed import Feed, examples, feed
from vaescope.errors import ResourceError
from vaescope.models.picking import Selection
from vaescope.models.spatial import Reduction, reduction
from vaescope.progress import Progress
from vaescope.runs.draw import draw
from vaescope.runs.gathered import Rows, must_fit, told, wholes
from vaescope.runs.machine import memory_budget as quarter
from vaescope.runs.passing import Passing


def capture(
    model: nn.Module,
    data: Any,
    layers: Selection = None,
    *,
    reduce: str | Reduction = "flatten",
    n: int | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    batch_size: int = 64,
    memory_budget: int | None = None,
    seed: int = 0,
    evaluation: bool = True,
    progress: Progress | None = None,
) -> dict[str, Float32[np.ndarray, "_ _"]]:
    """Layer -> what it represents."""
    probing = Probing(
        model,
        data,
        layers,
        reduce=reduce,
        n=n,
        forward=forward,
        batch_size=batch_size,
        memory_budget=memory_budget,
        seed=seed,
        evaluation=evaluation,
        progress=progress,
        hold=False,
    )
    return probing.captured()


def capture_batches(
    model: nn.Module,
    data: Any,
    layers: Selection = None,
    *,
    reduce: str | Reduction = "flatten",
    n: int | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    batch_size: int = 64,
    seed: int = 0,
    evaluation: bool = True,
    progress: Progress | None = None,
) -> Iterator[dict[str, Float32[np.ndarray, "_ _"]]]:
    """The same, batch by batch."""
    fed = feed(data, batch_size, n, _choice(seed))
    passing = Passing(model, layers, reduction(reduce), forward, seed, evaluation, progress or Progress())
    first, rest = passing.settle(fed)
    batches = chain([first], rest)

    def stream() -> Iterator[dict[str, Float32[np.ndarray, "_ _"]]]:
        index = 0
        while True:
            found: dict[str, np.ndarray] = {}

            def keep(name: str, matrix: Tensor, found: dict[str, np.ndarray] = found) -> None:
                found[name] = matrix.to("cpu", torch.float32, copy=True).numpy()

            with passing.ready(fed) as one:
                count = one(batches, index, keep)
            if not count:
                return
            yield {wanted.name: found[wanted.name] for wanted in passing.wanted}
            index += 1

    return stream()


class Probing:
    """The same layers of the same examples of one model, again and again as it is trained."""

    def __init__(
        self,
        model: nn.Module,
        data: Any,
        layers: Selection = None,
        *,
        reduce: str | Reduction = "flatten",
        n: int | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
        batch_size: int = 64,
        memory_budget: int | None = None,
        seed: int = 0,
        evaluation: bool = True,
        progress: Progress | None = None,
        hold: bool = True,
    ) -> None:
        self._feed = feed(data, batch_size, n, _choice(seed))
        self._budget = quarter() if memory_budget is None else memory_budget
        self._progress = progress or Progress()
        self._passing = Passing(model, layers, reduction(reduce), forward, seed, evaluation, self._progress)
        first, rest = self._passing.settle(self._feed)
        self.layers = tuple((wanted.name, wanted.width) for wanted in self._passing.wanted)
        if self._feed.rows is not None:
            must_fit(self._passing.wanted, self._feed.rows, self._budget)
        batches = chain([first], rest)
        self._pending: Iterator[Any] | None = batches
        if hold and not self._feed.resident:
            self._hold(batches)

    def _hold(self, batches: Iterator[Any]) -> None:
        """Keep the batches where there is room for them, beside what is captured of them."""
        kept = self._feed.rows or 0
        held = self._passing.collected(
            self._feed, batches, self._budget - sum(w.size(kept) for w in self._passing.wanted)
        )
        self._pending = None
        if held is not None:
            rows = sum(examples(batch) for batch in held)
            must_fit(self._passing.wanted, rows, self._budget)
            self._feed = Feed(lambda: iter(held), rows)
        elif not self._feed.again:
            raise ResourceError(
                f"data: an iterator is gone through once, and its batches take more than the {told(self._budget)} of "
                "memory_budget. Give n, or data that can be read again: a Dataset or a DataLoader."
            )

    def captured(self) -> dict[str, Float32[np.ndarray, "_ _"]]:
        """Layer -> (n, p) float32 of the model as it is now."""
        batches = self._pending if self._pending is not None else iter(self._feed.batches())
        self._pending = None
        wanted = self._passing.wanted
        rows = {w.name: Rows(w, self._feed.rows) for w in wanted}
        self._progress.stage("capture", self._feed.rows or 0)
        index = done = 0
        with self._passing.ready(self._feed) as one:
            while count := one(batches, index, lambda name, matrix: rows[name].add(matrix)):
                index, done = index + 1, done + count
                self._progress.advance(count)
                if self._feed.rows is None:
                    must_fit(wanted, done, self._budget, so_far=True)
        return wholes(rows)


def _choice(seed: int) -> Callable[[int], Any]:
    """Which examples of a dataset: those of a study's probe set with that seed."""
    return lambda length: torch.randperm(length, generator=draw("probe", seed)).numpy()
