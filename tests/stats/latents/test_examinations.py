"""The two examinations on a small study that was really trained."""

import numpy as np
import pytest
from tests.runs.small import small_folder

from vaescope.runs.train import train
from vaescope.stats.evidence import LATENTS, POSTERIOR
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.latents.codes import codes
from vaescope.stats.latents.tables import latent_table, posterior_row
from vaescope.stats.similarity import similarity
from vaescope.stats.subject import Subject

STEPS = [0, 2, 6]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = small_folder(tmp_path_factory.mktemp("latents") / "s", "objectives={vae: {}}")
    train(found)
    return found


@pytest.fixture(scope="module")
def subject(folder):
    return Subject(folder, folder.runs[0])


@pytest.mark.parametrize(("name", "schema"), [("latents", LATENTS), ("posterior", POSTERIOR)])
def test_tables_begin_with_what_the_evidence_needs_and_do_not_change(name, schema, subject):
    examination = EXAMINATIONS[name]()
    found = examination.of(subject)
    assert tuple(found.columns) == examination.columns
    assert set(schema[1:]) <= set(examination.columns)
    assert not found.isna().any().any()
    assert found["step"].drop_duplicates().tolist() == STEPS
    assert found.equals(examination.of(subject))


def test_tables_are_of_the_layers_that_everything_else_is_compared_on(subject):
    latents = EXAMINATIONS["latents"]().of(subject)
    posterior = EXAMINATIONS["posterior"]().of(subject).set_index("step")
    for step in STEPS:
        layers = dict(subject.representations(step))
        here = latents[latents["step"] == step]
        assert here["latent"].tolist() == [*range(10)]
        assert here["mean_variance"].to_numpy() == pytest.approx(layers["mean"].var(axis=0), rel=1e-3)
        assert here["variance"].to_numpy() == pytest.approx(np.exp(layers["log_var"]).mean(axis=0), rel=1e-4)
        assert here["kl"].sum() == pytest.approx(posterior["kl"][step])
        measured = similarity(layers["mean"], layers["sampled"])
        assert posterior["mean_sampled"][step] == pytest.approx(measured, abs=1e-3)
        counts = here["kind"].value_counts()
        assert [counts.get(kind, 0) for kind in ("active", "mixed", "passive")] == [
            posterior[kind][step] for kind in ("active", "mixed", "passive")
        ]


def test_a_snapshot_whose_codes_are_no_numbers_is_left_out(subject, monkeypatch):
    whole = Subject.representations

    def broken(self, step, *rest):
        for name, value in whole(self, step, *rest):
            yield name, np.full_like(value, np.nan) if (step, name) == (2, "log_var") else value

    monkeypatch.setattr(Subject, "representations", broken)
    assert [found.step for found in codes(subject)] == [0, 6]


def test_a_run_without_snapshots_gives_tables_without_rows(tmp_path):
    folder = small_folder(tmp_path / "s")
    for name in ("latents", "posterior"):
        found = EXAMINATIONS[name]().of(Subject(folder, folder.runs[0]))
        assert len(found) == 0
        assert tuple(found.columns) == EXAMINATIONS[name].columns


def test_codes_that_do_not_vary_have_no_similarity_but_all_the_rest():
    mean, log_var = np.zeros((30, 2)), np.zeros((30, 2))
    row = posterior_row(mean, log_var, np.random.default_rng(0).normal(size=(30, 2)), 100)
    assert np.isnan(row["mean_sampled"])
    assert np.isnan(row["expected_mean_sampled"])
    assert (row["passive"], row["active_units"], row["kl"], row["mutual_information"]) == (2, 0, 0, 0)
    assert latent_table(mean, log_var)["fit"].tolist() == ["prior", "prior"]
