"""Settling steps: against one curve at a time, with censoring, relative levels and curves that are there at once."""

import math

import numpy as np
import pandas as pd
import pytest

from vaescope.stats.convergence import settling_step
from vaescope.stats.dynamics.settling import settling_steps, settling_table

STEPS = [0, 1, 3, 7, 15, 31]


def curve(scores: list[float], layer: str = "encoder.1", steps: list[int] = STEPS, **more: object) -> pd.DataFrame:
    head = {"run": "r", "measure": "cka", "reference": "final", "layer": layer, "part": layer.split(".")[0], "draw": -1}
    return pd.DataFrame({**head, "step": steps, "score": scores} | more)


def one(table: pd.DataFrame, **how: object) -> pd.Series:
    found = settling_steps(table, **how)
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_many_curves_at_once_are_what_each_is_alone(level: float):
    rng = np.random.default_rng(0)
    tables = []
    for number in range(60):
        steps = sorted(rng.choice(200, rng.integers(1, 9), replace=False).tolist())
        scores = rng.uniform(size=len(steps)) ** 0.3
        scores[rng.random(len(steps)) < 0.2] = np.nan
        tables.append(curve(scores.tolist(), steps=steps, run=f"r{number % 7}", layer=f"encoder.{number}"))
    mixed = pd.concat(tables).sample(frac=1, random_state=1)
    found = settling_steps(mixed, level).set_index("layer")
    assert len(found) == 60
    for table in tables:
        row = found.loc[table["layer"].iloc[0]]
        expected = settling_step(table["step"].tolist(), table["score"].tolist(), level)
        np.testing.assert_allclose(row["step"], expected, rtol=1e-12, equal_nan=True)
        known = table["score"].dropna()
        assert row["censored"] == (len(known) > 0 and known.max() < level)
        assert row["from_start"] == (len(known) > 0 and known.iloc[0] >= level)


def test_the_crossing_is_interpolated_in_log_step():
    found = one(curve([0.0, 0.8, 1.0, 1.0, 1.0, 1.0]))
    assert found["step"] == pytest.approx(math.exp(math.log(2) + math.log(2) / 2) - 1)
    assert not found["censored"]
    assert not found["from_start"]


def test_corrected_curves_are_freed_of_the_floor_of_their_own_draw():
    draws = pd.concat([curve([0.5, 0.5, 0.95, 1, 1, 1]), curve([0.9, 0.9, 0.95, 1, 1, 1], draw=0)])
    raw, corrected = (settling_steps(draws, reading=r).set_index("draw")["step"] for r in ("raw", "corrected"))
    assert raw[-1] < 3
    assert raw[0] == 0
    assert corrected[-1] == pytest.approx(3)
    assert corrected[0] == pytest.approx(2 ** (2 + 0.8) - 1)  # 0.5 at step 3, 1 at step 7: 0.9 is 0.8 of the way


def test_a_level_that_is_not_reached_is_censored():
    found = one(curve([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], reference="other"))
    assert math.isnan(found["step"])
    assert found["censored"]


def test_relative_levels_are_shares_of_the_last_score():
    other = curve([0.0, 0.1, 0.2, 0.45, 0.5, 0.5], reference="other")
    assert one(other, relative=True)["step"] == pytest.approx(7)
    lifted = curve([0.25, 0.25, 0.25, 0.475, 0.5, 0.5], reference="other")
    assert one(lifted, relative=True)["step"] < 7
    assert one(lifted, relative=True, reading="corrected")["step"] == pytest.approx(7)
    assert not one(lifted, relative=True, reading="corrected")["censored"]


def test_what_has_nothing_left_to_learn_has_no_step_and_is_not_censored():
    flat = one(curve([1.0] * 6), reading="corrected")
    assert math.isnan(flat["step"])
    assert not flat["censored"]
    assert one(curve([1.0] * 6))["from_start"]
    little = one(curve([0.1, 0.1, 0.1, 0.1, 0.1, 0.13]), reading="corrected", relative=True, least=0.05)
    assert math.isnan(little["step"])
    falling = one(curve([0.8, 0.7, 0.6, 0.6, 0.6, 0.5]), reading="corrected", relative=True)
    assert math.isnan(falling["step"])


def test_without_a_snapshot_at_step_0_there_is_no_corrected_step():
    late = curve([0.5, 1.0], steps=[5, 9])
    found = one(late, reading="corrected")
    assert math.isnan(found["step"])
    assert not found["censored"]
    assert 5 < one(late)["step"] < 9


def test_controls_and_references_are_kept_apart_and_draws_may_be_missing():
    table = pd.concat([curve([0, 0, 0, 0, 0, 1], reference=r) for r in ("final", "other")]).drop(columns="draw")
    found = settling_steps(table)
    assert list(found.columns[:3]) == ["run", "measure", "reference"]
    assert len(found) == 2
    wired = curve([0, 0, 0, 0, 0, 1]).rename(columns={"reference": "control"})
    assert "control" in settling_steps(wired).columns


def test_a_table_has_every_level_and_reading():
    found = settling_table(curve([0.5, 0.6, 0.7, 0.85, 0.92, 1.0]), levels=(0.8, 0.9))
    steps = found.set_index(["reading", "level"])["step"]
    assert steps["raw", 0.8] < steps["raw", 0.9] < steps["corrected", 0.9]
    assert steps["raw", 0.8] < steps["corrected", 0.8]


def test_no_curves_give_no_steps():
    empty = settling_steps(curve([], steps=[]))
    assert len(empty) == 0
    assert {"step", "censored", "from_start"} <= set(empty.columns)
