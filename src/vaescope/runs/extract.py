"""From a snapshot and the probe set to what each layer represents, and to pictures."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vaescope.errors import RepresentationError
from vaescope.models.network import NETWORKS, RESHAPES, Layer, Network, Posterior, distinct, sample
from vaescope.models.network import layers as layers_of
from vaescope.progress import Progress
from vaescope.runs.inputs import dataset_of, probe_of
from vaescope.runs.probe import probe_noise
from vaescope.runs.store import RunFolder, StudyFolder
from vaescope.runs.study import Run

ROWS = 250  # examples a forward pass: large enough for full speed, small enough for little memory
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
    return layers_of(_unfilled(run).to_empty(device="cpu"))


def distinct_layers(run: Run) -> tuple[Layer, ...]:
    """The layers that have a representation of their own: what is compared."""
    return tuple(distinct(layers(run)))


def representations(
    folder: StudyFolder, run: Run, step: int, progress: Progress | None = None
) -> Generator[tuple[str, Float[np.ndarray, "n p"]], None, None]:
    """Every distinct layer of one snapshot on the probe set, in the order of the data, one at a time.

    The decoder is fed from the posterior means, `sampled` is made with one fixed draw of noise. Only the layer at hand
    and the one before it are in memory.

    Yields:
        The layer's name and its representation, (n, p) float32.

    Raises:
        CorruptArtifact: the snapshot is missing or damaged.
    """
    network = load(folder, run, step)
    images = dataset_of(run).images(probe_of(folder, run).indices)
    n = len(images)
    check = (progress or Progress()).check

    value = torch.from_numpy(images)
    yield "input", _flat(value)
    for name, module in network.encoder.named_children():
        value = _through(module, value, check)
        if not isinstance(module, RESHAPES):
            yield f"encoder.{name}", _flat(value)
    posterior = Posterior(_through(network.mean, value, check), _through(network.log_var, value, check))
    yield "mean", _flat(posterior.mean)
    yield "log_var", _flat(posterior.log_var)
    yield "sampled", _flat(sample(posterior, probe_noise(n, run.latents, folder.study.probe.seed)))
    value = posterior.mean
    for name, module in network.decoder.named_children():
        value = _through(module, value, check)
        if not isinstance(module, RESHAPES):
            yield f"decoder.{name}", _flat(value)


def load(folder: StudyFolder, run: Run, step: int) -> Network:
    """The network of a run with the weights of one snapshot, in evaluation mode."""
    weights = RunFolder(folder.path / "runs" / run.id, run).snapshot(step)
    network = _unfilled(run)
    network.load_state_dict(weights, assign=True)
    return network.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def _unfilled(run: Run) -> Network:
    """The network of a run without any weights; making it draws nothing from torch's global generator."""
    with torch.device("meta"):
        return NETWORKS[run.network](dataset_of(run).image_shape, run.latents, **run.network_options)


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


@torch.inference_mode()
def _through(module: torch.nn.Module, value: Tensor, check: Callable[[], None]) -> Tensor:
    """A module applied to all examples, some at a time."""
    whole: Tensor | None = None
    for start in range(0, len(value), ROWS):
        check()
        part = module(value[start : start + ROWS])
        if whole is None:
            whole = torch.empty((len(value), *part.shape[1:]), dtype=part.dtype, memory_format=_format(part))
        whole[start : start + ROWS] = part
    if whole is None:
        raise RepresentationError("there are no examples to pass through the network.", "too_few")
    return whole


def _format(value: Tensor) -> torch.memory_format:
    last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _flat(value: Tensor) -> Float[np.ndarray, "n p"]:
    """Features in the order (h, w, c), the paper's, which is how channels_last keeps them: nothing is copied."""
    return (value.permute(0, 2, 3, 1) if value.dim() == 4 else value).flatten(1).numpy()
