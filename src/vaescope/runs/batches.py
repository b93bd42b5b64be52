"""Which examples each step of a run sees."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float

from vaescope.data.dataset import Dataset
from vaescope.runs.draw import draw
from vaescope.runs.study import Run

AT_ONCE = 8  # batches made in one call: datasets work best on many indices


def batches(run: Run, dataset: Dataset, start: int) -> Iterator[Float[np.ndarray, "b c h w"]]:
    """The batch of each step from `start` to the last one and one beyond, float32 in [0, 1].

    Pass after pass over the data, each in its own random order (drawn by seed and pass); a batch that meets the end of
    one pass is filled from the next. The batch of a step is the same wherever one starts.
    """
    size, total = run.batch_size, len(dataset)
    order, epoch = np.empty(0, dtype=np.int64), -1
    for first in range(start, run.steps + 1, AT_ONCE):
        position = first * size
        end = position + size * min(AT_ONCE, run.steps + 1 - first)
        parts = []
        while position < end:
            if position // total != epoch:
                epoch = position // total
                order = torch.randperm(total, generator=draw("order", run.seed, epoch)).numpy()
            parts.append(order[position - epoch * total :][: end - position])
            position += len(parts[-1])
        images = dataset.images(np.concatenate(parts))
        yield from np.split(images, len(images) // size)
