"""Real activations to compare: the paper's convolutional VAE on dSprites, at twenty moments of its first 400 steps.

    python benchmarks/activations.py [--quick]

The network is trained once; its snapshots are kept in the system's folder for temporary files. Activations are made
again from a snapshot when they are asked for, and those of one snapshot are in memory at a time: 0.8 GB at n = 2,000.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import safetensors.torch
import torch
from torch import nn

from vaescope.data.load import load_dataset
from vaescope.models.network import NETWORKS, Network, Posterior, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward
from vaescope.runs.draw import draw

STEPS = (0, 1, 2, 4, 7, 10, 15, 20, 30, 40, 55, 70, 90, 110, 140, 170, 210, 260, 320, 400)
QUICK = (0, 10, 20)
BATCH, LATENTS, ROWS = 64, 10, 250
PRIME = 7_919  # strides over the dataset, so that all shapes and places are met
SCRATCH = Path(tempfile.gettempdir()) / "vaescope-benchmarks"


class Activations:
    """The 17 layers of each snapshot on the same n images, made when asked for.

    Attributes:
        steps: the snapshots, as steps of training.
        seconds: time spent so far on forward passes.
    """

    def __init__(self, n: int, steps: tuple[int, ...] = STEPS, folder: Path = SCRATCH) -> None:
        self.steps, self.seconds = steps, 0.0
        self._folder, self._lock = folder, Lock()
        self._last: tuple[int, dict[str, np.ndarray]] = (-1, {})
        _train(steps, folder)
        dataset = load_dataset("dsprites")
        self._images = torch.from_numpy(dataset.images((np.arange(n) + 1) * PRIME * 5 % len(dataset)))

    def layers(self, step: int) -> dict[str, np.ndarray]:
        """Name to (n, p) float32 of one snapshot, in the order of the data; reshaping layers are there as well."""
        with self._lock:
            if self._last[0] != step:
                self._last = (-1, {})
                begun = time.perf_counter()
                self._last = (step, _layers(_load(self._folder, self.steps, step), self._images))
                self.seconds += time.perf_counter() - begun
            return self._last[1]

    def all(self) -> dict[str, Callable[[], np.ndarray]]:
        """What makes each representation, by "step/layer", snapshot by snapshot: ask in this order."""
        names = list(self.layers(self.steps[0]))
        return {f"{step}/{name}": partial(self._one, step, name) for step in self.steps for name in names}

    def _one(self, step: int, name: str) -> np.ndarray:
        return self.layers(step)[name]


def _network() -> Network:
    return NETWORKS["conv"]((1, 64, 64), LATENTS)


def _file(folder: Path, steps: tuple[int, ...], step: int) -> Path:
    return folder / f"conv-{'-'.join(map(str, steps))}" / f"{step}.safetensors"


@torch.inference_mode(False)
def _train(steps: tuple[int, ...], folder: Path) -> None:
    """Leave every snapshot in the folder, unless they all lie there."""
    if all(_file(folder, steps, step).exists() for step in steps):
        return
    _file(folder, steps, 0).parent.mkdir(parents=True, exist_ok=True)
    dataset, objective, network = load_dataset("dsprites"), OBJECTIVES["vae"](), _network()
    initialise(network, draw("initialise", 0))
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    for step in range(steps[-1] + 1):
        if step in steps:
            part = _file(folder, steps, step).with_suffix(".part")
            safetensors.torch.save_file({k: v.contiguous() for k, v in network.state_dict().items()}, part)
            part.replace(_file(folder, steps, step))
        images = torch.from_numpy(dataset.images((np.arange(BATCH) + step * BATCH) * PRIME % len(dataset)))
        adam.zero_grad(set_to_none=True)
        posterior = network.encode(images)
        codes = sample(posterior, torch.randn(posterior.mean.shape, generator=draw("noise", 0, step)))
        objective(Forward(images, network.decode(codes), posterior, codes), step).loss.backward()
        adam.step()


def _load(folder: Path, steps: tuple[int, ...], step: int) -> Network:
    network = _network()
    network.load_state_dict(safetensors.torch.load_file(_file(folder, steps, step)))
    return network.eval()


@torch.inference_mode()
def _layers(network: Network, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Every layer; the decoder is fed with codes sampled with one fixed draw of noise."""
    found = {"input": images.flatten(1).numpy()}

    def through(part: str, modules: nn.Sequential, value: torch.Tensor) -> torch.Tensor:
        for name, module in modules.named_children():
            value = torch.cat([module(rows) for rows in value.split(ROWS)])
            found[f"{part}.{name}"] = value.flatten(1).numpy().copy()
        return value

    hidden = through("encoder", network.encoder, images)
    posterior = Posterior(network.mean(hidden), network.log_var(hidden))
    sampled = sample(posterior, torch.randn(posterior.mean.shape, generator=draw("noise", 0)))
    found |= {"mean": posterior.mean.numpy(), "log_var": posterior.log_var.numpy(), "sampled": sampled.numpy()}
    through("decoder", network.decoder, sampled)
    return found


def main() -> None:
    """Train if that was not done, and print what there is."""
    quick = "--quick" in sys.argv
    activations = Activations(200 if quick else 2_000, QUICK if quick else STEPS)
    for name, values in activations.layers(activations.steps[-1]).items():
        deviation = values.std(axis=0)
        print(f"{name:16} {values.shape[0]:,} x {values.shape[1]:<6,}  dead features {int((deviation == 0).sum()):6,}")
    print(f"{len(activations.steps)} snapshots in {SCRATCH}; forward pass {activations.seconds:.2f} s")


if __name__ == "__main__":
    main()
