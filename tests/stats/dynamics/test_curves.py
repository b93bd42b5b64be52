"""Curves with intervals: each cell is what its rows alone would give."""

import numpy as np
import pandas as pd
import pytest

from vaescope.stats.dynamics.curves import corrected, intervals
from vaescope.stats.dynamics.hierarchy import estimate

RUNS = pd.DataFrame(
    [(f"s{k}-{s}", f"s{k}", "shapes", s) for k in range(2) for s in range(3)],
    columns=["run", "setting", "dataset", "seed"],
)


def references() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (run, "cka", layer, layer.split(".")[0], step, reference, "", draw, rng.uniform())
        for run in RUNS["run"]
        for layer in ("encoder.1", "mean")
        for step in (0, 5, 9)
        for reference in ("final", "previous")
        if (step, reference) != (0, "previous")
        for draw in range(-1, 4)
    ]
    names = ["run", "measure", "layer", "part", "step", "reference", "against", "draw", "score"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize("by", [("setting",), (), ("dataset", "setting")])
def test_every_cell_is_what_its_rows_alone_give(by: tuple[str, ...]):
    table = references()
    table.loc[::7, "score"] = np.nan
    found = intervals(table, RUNS, by)
    assert list(found.columns[: len(by)]) == list(by)
    joined = table.merge(RUNS, on="run").rename(columns={"score": "value"})
    keys = [*by, "measure", "reference", "layer", "part", "step"]
    groups = dict(list(joined.groupby(keys)))
    assert len(found) == len(groups) == (10 if by in ((), ("dataset",)) else 20)
    for row in found.to_dict("records"):
        alone = estimate(groups[tuple(row[k] for k in keys)])
        expected = [alone.value, alone.low, alone.high, alone.seeds, alone.runs]
        assert [row[k] for k in ("score", "low", "high", "seeds", "runs")] == pytest.approx(expected)


def test_controls_without_draws_or_steps_have_curves_too():
    untrained = references().query("draw == -1 and step == 5 and reference == 'final'")
    untrained = untrained.rename(columns={"reference": "control"}).drop(columns=["draw", "step", "against"])
    found = intervals(untrained, RUNS)
    assert list(found.columns) == [
        *("setting", "measure", "control", "layer", "part", "score", "low", "high", "seeds", "runs")
    ]
    assert (found["seeds"] == 3).all()
    twice = intervals(pd.concat([untrained, untrained.assign(score=1 - untrained["score"])]), RUNS)
    assert twice["score"].tolist() == pytest.approx([0.5] * 4)
    assert (twice["runs"] == 3).all()


def test_corrected_rows_are_zero_at_the_start_and_keep_their_ends():
    table = references()
    table.loc[(table["layer"] == "mean") & (table["step"] == 0), "score"] = 1.0
    table.loc[(table["step"] == 9) & (table["reference"] == "final"), "score"] = 1.0
    found = corrected(table)
    assert list(found.columns) == list(table.columns)
    final = found[found["reference"] == "final"].set_index("layer")
    encoder = final.loc["encoder.1"]
    assert encoder.loc[encoder["step"] == 0, "score"].tolist() == pytest.approx([0.0] * 30)
    assert encoder.loc[encoder["step"] == 9, "score"].tolist() == pytest.approx([1.0] * 30)
    floor = table.query("layer == 'encoder.1' and step == 0 and reference == 'final'")["score"].to_numpy(float)
    middle = table.query("layer == 'encoder.1' and step == 5 and reference == 'final'")["score"].to_numpy(float)
    np.testing.assert_allclose(encoder.loc[encoder["step"] == 5, "score"], (middle - floor) / (1 - floor))
    assert final.loc["mean", "score"].isna().all()
    assert found.loc[found["reference"] == "previous", "score"].isna().all()  # there is no step 0 before step 0


def test_no_rows_give_no_curves():
    empty = references().iloc[:0]
    assert len(intervals(empty, RUNS)) == 0
    assert len(corrected(empty)) == 0


def test_untrained_networks_have_curves_by_network_though_they_are_numbered():
    untrained = references().query("draw == -1 and step == 5 and reference == 'final'")
    untrained = untrained.rename(columns={"reference": "control"}).drop(columns=["draw", "step", "against"])
    numbered = pd.concat([untrained.assign(network=number) for number in range(2)])
    found = intervals(numbered, RUNS.assign(network="conv"), ("network",))
    assert found["network"].tolist() == ["conv", "conv"]
    assert found["score"].tolist() == pytest.approx(intervals(untrained, RUNS, ())["score"].tolist())
