import math

import pytest

from vaescope.stats.matched import frame
from vaescope.views.differing import objective_tables


def pairs(what, a, b, setting, scores):
    head = ("cka", what, "dsprites", "conv", "run a", "run b", a, b, setting)
    return [(*head, layer, "input" if layer == "input" else "latent", 6, score, "") for layer, score in scores]


@pytest.fixture
def found():
    a, b = "beta_vae", "beta_tc_vae"
    objectives = frame(
        pairs("objective", a, b, "beta=1", [("input", 1.0), ("mean", 1.0), ("sampled", 0.9)])
        + pairs("objective", a, b, "beta=8", [("input", 1.0), ("mean", 0.2), ("sampled", 0.5)])
        + pairs("objective", a, b, "beta=8", [("input", 1.0), ("mean", 0.4), ("sampled", math.nan)])
    )
    across = frame(
        pairs("objective and seed", a, b, "beta=1", [("mean", 0.5)])
        + pairs("objective and seed", b, a, "beta=8", [("mean", 0.7)])
        + pairs("objective and seed", a, "vae", "none", [("mean", 0.0)])
    )
    seeds = frame(
        pairs("seed", "0", "1", "beta_vae beta=1", [("mean", 0.7)])
        + pairs("seed", "0", "1", "beta_tc_vae beta=8", [("mean", 0.9)])
        + pairs("seed", "0", "1", "beta_vae beta=2", [("mean", 0.0)])
        + pairs("seed", "0", "1", "annealed_vae c_max=5", [("mean", 0.0)])
    )
    return objective_tables(objectives, across, seeds)


def test_a_table_for_each_two_objectives_with_a_column_a_strength(found):
    (table,) = found
    assert table.title == "beta_vae and beta_tc_vae on dsprites"
    assert table.settings == ("beta=1", "beta=8")
    assert [row["layer"] for row in table.rows] == ["mean", "sampled"]
    assert table.rows[0]["texts"][::3] == ["1.00", "0.30 (0.20 to 0.40)"]
    assert table.rows[1]["texts"][::3] == ["0.90", "0.50"]


def test_across_seeds_only_these_objectives_at_these_strengths_count(found):
    assert [row["texts"][1::3] for row in found[0].rows] == [["0.50", "0.70"], ["–", "–"]]
    assert [row["texts"][2::3] for row in found[0].rows] == [["0.70", "0.90"], ["–", "–"]]


def test_the_words_say_where_they_differ_most_and_what_the_objective_adds_to_the_seed(found):
    assert "most apart in mean at beta=8: 0.30." in found[0].words
    assert "0.95 at beta=1, 0.40 at beta=8" in found[0].words
    assert "Across seeds at beta=8, 0.70 with the other objective and 0.90 with the same." in found[0].words


def test_without_scores_there_is_no_table():
    empty = frame(pairs("objective", "a", "b", "beta=1", [("mean", math.nan)]))
    assert objective_tables(empty, frame([]), frame([])) == []
    assert objective_tables(frame([]), frame([]), frame([])) == []
