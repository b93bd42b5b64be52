"""What the tables of the evidence say of the runs and of the examples behind their scores."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import vaescope
from vaescope.stats import gathering
from vaescope.stats.evidence import REFERENCES


@pytest.mark.parametrize(
    ("objective", "strengths"),
    [
        ("beta_vae: {beta: [1, 4]}", [1, 4]),
        ("beta_vae: {beta: 4}", [4]),
        ("annealed_vae: {c_max: [5, 25], warmup: 10}", [5, 25]),
        ("annealed_vae: {c_max: 5, warmup: 10}", [math.nan]),
        ("annealed_vae: {c_max: [5, 25], warmup: [10, 20]}", [math.nan] * 4),
        ("beta_anneal: {beta: [1, 4], shape: [linear, cyclical]}", [math.nan] * 4),
        ("beta_anneal: {beta: 4, shape: [linear, cyclical]}", [math.nan] * 2),
        ("vae: {}", [math.nan]),
    ],
)
def test_the_strength_is_the_one_number_that_is_varied_and_none_where_more_is(objective, strengths):
    study = vaescope.load_study("quickstart", [f"objectives={{{objective}}}", "seeds=1"])
    found = [gathering.strength_of(study, run) for run in study.runs()]
    assert found == pytest.approx(strengths, nan_ok=True)


@pytest.mark.parametrize(("measure", "followed"), [("cka", 300), ("procrustes", 200)])
def test_halves_are_scaled_from_as_many_examples_as_the_measure_was_followed_on(monkeypatch, measure, followed):
    results = SimpleNamespace(
        study=SimpleNamespace(measures={measure: SimpleNamespace(n=None)}, probe=SimpleNamespace(n=800))
    )
    monkeypatch.setattr(gathering, "_study_scores", lambda *_: np.array([0.5]))
    rows = [("a", measure, "mean", "latent", 1, "final", "", draw, score) for draw, score in ((-1, 0.6), (0, 0.7))]
    found = gathering._of_the_study(results, measure, pd.DataFrame(rows, columns=list(REFERENCES)))  # type: ignore[arg-type]
    assert found["score"].tolist() == pytest.approx([0.5, 0.5 + 0.1 * (followed / 800) ** 0.5])
