import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import vaescope
from tests.recorded import SmallVAE, X, trained
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.runs import recording as on_disk


def state_of(model, optimiser):
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    for i, p in enumerate(model.parameters()):
        kept |= {f"{k} {i}": v.clone() for k, v in optimiser.state[p].items()}
    return kept | {"random": torch.get_rng_state()}


def recorder(folder, model, **options):
    return vaescope.Recorder(model, folder, **({"probe": X, "n": 64} | options))


@pytest.mark.parametrize(
    "extra", [{}, {"weights": True, "at": 1, "max_overhead": None}], ids=["as usual", "every step"]
)
def test_a_training_takes_the_same_steps_with_and_without(tmp_path, extra):
    ends = []
    for use in (False, True):
        model = SmallVAE()
        record = recorder(tmp_path / "run", model, **extra) if use else None
        ends.append(state_of(model, trained(model, 12, record)))
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in ends[0])


def test_the_folder_is_a_study(tmp_path):
    model = SmallVAE()
    with recorder(tmp_path / "mine", model, setting={"beta": 1.0}, seed=3, at=[0, 2, 5], dataset="noise") as record:
        trained(model, 8, record)
    results = record.results()
    row = results.runs.iloc[0].to_dict()
    assert (row["run"], row["state"], row["seed"], row["beta"], row["dataset"]) == ("run", "done", 3, 1.0, "noise")
    assert results.snapshot_steps == {"run": (0, 2, 5, 8)}
    layers = results.layers.set_index("layer")["part"].to_dict()
    assert [*layers] == [
        *("input", "encoder.1", "encoder.2", "encoder.3", "encoder.5", "mean", "log_var", "sampled"),
        *("decoder.0", "decoder.1", "decoder.2"),
    ]
    assert [layers[x] for x in ("input", "encoder.5", "mean", "decoder.2")] == ["input", "encoder", "latent", "decoder"]
    frame = results.similarity("cka", layer="encoder.1")
    ends = frame[(frame.step_a == 8) & (frame.step_b == 8)]
    assert ends.score.tolist() == pytest.approx([1.0])
    assert set(results.losses["step"]) == {0, 2, 5}
    assert len(results.latents) == 4 * 3
    assert set(results.examined("latents")["kind"]) <= {"active", "mixed", "passive"}
    assert results.claims[0].claim == "encoder_first"


def test_scores_are_those_of_the_model_at_that_step(tmp_path):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model, at=[0, 3])
    seen = {}
    for step in range(4):
        if step in (0, 3):
            seen[step] = vaescope.capture(model, X, ["encoder.1", "fc_mu"], n=64)
        record(step)
        trained(model, step + 1, None, step)
    results = record.results()
    for layer, name in (("encoder.1", "encoder.1"), ("mean", "fc_mu")):
        found = results.similarity("cka", layer=layer, step_a=0, step_b=3).score.item()
        assert found == pytest.approx(vaescope.similarity(seen[0][name], seen[3][name]), abs=1e-5)


def test_it_is_read_while_training_goes_on(tmp_path):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model, at=[0, 1, 4, 6])
    optimiser = trained(model, 3, record)
    first = record.results()
    assert first.runs["state"].tolist() == ["recording"]
    assert first.snapshot_steps == {"run": (0, 1)}
    assert len(first.curves)
    trained(model, 7, record, 3, optimiser)
    still = vaescope.open(tmp_path / "mine")
    assert still.snapshot_steps == {"run": (0, 1)}  # as it was compared
    assert still.similarity("cka", layer="mean", step_a=0, step_b=1).score.notna().all()
    assert record.results().snapshot_steps == {"run": (0, 1, 4, 6)}


def test_runs_share_a_folder_and_are_compared(tmp_path):
    for beta in (1.0, 4.0):
        for seed in (0, 1):
            model = SmallVAE(seed=seed)
            options = {"run": f"beta{beta:g}-seed{seed}", "seed": seed, "setting": {"beta": beta}, "at": [0]}
            with recorder(tmp_path / "mine", model, **options) as record:
                trained(model, 2 + int(beta), record)
    results = record.results()
    assert results.runs.run.tolist() == ["beta1-seed0", "beta1-seed1", "beta4-seed0", "beta4-seed1"]
    assert results.differing("seed").score.notna().all()
    assert results.differing("strength").groupby("layer").size().to_dict() == dict.fromkeys(results.layers.layer, 2)
    start = results.similarity("cka", run_a="beta1-seed0", run_b="beta4-seed0", step=0, layer="decoder.2").score
    assert start.tolist() == pytest.approx([1.0])  # the same first weights, and the same draw of noise


def test_runs_with_other_examples_are_not_compared(tmp_path):
    for name, probe in (("a", X), ("b", X.flip(3))):
        with recorder(tmp_path / "mine", SmallVAE(), run=name, probe=probe) as record:
            record(0)
    found = record.results().similarity("cka", run_a="a", run_b="b")
    assert set(found.reason) == {"other_examples"}


def test_a_folder_has_one_size_of_probe_set(tmp_path):
    with recorder(tmp_path / "mine", SmallVAE(), run="a") as record:
        record(0)
    with pytest.raises(UsageError, match="compared on 64 probe examples, got 32"):
        recorder(tmp_path / "mine", SmallVAE(), run="b", n=32)(0)


def test_an_interrupted_run_goes_on_and_what_came_after_is_taken_away(tmp_path):
    def whole(folder, stop):
        model = SmallVAE()
        options = {"at": 2, "max_overhead": None}
        record = recorder(folder, model, **options)
        optimiser = trained(model, stop, record)
        if stop < 9:
            record.pause()
            record = recorder(folder, model, **options)
            kept = torch.get_rng_state()
            record(4)  # it comes back from a checkpoint of step 4
            torch.set_rng_state(kept)
            assert json.loads((folder / "runs/run/manifest.json").read_text())["snapshots"].keys() == {"0", "2", "4"}
            trained(model, 9, record, max(stop, 5), optimiser)
        record.finish(8)
        return record

    record = whole(tmp_path / "b", 7)
    assert record.results().snapshot_steps == {"run": (0, 2, 4, 7, 8)}
    assert record.live is not None
    assert sorted(set(record.live.table()["step"])) == [0, 2, 4, 7, 8]


def test_the_same_training_gives_the_same_bytes(tmp_path):
    def files(folder):
        model = SmallVAE()
        with recorder(folder, model, at=[0, 1, 3], max_overhead=None) as record:
            trained(model, 4, record)
        return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    first, second = files(tmp_path / "1/mine"), files(tmp_path / "2/mine")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_run_that_ended_is_not_touched(tmp_path):
    with recorder(tmp_path / "mine", SmallVAE()) as record:
        record(0)
    with pytest.raises(UsageError, match=r"run 'run' is there and has ended at step 0.*another run="):
        recorder(tmp_path / "mine", SmallVAE())


def test_models_that_are_no_vaes_have_layers_and_no_latents(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    with recorder(tmp_path / "mine", model, at=[0, 1]) as record:
        for step in range(3):
            record(step)
            with torch.no_grad():
                model[1].weight.add_(0.1)
    results = record.results()
    assert results.layers["part"].tolist() == ["input", "other", "other", "other"]
    assert results.latents.empty
    assert results.examined("latents").empty
    assert not results.curves.empty
    assert (tmp_path / "mine" / "runs").exists()


def test_without_a_probe_weights_are_kept_and_looked_at_later(tmp_path):
    model = SmallVAE()
    with vaescope.Recorder(model, tmp_path / "weights", at=[0, 2], setting={"beta": 1.0}) as record:
        trained(model, 4, record)
    with pytest.raises(UsageError, match="no weights were kept"):
        vaescope.replay(tmp_path, model, X, tmp_path / "no")
    later = vaescope.replay(tmp_path / "weights", SmallVAE(), X, tmp_path / "later", n=64)
    assert later.snapshot_steps == {"run": (0, 2, 4)}
    model = SmallVAE()
    with recorder(tmp_path / "now", model, at=[0, 2]) as record:
        trained(model, 4, record)
    for step in (0, 2, 4):
        a, b = (tmp_path / x / f"runs/run/representations/step-{step:09d}.safetensors" for x in ("later", "now"))
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_overhead": 2}, r"max_overhead: expected a share.*got 2"),
        ({"at": "doubling"}, r"at: expected vaescope.doubling"),
        ({"n": 2}, "n >= 4"),
        ({"run": "../up"}, "run: expected a short name"),
        ({"run": ".."}, "run: expected a short name"),
        ({"seed": -1}, "seed: expected"),
        ({"measures": ["cca2"]}, "cca"),
        ({"probe": None, "actions": [print]}, "give probe="),
        ({"trackers": ["tensorbord"]}, "tensorboard"),
    ],
)
def test_wrong_options_are_told_when_it_is_made(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        recorder(tmp_path / "mine", SmallVAE(), **options)
    assert not (tmp_path / "mine" / "runs").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probe": X[:3]}, "at least 4 examples"),
        ({"layers": "encodr*"}, "encoder"),
        ({"encoder": "encodr"}, "no module 'encodr'"),
        ({"posterior": "fc_mu"}, "posterior: expected the names"),
        ({"posterior": ("fc_mu", "fc_vra")}, "fc_var"),
    ],
)
def test_wrong_layers_are_told_at_the_first_look(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        recorder(tmp_path / "mine", SmallVAE(), **options)(0)


@pytest.mark.parametrize(("steps", "message"), [([5, 3], "step 3 comes after step 5"), ([-1], "got -1")])
def test_steps_are_counted_over_the_whole_training(tmp_path, steps, message):
    record = recorder(tmp_path / "mine", SmallVAE())
    for step in steps[:-1]:
        record(step)
    with pytest.raises(UsageError, match=message):
        record(steps[-1])


def test_a_folder_of_another_kind_is_refused(tmp_path):
    (tmp_path / "text").write_text("mine")
    with pytest.raises(UsageError, match="holds no study"):
        recorder(tmp_path, SmallVAE())


@pytest.mark.parametrize(
    "posterior", [("fc_mu", "fc_var"), lambda m, x: (m.fc_mu(m.encoder(x)), m.fc_var(m.encoder(x)))]
)
def test_a_posterior_may_be_named(tmp_path, posterior):
    record = recorder(tmp_path / "mine", SmallVAE(), posterior=posterior)
    record(0)
    assert {"mean", "log_var"} <= set(record.results().layers["layer"])


def test_posterior_false_says_that_there_is_none(tmp_path):
    record = recorder(tmp_path / "mine", SmallVAE(), posterior=False)
    record(0)
    assert "mean" not in set(record.results().layers["layer"])


def test_a_full_disk_costs_a_look_and_not_the_training(tmp_path, monkeypatch):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model, at=[0, 1, 2], max_overhead=None)
    record(0)
    keep = on_disk.Recording.keep

    def full(self, observation, weights=None):
        if observation.step == 1:
            raise ResourceError("no space left")
        keep(self, observation, weights)

    monkeypatch.setattr(on_disk.Recording, "keep", full)
    with pytest.warns(RuntimeWarning, match="look at step 1 was lost: no space left"):
        answers = record(1)
    assert [a.kind for a in answers] == ["warning"]
    record(2)
    record.finish()
    assert record.results().snapshot_steps == {"run": (0, 2)}


def test_the_first_look_fails_loudly(tmp_path, monkeypatch):
    monkeypatch.setattr(on_disk.Recording, "keep", lambda *_: (_ for _ in ()).throw(ResourceError("no space left")))
    with pytest.raises(ResourceError, match="no space"):
        recorder(tmp_path / "mine", SmallVAE())(0)


def test_what_is_beyond_the_budget_waits_and_is_said_once(tmp_path, monkeypatch):
    told = []
    record = recorder(tmp_path / "mine", SmallVAE(), at=1, tell=told.append)
    record(0)
    monkeypatch.setattr(record._pace._budget, "spent", 1e9)
    assert [a.kind for a in record(1)] == ["skipped"]
    assert record(2) == ()
    assert ["waits" in text for text in told].count(True) == 1
    monkeypatch.setattr(record._pace._budget, "spent", 0.0)
    record(3)
    assert [*record._recording.manifest.snapshots] == [0, 3]


def test_other_ranks_do_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("vaescope.recorder.is_first", lambda: False)
    record = recorder(tmp_path / "mine", SmallVAE(), trackers=["jsonl"])
    assert record(0) == ()
    record.finish()
    assert not (tmp_path / "mine").exists()


def test_a_broken_tracker_does_not_stop_a_training(tmp_path):
    class Broken:
        def log(self, step, values, texts):
            raise ConnectionError("gone")

        def close(self):
            raise ConnectionError("gone")

    seen = []

    class Fine:
        def log(self, step, values, texts):
            seen.append((step, sorted(values)))

        def close(self):
            seen.append("closed")

    model = SmallVAE()
    with (
        pytest.warns(RuntimeWarning) as told,
        recorder(tmp_path / "mine", model, trackers=[Broken(), Fine()], at=[0, 1]) as record,
    ):
        trained(model, 3, record)
    assert [s if isinstance(s, str) else s[0] for s in seen] == [0, 1, 3, "closed"]
    assert "similarity_to_start/encoder.1" in seen[1][1]
    assert "ConnectionError: gone" in str(told[0].message)


def test_actions_are_called_after_each_look_and_their_answers_are_kept(tmp_path):
    from vaescope.stats.live.answer import Answer

    seen = []

    def action(model, live, step):
        seen.append((type(model).__name__, len(live.table()), step))
        return [Answer("frozen", step, f"done at {step}")]

    told = []
    record = recorder(tmp_path / "mine", SmallVAE(), actions=[action], tell=told.append, at=[0, 1])
    record(0)
    record(1)
    assert [(s[0], s[2]) for s in seen] == [("SmallVAE", 0), ("SmallVAE", 1)]
    assert "done at 1" in told
    assert [a.text for a in record.answers if a.kind == "frozen"] == ["done at 0", "done at 1"]


KILLED = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from tests.recorded import SmallVAE, X, trained
import vaescope, os
model = SmallVAE()
record = vaescope.Recorder(model, sys.argv[1], probe=X, n=64, at=1, max_overhead=None)
def act(step):
    if step == 5:
        os.kill(os.getpid(), 9)
optimiser = None
for step in range(10):
    optimiser = trained(model, step + 1, record, step, optimiser)
    act(step)
"""


@pytest.mark.fault
def test_a_killed_training_leaves_a_study_and_goes_on(tmp_path):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "mine"), here], capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    results = vaescope.open(tmp_path / "mine")
    assert results.snapshot_steps == {"run": (0, 1, 2, 3, 4, 5)}
    record = recorder(tmp_path / "mine", SmallVAE(), at=1, max_overhead=None)
    record(4)
    record.finish(6)
    assert record.results().snapshot_steps == {"run": (0, 1, 2, 3, 4, 6)}


def test_the_command_line_knows_recorded_folders(tmp_path):
    from typer.testing import CliRunner

    from vaescope.cli import app

    model = SmallVAE()
    with recorder(tmp_path / "mine", model, at=[0, 1, 2]) as record:
        trained(model, 3, record)
    folder, call = str(tmp_path / "mine"), CliRunner().invoke
    assert call(app, ["report", folder]).exit_code == 0
    page = (tmp_path / "mine" / "report.html").read_text()
    assert "trained by their owner" in page
    assert "study.yaml</summary>" not in page
    found = call(app, ["claims", folder])
    assert found.exit_code == 0
    assert "The encoder learns first" in found.output
    refused = call(app, ["train", folder])
    assert refused.exit_code == 2
    assert "Recorder" in refused.output
    assert "1 of 1 blocks compared" in call(app, ["status", folder]).output


def test_probe_batches_as_dicts_and_forward(tmp_path):
    class Named(SmallVAE):
        def forward(self, pixels):
            return super().forward(pixels)

    record = recorder(tmp_path / "mine", Named(), probe={"pixels": X[:20]})
    record(0)
    other = recorder(tmp_path / "other", SmallVAE(), probe=[X[:20]], forward=lambda m, batch: m(batch * 1.0))
    other(0)
    a, b = (vaescope.open(tmp_path / x).folder.run("run").snapshot(0) for x in ("mine", "other"))
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_decoders_are_fed_from_the_means_as_in_other_studies(tmp_path):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model)
    record(0)
    model.eval()
    with torch.no_grad():
        mean = model.fc_mu(model.encoder(X[:64]))
        expected = model.decoder[0](mean).numpy()
    kept = vaescope.open(tmp_path / "mine").folder.run("run").snapshot(0)
    assert np.array_equal(kept["decoder.0"].numpy(), expected)
    assert np.array_equal(kept["mean"].numpy(), mean.numpy())
    assert np.abs(kept["sampled"].numpy() - mean.numpy()).max() > 0.1


def test_what_is_looked_at_is_said_first(tmp_path):
    told = []
    recorder(tmp_path / "mine", SmallVAE(), tell=told.append)(0)
    assert told[0] == (
        "Looking on 64 examples at encoder 4 layers (encoder.1 to encoder.5), decoder 3 layers (decoder.0 to "
        "decoder.2), 3 latents (fc_mu, fc_var)."
    )
    recorder(tmp_path / "other", nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), tell=told.append)(0)
    assert "no posterior was found" in told[-1]


def test_a_model_that_never_changes_scores_one_everywhere(tmp_path):
    class Plain(nn.Module):
        """As in PyTorch's own example: no attribute is called encoder or decoder."""

        def __init__(self):
            super().__init__()
            self.fc1, self.fc21, self.fc22 = nn.Linear(64, 16), nn.Linear(16, 2), nn.Linear(16, 2)
            self.fc3, self.fc4 = nn.Linear(2, 16), nn.Linear(16, 64)

        def forward(self, x):
            h = torch.relu(self.fc1(x.flatten(1)))
            mean, log_var = self.fc21(h), self.fc22(h)
            z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
            return self.fc4(torch.relu(self.fc3(z))), mean, log_var

    record = recorder(tmp_path / "mine", Plain(), at=1, max_overhead=None)
    for step in range(3):
        record(step)
    record.finish()
    results = record.results()
    assert results.layers.set_index("layer")["part"].to_dict() == {
        **{"input": "input", "fc1": "encoder", "mean": "latent", "log_var": "latent", "sampled": "latent"},
        **{"fc3": "decoder", "fc4": "decoder"},
    }
    own = results.curves
    assert own["score"].tolist() == pytest.approx([1.0] * len(own))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probe": X.flip(3)}, "another probe"),
        ({"layers": ["encoder.1"]}, "another layers"),
        ({"seed": 5}, "another seed"),
    ],
)
def test_a_run_goes_on_only_as_what_it_was(tmp_path, change, message):
    record = recorder(tmp_path / "mine", SmallVAE(), at=1, max_overhead=None)
    record(0)
    record(1)
    record.pause()
    with pytest.raises(UsageError, match=message):
        recorder(tmp_path / "mine", SmallVAE(), **change)(2)
    recorder(tmp_path / "mine", SmallVAE(), **change)(0)  # from the beginning it may be another


def test_two_recorders_of_one_run_are_told_apart(tmp_path):
    first = recorder(tmp_path / "mine", SmallVAE())
    first(0)
    with pytest.raises(UsageError, match="another recorder writes run 'run'"):
        recorder(tmp_path / "mine", SmallVAE())(0)
    first.finish()


def test_a_folder_is_compared_by_the_measures_it_began_with(tmp_path):
    with recorder(tmp_path / "mine", SmallVAE(), run="a", measures=["permutation"]) as record:
        record(0)
    with pytest.raises(UsageError, match="compared by permutation, got cka"):
        recorder(tmp_path / "mine", SmallVAE(), run="b", measures=["cka"])
    with recorder(tmp_path / "mine", SmallVAE(seed=1), run="b", n=64) as record:
        record(0)
    kept = [vaescope.open(tmp_path / "mine").folder.run(run).snapshot(0)["input"].shape for run in "ab"]
    assert kept == [(64, 64), (64, 64)]


def test_weights_that_are_no_numbers_cost_no_training(tmp_path):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model, at=1, max_overhead=None)
    record(0)
    with torch.no_grad():
        model.encoder[1].weight.fill_(float("nan"))
    answers = record(1)
    assert any("NaN" in answer.text for answer in answers)
    assert [*record._recording.manifest.snapshots] == [0, 1]


def test_a_layer_that_is_replaced_costs_looks_and_no_training(tmp_path):
    model = SmallVAE()
    record = recorder(tmp_path / "mine", model, at=1, max_overhead=None)
    record(0)
    model.fc_mu = nn.Linear(16, 3)
    with pytest.warns(RuntimeWarning, match="look at step 1 was lost"):
        record(1)
    record.finish()


def test_an_unwritable_log_costs_no_training_and_neither_does_the_end(tmp_path, monkeypatch):
    record = recorder(tmp_path / "mine", SmallVAE(), at=[0], log_every=1)
    record(0)
    monkeypatch.setattr(on_disk, "Events", lambda *_: (_ for _ in ()).throw(ResourceError("no space left")))
    monkeypatch.setattr(on_disk.RunFolder, "save", lambda *_: (_ for _ in ()).throw(ResourceError("no space left")))
    with pytest.warns(RuntimeWarning, match="losses of step 1 was lost: no space left"):
        record(1, loss=1.0)
    with pytest.warns(RuntimeWarning, match="no space left"):
        record.finish()


def test_numpy_steps_and_losses_that_are_none_are_taken(tmp_path):
    record = recorder(tmp_path / "mine", SmallVAE())
    record(np.int64(0), loss=None)
    record(np.int64(3), loss=np.float32(2.0))
    record.finish()


def test_torchrun_is_known_before_there_is_a_process_group(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert recorder(tmp_path / "mine", SmallVAE())(0) == ()
    assert not (tmp_path / "mine").exists()


def damaged(path, change):
    content = json.loads(path.read_text())
    del content["digest"]
    change(content)
    from vaescope.runs.store import put_json

    put_json(path, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["run"].pop("recorded"), "not the manifest of a recorded run"),
        (lambda c: c["run"].update(recorded=None), "not the manifest of a recorded run"),
        (lambda c: c["run"]["recorded"].update(name="other"), "belongs to another run"),
        (lambda c: c["snapshots"]["0"].update(file="../../../study.json"), "names a file elsewhere"),
    ],
    ids=["without", "null", "renamed", "elsewhere"],
)
def test_a_damaged_manifest_is_told(tmp_path, change, message):
    with recorder(tmp_path / "mine", SmallVAE()) as record:
        record(0)
    damaged(tmp_path / "mine/runs/run/manifest.json", change)
    with pytest.raises(CorruptArtifact, match=message):
        vaescope.open(tmp_path / "mine").folder.run("run").snapshot(0)


def test_a_damaged_snapshot_is_told_with_what_can_be_done_and_a_damaged_view_is_made_anew(tmp_path):
    with recorder(tmp_path / "mine", SmallVAE()) as record:
        record(0)
    record.results()
    (tmp_path / "mine/compared.json").write_text("{}")
    assert vaescope.open(tmp_path / "mine").snapshot_steps == {"run": (0,)}
    file = next((tmp_path / "mine").rglob("step-*.safetensors"))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(CorruptArtifact, match=r"is damaged.*move .*runs/run away"):
        vaescope.open(tmp_path / "mine").folder.run("run").snapshot(0)


def test_a_listener_that_fails_does_not_stop_a_training(tmp_path):
    def closed(text):
        raise BrokenPipeError("closed")

    with pytest.warns(RuntimeWarning, match="a sentence was lost: BrokenPipeError: closed"):
        recorder(tmp_path / "mine", SmallVAE(), tell=closed)(0)


def test_runs_of_different_lengths_end_where_they_end_on_the_page(tmp_path):
    from vaescope.views.contents import content

    for run, last in (("long", 9), ("short", 4)):
        record = recorder(tmp_path / "mine", SmallVAE(), run=run, at=[0, last], setting={"beta": float(last)})
        for step in (0, last):
            record(step)
        record.finish(last)
    axes = content(record.results()).axes
    assert axes.steps == (0, 4, 9)
    assert [axes.end(axes.runs.index(run)) for run in ("long", "short")] == [2, 1]
