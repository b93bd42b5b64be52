"""Transfer: advice from scores whose truth is known, trainings that keep what they say, and a small real study."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.afresh import afresh
from vaescope.runs.draw import draw
from vaescope.runs.inputs import dataset_of
from vaescope.runs.learner import Learner
from vaescope.runs.read import read_study
from vaescope.runs.retraining import POLICIES, _prepare, retrained
from vaescope.runs.store import StudyFolder
from vaescope.runs.train import train
from vaescope.stats.transfer.advice import Limits, word_of
from vaescope.stats.transfer.seeds import SCORES, over_seeds
from vaescope.stats.transfer.trial import in_words
from vaescope.transferring import transfer, transfer_between


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two datasets of one shape and one of another, three seeds of the first two, four steps."""
    root = tmp_path_factory.mktemp("transfer")
    rng = np.random.default_rng(0)
    for name, side in (("noise", 16), ("wide", 18)):
        np.save(root / f"{name}.npy", rng.integers(0, 256, (60, side, side, 3), dtype=np.uint8))
    datasets = ["{name: shapes, side: 16}", *(f"{{name: array, path: {root / n}.npy}}" for n in ("noise", "wide"))]
    study = read_study(
        "quickstart",
        [
            f"datasets=[{', '.join(datasets)}]",
            "objectives={beta_vae: {beta: 1}}",
            *("seeds=3", "steps=2", "batch_size=4", "latents=3", "snapshots=[0, 2]", "measures=[cka]", "probe.n=40"),
            "examinations=[]",
        ],
    )
    made = StudyFolder.create(root / "study", study)
    train(made)
    return made


def names(folder):
    return list(dict.fromkeys(folder.study.called(run)[0] for run in folder.runs))


def scores(positions, noise, seeds=4, ceiling=0.9, floor=0.4):
    """Scores of two layers a part that stand at these positions, each seed a little off."""
    rng = np.random.default_rng(1)
    rows = []
    for part, position in positions.items():
        for layer in (f"{part}.1", f"{part}.2"):
            off = noise * rng.standard_normal(seeds)
            pairs = list(itertools.product(range(seeds), range(seeds)))
            for s, t in pairs:
                if s != t:
                    at = floor + (position + off[s] + off[t]) * (ceiling - floor)
                    rows.append(("abroad", layer, part, 0, 0, s, t, at))
                if s < t:
                    rows.append(("ceiling", layer, part, 0, 0, s, t, ceiling))
            rows += [("floor", layer, part, 0, 0, t, t, floor) for t in range(seeds)]
    return pd.DataFrame(rows, columns=list(SCORES))


def test_positions_of_known_scores_become_the_words_they_stand_for():
    given = scores({"encoder": 0.95, "latent": 0.5, "decoder": 0.05}, noise=0.01)
    table, advice = over_seeds(given, 8, Limits(), 0.95, "")
    assert [a.word for a in advice] == ["keep", "fine-tune", "retrain"]
    assert [a.position for a in advice] == pytest.approx([0.95, 0.5, 0.05], abs=0.03)
    assert all(a.low < a.position < a.high for a in advice)
    assert table["ceiling"].tolist() == pytest.approx([0.9] * 6)
    assert table["floor"].tolist() == pytest.approx([0.4] * 6)
    first = given[(given["kind"] == "abroad") & (given["layer"] == "encoder.1")]["score"].mean()
    assert table["score"][0] == pytest.approx(first)
    assert table["position"][0] == pytest.approx((first - 0.4) / 0.5)


def test_where_seeds_differ_much_the_advice_is_undecided():
    _, advice = over_seeds(scores({"encoder": 0.7}, noise=0.3), 8, Limits(), 0.95, "")
    assert advice[0].word == "undecided"
    assert advice[0].leaning in ("keep", "fine-tune", "retrain")
    assert "the estimate alone says" in advice[0].words


def test_two_seeds_give_no_interval_and_so_no_word():
    _, advice = over_seeds(scores({"encoder": 1.0}, noise=0.0, seeds=2), 4, Limits(), 0.95, "")
    assert (advice[0].word, advice[0].leaning) == ("undecided", "keep")
    assert np.isnan(advice[0].low)
    assert "fewer than 3 seeds" in advice[0].words


def test_layers_in_which_training_adds_nothing_say_nothing():
    table, advice = over_seeds(scores({"encoder": 0.5}, noise=0.0, ceiling=0.42), 8, Limits(), 0.95, "")
    assert table["position"].isna().all()
    assert (advice[0].word, advice[0].leaning, advice[0].layers) == ("undecided", "", 0)


def test_words_ask_for_the_whole_interval():
    limits = Limits()
    assert word_of(0.9, 0.8, 1.0, limits) == ("keep", "keep")
    assert word_of(0.9, 0.7, 1.1, limits) == ("undecided", "keep")
    assert word_of(0.5, 0.3, 0.7, limits) == ("fine-tune", "fine-tune")
    assert word_of(0.1, -0.2, 0.2, limits) == ("retrain", "retrain")
    assert word_of(0.5, 0.2, 0.8, limits) == ("undecided", "fine-tune")
    assert word_of(np.nan, np.nan, np.nan, limits) == ("undecided", "")
    with pytest.raises(UsageError, match="retrain below keep"):
        Limits(0.2, 0.3)


def test_policies_keep_and_train_what_they_say(folder):
    source, target = folder.runs[0], folder.runs[3]
    dataset = dataset_of(target)
    weights = folder.run(source.id).snapshot(2)
    images, noise = dataset.images(np.arange(10)), np.zeros((10, 3), np.float32)
    for policy in POLICIES:
        learner = Learner(target, dataset.image_shape, len(dataset))
        fresh = {k: v.clone() for k, v in learner.network.state_dict().items()}
        count = _prepare(learner, weights, policy)
        begun = learner.network.state_dict()
        kept = {k for k, v in begun.items() if torch.equal(v, weights[k]) and not torch.equal(v, fresh[k])}
        frozen = {k for k, p in learner.network.named_parameters() if not p.requires_grad}
        part = {
            "none": ("encoder.", "mean.", "log_var.", "decoder."),
            "keep encoder": ("encoder.", "mean.", "log_var."),
            "keep decoder": ("decoder.",),
            "bridge": ("encoder.", *(f"decoder.{k}." for k in (2, 3, 4, 5, 6))),
            "fine-tune": (),
            "anew": (),
        }[policy]
        assert frozen == {k for k in begun if k.startswith(part)} if part else not frozen
        assert kept == (set() if policy == "anew" else frozen if part else set(begun))
        trained = sum(v.numel() for k, v in begun.items() if k not in frozen)
        assert count == (0 if policy == "none" else trained)
        found = retrained(target, dataset, weights, policy, 2, images, noise)
        assert (found.steps, found.trained) == (0 if policy == "none" else 2, count)
        assert found.loss == pytest.approx(found.negative_elbo, rel=1e-5)  # β = 1


def test_nothing_trained_is_the_source_on_the_target(folder):
    source, target = folder.runs[0], folder.runs[3]
    weights, dataset = folder.run(source.id).snapshot(2), dataset_of(target)
    images, noise = dataset.images(np.arange(10)), np.zeros((10, 3), np.float32)
    learner = Learner(target, dataset.image_shape, len(dataset))
    learner.network.load_state_dict(weights)
    learner.network.eval()
    with torch.no_grad():
        x = torch.from_numpy(images)
        logits = learner.network.decode(learner.network.encode(x).mean)
        expected = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / 10
    assert retrained(target, dataset, weights, "none", 2, images, noise).reconstruction == pytest.approx(
        float(expected), rel=1e-5
    )


def test_a_study_of_two_datasets_gives_a_table_advice_and_a_trial(folder):
    source, target = names(folder)[:2]
    found = transfer(folder.path, source, target, check=True, check_steps=1, check_runs=2)
    table = found.table()
    assert set(table["part"]) == {"encoder", "latent", "decoder"}
    assert found.n == 40
    known = table.dropna(subset=["position"])
    assert known["position"].tolist() == pytest.approx(
        ((known["score"] - known["floor"]) / (known["ceiling"] - known["floor"])).tolist()
    )
    assert found.advice()["part"].tolist() == ["encoder", "latent", "decoder"]
    assert set(found.advice()["word"]) <= {"keep", "fine-tune", "retrain", "undecided"}
    trial = found.trial().set_index("policy")
    assert set(trial.index) == {*POLICIES, "the target's own"}
    assert trial["gain"]["anew"] == 0
    assert trial["gain"]["none"] == pytest.approx(trial["loss"]["anew"] - trial["loss"]["none"])
    assert "2 seeds: too few to be sure" in found.words()
    assert "<p>" in found._repr_html_()
    assert len(found.plot().to_dict()["hconcat"]) == 2


def test_a_trial_that_contradicts_the_advice_says_so():
    ends = {"anew": (0.0, 0.0, 0.0), "keep encoder": (5.0, 2.0, 8.0), "keep decoder": (-9.0, -12.0, -6.0)}
    rows = [(policy, 100 - gain, gain, low, high, 200) for policy, (gain, low, high) in ends.items()]
    rows.append(("the target's own", 80.0, 20.0, 18.0, 22.0, 200))
    trial = pd.DataFrame(rows, columns=["policy", "loss", "gain", "low", "high", "steps"])
    trial.attrs["difference"] = {"value": 14.0, "low": 9.0, "high": 19.0, "seeds": 3}
    words = in_words(trial, {"encoder": "retrain", "latent": "keep", "decoder": "keep"})
    assert [("speaks against" in line) for line in words] == [False, False, True, True]
    words = in_words(trial, {"encoder": "keep", "decoder": "retrain"})
    assert not any("speaks against" in line for line in words)
    assert "14.0 nats per example lower" in words[0]


def test_what_cannot_be_transferred_is_said(folder):
    shapes, noise, wide = names(folder)
    with pytest.raises(UsageError, match="two different datasets"):
        transfer(folder.path)
    with pytest.raises(UsageError, match="no dataset 'shape'"):
        transfer(folder.path, "shape", noise)
    with pytest.raises(UsageError, match="do not take the target's images"):
        transfer(folder.path, wide, shapes)
    with pytest.raises(UsageError, match="is a distance"):
        transfer(folder.path, shapes, noise, measure="procrustes_angle")


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 10), nn.Tanh(), nn.Linear(10, 12))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def test_two_models_of_any_kind_stand_where_they_must():
    torch.manual_seed(3)
    net, x = Autoencoder(), torch.randn(200, 12)
    fresh = afresh(net, draw("test", 1))
    same = transfer_between(net, net, x, untrained=fresh)
    assert set(same.advice()["word"]) == {"keep"}
    assert same.advice()["part"].tolist() == ["encoder", "decoder"]
    assert same.table()["position"].dropna().tolist() == pytest.approx([1.0] * same.table()["position"].notna().sum())
    other = transfer_between(fresh, net, x, untrained=fresh, ceiling=net)
    assert set(other.advice()["word"]) == {"retrain"}
    assert other.advice()["position"].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert not other.warnings
    assert "held against 1" in same.warnings[0]
