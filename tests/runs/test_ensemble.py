"""Runs trained as one come out as if each were trained alone, but for the last digits."""

import hashlib
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from tests.runs.small import small_folder, small_study
from torch import nn

from vaescope.errors import Interrupted, UsageError
from vaescope.models.network import NETWORKS, Network, Posterior
from vaescope.models.objective import OBJECTIVES, Objective
from vaescope.progress import Progress
from vaescope.runs.ensemble import Stack, grouped, train_group
from vaescope.runs.inputs import dataset_of
from vaescope.runs.learner import Learner
from vaescope.runs.train import train
from vaescope.runs.training import Training

ALL = (
    "objectives={vae: {}, beta_vae: {beta: 4}, beta_tc_vae: {beta: 6}, annealed_vae: {warmup: 5}, dip_vae_i: {}, "
    "dip_vae_ii: {}, factor_vae: {gamma: 10}, info_vae: {}, beta_anneal: {steps: 5}}"
)
THREE = "objectives={vae: {}, beta_tc_vae: {beta: 4}, factor_vae: {gamma: 5}}"
TWO = "objectives={vae: {}, info_vae: {}}"
LEARNED = "reconstruction={name: gaussian, learned: true}"


class StopAfter(Progress):
    """Asks to stop at the k-th time it is asked whether to; counts what it is told."""

    def __init__(self, checks=10**9):
        self.left, self.steps, self.said = checks, 0, []

    def advance(self, count=1, note=""):
        self.steps += count

    def say(self, line):
        self.said.append(line)

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise Interrupted


def together(folder, progress=None, runs=None):
    runners = [folder.run(run.id) for run in runs or folder.runs]
    train_group(runners, dataset_of(folder.runs[0]), "cpu", progress or Progress())


def alone(folder, runs=None, progress=None):
    for run in runs or folder.runs:
        Training(folder.run(run.id), dataset_of(run)).run(progress or Progress())


def bytes_of(folder):
    files = sorted(p for p in (folder.path / "runs").rglob("*") if p.is_file())
    return {str(p.relative_to(folder.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def flat(tensors):
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


def apart(one, other, step):
    """How far the weights of two runs of the same start are apart, as a share of how far they have come."""
    start, a, b = (flat(tensors) for tensors in (one.snapshot(0), one.snapshot(step), other.snapshot(step)))
    return float((a - b).norm() / (a - start).norm())


def images_of(run, step):
    generator = torch.Generator().manual_seed(1000 * run.seed + step)
    return torch.rand(run.batch_size, 1, 64, 64, generator=generator).round()


def first_moments(learner):
    state = learner.state()
    return flat({name: value for name, value in state.items() if name.endswith("exp_avg")})


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Every objective in one ensemble, and each alone."""
    root = tmp_path_factory.mktemp("both")
    changes = (ALL, "steps=14", "snapshots=[0, 1, 14]", "log_every=7")
    one, other = small_folder(root / "together", *changes), small_folder(root / "alone", *changes)
    together(one)
    alone(other)
    return one, other


def test_every_objective_comes_out_as_alone_within_the_stated_tolerance(both):
    one, other = both
    assert {run.objective for run in one.runs} == {name for name in OBJECTIVES if "." not in name}
    for run in one.runs:
        mine, theirs = one.run(run.id), other.run(run.id)
        assert all(torch.equal(value, theirs.snapshot(0)[name]) for name, value in mine.snapshot(0).items())
        assert apart(mine, theirs, 1) < 1e-3  # Adam's first step is the sign of a gradient, however small that is
        assert apart(mine, theirs, 14) < 3e-2
        pairs = list(zip(mine.events(), theirs.events(), strict=True))
        assert [a["step"] for a, _ in pairs] == [0, 1, 7, 14]
        for a, b in pairs:
            assert a.keys() == b.keys()
            assert a["loss"] == pytest.approx(b["loss"], rel=2e-7 if a["step"] == 0 else 1e-3)


def test_the_folder_of_a_member_has_what_that_of_a_run_alone_has(both):
    one, other = both
    for run in one.runs:
        mine, theirs = one.run(run.id), other.run(run.id)
        assert mine.damaged() == []
        assert {p.name for p in mine.path.rglob("*")} == {p.name for p in theirs.path.rglob("*")}
        a, b = mine.manifest(), theirs.manifest()
        assert (a.ensemble, b.ensemble) == (9, 1)
        assert (a.state, a.step, a.resume, a.threads, a.device) == (b.state, b.step, b.resume, b.threads, b.device)
        assert [*a.snapshots] == [*b.snapshots]
        assert {k: v.bytes for k, v in a.snapshots.items()} == {k: v.bytes for k, v in b.snapshots.items()}


@pytest.mark.parametrize(
    "changes",
    [
        (THREE,),
        (THREE, LEARNED),
        (THREE, "optimiser.name=adamw", "optimiser.weight_decay=0.1"),
        ("networks=linear",),
        ("networks=residual",),
    ],
)
def test_one_step_gives_the_gradients_one_gives_alone(changes):
    runs = small_study(*changes).runs()
    stacked, single = ([Learner(run, (1, 64, 64), 1000) for run in runs] for _ in range(2))
    stack = Stack(stacked)
    images, others = ([images_of(run, step) for run in runs] for step in (0, 1))
    seen = [other if x.critic is not None else None for x, other in zip(stacked, others, strict=True)]
    stack.update(stack.terms(images, 0), 0, seen)
    stack.hand_out()
    for mine, theirs, image, other in zip(stacked, single, images, seen, strict=True):
        theirs.update(theirs.terms(image, 0), 0, other)
        a, b = first_moments(mine), first_moments(theirs)
        assert (a - b).norm() < 5e-6 * b.norm()
        assert mine.state().keys() == theirs.state().keys()
        assert all(mine.state()[k] == v for k, v in theirs.state().items() if k.endswith(".step"))


@pytest.mark.parametrize(
    ("changes", "stops"),
    [((THREE,), [3]), *(((TWO,), stops) for stops in ([0], [1], [2], [5], [1, 0, 2]))]
    + [((TWO, change), [3]) for change in (LEARNED, "precision=mixed", "networks=residual")],
)
def test_an_ensemble_interrupted_anywhere_ends_with_the_same_bytes(uninterrupted, tmp_path, changes, stops):
    folder = small_folder(tmp_path / "s", *changes)
    for checks in stops:
        with pytest.raises(Interrupted):
            together(folder, StopAfter(checks))
        manifests = [folder.run(run.id).manifest() for run in folder.runs]
        assert len({m.step for m in manifests}) == 1
        assert {m.state for m in manifests} == {"running"}
    together(folder)
    assert bytes_of(folder) == uninterrupted(changes)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    known = {}

    def of(changes):
        if changes not in known:
            folder = small_folder(tmp_path_factory.mktemp("uninterrupted") / "s", *changes)
            together(folder)
            known[changes] = bytes_of(folder)
        return known[changes]

    return of


def test_members_at_different_steps_go_on_with_those_at_the_same_one(both, tmp_path):
    folder = small_folder(tmp_path / "s", ALL, "steps=14", "snapshots=[0, 1, 14]", "log_every=7")
    early, late, first = folder.runs[:2], folder.runs[2:4], folder.runs[4]
    for runs, checks in ((early, 3), (late, 8), ([first], 5)):
        with pytest.raises(Interrupted):
            together(folder, StopAfter(checks), runs)
    chosen = folder.runs[:6]
    progress = StopAfter()
    together(folder, progress, chosen)
    manifests = [folder.run(run.id).manifest() for run in chosen]
    assert [m.ensemble for m in manifests] == [2, 2, 2, 2, 1, 1]
    assert {m.state for m in manifests} == {"done"}
    assert progress.steps == 6 * 10  # of 14, told in tens
    for run in chosen:
        assert apart(folder.run(run.id), both[1].run(run.id), 14) < 3e-2
        events = [e["step"] for e in folder.run(run.id).events()]
        assert events == [0, 1, 7, 14]


@pytest.fixture
def exploding():
    @OBJECTIVES.register
    @dataclass(frozen=True, kw_only=True)
    class Exploding(Objective):
        """Becomes NaN at a step."""

        name: ClassVar[str] = "exploding"
        at: int = 4

        def regularisation(self, forward, kl, step):
            return kl.sum() * (math.nan if step >= self.at else 1.0)

    yield
    OBJECTIVES._members.pop("exploding")


EXPLODING = ("objectives={exploding: {at: [0, 4, 5]}, vae: {}, dip_vae_i: {}}", "steps=10", "snapshots=[0, 2, 10]")


@pytest.mark.parametrize("together_until_the_end", [True, False])
def test_a_member_that_diverges_says_when_and_does_not_disturb_the_others(exploding, tmp_path, together_until_the_end):
    objectives = EXPLODING[0] if together_until_the_end else EXPLODING[0].replace(", dip_vae_i: {}", "")
    changes = (objectives, *EXPLODING[1:])
    one, other = small_folder(tmp_path / "a", *changes), small_folder(tmp_path / "b", *changes)
    progress = StopAfter()
    together(one, progress)
    alone(other)
    for run in one.runs:
        mine, theirs = one.run(run.id), other.run(run.id)
        a, b = mine.manifest(), theirs.manifest()
        assert (a.state, a.step, a.reason, [*a.snapshots]) == (b.state, b.step, b.reason, [*b.snapshots])
        assert mine.damaged() == []
        pairs = list(zip(mine.events(), theirs.events(), strict=True))
        for a, b in pairs:
            assert a["step"] == b["step"]
            assert a["loss"] is b["loss"] is None or a["loss"] == pytest.approx(b["loss"], rel=1e-3)
        if theirs.manifest().state == "done":
            assert apart(mine, theirs, 10) < 1e-2
    states = [one.run(run.id).manifest().state for run in one.runs]
    assert states == ["diverged"] * 3 + ["done"] * (len(states) - 3)
    assert [line.rpartition("step ")[2] for line in progress.said] == ["0", "4", "5"]


@pytest.mark.parametrize("checks", [3, 4, 5, 8])
def test_an_ensemble_interrupted_after_a_member_diverged_ends_with_the_same_bytes(exploding, tmp_path, checks):
    one, other = small_folder(tmp_path / "a", *EXPLODING), small_folder(tmp_path / "b", *EXPLODING)
    together(one)
    with pytest.raises(Interrupted):
        together(other, StopAfter(checks))
    together(other, runs=[run for run in other.runs if not other.run(run.id).manifest().ended])
    mine, theirs = (
        {k: v for k, v in bytes_of(folder).items() if not k.endswith("manifest.json")} for folder in (one, other)
    )
    assert mine == theirs  # the manifests say with how many each was trained last


@pytest.mark.parametrize("way", [alone, together])
def test_losses_looked_at_later_leave_the_same_bytes_behind(exploding, tmp_path, monkeypatch, way):
    """What a GPU does, which waits for no loss it need not see."""
    changes = (*EXPLODING, "log_every=100")
    one, other = small_folder(tmp_path / "a", *changes), small_folder(tmp_path / "b", *changes)
    way(one)
    looks = []
    monkeypatch.setattr("vaescope.runs.training.steps_between_looks", lambda device: looks.append(device) or 10)
    progress = StopAfter()
    way(other, progress=progress)
    assert looks
    kept = {k: v for k, v in bytes_of(one).items() if way is alone or "exploding" in k}
    assert {k: v for k, v in bytes_of(other).items() if k in kept} == kept
    for run in one.runs:  # a stack gets smaller at another step, so the last digits of the others differ
        assert one.run(run.id).manifest() == replace(
            other.run(run.id).manifest(), snapshots=one.run(run.id).manifest().snapshots
        )
    assert [line.rpartition("step ")[2] for line in progress.said] == ["0", "4", "5"]


def test_a_stop_between_looks_marks_what_had_diverged_before_it(exploding, tmp_path, monkeypatch):
    monkeypatch.setattr("vaescope.runs.training.steps_between_looks", lambda device: 10)
    folder = small_folder(tmp_path / "a", *EXPLODING, "log_every=100")
    with pytest.raises(Interrupted):
        together(folder, StopAfter(8))  # asked twice at step 0, which is begun again without one
    manifests = {run.setting: folder.run(run.id).manifest() for run in folder.runs}
    assert {k: (m.state, m.step) for k, m in manifests.items()} == {
        "exploding at=0": ("diverged", 0),
        "exploding at=4": ("diverged", 4),
        "exploding at=5": ("diverged", 5),
        "vae": ("running", 7),
        "dip_vae_i": ("running", 7),
    }


@pytest.fixture
def odd_networks():
    def block(size):
        return nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, size, bias=False))

    class Odd(Network):
        """A small network.

        References:
            None. https://example.org
        """

        def __init__(self, image_shape, latents):
            super().__init__(image_shape, latents)
            self.encoder = nn.Sequential(*block(16), nn.BatchNorm1d(16), nn.ReLU())
            self.mean, self.log_var = nn.Linear(16, latents), nn.Linear(16, latents)
            self.decoder = nn.Sequential(nn.Linear(latents, 64 * 64), nn.Unflatten(1, (1, 64, 64)))

    class Normalised(Odd):
        name = "normalised"

    class Branching(Odd):
        name = "branching"

        def encode(self, images) -> Posterior:
            found = super().encode(images)
            return found if found.mean.sum().item() > 1e9 else Posterior(found.mean, found.log_var)

    for network in (Normalised, Branching):
        NETWORKS.register(network)
    yield
    for network in (Normalised, Branching):
        NETWORKS._members.pop(network.name)


def test_running_averages_of_a_network_are_each_member_s_own(odd_networks, tmp_path):
    one, other = (
        small_folder(tmp_path / n, "networks=normalised", "objectives={vae: {}, beta_vae: {beta: [2, 8]}}")
        for n in "ab"
    )
    with pytest.raises(Interrupted):
        together(one, StopAfter(3))
    together(one)
    alone(other)
    for run in one.runs:
        mine, theirs = one.run(run.id).snapshot(6), other.run(run.id).snapshot(6)
        assert mine["encoder.2.num_batches_tracked"] == 6
        for name, value in theirs.items():
            assert torch.allclose(mine[name], value, rtol=1e-3, atol=1e-5), name
    averages = {float(one.run(run.id).snapshot(6)["encoder.2.running_mean"].sum()) for run in one.runs}
    assert len(averages) == 3


def test_a_network_that_cannot_be_stacked_says_so(odd_networks, tmp_path):
    folder = small_folder(tmp_path / "s", "networks=branching")
    with pytest.raises(UsageError, match=r"network branching: cannot be trained several at a time: .*--ensemble"):
        together(folder)


def test_runs_are_grouped_by_all_but_their_objective_strengths_and_seeds():
    runs = small_study("networks=[conv, linear]", "objectives={vae: {}, beta_vae: {beta: [1, 4]}}", "seeds=3").runs()
    assert [len(group) for group in grouped(runs, 4)] == [4, 4, 1, 4, 4, 1]
    assert [run for group in grouped(runs, 4) for run in group] == list(runs)
    assert grouped(runs, 1) == [[run] for run in runs]
    assert [len(group) for group in grouped(runs, 100)] == [9, 9]
    assert all(len({run.network for run in group}) == 1 for group in grouped(runs, 5))
    mixed = [replace(run, precision="mixed" if k % 2 else "exact") for k, run in enumerate(runs[:4])]
    assert [[run.precision for run in group] for group in grouped(mixed, 4)] == [["exact"] * 2, ["mixed"] * 2]
    assert grouped([], 3) == []
    with pytest.raises(UsageError, match="at least 1"):
        grouped(runs, 0)


def test_runs_that_are_not_alike_are_refused(tmp_path):
    folder = small_folder(tmp_path / "s", "networks=[conv, linear]")
    with pytest.raises(UsageError, match="objective, strengths and seed only"):
        together(folder)


def test_too_little_memory_is_told_with_what_to_do(tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    from vaescope.errors import ResourceError

    monkeypatch.setattr("vaescope.runs.ensemble.functional_call", full)
    with pytest.raises(ResourceError, match="smaller --ensemble"):
        together(small_folder(tmp_path / "s"))


def test_a_study_is_trained_in_ensembles_when_asked(tmp_path):
    folder = small_folder(tmp_path / "s", "objectives={vae: {}, beta_vae: {beta: [2, 4, 8]}}", "networks=linear")
    train(folder, ensemble=3)
    assert [folder.run(run.id).manifest().ensemble for run in folder.runs] == [3, 3, 3, 1]
    assert {folder.run(run.id).manifest().state for run in folder.runs} == {"done"}
    before = bytes_of(folder)
    train(folder, ensemble=3)
    assert bytes_of(folder) == before
