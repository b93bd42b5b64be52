"""Each flag is raised by what it is for, and by nothing else."""

import numpy as np
import pandas as pd
import pytest

import vaescope
from vaescope.stats.dynamics.flags import COLUMNS, FLAGS, flags, summary
from vaescope.stats.evidence import READINGS, REFERENCES, SHAPES


def evidence(
    reading: dict[str, object] | None = None,
    other: dict[str, object] | None = None,
    shape: dict[str, object] | None = None,
    start: float = 0.3,
    halves: tuple[float, ...] = (0.50, 0.51, 0.49),
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A layer with nothing to be said about it, but for what is given."""
    plain = {"run": "r", "layer": "mean", "part": "latent", "step": 5, "n": 1000}
    scores = {"score": 0.5, "null_mean": 0.0, "null_sd": 0.01, "p": 0.001, "calibrated": 0.5}
    readings = [plain | scores | {"measure": "cka"} | (reading or {})]
    readings.append(plain | scores | {"measure": "procrustes", "p": np.nan, "calibrated": 0.7} | (other or {}))
    shapes = [plain | {"features": 10, "participation": 4.0, "variance": 2.0, "dead": False, "top_share": 0.02}]
    shapes[0] |= shape or {}
    head = ("r", "cka", "mean", "latent")
    references = [(*head, step, "final", "", -1, score) for step, score in ((0, start), (5, 0.5), (9, 1.0))]
    references += [(*head, 5, "final", "", draw, score) for draw, score in enumerate(halves)]
    references += [(*head, 0, "other", "o", -1, 0.99)]
    return (
        pd.DataFrame(readings, columns=list(READINGS)),
        pd.DataFrame(shapes, columns=list(SHAPES)),
        pd.DataFrame(references, columns=list(REFERENCES)),
    )


def test_where_there_is_nothing_to_say_nothing_is_said():
    assert len(flags(*evidence())) == 0


CASES = {
    "few examples": ({"shape": {"participation": 150.0}}, ["cka", "procrustes"], "fewer than 10 for each of the 150"),
    "dead": ({"shape": {"dead": True, "variance": 1e-12, "participation": 900.0}}, [""], "1.0e-12"),
    "disagree": (
        {"other": {"calibrated": 0.49}},
        ["cka"],
        "the root 0.71, and procrustes 0.49: what is shared",
    ),
    "outliers": ({"shape": {"top_share": 0.61}}, [""], "carry 61% of"),
    "chance": ({"reading": {"p": 0.2, "score": 0.04}}, ["cka"], "p = 0.20"),
    "negative": ({"reading": {"score": -0.03}}, ["cka"], "-0.030"),
    "start": ({"start": 0.95}, ["cka"], "already 0.95 alike"),
    "unsteady": ({"halves": (0.3, 0.5, 0.7)}, ["cka"], "differs by 0.20"),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_is_raised_by_what_it_is_for_with_its_reason(flag: str):
    given, measures, reason = CASES[flag]
    found = flags(*evidence(**given))
    assert list(found.columns) == list(COLUMNS)
    assert found["flag"].tolist() == [flag] * len(measures)
    assert found["measure"].tolist() == measures
    assert (found["layer"] == "mean").all()
    assert reason in found["reason"].iloc[0]
    assert found["reason"].str.endswith(".").all()


def test_dimensions_that_cannot_be_told_are_too_many():
    found = flags(*evidence(shape={"participation": np.inf}))
    assert found["flag"].tolist() == ["few examples"] * 2
    assert "inf" not in found["reason"].iloc[0]


def test_each_measure_is_held_to_the_examples_it_used():
    found = flags(*evidence(other={"n": 30}))
    assert found[["measure", "flag"]].to_numpy().tolist() == [["procrustes", "few examples"]]


def test_a_biased_score_is_never_called_negative_and_a_distance_in_the_other_direction_counts():
    assert "what differs is in" in flags(*evidence(other={"calibrated": 0.95}))["reason"].iloc[0]
    assert len(flags(*evidence(other={"score": -0.1}))) == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_noise_in_all_directions_alike_is_no_disagreement(share: float):
    """x and share x + noise of the same variance, 4 dimensions, by the measures themselves."""
    x, noise = np.random.default_rng(0).normal(size=(2, 4000, 4))
    y = share * x + (1 - share**2) ** 0.5 * noise
    cka, procrustes = (vaescope.similarity(x, y, measure=name) for name in ("cka", "procrustes"))
    assert len(flags(*evidence(reading={"calibrated": cka}, other={"calibrated": procrustes}))) == 0
    assert cka == pytest.approx(share**2, abs=0.03)


def test_a_summary_counts_runs_and_snapshots():
    one = flags(*evidence(reading={"p": 0.2}))
    found = summary(pd.concat([one, one.assign(step=9), one.assign(run="q")])).iloc[0]
    assert found[["flag", "runs", "snapshots"]].tolist() == ["chance", 2, 3]
    assert found["example"] == one["reason"].iloc[0]


def test_no_tables_raise_no_flags():
    empty = flags(*(table.iloc[:0] for table in evidence()))
    assert list(empty.columns) == list(COLUMNS)
    assert len(empty) == len(summary(empty)) == 0
