"""A study: the grid of runs, what they are compared on, and by which measures."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from hashlib import sha256
from itertools import compress, product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vaescope.errors import UsageError

MAX_RUNS = 10_000
Scalar = bool | int | float | str


class Part(BaseModel):
    """Base of every part of a study: unknown keys, wrong types and NaN are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True, ser_json_inf_nan="strings")


def _named(value: Any) -> Any:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "options" not in value:
        return {k: v for k, v in value.items() if k == "name"} | {
            "options": {k: v for k, v in value.items() if k != "name"}
        }
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Mapping) else value


class Choice(Part):
    """A dataset or network by name, with its options: `dsprites`, or `{name: dsprites, path: file.npz}`."""

    name: str
    options: dict[str, Scalar] = Field(default_factory=dict)


class Optimiser(Part):
    """Adam, or AdamW with decoupled weight decay. The defaults are the paper's."""

    name: Literal["adam", "adamw"] = "adam"
    lr: Annotated[float, Field(gt=0, le=10)] = 1e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Schedule(Part):
    """`count` snapshots: at step 0, at the end, and between them log-spaced or evenly spaced."""

    schedule: Literal["log", "linear"] = "log"
    count: Annotated[int, Field(ge=2, le=100_000)] = 10


class Batches(Part):
    """Which examples a step sees.

    `shuffled`: pass after pass over the examples, each in its own random order. `contiguous`: slices of the stored
    order, as the authors' code took them when the paper's models were trained; only the order of the slices changes
    from pass to pass. `held_out` is the share of the examples never trained on: a random one, drawn by seed, or the
    last slices.
    """

    order: Literal["shuffled", "contiguous"] = "shuffled"
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ProbeChoice(Part):
    """The examples on which layers are compared: `n` of each dataset, without replacement, drawn by `seed`."""

    n: Annotated[int, Field(ge=4, le=1_000_000)] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0


class MeasureChoice(Part):
    """Which pairs a measure is computed for, on the first `n` probe examples (null: on all of them).

    `needed` means all layers within a snapshot, and the same layer across steps and runs. With the precision `fast`,
    linear CKA multiplies in bfloat16.
    """

    pairs: Literal["all", "needed"] = "all"
    n: Annotated[int, Field(ge=4)] | None = None
    precision: Literal["exact", "fast"] = "exact"


def _strengths(value: Any) -> Any:
    return {} if value is None else value


def _measures(value: Any) -> Any:
    if isinstance(value, list):
        return {name: {} for name in value}
    return {k: {} if v is None else v for k, v in value.items()} if isinstance(value, Mapping) else value


Strengths = Annotated[dict[str, Scalar | list[Scalar]], BeforeValidator(_strengths)]


class Study(Part):
    """A grid of runs: every dataset x network x objective x strength x seed.

    Keys that are left out have the defaults below; `docs/study.md` explains each.
    """

    name: str = Field(min_length=1, max_length=200)
    datasets: Annotated[list[Annotated[Choice, BeforeValidator(_named)]], BeforeValidator(_listed)] = Field(
        default_factory=lambda: [Choice(name="dsprites")], min_length=1
    )
    networks: Annotated[list[Annotated[Choice, BeforeValidator(_named)]], BeforeValidator(_listed)] = Field(
        default_factory=lambda: [Choice(name="conv")], min_length=1
    )
    objectives: dict[str, Strengths] = Field(min_length=1)
    seeds: int | list[int] = 1
    latents: Annotated[int, Field(ge=1, le=100_000)] = 10
    steps: Annotated[int, Field(ge=1, le=10**9)] = 10_000
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    batches: Batches = Field(default_factory=lambda: Batches())
    reconstruction: Annotated[Choice, BeforeValidator(_named)] = Field(default_factory=lambda: Choice(name="bernoulli"))
    precision: Literal["exact", "mixed"] = "exact"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    optimiser: Optimiser = Field(default_factory=lambda: Optimiser())
    snapshots: Schedule | list[int] = Field(default_factory=lambda: Schedule())
    log_every: Annotated[int, Field(ge=1)] = 50
    probe: ProbeChoice = Field(default_factory=lambda: ProbeChoice())
    measures: Annotated[dict[str, MeasureChoice], BeforeValidator(_measures)] = Field(
        default_factory=lambda: {"cka": MeasureChoice()}, min_length=1
    )
    examinations: Literal["all"] | list[str] = "all"

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for key in ("seeds", "snapshots"):
            values = getattr(self, key)
            if isinstance(values, list):
                bad = [v for v in values if v < 0]
                if not values or bad or len(set(values)) != len(values):
                    raise ValueError(f"{key}: expected different whole numbers of at least 0, got {values}")
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise ValueError(f"seeds: expected at least 1, or a list of seeds, got {self.seeds}")
        if isinstance(self.snapshots, list) and max(self.snapshots) > self.steps:
            raise ValueError(f"snapshots: step {max(self.snapshots)} comes after the last step, {self.steps}")
        for name, choice in self.measures.items():
            if choice.n is not None and choice.n > self.probe.n:
                raise ValueError(
                    f"measures.{name}.n: {choice.n} is more than the {self.probe.n} examples of the probe set"
                )
        if self.size > MAX_RUNS:
            raise ValueError(
                f"objectives: this grid has {self.size:,} runs, more than the {MAX_RUNS:,} a study may have"
            )
        twice = Counter(run.id for run in self._grid())
        if double := [run.setting for run in self._grid() if twice[run.id] > 1]:
            raise ValueError(
                f"this grid has the same run twice: {double[0]}; name each dataset, network and value once"
            )
        return self

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, written out."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

    @property
    def size(self) -> int:
        """The number of runs, without listing them."""
        strengths = sum(math.prod(len(_many(v)) for v in o.values()) for o in self.objectives.values())
        seeds = self.seeds if isinstance(self.seeds, int) else len(self.seeds)
        return len(self.datasets) * len(self.networks) * strengths * seeds

    @property
    def snapshot_steps(self) -> tuple[int, ...]:
        """The steps at which weights are kept, ascending; the last step is always among them."""
        if isinstance(self.snapshots, list):
            return tuple(sorted({*self.snapshots, self.steps}))
        if self.snapshots.schedule == "linear":
            count = min(self.snapshots.count, self.steps + 1)
            return tuple(round(self.steps * k / (count - 1)) for k in range(count))
        return log_steps(self.steps, self.snapshots.count)

    def runs(self) -> "tuple[Run, ...]":
        """Every run of the grid, in a fixed order: dataset, network, objective, strengths, seed."""
        return tuple(self._grid())

    def _grid(self) -> "Iterator[Run]":
        for dataset, network in product(self.datasets, self.networks):
            for objective, strengths in self.objectives.items():
                for values in product(*(_many(v) for v in strengths.values())):
                    options = dict(zip(strengths, values, strict=True))
                    for seed in self.seed_list:
                        yield Run(
                            dataset=dataset.name,
                            dataset_options=dataset.options,
                            network=network.name,
                            network_options=network.options,
                            objective=objective,
                            options=options,
                            seed=seed,
                            latents=self.latents,
                            steps=self.steps,
                            batch_size=self.batch_size,
                            batches=self.batches.model_dump(),
                            reconstruction=self.reconstruction.name,
                            reconstruction_options=self.reconstruction.options,
                            precision=self.precision,
                            threads=self.threads,
                            optimiser=self.optimiser.model_dump(),
                            snapshots=self.snapshot_steps,
                            log_every=self.log_every,
                        )

    def called(self, run: "Run") -> tuple[str, str]:
        """What a run's dataset and network are called here: the name, and what tells it from others of that name."""
        dataset = _called(self.datasets, run.dataset, run.dataset_options)
        return dataset, _called(self.networks, run.network, run.network_options)

    def setting_of(self, run: "Run") -> str:
        """Everything but the seed that varies here, for people: "cars3d, beta_vae beta=4"."""
        several = (len(self.datasets) > 1, len(self.networks) > 1)
        return ", ".join([*compress(self.called(run), several), run.setting])

    def dumped(self) -> dict[str, Any]:
        """Every key with its value, as plain data that `Study.model_validate` takes back."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a `Recorder` knew of a training that was not ours, and that cannot be found out without the model.

    Attributes:
        name: of the run, the user's; its id.
        layers: (name, part, features) of each layer, in order.
        probe: SHA-256 of the probe examples.
        examples: how many examples the probe set was taken from, as far as that was known.
    """

    name: str
    layers: tuple[tuple[str, str, int], ...]
    probe: str
    examples: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training, entirely described; equal runs have one id.

    Attributes:
        id: unique in any study, and a plain file name.
        recorded: None for a run that vaescope trained. Snapshots and steps of others are those that are there.
    """

    dataset: str
    dataset_options: dict[str, Scalar] = field(default_factory=dict)
    network: str
    network_options: dict[str, Scalar] = field(default_factory=dict)
    objective: str
    options: dict[str, Scalar] = field(default_factory=dict)
    seed: int
    latents: int
    steps: int
    batch_size: int
    optimiser: dict[str, Scalar]
    snapshots: tuple[int, ...]
    log_every: int
    batches: dict[str, Scalar] = field(default_factory=lambda: Batches().model_dump())
    reconstruction: str = "bernoulli"
    reconstruction_options: dict[str, Scalar] = field(default_factory=dict)
    precision: str = "exact"
    threads: int = 1
    recorded: Recorded | None = None

    def __post_init__(self) -> None:
        if self.snapshots != tuple(sorted(set(self.snapshots))) or not self.snapshots:
            raise UsageError(f"Run: snapshots must be ascending steps, got {self.snapshots}.")

    @property
    def setting(self) -> str:
        """Everything but the seed, for people: "beta_vae beta=4"."""
        options = " ".join(f"{k}={_text(v)}" for k, v in self.options.items())
        return f"{self.objective} {options}".strip()

    def described(self) -> dict[str, Any]:
        """Every key, without what two recorded runs of one kind differ in by chance: names, and when they were seen."""
        content = asdict(self)
        if self.recorded is not None:
            content |= {"snapshots": (), "steps": 0, "recorded": content["recorded"]["layers"]}
        return content

    @cached_property
    def id(self) -> str:
        if self.recorded is not None:
            return self.recorded.name
        content = {k: v for k, v in asdict(self).items() if k not in _LATER or v != _LATER[k]}
        digest = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
        strengths = "".join(f"-{k}={_text(v)}" for k, v in self.options.items() if not isinstance(v, str))
        return f"{f'{self.dataset}-{self.network}-{self.objective}{strengths}'[:120]}-seed{self.seed}-{digest}"


# Keys that came after the first studies: left at their defaults they change no run's id.
_LATER: dict[str, Any] = {
    f.name: f.default if f.default_factory is MISSING else f.default_factory()
    for f in fields(Run)
    if f.name in ("batches", "reconstruction", "reconstruction_options", "precision", "threads", "recorded")
}


def log_steps(last: int, count: int) -> tuple[int, ...]:
    """`count` different steps from 0 to `last`: 0, then spaced evenly in log step, never less than 1 apart.

    >>> log_steps(700, 10)
    (0, 1, 2, 5, 11, 25, 58, 133, 305, 700)
    """
    count = min(count, last + 1)
    steps = [0, 1] if count > 2 else [0]
    while len(steps) < count - 1:
        left = count - len(steps)
        ratio = (last / steps[-1]) ** (1 / left)
        steps.append(max(steps[-1] + 1, round(steps[-1] * ratio)))
    return (*steps, last)


def _called(choices: Sequence[Choice], name: str, options: Mapping[str, Scalar]) -> str:
    """The name, and in brackets the options in which it differs from other choices of that name."""
    others = [choice.options for choice in choices if choice.name == name]
    telling = [f"{k}={_text(v)}" for k, v in options.items() if any(k not in o or o[k] != v for o in others)]
    return f"{name} ({', '.join(telling)})" if telling else name


def _many(value: Scalar | list[Scalar]) -> list[Scalar]:
    return value if isinstance(value, list) else [value]


def _text(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
