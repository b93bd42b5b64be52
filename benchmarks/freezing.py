"""Whether freezing the encoder once it has settled pays: the paper's convolutional β-VAE on dSprites, at equal steps.

    python benchmarks/freezing.py train   [--seeds 0 1 2] [--steps 5000]   # once a seed, never freezing
    python benchmarks/freezing.py freeze  [--seeds 0 1 2] [--steps 5000]   # the same again, frozen at several steps
    python benchmarks/freezing.py stopped [--seeds 0 1 2] [--steps 5000]   # and how far never freezing is in their time
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
from vaescope.freezing import FreezeSettled
from vaescope.models.network import NETWORKS, distinct, initialise, sample
from vaescope.models.objective import OBJECTIVES, Forward
from vaescope.runs.draw import draw
from vaescope.runs.observation import Observation
from vaescope.stats.certainty.intervals import over_seeds
from vaescope.stats.live.live import Live

BATCH, LATENTS, RATE, PROBE = 64, 10, 1e-4, 256
HELD_OUT, LABELLED, ROWS = 2_000, 10_000, 500
LEVELS = (0.98, 0.95, 0.9)  # of FreezeSettled; the first is what Live takes by itself
TURNS, IN_TURN = 4, 20  # blocks of steps over which rates are measured
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
        self.objective = OBJECTIVES["beta_vae"](**{"beta": beta})
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
            if (step and step % 1_000 == 0) or step == plan.steps:
                course[step] = training.quality()
                print(f"seed {seed} step {step:,}: {training.seconds:.0f} s, {course[step]}", flush=True)
        found = {"seconds": training.seconds, "looking": looking, "looks": len(looked_at(plan.steps)), "course": course}
        plan.results.put(key, {**found, **training.quality()})


def settles(plan: Plan, seed: int, level: float) -> int | None:
    """The step at which FreezeSettled freezes the encoder: the first at which Live says that it has settled."""
    key = plan.key(seed, f"settles/{level:g}")
    if key not in plan.results.known:
        live, spent, step = Live(level=level), [], None
        for observation in plan.seen(seed):
            begun = time.process_time()
            live.observe(observation)
            spent.append(time.process_time() - begun)
            if step is None and "encoder" in live.settled:
                step = observation.step
        floors = {name: look.start.value for name, look in live.looks.items()}
        plan.results.put(key, {"step": step, "live": spent, "floors": floors, "since": _since(live)})
    return plan.results.known[key]["step"]


def _since(live: Live) -> dict[str, int]:
    return {name: int(answer.since or 0) for name, answer in live.settled.items()}


def conditions(plan: Plan, seed: int) -> dict[str, int | None]:
    """When to freeze, by condition: as FreezeSettled says, and at two random steps that look at nothing.

    These are uniform over the last three quarters of the training: about where FreezeSettled freezes at level .95.
    """
    at, rng = np.array(looked_at(plan.steps)), np.random.default_rng([2205, 8399, seed])
    drawn = {f"random {k}": plan.steps * rng.uniform(0.25, 1) for k in (1, 2)}
    *most, last = [(f"settled, level {level:g}", settles(plan, seed, level)) for level in LEVELS]
    return {**dict(most), **{name: int(at[np.abs(at - step).argmin()]) for name, step in drawn.items()}, **dict([last])}


def restored(plan: Plan, seed: int, step: int) -> Training:
    """The run that never freezes, as it was at a step."""
    tensors = safetensors.torch.load_file(plan.checkpoint(seed, step))
    return Training(seed, plan.beta, plan.data).restore(tensors, step)


def freeze(plan: Plan) -> None:
    """The same runs, with the encoder frozen at the step of each condition."""
    for condition in conditions(plan, plan.seeds[0]):
        for seed in plan.seeds:
            key, step = plan.key(seed, condition), conditions(plan, seed)[condition]
            if key in plan.results.known:
                continue
            if step is None or step >= plan.steps:
                plan.results.put(key, {"step": None})
                continue
            training, free = restored(plan, seed, step), restored(plan, seed, step)
            freezer = FreezeSettled(training.adam)
            said = [answer.text for answer in freezer.freeze(training.network, "encoder", step)]
            rates = _rates(training, free, plan.steps)
            training.to(plan.steps)
            plan.results.put(key, {"step": step, "said": said, "rates": rates, **training.quality()})
            print(f"seed {seed}, {condition}: {plan.results.known[key]}", flush=True)


def _rates(frozen: Training, free: Training, last: int) -> dict[str, float]:
    """Seconds a step of both, in turns; the frozen one is further on in its training afterwards."""
    spent: dict[str, list[float]] = {"frozen": [], "free": []}
    for _ in range(TURNS):
        for name, training in (("frozen", frozen), ("free", free)):
            steps, before = min(IN_TURN, last - training.step), training.seconds
            training.to(training.step + steps)
            spent[name] += [(training.seconds - before) / steps] if steps else []
    return {name: float(np.median(values)) for name, values in spent.items()}


def stopped(plan: Plan) -> None:
    """What never freezing has reached in the time of each frozen run, if it is stopped then."""
    at = np.array(looked_at(plan.steps))
    for key, one in list(plan.results.known.items()):
        if (
            not key.startswith(plan.key(0, "")[: plan.key(0, "").index("seed")])
            or "rates" not in one
            or "stopped" in one
        ):
            continue
        seed = int(key.split("seed=")[1].split("/")[0])
        step = one["step"] + one["rates"]["frozen"] / one["rates"]["free"] * (plan.steps - one["step"])
        nearest = int(at[np.abs(at - step).argmin()])
        reached = restored(plan, seed, nearest).quality()
        plan.results.put(key, {**one, "stopped": {"wanted": step, "step": nearest, **reached}})


COLUMNS = {"step": 0, "saved": 1, "elbo": 2, "delbo": 2, "early": 2, "mig": 4, "dmig": 4}
TITLES = (
    *("frozen", "did", "at step", "CPU time saved, %", "ELBO", "less that of never"),
    *("less that of never stopped after the same time", "MIG", "less that of never"),
)


def table(plan: Plan) -> str:
    """What came of it, a row a condition; runs in which nothing settled count as what they are: never frozen."""
    rows = [f"| {' | '.join(TITLES)} |", "|---" * len(TITLES) + "|"]
    for condition in ("never", *conditions(plan, plan.seeds[0])):
        known = {seed: plan.results.known.get(plan.key(seed, condition)) for seed in plan.seeds}
        done = [_outcome(plan, seed, condition, one) for seed, one in known.items() if one is not None]
        if not done:
            continue
        froze = sum(one["step"] < plan.steps for one in done)
        cells = [_mean([one[name] for one in done if name in one], digits) for name, digits in COLUMNS.items()]
        rows.append(f"| {condition} | {froze} of {len(done)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _outcome(plan: Plan, seed: int, condition: str, one: Mapping[str, Any]) -> dict[str, float]:
    """A row of one seed."""
    base, steps = plan.results.known[plan.key(seed, "never")], plan.steps
    step = one.get("step") or steps
    ratio = one["rates"]["frozen"] / one["rates"]["free"] if "rates" in one else 1.0
    spent = base["seconds"] * (step + ratio * (steps - step)) / steps
    if condition.startswith("settled"):  # until it is frozen it must be looked at
        looks = sum(s <= step for s in looked_at(steps))
        live = plan.results.known[plan.key(seed, f"settles/{condition.rsplit(' ', 1)[1]}")]["live"]
        spent += sum(live[:looks]) + base["looking"] * looks / base["looks"]
    reached = one if "elbo" in one else base
    found = {
        "step": step,
        "saved": 100 * (1 - spent / base["seconds"]),
        "elbo": reached["elbo"],
        "delbo": reached["elbo"] - base["elbo"],
        "mig": reached["mig"],
        "dmig": reached["mig"] - base["mig"],
    }
    return found | ({"early": reached["elbo"] - one["stopped"]["elbo"]} if "stopped" in one else {})


def _mean(values: list[float], digits: int) -> str:
    """The mean over seeds with its 95 % interval; the values where there are fewer than three, or all alike."""
    if len(values) < 3 or max(values) == min(values):
        return "; ".join(f"{value:,.{digits}f}" for value in dict.fromkeys(values))
    found = over_seeds(np.array(values, float))
    return f"{float(found.value):,.{digits}f} ({float(found.low):,.{digits}f} to {float(found.high):,.{digits}f})"


def straight(plan: Plan, seed: int, level: float) -> tuple[Training, int]:
    """A training with Live and FreezeSettled from the first step on, and the step at which it froze."""
    training = Training(seed, plan.beta, plan.data)
    live = Live(level=level, patience=1, highest_floor=1 - 1e-9)
    freezer, found = FreezeSettled(training.adam), []
    for step in looked_at(plan.steps):
        training.to(step)
        live.observe(training.observation())
        found += [a.step for a in freezer(training.network, live, step) if a.kind == "frozen" and a.since == step]
    return training, found[0]


def quick(plan: Plan) -> None:
    """All of it, and whether continuing from a checkpoint is the training it stands for."""
    train(plan)
    freeze(plan)
    stopped(plan)
    print(table(plan))
    one, step = straight(plan, plan.seeds[0], level=0.05)
    other = restored(plan, plan.seeds[0], step)
    FreezeSettled(other.adam).freeze(other.network, "encoder", step)
    other.to(plan.steps)
    assert all(torch.equal(a, b) for a, b in zip(one.state().values(), other.state().values(), strict=True))
    print(f"Frozen at step {step}, a training of its own and one continued have the same weights and moments.")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["train", "freeze", "stopped", "table"], default="table")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--beta", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, default=SCRATCH)
    parser.add_argument("--results", type=Path, default=None)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.quick:
        with tempfile.TemporaryDirectory() as folder:
            results = Results(Path(folder) / "freezing.json")
            quick(Plan((0,), 8, asked.beta, Path(folder), Data.of(True), results))
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    results = Results(asked.results or asked.folder / "freezing.json")
    plan = Plan(tuple(asked.seeds), asked.steps, asked.beta, asked.folder, Data.of(False), results)
    {"train": train, "freeze": freeze, "stopped": stopped, "table": lambda plan: print(table(plan))}[asked.what](plan)


if __name__ == "__main__":
    sys.exit(main())
