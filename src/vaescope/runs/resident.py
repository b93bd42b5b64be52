"""The images of a dataset kept on the device, so that a step fetches none."""

from collections.abc import Iterator
from threading import Lock

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from vaescope.data.dataset import Dataset
from vaescope.progress import Progress
from vaescope.runs.batches import AT_ONCE, Order
from vaescope.runs.device import free_bytes, sent
from vaescope.runs.study import Run

SHARE = 0.5  # of the free memory of a device that a dataset may take
MOST = 2  # datasets kept on devices at a time: that of the runs that end, and that of those that begin
BLOCK = 4096
LEVELS = np.arange(256, dtype=np.float32) / np.float32(255)

_kept: "dict[tuple[str, ...], Resident | None]" = {}
_lock = Lock()


class Resident:
    """Images as one byte a channel of a pixel, on a device; each byte k stands for the float32 nearest to k / 255.

    Args:
        levels: (n, c, h, w), on the device.
    """

    def __init__(self, levels: UInt8[Tensor, "n c h w"]) -> None:
        self._levels = levels
        self.device = levels.device
        # Looked up rather than divided: CUDA multiplies by 1 / 255 instead, which has other last bits.
        self._values = torch.from_numpy(LEVELS).to(self.device)

    def images(self, indices: Int64[np.ndarray, " k"]) -> Float[Tensor, "k c h w"]:
        """The same numbers as the dataset's `images`, bit for bit, on the device."""
        found = self._levels.index_select(0, sent(torch.from_numpy(indices), self.device))
        return self._values.index_select(0, found.flatten().int()).view(found.shape)

    def batches(self, run: Run, start: int, purpose: str = "order") -> Iterator[Float[Tensor, "b c h w"]]:
        """The batches that `vaescope.runs.batches.batches` gives, on the device."""
        order = Order(run, len(self._levels), purpose)
        for first in range(start, run.steps + 1, AT_ONCE):
            count = min(AT_ONCE, run.steps + 1 - first)
            yield from self.images(order.examples(first, count)).split(run.batch_size)


def resident(
    dataset: Dataset, device: torch.device, progress: Progress | None = None, most_bytes: int | None = None
) -> Resident | None:
    """The images of a dataset on a device; None where they do not fit, or are not of 256 levels.

    Every image is compared with what it is kept as.

    Args:
        dataset: read once, from the first image to the last.
        device: where to.
        progress: asked at every block whether to stop.
        most_bytes: how much it may take; by default half of what is free on a CUDA device, nothing on others.

    Raises:
        Interrupted: a stop was asked for.
    """
    progress = progress or Progress()
    most = int(SHARE * free_bytes(device)) if most_bytes is None else most_bytes
    shape = (len(dataset), *dataset.image_shape)
    if int(np.prod(shape, dtype=np.int64)) > most:
        return None
    sample = np.linspace(0, len(dataset) - 1, min(64, len(dataset))).astype(np.int64)
    if _levels_of(dataset.images(sample)) is None:
        return None
    kept = torch.empty(shape, dtype=torch.uint8, device=device)
    for first in range(0, len(dataset), BLOCK):
        progress.check()
        levels = _levels_of(dataset.images(np.arange(first, min(first + BLOCK, len(dataset)))))
        if levels is None:
            return None
        kept[first : first + len(levels)] = torch.from_numpy(levels).to(device)
    return Resident(kept)


def resident_once(dataset: Dataset, device: torch.device, progress: Progress) -> Resident | None:
    """`resident`, made once for all runs of this process on the dataset and the device; None on the CPU.

    Datasets are told apart by name and fingerprint.
    """
    if device.type == "cpu":
        return None
    key = (dataset.name, dataset.fingerprint, str(device))
    with _lock:
        if key not in _kept:
            while len(_kept) >= MOST:
                del _kept[next(iter(_kept))]
            _kept[key] = resident(dataset, device, progress)
        return _kept[key]


def _levels_of(images: Float[np.ndarray, "n c h w"]) -> UInt8[np.ndarray, "n c h w"] | None:
    """The byte of each value; None if one is not exactly one of the 256 levels."""
    levels = np.rint(np.clip(np.nan_to_num(images), 0, 1) * np.float32(255)).astype(np.uint8)
    same = LEVELS[levels].view(np.int32) == np.ascontiguousarray(images).view(np.int32)
    return levels if same.all() else None
