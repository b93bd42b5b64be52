"""Whether freezing the encoder once it has settled pays: the paper's convolutional β-VAE on dSprites, at equal steps.

    python benchmarks/freezing.py train   [--seeds 0 1 2] [--steps 5000]   # once a seed, never freezing
    python benchmarks/freezing.py freeze  [--seeds 0 1 2] [--steps 5000]   # the same again, frozen at several steps
    python benchmarks/freezing.py table   [--seeds 0 1 2] [--steps 5000]
    python benchmarks/freezing.py --quick                                  # all three, small, and a check

Every condition of a seed is the same training up to the step at which it freezes, bit for bit, so it is continued from
a checkpoint of the run that never freezes instead of being trained anew (`--quick` holds that against a training of its
own). Seconds are those of the process on one core. What the machine's drift would do to them is taken out: at every
freezing step two copies, one frozen and one not, take turns in blocks of steps, and seconds are the steps before times
the one rate plus the steps after times the other. Results go to a file as they come (`--results`); what is in it is not
done again.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from vaescope.data.load import load_dataset
from vaescope.disentanglement import MIG
from vaescope.models.network import NETWORKS, Network, distinct, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward
from vaescope.runs.draw import draw
from vaescope.runs.observation import Observation

BATCH, LATENTS, RATE, PROBE = 64, 10, 1e-4, 256
HELD_OUT, LABELLED, ROWS = 2_000, 10_000, 500
SCRATCH = Path(tempfile.gettempdir()) / "vaescope-benchmarks" / "freezing"


def looked_at(steps: int) -> list[int]:
    """Steps of observations: four a doubling, and every 250."""
    spaced = {round(x) for x in np.geomspace(1, steps, 1 + int(4 * np.log2(steps)))}
    return sorted({0, steps} | spaced | set(range(250, steps + 1, 250)))


@dataclass(frozen=True)
class Data:
    """Images to train on, and others; the same for all seeds."""

    dataset: Any
    training: np.ndarray
    held_out: Tensor
    probe: Tensor
    labelled: tuple[Tensor, np.ndarray]

    @classmethod
    def of(cls, quick: bool) -> "Data":
        dataset = load_dataset("dsprites")
        order = np.random.default_rng([2205, 8399]).permutation(len(dataset))
        ends = np.cumsum([HELD_OUT, PROBE, LABELLED]) if not quick else np.cumsum([200, 64, 300])
        held_out, probe, labelled, training = np.split(order, ends)
        images = lambda rows: torch.from_numpy(dataset.images(rows))  # noqa: E731
        return cls(dataset, training, images(held_out), images(probe), (images(labelled), dataset.factors(labelled)))

    def batch(self, seed: int, step: int) -> Tensor:
        rows = np.random.default_rng([seed, step]).integers(0, len(self.training), BATCH)
        return torch.from_numpy(self.dataset.images(self.training[rows]))


class Training:
    """One network under training, in plain torch.

    Attributes:
        step: steps taken.
        seconds: of the process, on steps alone.
    """

    def __init__(self, seed: int, beta: float, data: Data) -> None:
        self.seed, self.data, self.step, self.seconds = seed, data, 0, 0.0
        self.network = NETWORKS["conv"]((1, 64, 64), LATENTS)
        initialise(self.network, draw("initialise", seed))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.objective = OBJECTIVES["beta_vae"](beta=beta)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=RATE, fused=True)

    def to(self, step: int) -> "Training":
        """Train up to a step."""
        begun = time.process_time()
        while self.step < step:
            images = self.data.batch(self.seed, self.step)
            self.adam.zero_grad(set_to_none=True)
            posterior = self.network.encode(images)
            noise = torch.randn(BATCH, LATENTS, generator=draw("noise", self.seed, self.step))
            codes = sample(posterior, noise)
            forward = Forward(images, self.network.decode(codes), posterior, codes)
            self.objective(forward, self.step).loss.backward()
            self.adam.step()
            self.step += 1
        self.seconds += time.process_time() - begun
        return self

    def state(self) -> dict[str, Tensor]:
        """Weights and moments."""
        found = {k: v.contiguous() for k, v in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            found |= {f"adam.{k}.{name}": v.contiguous() for k, v in self.adam.state.get(parameter, {}).items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor], step: int) -> "Training":
        """Take over what `state` gave at a step."""
        self.network.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("adam.")})
        for name, parameter in self.network.named_parameters() if step else ():
            self.adam.state[parameter] = {
                k: tensors[f"adam.{k}.{name}"]
                if k == "step"
                else torch.empty_like(parameter).copy_(tensors[f"adam.{k}.{name}"])
                for k in ("step", "exp_avg", "exp_avg_sq")
            }
        self.step = step
        return self

    @torch.inference_mode()
    def observation(self) -> Observation:
        """What Live is to see: the layers on the probe images, the wide ones turned onto their principal axes."""
        noise = torch.randn(len(self.data.probe), LATENTS, generator=draw("probe noise", 0))
        found = {name: _turned(v.flatten(1).numpy()) for name, v in self.network.walk(self.data.probe, noise)}
        layers = tuple(layer for layer in distinct(self.network.layers()) if layer.name in found)
        return Observation(self.step, layers, found, found["mean"], found["log_var"])

    @torch.inference_mode()
    def quality(self) -> dict[str, float]:
        """Held-out ELBO in nats (β = 1, whatever it is trained with), its two terms, and MIG of the mean codes."""
        terms = []
        for number, images in enumerate(self.data.held_out.split(ROWS)):
            posterior = self.network.encode(images)
            codes = sample(posterior, torch.randn(posterior.mean.shape, generator=draw("held out", number)))
            of = self.objective(Forward(images, self.network.decode(codes), posterior, codes), self.step)
            terms.append([len(images) * float(of.reconstruction), len(images) * float(of.kl.sum())])
        rebuilt, kl = np.sum(terms, axis=0) / len(self.data.held_out)
        images, factors = self.data.labelled
        means = torch.cat([self.network.encode(rows).mean for rows in images.split(ROWS)])
        mig = MIG().of(means.numpy(), factors)
        return {"elbo": -rebuilt - kl, "reconstruction": rebuilt, "kl": kl, "mig": mig}


def _turned(x: np.ndarray) -> np.ndarray:
    """Inner products kept, in no more columns than there are rows."""
    if x.shape[1] <= len(x):
        return np.array(x, np.float32)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return np.array(vectors * np.sqrt(np.maximum(values, 0)), np.float32)


class Results:
    """What is known so far, by seed and condition, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def put(self, key: str, value: Any) -> None:
        self.known[key] = value
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.known, indent=1))
        part.replace(self.path)


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    seeds: tuple[int, ...]
    steps: int
    beta: float
    folder: Path
    data: Data
    results: Results

    def key(self, seed: int, condition: str) -> str:
        return f"beta={self.beta:g}/steps={self.steps}/seed={seed}/{condition}"

    def checkpoint(self, seed: int, step: int) -> Path:
        return self.folder / f"beta-{self.beta:g}" / f"seed-{seed}" / f"{step}.safetensors"

    def seen(self, seed: int) -> Iterator[Observation]:
        """The observations of the run that never freezes, in order."""
        layers = tuple(distinct(NETWORKS["conv"]((1, 64, 64), LATENTS).layers()))
        for step in looked_at(self.steps):
            with np.load(self.checkpoint(seed, step).with_suffix(".npz")) as file:
                found = {name: file[name] for name in file.files}
            yield Observation(step, layers, found, found["mean"], found["log_var"])


def train(plan: Plan) -> None:
    """The runs that never freeze, with a checkpoint and an observation at each step that Live would look at."""
    for seed in plan.seeds:
        key = plan.key(seed, "never")
        if key in plan.results.known:
            continue
        training = Training(seed, plan.beta, plan.data)
        looking, course = 0.0, {}
        for step in looked_at(plan.steps):
            training.to(step)
            begun = time.process_time()
            seen = training.observation()
            looking += time.process_time() - begun
            file = plan.checkpoint(seed, step)
            file.parent.mkdir(parents=True, exist_ok=True)
            safetensors.torch.save_file(training.state(), file)
            np.savez(file.with_suffix(".npz"), allow_pickle=False, **dict(seen.representations))
            if step and step % 1_000 == 0 or step == plan.steps:
                course[step] = training.quality()
                print(f"seed {seed} step {step:,}: {training.seconds:.0f} s, {course[step]}", flush=True)
        found = {"seconds": training.seconds, "looking": looking, "looks": len(looked_at(plan.steps)), "course": course}
        plan.results.put(key, {**found, **training.quality()})


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["train", "freeze", "table"], default="table")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--beta", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, default=SCRATCH)
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    results = Results(asked.results or asked.folder / "freezing.json")
    data = Data.of(asked.quick)
    plan = Plan(tuple(asked.seeds), asked.steps, asked.beta, asked.folder, data, results)
    if asked.what == "train":
        train(plan)


if __name__ == "__main__":
    sys.exit(main())
