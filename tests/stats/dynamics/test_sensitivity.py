"""Shortfalls that are known by construction, their permutation test, and other datasets."""

from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
from tests.stats.dynamics.studies import effects, ends, grid

from vaescope.stats.certainty.intervals import over_seed_pairs
from vaescope.stats.dynamics.sensitivity import abroad, sensitivity

TWO = {"beta_vae": ["beta=1", "beta=4"]}
FOUR = {"beta_vae": ["beta=1", "beta=4", "beta=8"], "tc": ["beta=1", "beta=4", "beta=8"], "annealed": ["c=5", "c=9"]}


def rows(found: pd.DataFrame, differ_in: str) -> pd.DataFrame:
    return found[found["differ_in"] == differ_in].set_index("layer")


def square(runs: pd.DataFrame, pairs: pd.DataFrame, layer: str) -> np.ndarray:
    place = {run: k for k, run in enumerate(runs["run"])}
    matrix = np.eye(len(runs))
    for row in pairs[pairs["layer"] == layer].itertuples():
        matrix[place[row.run_a], place[row.run_b]] = matrix[place[row.run_b], place[row.run_a]] = row.score
    return matrix


def test_a_setting_that_moves_a_layer_by_d_makes_it_fall_short_by_half_of_d_squared():
    rng = np.random.default_rng(0)
    runs = grid(TWO, seeds=4)
    seeds = effects(runs, rng, seed=3.0)
    moved = np.zeros_like(seeds)
    moved[runs["strength"] == "beta=4", 0] = 0.6
    found = rows(sensitivity(ends(runs, {"encoder.1": seeds, "decoder.1": seeds + moved}), runs), "strength")
    assert found["shortfall"].tolist() == pytest.approx([0, 0.18])
    assert found["low"].tolist() == pytest.approx([0, 0.18])  # seeds differ, their shortfalls do not
    assert (found["pairs"] == 4 * 3).all()
    assert (found["seeds"] == 4).all()
    assert found["part"].tolist() == ["encoder", "decoder"]
    assert found.loc["decoder.1", "ceiling"] - found.loc["decoder.1", "score"] == pytest.approx(0.18)


def test_score_ceiling_and_interval_are_those_of_their_definition():
    rng = np.random.default_rng(1)
    runs = grid(FOUR, seeds=3)
    pairs = ends(runs, {"mean": effects(runs, rng, objective=0.4, setting=0.3, seed=0.5, noise=0.3)})
    matrix = square(runs, pairs, "mean")
    found = sensitivity(pairs, runs)
    at = {(row.setting, row.seed): k for k, row in enumerate(runs.itertuples())}
    settings = runs.drop_duplicates("setting")
    shares = {("beta_vae", "tc")}  # objectives with strengths in common

    def compared(a: pd.Series, b: pd.Series, factor: str) -> bool:
        if factor == "strength":
            return a["objective"] == b["objective"]
        both = tuple(sorted((a["objective"], b["objective"])))
        return both[0] != both[1] and (both not in shares or a["strength"] == b["strength"])

    for factor in ("strength", "objective"):
        chosen = [
            (a["setting"], b["setting"])
            for (_, a), (_, b) in combinations(list(settings.iterrows()), 2)
            if compared(a, b, factor)
        ]
        room, score = np.zeros((2, 3, 3))
        for s, t in permutations(range(3), 2):
            score[s, t] = np.mean([(matrix[at[a, s], at[b, t]] + matrix[at[b, s], at[a, t]]) / 2 for a, b in chosen])
            ceiling = np.mean([(matrix[at[a, s], at[a, t]] + matrix[at[b, s], at[b, t]]) / 2 for a, b in chosen])
            room[s, t] = ceiling - score[s, t]
        row, expected = rows(found, factor).loc["mean"], over_seed_pairs(room)
        assert row["score"] == pytest.approx(score.sum() / 6)
        assert row[["shortfall", "low", "high"]].tolist() == pytest.approx(
            [float(expected.value), float(expected.low), float(expected.high)]
        )
        assert row["pairs"] == len(chosen) * 6


def test_the_p_value_is_the_share_of_all_relabellings_whether_drawn_or_tried():
    rng = np.random.default_rng(4)
    runs = grid({"beta_vae": ["beta=1", "beta=4", "beta=8"]}, seeds=3)
    pairs = ends(runs, {"mean": effects(runs, rng, setting=0.7, noise=1.0)})
    matrix = square(runs, pairs, "mean")
    places = [[int(k) for k in np.flatnonzero(runs["seed"] == s)] for s in range(3)]

    def shortfall(labels: list[tuple[int, ...]]) -> float:
        found = []
        for s, t in combinations(range(3), 2):
            for a, b in product(range(3), repeat=2):
                weight = 1 / 3 if a == b else -1 / 6
                found.append(weight * matrix[places[s][labels[s][a]], places[t][labels[t][b]]])
        return sum(found) / 3

    every = [shortfall(list(labels)) for labels in product(permutations(range(3)), repeat=3)]
    expected = np.mean(np.array(every) >= shortfall([(0, 1, 2)] * 3) - 1e-9)
    found = rows(sensitivity(pairs, runs, draws=6**3 - 1), "strength").loc["mean"]
    assert found["shortfall"] == pytest.approx(shortfall([(0, 1, 2)] * 3))
    assert 0.01 < expected < 0.5
    assert found["p"] == expected
    drawn = [rows(sensitivity(pairs, runs, draws=6**3 - 2, seed=s), "strength").loc["mean", "p"] for s in range(30)]
    assert len(set(drawn)) > 1
    assert np.mean(drawn) == pytest.approx(expected, abs=0.02)


def test_where_labels_say_nothing_p_is_uniform_and_intervals_hold_zero():
    """200 layers of independent noise: 4 seeds, 3 strengths."""
    rng = np.random.default_rng(2)
    runs = grid({"beta_vae": ["beta=1", "beta=4", "beta=8"]}, seeds=4)
    layers = {f"encoder.{k}": effects(runs, rng, seed=0.5, noise=1.0, size=8) for k in range(200)}
    found = rows(sensitivity(ends(runs, layers), runs, draws=199), "strength")
    p = found["p"].to_numpy(float)
    assert (p <= 0.05).mean() < 0.09
    assert 0.4 < p.mean() < 0.6
    assert abs(found["shortfall"].mean()) < 0.02
    assert ((found["low"] <= 0) & (found["high"] >= 0)).mean() > 0.93
    assert (found["p_adjusted"] <= 0.05).sum() == 0


def test_a_real_difference_is_found_in_its_layer_only():
    rng = np.random.default_rng(3)
    runs = grid(FOUR, seeds=4)
    layers = {
        "encoder.1": effects(runs, rng, noise=0.5),
        "mean": effects(runs, rng, noise=0.5) + effects(runs, rng, strength=0.5),
        "decoder.1": effects(runs, rng, noise=0.5) + effects(runs, rng, objective=0.7),
    }
    found = sensitivity(ends(runs, layers), runs)
    strength, objective, seed = (rows(found, what) for what in ("strength", "objective", "seed"))
    assert strength["p_adjusted"].le(0.05).to_dict() == {"encoder.1": False, "mean": True, "decoder.1": False}
    assert objective.loc["decoder.1", "p_adjusted"] < 0.05
    assert objective.loc["encoder.1", "p"] > 0.05
    assert objective.loc["decoder.1", "low"] > 0
    assert seed["p"].isna().all()
    assert (seed["ceiling"] == 1).all()
    assert seed.loc["encoder.1", "score"] == pytest.approx(1 - 0.25, abs=0.05)


def test_the_same_seed_gives_the_same_p_and_another_one_another():
    rng = np.random.default_rng(6)
    runs = grid(FOUR, seeds=3)
    pairs = ends(runs, {"mean": effects(runs, rng, setting=0.1, noise=1.0)})
    first, again, other = (sensitivity(pairs, runs, draws=199, seed=s) for s in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert (first["p"].dropna() != other["p"].dropna()).any()
    assert first["shortfall"].tolist() == other["shortfall"].tolist()


def test_a_run_that_is_dead_in_a_layer_is_left_out_of_that_layer():
    rng = np.random.default_rng(7)
    runs = grid(TWO, seeds=4)
    x = effects(runs, rng, setting=0.5, noise=0.2)
    pairs = ends(runs, {"mean": x, "decoder.1": x})
    dead = runs["run"][0]
    pairs.loc[(pairs["layer"] == "decoder.1") & ((pairs["run_a"] == dead) | (pairs["run_b"] == dead)), "score"] = np.nan
    found, whole = sensitivity(pairs, runs), sensitivity(pairs[pairs["layer"] == "mean"], runs)
    pd.testing.assert_series_equal(
        rows(found, "strength").loc["mean", ["score", "shortfall"]],
        rows(whole, "strength").loc["mean", ["score", "shortfall"]],
    )
    assert rows(found, "strength").loc["decoder.1", "pairs"] == 12 - 3
    assert rows(found, "strength").loc["decoder.1", "shortfall"] > 0


def test_two_seeds_have_a_shortfall_and_no_interval_and_one_has_nothing():
    rng = np.random.default_rng(8)
    for seeds, count in ((2, 3), (1, 0)):
        runs = grid(FOUR, seeds=seeds)
        found = sensitivity(ends(runs, {"mean": effects(runs, rng, setting=0.5, noise=0.1)}), runs)
        assert len(found) == count
        assert found["low"].isna().all()
        assert found["shortfall"].notna().all()
    assert len(sensitivity(ends(runs, {}), runs)) == 0


def test_a_ceiling_of_other_seeds_is_no_ceiling():
    runs = grid(TWO, seeds=4)
    runs = runs[(runs["strength"] == "beta=1") & (runs["seed"] < 2) | (runs["seed"] == 2)].reset_index(drop=True)
    runs = runs[~((runs["seed"] == 2) & (runs["strength"] == "beta=1"))].reset_index(drop=True)
    found = sensitivity(ends(runs, {"mean": np.eye(3)}), runs)
    assert found["differ_in"].tolist() == ["seed"]


def test_datasets_count_alike_and_are_never_mixed():
    rng = np.random.default_rng(9)
    here, there = (grid(TWO, seeds=3, dataset=name) for name in ("shapes", "cars"))
    runs = pd.concat([here, there], ignore_index=True)
    x = effects(runs, rng, seed=1.0)
    x[(runs["dataset"] == "cars") & (runs["strength"] == "beta=4"), 0] += 1.0
    found = rows(sensitivity(ends(runs, {"mean": x}), runs), "strength")
    assert found["shortfall"].tolist() == pytest.approx([(0 + 0.5) / 2])


def test_another_dataset_is_held_against_the_ceiling_of_its_own_setting():
    runs = pd.concat([grid(TWO, 3, "shapes"), grid(TWO, 3, "cars")], ignore_index=True)
    same = ends(runs, {"encoder.1": np.zeros((12, 1)), "decoder.1": np.zeros((12, 1))})
    same["score"] = np.where(same["layer"] == "encoder.1", 0.95, 0.8)
    rows_ = []
    for row in runs[runs["dataset"] == "shapes"].itertuples():
        other = row.run.replace("shapes", "cars")
        for layer, score in (("encoder.1", 0.9), ("decoder.1", 0.3 + 0.05 * row.seed)):
            rows_.append((row.run, "cka", "cars", other, layer, layer.split(".")[0], score))
    table = pd.DataFrame(rows_, columns=["run", "measure", "dataset_b", "run_b", "layer", "part", "score"])
    found = abroad(table, same, runs).set_index("layer")
    assert found["shortfall"].tolist() == pytest.approx([0.05, 0.45])
    assert found["ceiling"].tolist() == pytest.approx([0.95, 0.8])
    assert found["low"].iloc[0] == pytest.approx(0.05)
    assert found["high"].iloc[1] == pytest.approx(0.45 + 4.302653 * 0.05 / 3**0.5, rel=1e-5)
    assert found["p"].tolist() == [0.25, 0.25]
    assert found["p_adjusted"].tolist() == [0.5, 0.5]
    assert (found["pairs"] == 6).all()
    assert len(abroad(table.iloc[:0], same, runs)) == 0
