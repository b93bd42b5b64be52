"""What a study would do and cost: counted exactly, and timed from a measurement of a few seconds on this machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from vaescope.data.official import OfficialFile
from vaescope.runs.board import duration
from vaescope.runs.crew import side_by_side, trained_at_once
from vaescope.runs.draw import draw
from vaescope.runs.extract import distinct_layers
from vaescope.runs.inputs import check_fit, described_by, downloads, image_shape_of
from vaescope.runs.learner import Learner
from vaescope.runs.machine import cores, threads_kept
from vaescope.runs.study import Run, Study
from vaescope.stats.code_score import scores
from vaescope.stats.compare import kind_of
from vaescope.stats.cost import Cost, cost
from vaescope.stats.examination import EXAMINATIONS, examined
from vaescope.stats.forms.vector import Vector
from vaescope.stats.measure import MEASURES

REPEATS = 5
SCORES_AT_3000 = 1.5  # all disentanglement scores of 3,000 examples, as examined, against 1,000, as measured here
OTHERS = 2.1  # all other examinations of a snapshot, against its disentanglement scores on one kind of codes


@dataclass(frozen=True)
class Plan:
    """What a study would do.

    Attributes:
        name: of the study.
        overview: (what, how much) pairs.
        columns: heads of `choices`.
        choices: a row for each measure and choice of pairs; the chosen ones are marked.
        seconds: stage -> time on this machine, estimated.
    """

    name: str
    overview: list[tuple[str, str]]
    columns: tuple[str, ...]
    choices: Sequence[tuple[object, ...]]
    seconds: dict[str, float]

    @property
    def time_text(self) -> str:
        """The estimate in words."""
        parts = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in self.seconds.items())
        return f"about {duration(sum(self.seconds.values()))} in all on {cores()} core(s): {parts}."


def plan(study: Study) -> Plan:
    """Count what a study would do, and estimate how long this machine would take.

    Raises:
        UsageError: the study names something unknown.
    """
    check_fit(study)
    runs = study.runs()
    costs = cost(study)
    rates = _rates(costs)
    at_once = trained_at_once(len(runs), study.threads)
    kinds = {(kind_of(r), r.objective): r for r in runs}
    times = {kind: _training_times(run) for kind, run in kinds.items()}
    steps = sum(times[kind_of(r), r.objective][0] * r.steps for r in runs)
    forward = sum(times[kind_of(r), r.objective][1] * len(r.snapshots) for r in runs) * study.probe.n
    snapshots = sum(len(r.snapshots) for r in runs)
    sizes = {kind_of(r): _weights(r) for r in kinds.values()}
    weights = sum(sizes[kind_of(r)] * len(r.snapshots) for r in runs)
    layers = {run.network: len(distinct_layers(run)) for run in kinds.values()}
    chosen = [c for c in costs if c.chosen]
    seconds = {
        "training": steps / at_once,
        "forward passes": forward / side_by_side(snapshots),
        **{f"{name}": s for name, s in _compare_seconds(chosen, rates).items()},
        **({"examining": _examining_seconds(study) / side_by_side(len(runs))} if examined(study) else {}),
    }
    strengths = {
        name: len({tuple(r.options.items()) for r in runs if r.objective == name}) for name in study.objectives
    }
    overview = [
        (
            "runs",
            f"{len(runs):,} = {len(study.datasets)} dataset(s) x {len(study.networks)} network(s) x "
            f"{sum(strengths.values())} setting(s) x {len(study.seed_list)} seed(s)",
        ),
        ("steps", f"{study.steps:,} a run of {study.batch_size} examples, {sum(r.steps for r in runs):,} in all"),
        ("snapshots", f"{snapshots:,}, at steps {', '.join(map(str, study.snapshot_steps))}"),
        ("layers", ", ".join(f"{n} distinct of {name}" for name, n in layers.items())),
        ("representations", f"{chosen[0].representations:,} on {study.probe.n:,} probe examples"),
        ("pairs", f"{sum(c.pairs for c in chosen):,} scores of {len(chosen)} measure(s)"),
        ("examinations", f"{len(examined(study)) * len(runs):,} tables: {', '.join(examined(study)) or 'none'}"),
        *([("downloads", downloads_in_words(missing))] if (missing := downloads(study)) else []),
        (
            "disk",
            f"{size(weights + sum(c.store_bytes for c in chosen))} kept: {size(weights)} of "
            f"weights, {size(sum(c.store_bytes for c in chosen))} of scores; "
            f"{size(sum(_shared(chosen, lambda c: c.scratch_bytes).values()))} more while comparing",
        ),
    ]
    rows = [
        (
            ("-> " if c.chosen else "   ") + c.measure,
            c.choice,
            c.n,
            c.pairs,
            size(c.scratch_bytes),
            duration(sum(_compare_seconds([c], rates).values())),
        )
        for c in costs
    ]
    return Plan(study.name, overview, ("measure", "pairs", "n", "scores", "scratch", "time"), rows, seconds)


def _weights(run: Run) -> int:
    return 4 * sum(p.numel() for p in Learner(run, image_shape_of(run), 1).network.parameters())


def _training_times(run: Run) -> tuple[float, float]:
    """Seconds of one training step with the threads of the run, and of one probe example through the network with one.

    Random images do: how long a step takes does not depend on what they show, and none has to be downloaded.
    """
    learner = Learner(run, image_shape_of(run), 1000)
    images = torch.rand(run.batch_size, *image_shape_of(run), generator=draw("plan", 0))
    others = images if learner.critic is not None else None

    def step() -> None:
        learner.update(learner.terms(images, 0), 0, others)

    def forward() -> None:
        with torch.inference_mode():
            learner.network.decode(learner.network.encode(images).mean)

    with threads_kept():
        torch.set_num_threads(run.threads)
        step_seconds = _best(step)
        torch.set_num_threads(1)
        return step_seconds, _best(forward) / run.batch_size


def _examining_seconds(study: Study) -> float:
    """Seconds of one core for all examinations of all runs.

    From a measurement of the disentanglement scores, and what the others took beside them on one machine.
    """
    names, snapshots = examined(study), len(study.snapshot_steps)
    classes = [[size for _, size in described_by(run).factors] for run in study.runs()]
    rng = np.random.default_rng(0)
    codes, factors = rng.standard_normal((1000, study.latents)), rng.integers(0, 8, (1000, 4))
    scores(codes[:100], factors[:100], leave_out=True)  # what is imported for them is not their time
    begun = time.perf_counter()
    scores(codes, factors, leave_out=True)
    once = SCORES_AT_3000 * (time.perf_counter() - begun)
    scored = 2 * sum(bool(found) for found in classes) if "disentanglement" in names else 0
    others = OTHERS * len(classes) * len([n for n in names if n != "disentanglement"]) / (len(EXAMINATIONS) - 1)
    return once * snapshots * (scored + others)


def downloads_in_words(files: Sequence[OfficialFile]) -> str:
    """How many official files are not on this machine yet, and how large they are as far as that is known."""
    known = sum(file.bytes or 0 for file in files)
    some = "" if all(file.bytes for file in files) else f" and {sum(not f.bytes for f in files)} of unknown size"
    return f"{len(files)} official file(s) first: {size(known)}{some}; `vaescope data fetch NAME` fetches them"


@dataclass(frozen=True)
class Rates:
    """Floating-point operations a second of this machine, all cores together: of products; of pairs by measure, n."""

    gemm: float
    pairs: dict[tuple[str, int], float]


def _rates(costs: Sequence[Cost]) -> Rates:
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((1000, 4096), dtype=np.float32)
    pairs = {}
    with threadpool_limits(1, user_api="blas"):  # as the comparison does: each core works on its own piece
        gemm = cores() * 1000 * 1000 * 4096 / _best(lambda: wide @ wide.T)
        for entry in costs:
            measure = MEASURES[entry.measure]()
            if not issubclass(measure.form, Vector) and (entry.measure, entry.n) not in pairs:
                side = max(min(entry.n, 400), measure.minimum_n)
                forms = [measure.prepare(measure.example(rng, side, side // 2)) for _ in range(3)]
                seconds = _best(lambda m=measure, f=forms: m.block(f, f)) / len(forms) ** 2
                pairs[entry.measure, entry.n] = cores() * measure.pair_flops(side, side // 2, side // 2) / seconds
    return Rates(gemm, pairs)


def _compare_seconds(costs: Sequence[Cost], rates: Rates) -> dict[str, float]:
    """Seconds of preparing, and of the pairs of each measure; what measures share is counted once."""
    prepare = sum(_shared(costs, lambda c: c.prepare_flops).values()) / rates.gemm
    pairs = {c.measure: c.pair_flops / rates.pairs.get((c.measure, c.n), rates.gemm) for c in costs}
    return {"preparing": prepare, **pairs}


def _shared(costs: Sequence[Cost], what: Callable[[Cost], float]) -> dict[tuple[str, int], float]:
    """An amount a form and n, for measures that share what they prepare."""
    return {(c.form, c.n): what(c) for c in costs}


def _best(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)  # what the machine can do, not what else it is doing just now


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
