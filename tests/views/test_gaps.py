"""What a study lacks is told, and what no command can make is not."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tests.views.figures.fake_evidence import fake_evidence

from vaescope.views import gaps, lacking
from vaescope.views.figure import FIGURES
from vaescope.views.opening import Opening


def test_runs_without_a_table_that_others_have_are_counted():
    evidence = fake_evidence(("cars3d", "dsprites"))
    runs = pd.DataFrame({"run": evidence.runs["run"], "state": "done"})
    assert gaps.unexamined(runs, evidence) == ""
    first = evidence.latents["run"].astype(str) == str(runs["run"].iloc[0])
    short = replace(evidence, latents=evidence.latents[~first])
    assert gaps.unexamined(runs, short) == f"1 run of {len(runs)}"
    assert gaps.unexamined(runs, replace(evidence, latents=evidence.latents[:0])) == ""  # asked of no run


def test_runs_on_datasets_without_factors_lack_nothing():
    evidence = fake_evidence(("cars3d", "dsprites"))
    runs = pd.DataFrame({"run": evidence.runs["run"], "state": "done"})
    some = evidence.disentanglement["run"].astype(str) == str(runs["run"].iloc[0])
    assert gaps.unexamined(runs, replace(evidence, disentanglement=evidence.disentanglement[some])) == ""


def layers(*named):
    return pd.DataFrame(named, columns=["layer", "part"])


CLASSIFIER = layers(("input", "input"), ("1", "other"), ("2", "other"))
AUTOENCODER = layers(("encoder.0", "encoder"), ("decoder.0", "decoder"))
VAE = layers(("encoder.0", "encoder"), ("mean", "latent"), ("log_var", "latent"), ("decoder.0", "decoder"))


def missing(found, evidence):
    runs = pd.DataFrame({"run": evidence.runs["run"], "state": "done", "snapshots": 3, "seed": evidence.runs["seed"]})
    none = replace(evidence, latents=evidence.latents[:0], posterior=evidence.posterior[:0])
    return {gap["what"]: gap for gap in gaps.gaps(runs, none, ["cka"], ["cka"], "folder", True, found)}


def test_of_a_recorded_model_without_latents_none_are_expected_and_that_is_said():
    evidence = fake_evidence()
    asked = {gaps.SHOWN_BY[name].capitalize() for name in ("latents", "posterior")}
    assert asked <= set(missing(VAE, evidence))
    assert not {"Parts", "Latents"} & set(missing(VAE, evidence))
    for found, what in ((CLASSIFIER, "Parts"), (AUTOENCODER, "Latents")):
        told = missing(found, evidence)
        assert not asked & set(told)
        assert told[what]["how"] == ""
    assert "Recorder(encoder=..., decoder=..., posterior=...)" in missing(CLASSIFIER, evidence)["Parts"]["why"]


@pytest.mark.parametrize(
    ("figure", "found", "words"),
    [
        ("controls", VAE, lacking.NO_NETWORK),
        ("latents", CLASSIFIER, lacking.NO_LATENTS),
        ("gauge", AUTOENCODER, lacking.NO_LATENTS),
        ("gauge", VAE, lacking.NOT_EXAMINED),
        ("other_references", CLASSIFIER, lacking.NO_PARTS),
        ("leads", CLASSIFIER, lacking.NO_PARTS),
        ("disentanglement", VAE, lacking.NO_NETWORK),
    ],
)
def test_figures_that_recorded_runs_cannot_have_say_why_without_a_command(figure, found, words):
    results: Any = SimpleNamespace(folder=SimpleNamespace(runs=[SimpleNamespace(recorded=True)]), layers=found)
    assert FIGURES[figure]().missing(results) == words


def test_the_first_figures_ask_for_no_lead_where_there_are_no_parts():
    nothing = pd.DataFrame(columns=["strength", "low"])
    opening = Opening(nothing, nothing, nothing, nothing, nothing)
    curves, leads, _ = opening.figures("CKA", CLASSIFIER)
    assert "ncoder" not in curves["title"] + curves["caption"]
    assert leads["empty"] == f"No lead: {lacking.NO_PARTS}."
    assert "encoder" in opening.figures("CKA", VAE)[0]["title"]
