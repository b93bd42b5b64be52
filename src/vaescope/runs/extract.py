"""From a snapshot and the probe set to what each layer represents, and to pictures."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.making import filled, unfilled
from vaescope.models.network import NETWORKS, Layer, Network, Part, distinct
from vaescope.progress import Progress
from vaescope.runs.inputs import dataset_of, image_shape_of, probe_of
from vaescope.runs.learner import BESIDE
from vaescope.runs.probe import probe_noise
from vaescope.runs.store import RunFolder, StudyFolder
from vaescope.runs.study import Run

EXAMPLES = 8
TRAVERSAL = (-2.0, -4 / 3, -2 / 3, 0.0, 2 / 3, 4 / 3, 2.0)


@dataclass(frozen=True)
class Pictures:
    """What a snapshot makes of images, as bytes 0 to 255.

    Attributes:
        originals: the first examples of the probe set, (k, c, h, w).
        reconstructions: each decoded from its posterior mean, (k, c, h, w).
        traversals: the first example with one latent at a time set to each of `values`, (latents, values, c, h, w).
        values: the values of a latent along a traversal, in prior standard deviations.
    """

    originals: UInt8[np.ndarray, "k c h w"]
    reconstructions: UInt8[np.ndarray, "k c h w"]
    traversals: UInt8[np.ndarray, "d v c h w"]
    values: tuple[float, ...]


def layers(run: Run) -> tuple[Layer, ...]:
    """Every layer of a run's network in order; those that only reshape another say so in `same_as`."""
    if run.recorded is not None:
        return tuple(Layer(name, cast(Part, part), features) for name, part, features in run.recorded.layers)
    network = unfilled(NETWORKS[run.network], image_shape_of(run), run.latents, run.network_options)
    try:
        return network.layers()
    except (NotImplementedError, RuntimeError):  # a layer of a user's own that looks at values, which "meta" has not
        return network.to_empty(device="cpu").layers()


def distinct_layers(run: Run) -> tuple[Layer, ...]:
    """The layers that have a representation of their own: what is compared."""
    return tuple(distinct(layers(run)))


def representations(
    folder: StudyFolder, run: Run, step: int, progress: Progress | None = None
) -> Generator[tuple[str, Float[np.ndarray, "n p"]], None, None]:
    """Every distinct layer of one snapshot on the probe set, in the order of the data, one at a time.

    Those of a recorded run are read as they were kept. Of others, the decoder is fed from the posterior means, and
    `sampled` is made with one fixed draw of noise. Only the layer at hand and the one before it are in memory, or as
    many of a user's own network as `Pair.walk` says.

    Yields:
        The layer's name and its representation, (n, p) float32.

    Raises:
        CorruptArtifact: the snapshot is missing or damaged.
        UsageError: the snapshot is of another network than there is now.
    """
    if run.recorded is not None:
        yield from recorded(folder, run, step)
        return
    network = load(folder, run, step)
    indices = probe_of(folder, run).indices
    noise = probe_noise(len(indices), run.latents, folder.study.probe.seed)
    check = (progress or Progress()).check
    for name, value in network.walk(torch.from_numpy(dataset_of(run).images(indices)), noise, check):
        yield name, flat(value)


def recorded(folder: StudyFolder, run: Run, step: int) -> Generator[tuple[str, Float[np.ndarray, "n p"]], None, None]:
    """What a `Recorder` kept of every layer at one step, in order; wide ones on their principal axes."""
    kept = folder.run(run.id).snapshot(step)
    for layer in layers(run):
        yield layer.name, kept.pop(layer.name).numpy()


def load(folder: StudyFolder, run: Run, step: int) -> Network:
    """The network of a run with the weights of one snapshot, in evaluation mode.

    Raises:
        UsageError: the run was recorded, so only its owner has the network.
    """
    if run.recorded is not None:
        raise UsageError(f"run {run.id} was recorded: its network is not here, only what its layers represent.")
    kept = RunFolder(folder.path / "runs" / run.id, run).snapshot(step)
    weights = {k: v for k, v in kept.items() if not k.startswith(BESIDE)}
    return filled(NETWORKS[run.network], image_shape_of(run), run.latents, run.network_options, weights)


@torch.inference_mode()
def pictures(folder: StudyFolder, run: Run, step: int) -> Pictures:
    """Reconstructions and latent traversals of one snapshot.

    Raises:
        CorruptArtifact: the snapshot is missing or damaged.
    """
    network = load(folder, run, step)
    originals = dataset_of(run).images(probe_of(folder, run).indices[:EXAMPLES])
    mean = network.encode(torch.from_numpy(originals)).mean
    codes = mean[0].repeat(run.latents, len(TRAVERSAL), 1)
    for latent in range(run.latents):
        codes[latent, :, latent] = torch.tensor(TRAVERSAL)
    traversals = network.decode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return Pictures(
        originals=np.rint(originals * 255).astype(np.uint8),
        reconstructions=_bytes(network.decode(mean)),
        traversals=_bytes(traversals),
        values=TRAVERSAL,
    )


def _bytes(logits: Tensor) -> UInt8[np.ndarray, "..."]:
    return (logits.sigmoid() * 255).round().to(torch.uint8).numpy()


def flat(value: Tensor) -> Float[np.ndarray, "n p"]:
    """(n, p), features in the order (h, w, c), the paper's and that of channels_last: nothing is copied."""
    return (value.permute(0, 2, 3, 1) if value.dim() == 4 else value).flatten(1).numpy()
