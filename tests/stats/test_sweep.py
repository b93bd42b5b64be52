import itertools

import numpy as np
import pandas as pd
import pytest
from oracles import ORACLES

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.certainty.ceiling import between_floor_and_ceiling, ceiling_between, noise_ceiling
from vaescope.stats.certainty.intervals import subsamples
from vaescope.stats.certainty.participation import participation_ratio, participation_ratios
from vaescope.stats.certainty.sweep import converged, halves, limits, n_sweep
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.features import Features
from vaescope.stats.forms.gram import LinearGram


def wide(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 5))
    return x, x @ rng.standard_normal((5, 40)) + 2 * rng.standard_normal((n, 40))


def test_a_sweep_over_subsamples_is_the_mean_of_scores_by_hand():
    x, y = wide(40)
    found = n_sweep(x, y, "procrustes", sizes=[10, 20], draws=3, seed=5)
    assert found["n"].tolist() == [10, 20, 40]
    assert found["draws"].tolist() == [3, 3, 1]
    by_hand = [ORACLES["procrustes"](x[s], y[s]) for s in subsamples(40, 20, 3, 5)]
    row = found.iloc[1]
    assert row["score"] == pytest.approx(np.mean(by_hand), abs=1e-7)
    assert (row["low"], row["high"]) == (pytest.approx(min(by_hand), abs=1e-7), pytest.approx(max(by_hand), abs=1e-7))
    assert row["sd"] == pytest.approx(np.std(by_hand, ddof=1), abs=1e-7)
    assert found["score"].iloc[-1] == pytest.approx(ORACLES["procrustes"](x, y), abs=1e-7)


def test_a_sweep_over_prefixes_takes_the_first_examples():
    x, y = wide(40)
    found = n_sweep(x, y, "cka", sizes=[8], how="prefix")
    assert found["score"][0] == pytest.approx(ORACLES["cka"](x[:8], y[:8]), abs=1e-7)
    assert found["draws"].tolist() == [1, 1]


def test_a_bias_that_falls_as_one_over_n_is_carried_on_to_its_limit():
    sizes = np.array([10.0, 30.0, 70.0])
    np.testing.assert_allclose(limits(sizes, 0.4 + 3 / sizes)[1:], 0.4)


def test_a_curve_has_converged_where_nothing_that_follows_moves_it():
    scores = np.array([0.9, 0.5, 0.51, 0.50])
    assert converged(scores, np.array([np.nan, 0.1, 0.51, 0.50]), 0.02).tolist() == [False, False, True, True]
    assert converged(scores, np.array([np.nan, 0.1, 0.51, 0.60]), 0.02).tolist() == [False] * 4
    assert converged(np.array([0.5]), np.array([np.nan]), 0.02).tolist() == [False]


def test_biased_measures_converge_later_than_debiased_cka():
    x, y = wide(1_280)
    first = {}
    for measure in ("cka", "cka_biased"):
        found = n_sweep(x, y, measure, draws=5, tolerance=0.03)
        first[measure] = found.loc[found["converged"], "n"].min()
    assert first["cka"] < first["cka_biased"]


def test_default_sizes_are_halves():
    assert halves(2_000, 16) == [31, 62, 125, 250, 500, 1000, 2000]
    assert halves(10, 16) == [10]


def test_what_cannot_be_swept_is_said():
    x, y = wide(20)
    with pytest.raises(UsageError, match="from 4"):
        n_sweep(x, y, sizes=[3])
    with pytest.raises(UsageError, match="prefix or subsample"):
        n_sweep(x, y, draws=0)
    with pytest.raises(RepresentationError, match="20 and 19"):
        n_sweep(x, y[1:])


def test_the_corrected_participation_ratio_is_a_ratio_of_averages_over_distinct_examples():
    x = np.random.default_rng(0).gamma(1, size=(8, 4))
    quadruples = list(itertools.permutations(range(8), 4))
    top = np.mean([((x[i] - x[j]) ** 2).sum() * ((x[k] - x[m]) ** 2).sum() / 4 for i, j, k, m in quadruples])
    below = np.mean([((x[i] - x[j]) @ (x[k] - x[m])) ** 2 / 4 for i, j, k, m in quadruples])
    assert participation_ratio(x) == pytest.approx(top / below, rel=1e-9)


def test_the_plain_participation_ratio_is_that_of_the_covariance_and_both_forms_agree():
    x = np.random.default_rng(0).gamma(1, size=(40, 6)) * [1, 2, 3, 4, 5, 6]
    values = np.linalg.eigvalsh(np.cov(x.T))
    assert participation_ratio(x, corrected=False) == pytest.approx(values.sum() ** 2 / (values**2).sum(), rel=1e-9)
    forms = [Features.of(Examples(x)), LinearGram.of(Examples(x))]
    for corrected in (True, False):
        a, b = (participation_ratios([form], corrected)[0] for form in forms)
        assert a == pytest.approx(b, rel=1e-9)


def test_the_corrected_participation_ratio_is_right_where_the_plain_one_is_bounded_by_n():
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((30, 200)) for _ in range(60)]
    assert np.mean([participation_ratio(x) for x in xs]) == pytest.approx(200, rel=0.05)
    assert max(participation_ratio(x, corrected=False) for x in xs) < 30


def seed_frame(values):
    rows = [(layer, a, b, m[a][b]) for layer, m in values.items() for a in range(len(m)) for b in range(a + 1, len(m))]
    return pd.DataFrame(rows, columns=["layer", "seed_a", "seed_b", "score"])


def test_the_ceiling_of_a_layer_is_its_mean_similarity_between_seeds():
    values = {"mean": [[1, 0.9, 0.7], [0, 1, 0.8], [0, 0, 1]], "z": [[1, 0.5], [0, 1]]}
    found = noise_ceiling(seed_frame(values)).set_index("layer")
    assert found.loc["mean", "ceiling"] == pytest.approx(0.8)
    assert found.loc["mean", "low"] < 0.8 < found.loc["mean", "high"]
    left_out = np.array([0.8, 0.7, 0.9])
    assert found.loc["mean", "error"] == pytest.approx(np.sqrt(2 * left_out.var()))
    assert found.loc["z", "ceiling"] == 0.5
    assert np.isnan(found.loc["z", "low"])
    assert found["seeds"].tolist() == [3, 2]
    both = pd.concat([seed_frame(values), seed_frame(values).rename(columns={"seed_a": "seed_b", "seed_b": "seed_a"})])
    assert noise_ceiling(both).set_index("layer").loc["mean", "ceiling"] == pytest.approx(0.8)


def test_between_floor_and_ceiling_chance_is_0_and_another_seed_is_1():
    found = between_floor_and_ceiling(np.array([0.2, 0.8, 0.5]), 0.2, np.array([0.8, 0.8, 0.2]))
    np.testing.assert_allclose(found, [0, 1, np.nan])
    assert between_floor_and_ceiling(np.array([1.5]), 2.0, 1.0)[0] == 0.5, "a distance"
    np.testing.assert_allclose(ceiling_between(np.array([0.64, -0.1]), np.array([0.25])), [[0.4], [np.nan]])


def test_a_ceiling_needs_every_pair_of_its_seeds():
    frame = seed_frame({"z": [[1, 0.5, 0.4], [0, 1, 0.3], [0, 0, 1]]})
    with pytest.raises(UsageError, match="seeds 0 and 2"):
        noise_ceiling(frame.drop(index=1))
    with pytest.raises(UsageError, match="at least 2 seeds"):
        noise_ceiling(pd.DataFrame([("z", 0, 0, 1.0)], columns=["layer", "seed_a", "seed_b", "score"]))
    with pytest.raises(UsageError, match="missing: score"):
        noise_ceiling(frame.drop(columns="score"))
