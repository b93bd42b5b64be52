import math

import pandas as pd
import pytest
from tests.runs.small import small_study

from vaescope.stats.matched import COLUMNS, frame, matched, over_layers, shared_setting, value


def runs(*changes):
    return small_study(*changes).runs()


GRID = ("objectives={beta_vae: {beta: [1, 4]}, beta_tc_vae: {beta: [1, 4]}, vae: {}}", "seeds=2")


def brute(found, equal):
    """Pairs by comparing every two runs field by field."""
    names = ("objective", "options", "seed", "dataset", "network")
    pairs = []
    for i, a in enumerate(found):
        for j, b in enumerate(found[i + 1 :], i + 1):
            differ = {n for n in names if getattr(a, n) != getattr(b, n)}
            if differ == {equal}:
                pairs.append((i, j))
    return pairs


@pytest.mark.parametrize(("what", "field"), [("objective", "objective"), ("strength", "options"), ("seed", "seed")])
def test_matched_runs_differ_in_that_thing_and_no_other(what, field):
    found = runs(*GRID)
    assert matched(found, what) == brute(found, field) != []


def test_objective_and_seed_differ_together():
    found = runs(*GRID)
    expected = [
        (i, j)
        for i, a in enumerate(found)
        for j, b in enumerate(found)
        if i < j and a.options == b.options and a.objective != b.objective and a.seed != b.seed
    ]
    assert matched(found, "objective and seed") == expected != []


def test_objectives_are_matched_at_equal_strengths_only():
    found = runs(*GRID)
    assert {(found[i].setting, found[j].setting) for i, j in matched(found, "objective")} == {
        ("beta_vae beta=1", "beta_tc_vae beta=1"),
        ("beta_vae beta=4", "beta_tc_vae beta=4"),
    }


def test_runs_on_other_datasets_are_never_matched():
    found = runs(*GRID, "datasets=[dsprites, shapes]", "networks=[linear]")
    for what in ("objective", "strength", "seed"):
        assert all(found[i].dataset == found[j].dataset for i, j in matched(found, what))


def test_the_words_for_what_differs_and_what_is_shared():
    a = runs(*GRID)[0]
    assert (value(a, "objective"), value(a, "strength"), value(a, "seed")) == ("beta_vae", "beta=1", "0")
    assert (shared_setting(a, "objective"), shared_setting(a, "seed")) == ("beta=1", "beta_vae beta=1")
    assert value(runs("objectives={vae: {}}")[0], "strength") == "none"


def test_means_over_pairs_leave_out_what_has_no_score():
    head = ("cka", "objective", "d", "n", "r", "s", "beta_vae", "beta_tc_vae", "beta=4")
    rows = [(*head, "mean", "latent", 6, score, "") for score in (0.2, 0.6, math.nan)]
    found = over_layers(frame(rows))
    assert frame(rows).columns.tolist() == COLUMNS
    assert found[["mean", "min", "max", "pairs"]].iloc[0].tolist() == pytest.approx([0.4, 0.2, 0.6, 2])
    assert isinstance(found, pd.DataFrame)
    assert len(found) == 1
