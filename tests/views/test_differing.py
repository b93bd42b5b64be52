import math

import pandas as pd
import pytest

from vaescope.stats.matched import frame
from vaescope.views.differing import objective_tables


def pairs(what, a, b, setting, scores):
    head = ("cka", what, "dsprites", "run a", "run b", a, b, setting)
    return [(*head, layer, "input" if layer == "input" else "latent", 6, score, "") for layer, score in scores]


@pytest.fixture
def found():
    objectives = frame(
        pairs("objective", "beta_vae", "beta_tc_vae", "beta=1", [("input", 1.0), ("mean", 1.0), ("sampled", 0.9)])
        + pairs("objective", "beta_vae", "beta_tc_vae", "beta=8", [("input", 1.0), ("mean", 0.2), ("sampled", 0.5)])
        + pairs(
            "objective", "beta_vae", "beta_tc_vae", "beta=8", [("input", 1.0), ("mean", 0.4), ("sampled", math.nan)]
        )
    )
    seeds = frame(
        pairs("seed", "0", "1", "beta_vae beta=1", [("mean", 0.7)])
        + pairs("seed", "0", "1", "beta_tc_vae beta=8", [("mean", 0.9)])
        + pairs("seed", "0", "1", "annealed_vae c_max=5", [("mean", 0.0)])
    )
    return objective_tables(objectives, seeds)


def test_a_table_for_each_two_objectives_with_a_column_a_strength(found):
    (table,) = found
    assert table.title == "beta_vae and beta_tc_vae on dsprites"
    assert table.settings == ("beta=1", "beta=8")
    assert [row["layer"] for row in table.rows] == ["mean", "sampled"]
    assert table.rows[0]["texts"] == ["1.00", "0.30 (0.20 to 0.40)"]
    assert table.rows[1]["texts"] == ["0.90", "0.50"]


def test_the_ceiling_is_that_of_seeds_of_these_two_objectives_alone(found):
    assert [row["seeds"] for row in found[0].rows] == ["0.80", "–"]


def test_the_words_name_the_least_alike_layer_and_what_seeds_have_there(found):
    assert "most apart in mean at beta=8: 0.30, where two seeds of one setting have 0.80" in found[0].words
    assert "0.95 at beta=1, 0.40 at beta=8" in found[0].words


def test_without_scores_there_is_no_table():
    empty = frame(pairs("objective", "a", "b", "beta=1", [("mean", math.nan)]))
    assert objective_tables(empty, frame([])) == []
    assert objective_tables(frame([]), frame([])) == []
    assert isinstance(empty, pd.DataFrame)
