import hashlib
import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from tests.runs.small import StopAfter, small_folder

from vaescope.data.dataset import Dataset
from vaescope.data.load import load_dataset
from vaescope.errors import CorruptArtifact, Interrupted, ResourceError
from vaescope.models.network import initialise, sample
from vaescope.models.networks.conv import Conv
from vaescope.models.objective import OBJECTIVES, Objective, gaussian_kl
from vaescope.models.reconstructions.bernoulli import Bernoulli
from vaescope.progress import Progress
from vaescope.runs.batches import batches
from vaescope.runs.draw import draw
from vaescope.runs.manifest import Manifest
from vaescope.runs.train import train


def fingerprint(folder):
    """SHA-256 of everything training leaves behind."""
    files = sorted(p for p in (folder.path / "runs").rglob("*") if p.is_file())
    return {str(p.relative_to(folder.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = small_folder(tmp_path_factory.mktemp("undisturbed") / "s")
    train(folder)
    return folder


def test_what_training_leaves_behind(undisturbed):
    for run in undisturbed.runs:
        runner = undisturbed.run(run.id)
        manifest = runner.manifest()
        assert (manifest.state, manifest.step, manifest.resume) == ("done", 6, None)
        assert sorted(manifest.snapshots) == [0, 2, 6]
        assert runner.damaged() == []
        events = list(runner.events())
        assert [e["step"] for e in events] == [0, 2, 3, 6]
        for event in events:
            assert len(event["kl_per_latent"]) == 10
            assert event["kl"] == pytest.approx(sum(event["kl_per_latent"]))
            assert event["loss"] == pytest.approx(event["reconstruction"] + event["regularisation"], rel=1e-6)
        assert {p.name for p in runner.path.iterdir()} == {"manifest.json", "events.jsonl", "snapshots"}


def test_training_is_a_plain_loop(undisturbed):
    """The same numbers from a loop as one would write it by hand, with PyTorch's unfused Adam."""
    run = next(r for r in undisturbed.runs if r.objective == "beta_vae")
    network = Conv((1, 64, 64), 10)
    initialise(network, draw("initialise", run.seed))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    order = torch.randperm(737_280, generator=draw("order", run.seed, 0))
    dsprites = load_dataset("dsprites")
    for step in range(6):
        images = torch.from_numpy(dsprites.images(order[4 * step : 4 * step + 4].numpy()))
        posterior = network.encode(images)
        z = sample(posterior, torch.randn(4, 10, generator=draw("noise", run.seed, step)))
        kl = gaussian_kl(posterior).sum(1).mean()
        loss = Bernoulli().of(network.decode(z), images) + 4 * kl
        adam.zero_grad()
        loss.backward()
        adam.step()
    kept = undisturbed.run(run.id).snapshot(6)
    zero = undisturbed.run(run.id).snapshot(0)
    for name, parameter in network.state_dict().items():
        # Adam divides a gradient by its own size, so where that is all rounding two right loops may differ in sign.
        assert (kept[name] - parameter).abs().mean() < 1e-3 * (parameter - zero[name]).abs().mean(), name
    first = Conv((1, 64, 64), 10)
    initialise(first, draw("initialise", run.seed))
    assert all(torch.equal(zero[k], v) for k, v in first.state_dict().items())


@pytest.mark.parametrize("checks", [0, 1, 2, 3, 5, 6, 8, 11])
def test_a_study_interrupted_anywhere_ends_with_the_same_bytes(undisturbed, tmp_path, checks):
    folder = small_folder(tmp_path / "s")
    with pytest.raises(Interrupted):
        train(folder, StopAfter(checks))
    train(folder)
    assert fingerprint(folder) == fingerprint(undisturbed)


def test_many_interruptions_end_with_the_same_bytes(undisturbed, tmp_path):
    folder = small_folder(tmp_path / "s")
    stops = 0
    while stops < 100:
        try:
            train(folder, StopAfter(2))
            break
        except Interrupted:
            stops += 1
    assert 5 < stops < 100
    assert fingerprint(folder) == fingerprint(undisturbed)


@pytest.mark.parametrize("checks", [0, 5, 9])
def test_side_by_side_gives_the_same_bytes_also_when_interrupted(undisturbed, tmp_path, monkeypatch, checks):
    monkeypatch.setattr("vaescope.runs.crew.cores", lambda: 2)
    folder = small_folder(tmp_path / "s")
    with pytest.raises(Interrupted):
        train(folder, StopAfter(checks))
    train(folder)
    assert fingerprint(folder) == fingerprint(undisturbed)


def test_one_run_that_cannot_be_written_stops_the_others_in_good_order(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("vaescope.runs.crew.cores", lambda: 2)
    folder = small_folder(tmp_path / "s")
    (folder.path / "runs").mkdir()
    blocked = folder.path / "runs" / folder.runs[0].id
    blocked.write_text("in the way")
    with pytest.raises(ResourceError, match=r"could not be written|cannot be written"):
        train(folder)
    blocked.unlink()
    train(folder)
    assert fingerprint(folder) == fingerprint(undisturbed)


def test_what_was_logged_after_the_resume_point_is_not_logged_twice(undisturbed, tmp_path):
    folder = small_folder(tmp_path / "s")
    with pytest.raises(Interrupted):
        train(folder, StopAfter(2))
    runner = folder.run(folder.runs[0].id)
    with runner.events_path.open("ab") as file:
        file.write(b'{"step": 5, "loss": 1.0}\n{"torn')
    train(folder)
    assert fingerprint(folder) == fingerprint(undisturbed)


@pytest.mark.parametrize("harm", ["snapshot", "manifest", "resume", "events", "resumed events"])
def test_a_damaged_run_is_made_anew_and_only_that_one(undisturbed, tmp_path, harm):
    folder = small_folder(tmp_path / "s")
    if harm.startswith("resume"):
        with pytest.raises(Interrupted):
            train(folder, StopAfter(4))
    else:
        train(folder)
    run = folder.run(folder.runs[0].id)
    pattern = {
        "snapshot": "snapshots/step-000000002.safetensors",
        "manifest": "manifest.json",
        "resume": "resume-*",
        "events": "events.jsonl",
        "resumed events": "events.jsonl",
    }[harm]
    victim = next(run.path.glob(pattern))
    victim.write_bytes(victim.read_bytes()[:-3] if harm != "resumed events" else b"")
    said = []

    class Listening(Progress):
        def say(self, line):
            said.append(line)

    train(folder, Listening())
    assert len(said) == 1
    assert victim.name in said[0]
    assert fingerprint(folder) == fingerprint(undisturbed)


def test_other_probe_images_are_noticed_before_training(tmp_path):
    folder = small_folder(tmp_path / "s")
    train(folder)
    path = folder.path / "probe.json"
    from vaescope.runs.store import get_json, put_json

    content = get_json(path)
    next(iter(content["datasets"].values()))["sha256"] = "0" * 64
    put_json(path, content)
    with pytest.raises(CorruptArtifact, match="other probe images"):
        train(folder)


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


def test_a_run_that_diverges_says_when_keeps_its_snapshots_and_the_study_goes_on(exploding, tmp_path):
    folder = small_folder(tmp_path / "s", "objectives={exploding: {at: 4}, vae: {}}")
    train(folder)
    bad, good = (folder.run(r.id) for r in folder.runs)
    manifest = bad.manifest()
    assert (manifest.state, manifest.step, manifest.reason) == ("diverged", 4, "the loss is nan at step 4")
    assert sorted(manifest.snapshots) == [0, 2]
    assert bad.damaged() == []
    assert list(bad.events())[-1] | {"kl": 0, "kl_per_latent": 0, "reconstruction": 0} == {
        "step": 4,
        "loss": None,
        "regularisation": None,
        "reconstruction": 0,
        "kl": 0,
        "kl_per_latent": 0,
    }
    assert good.manifest().state == "done"
    before = fingerprint(folder)
    train(folder)
    assert fingerprint(folder) == before


def test_the_global_random_state_is_neither_used_nor_moved(tmp_path):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    folder = small_folder(tmp_path / "a", "objectives={vae: {}}")
    threads = torch.get_num_threads()
    train(folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    torch.manual_seed(2)
    other = small_folder(tmp_path / "b", "objectives={vae: {}}")
    train(other)
    assert fingerprint(folder) == fingerprint(other)


class Counted(Dataset):
    """Ten examples whose image is their index."""

    name = "counted"

    def factors(self, indices):
        return np.zeros((len(indices), 0), dtype=np.int64)

    def __len__(self):
        return 10

    def images(self, indices):
        return np.asarray(indices, dtype=np.float32).reshape(-1, 1, 1, 1)


def test_batches_pass_over_all_examples_in_a_new_order_each_time_from_any_start(undisturbed):
    import dataclasses

    run = dataclasses.replace(undisturbed.runs[0], batch_size=4, steps=24)
    every = [b.ravel().astype(int).tolist() for b in batches(run, Counted(), 0)]
    assert len(every) == 25
    assert all(len(b) == 4 for b in every)
    flat = [i for b in every for i in b]
    passes = [flat[k : k + 10] for k in range(0, 100, 10)]
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert len({tuple(p) for p in passes}) == 10
    for start in (1, 7, 8, 24):
        assert [b.ravel().astype(int).tolist() for b in batches(run, Counted(), start)] == every[start:]


def test_the_manifest_of_a_run_survives_being_written(undisturbed):
    content = json.loads((undisturbed.run(undisturbed.runs[0].id).path / "manifest.json").read_text())
    assert content["run"]["seed"] == 0
    assert Manifest() == Manifest(state="planned")
