"""The probe set: the fixed examples on which all layers of all snapshots are compared."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vaescope.data.dataset import Dataset
from vaescope.errors import UsageError
from vaescope.runs.draw import draw


@dataclass(frozen=True)
class Probe:
    """The examples of one dataset.

    Attributes:
        indices: which examples, (n,), different from one another, in the order of the rows of every representation.
        sha256: of their images as uint8, so that other images under the same indices are noticed.
    """

    indices: Int[np.ndarray, " n"]
    sha256: str


def choose(dataset: Dataset, n: int, seed: int) -> Probe:
    """`n` examples without replacement; those of a smaller `n` are the first of a larger one.

    Raises:
        UsageError: the dataset has fewer than `n` examples.
    """
    if n > len(dataset):
        raise UsageError(
            f"probe.n: {dataset.name} has {len(dataset):,} examples, {n:,} were asked for. Set a smaller probe.n."
        )
    indices = torch.randperm(len(dataset), generator=draw("probe", seed))[:n].numpy().copy()
    return Probe(indices, digest(dataset, indices))


def digest(dataset: Dataset, indices: Int[np.ndarray, " n"]) -> str:
    """SHA-256 of the images of these indices, rounded to bytes."""
    hashed = sha256()
    for start in range(0, len(indices), 1024):
        hashed.update(np.rint(dataset.images(indices[start : start + 1024]) * 255).astype(np.uint8).tobytes())
    return hashed.hexdigest()


def probe_noise(n: int, latents: int, seed: int) -> Float[Tensor, "n d"]:
    """ε of the `sampled` representation: one fixed draw, the same for every snapshot of every run."""
    return torch.randn(n, latents, generator=draw("probe noise", seed))
