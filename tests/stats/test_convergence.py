"""Settling and lead, from curves whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.stats.convergence import curves, lead, lead_over_seeds, settling, settling_step

STEPS = [0, 1, 3, 7, 15, 31]


def frame(**layers: list[float]) -> pd.DataFrame:
    """`encoder_1=[...]` -> the curve of encoder.1 in run r."""
    rows = [
        ("cka", "r", name.replace("_", "."), name.split("_")[0], step, score)
        for name, scores in layers.items()
        for step, score in zip(STEPS, scores, strict=True)
    ]
    return pd.DataFrame(rows, columns=["measure", "run", "layer", "part", "step", "score"])


def test_the_crossing_is_interpolated_in_log_step():
    assert settling_step([0, 1, 3], [0.2, 0.8, 1.0]) == pytest.approx(math.exp(math.log(2) + math.log(2) / 2) - 1)


def test_a_curve_that_is_there_from_the_start_settles_at_the_first_step():
    assert settling_step([0, 5], [0.95, 1.0]) == 0
    assert settling_step([4, 5], [0.95, 1.0]) == pytest.approx(4)


def test_it_is_the_first_crossing_that_counts():
    assert settling_step([0, 1, 3, 7], [0.0, 0.9, 0.1, 1.0]) == pytest.approx(1)


def test_a_curve_that_never_gets_there_has_no_settling_step():
    assert math.isnan(settling_step([0, 1], [0.1, 0.89]))
    assert math.isnan(settling_step([], []))


def test_snapshots_without_a_score_are_passed_over():
    assert settling_step([0, 1, 3], [0.2, math.nan, 1.0]) == settling_step([0, 3], [0.2, 1.0])


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6))
def test_the_settling_step_lies_between_the_snapshots_around_the_crossing(scores):
    steps = STEPS[: len(scores)]
    found = settling_step(steps, scores)
    above = [step for step, score in zip(steps, scores, strict=True) if score >= 0.9]
    if not above:
        assert math.isnan(found)
    else:
        after = above[0]
        before = steps[max(steps.index(after) - 1, 0)]
        assert before - 1e-9 <= found <= after + 1e-9


def test_the_floor_is_the_score_at_step_0_and_is_taken_off():
    found = curves(frame(mean=[0.5, 0.5, 0.75, 0.75, 1, 1]))
    assert set(found.floor) == {0.5}
    assert found.corrected.tolist() == [0, 0, 0.5, 0.5, 1, 1]


def test_without_a_snapshot_at_step_0_there_is_no_floor():
    scores = frame(mean=[0.5, 0.5, 0.75, 0.75, 1, 1])
    found = curves(scores[scores.step > 0])
    assert found.floor.isna().all()
    assert found.corrected.isna().all()
    assert len(found) == 5


@pytest.mark.parametrize("floor", [1.0, 1 - 1e-7])
def test_a_layer_that_never_changes_has_no_corrected_curve(floor):
    settled = settling(curves(frame(input=[floor, 1, 1, 1, 1, 1])))
    assert settled.raw.tolist() == [0]
    assert settled.corrected.isna().all()


def test_each_layer_settles_by_its_own_curves():
    settled = settling(curves(frame(encoder_1=[0.8, 0.8, 0.9, 1, 1, 1], mean=[0, 0, 0, 0.9, 1, 1]))).set_index("layer")
    assert settled.raw["encoder.1"] == pytest.approx(3)
    assert settled.corrected["encoder.1"] > 3  # (s - 0.8) / 0.2 = 0.9 is s = 0.98
    assert settled.raw["mean"] == settled.corrected["mean"] == pytest.approx(7)
    assert list(settled.part) == ["encoder", "mean"]


def test_the_lead_is_counted_in_doublings_of_the_step_plus_one():
    settled = pd.DataFrame(
        [
            ("cka", "r", "encoder.1", "encoder", 0, 0.0, 1.0),
            ("cka", "r", "encoder.2", "encoder", 0, 3.0, np.nan),
            ("cka", "r", "mean", "latent", 0, 1000.0, 1000.0),
            ("cka", "r", "decoder.1", "decoder", 0, 7.0, 7.0),
        ],
        columns=["measure", "run", "layer", "part", "floor", "raw", "corrected"],
    )
    found = lead(settled)
    assert found.raw.tolist() == [3 - (0 + 2) / 2]
    assert found.corrected.tolist() == [3 - 1]


def test_without_a_decoder_there_is_no_lead():
    assert lead(settling(curves(frame(encoder_1=[0, 0, 0, 0, 1, 1])))).raw.isna().all()


def test_seeds_of_a_setting_are_summed_up_and_runs_without_a_lead_are_not_counted():
    leads = pd.DataFrame(
        [("cka", "a0", 1.0, np.nan), ("cka", "a1", 3.0, 5.0), ("cka", "b0", -1.0, 0.0)],
        columns=["measure", "run", "raw", "corrected"],
    )
    found = lead_over_seeds(leads, {"a0": "a", "a1": "a", "b0": "b"}).set_index(["setting", "curve"])
    assert found.loc[("a", "raw"), ["n", "mean", "min", "max"]].tolist() == [2, 2, 1, 3]
    assert found.loc[("a", "corrected"), ["n", "mean"]].tolist() == [1, 5]
    assert found.loc[("b", "raw"), "mean"] == -1


def test_no_curves_give_empty_frames_with_their_columns():
    empty = curves(frame())
    assert list(empty.columns)[-3:] == ["score", "floor", "corrected"]
    assert list(settling(empty).columns)[-2:] == ["raw", "corrected"]
    assert len(lead(settling(empty))) == len(lead_over_seeds(lead(settling(empty)), {})) == 0
