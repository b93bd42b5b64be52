"""Disentanglement of the snapshots of a run, from the study folder."""

import numpy as np
import pytest
import torch
from tests.runs.small import small_folder
from tests.stats.disentanglement.cases import ALL_SCORES

from vaescope.errors import Interrupted
from vaescope.progress import Progress
from vaescope.runs.train import train
from vaescope.stats.code_score import scores
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.examinations import disentanglement
from vaescope.stats.subject import Subject

EXAMPLES = 300


class Impatient(Progress):
    def __init__(self):
        self.checks = 0

    def check(self):
        self.checks += 1
        if self.checks > 4:
            raise Interrupted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    changes = ["objectives={beta_vae: {beta: 4}}", "snapshots=[0, 6]", "datasets=[{name: dsprites}]"]
    made = small_folder(tmp_path_factory.mktemp("study") / "s", *changes)
    train(made)
    return made


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(disentanglement, "EXAMPLES", EXAMPLES)


def examined(subject):
    return EXAMINATIONS["disentanglement"]().of(subject)


@pytest.mark.usefixtures("few")
def test_each_snapshot_has_each_score_of_mean_and_sampled_codes_as_from_one_image_at_a_time(folder):
    subject = Subject(folder, folder.runs[0])
    found = examined(subject)
    assert tuple(found.columns) == ("step", "codes", "score", "value")
    assert len(found) == 2 * 2 * len(ALL_SCORES)
    assert np.isfinite(found["value"]).all()

    order = torch.randperm(len(subject.dataset), generator=_draw("probe")).numpy()[:EXAMPLES]
    noise = torch.randn(EXAMPLES, subject.run.latents, generator=_draw("probe noise"))
    network = subject.network(6)
    mean, sampled = [], []
    with torch.inference_mode():
        for row, index in enumerate(order):
            posterior = network.encode(torch.from_numpy(subject.dataset.images([int(index)])))
            mean.append(posterior.mean[0].numpy())
            sampled.append((posterior.mean + torch.exp(posterior.log_var / 2) * noise[row])[0].numpy())
    slow = {"mean": np.stack(mean), "sampled": np.stack(sampled)}
    for kind, codes in slow.items():
        expected = scores(codes, subject.dataset.factors(order), ["mig", "irs", "explicitness", "modularity"])
        here = found[(found["step"] == 6) & (found["codes"] == kind)].set_index("score")["value"]
        for name, value in expected.items():
            assert here[name] == pytest.approx(value, abs=0.02)


def _draw(purpose):
    from vaescope.runs.draw import draw

    return draw(purpose, 0)


def test_its_examples_begin_with_the_probe_set(folder):
    from vaescope.runs.inputs import probe_of

    order = torch.randperm(737_280, generator=_draw("probe")).numpy()
    assert (order[:20] == probe_of(folder, folder.runs[0]).indices).all()


@pytest.mark.usefixtures("few")
def test_a_dataset_without_factors_has_no_rows(folder, monkeypatch):
    subject = Subject(folder, folder.runs[0])
    monkeypatch.setattr(subject.dataset, "factor_names", ())
    found = examined(subject)
    assert len(found) == 0
    assert tuple(found.columns) == ("step", "codes", "score", "value")


@pytest.mark.usefixtures("few")
def test_it_stops_when_asked_to(folder):
    with pytest.raises(Interrupted):
        examined(Subject(folder, folder.runs[0], Impatient()))


@pytest.mark.usefixtures("few")
def test_a_snapshot_that_diverged_has_no_rows_and_the_others_have_theirs(folder, monkeypatch):
    original = Subject.network

    def broken(self, step, run=None):
        network = original(self, step, run)
        if step == 6:
            torch.nn.init.constant_(network.mean.bias, float("nan"))
        return network

    monkeypatch.setattr(Subject, "network", broken)
    assert set(examined(Subject(folder, folder.runs[0]))["step"]) == {0}
