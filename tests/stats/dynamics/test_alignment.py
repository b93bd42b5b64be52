"""When disentanglement appears, in studies where it is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from vaescope.errors import UsageError
from vaescope.stats.dynamics.alignment import appearance, over_runs, over_steps, spearman

STEPS = [2**k - 1 for k in range(11)]


def study(after: float, seeds: int = 3, settings: int = 4) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The encoder settles at 2^(2 + setting) - 1, the decoder twice as late, MIG `after` doublings later than it."""
    runs, curves, scores = [], [], []
    time = np.log2(np.array(STEPS) + 1)
    for k in range(settings):
        for seed in range(seeds):
            run = f"s{k}-{seed}"
            runs.append((run, f"s{k}", seed))
            for layer, at in (("encoder.1", 2.0 + k), ("encoder.2", 2.0 + k), ("decoder.1", 3.0 + k)):
                values = np.clip(time / at * 0.9, 0, 1)
                head = (run, "cka", layer, layer.split(".")[0])
                curves += [(*head, s, "final", "", -1, v) for s, v in zip(STEPS, values.tolist(), strict=True)]
                curves += [(*head, s, "other", "x", -1, 0.1) for s in STEPS]
            rise = np.clip(time / (2.0 + k + after) * 0.9, 0, 1)
            for name, value in (("mig", 0.1 + 0.4 * rise), ("sap", 0.3 + 0.04 * rise)):
                scores += [(run, s, "mean", name, v) for s, v in zip(STEPS, value.tolist(), strict=True)]
    return (
        pd.DataFrame(scores, columns=["run", "step", "codes", "score", "value"]),
        pd.DataFrame(
            curves, columns=["run", "measure", "layer", "part", "step", "reference", "against", "draw", "score"]
        ),
        pd.DataFrame(runs, columns=["run", "setting", "seed"]),
    )


@pytest.mark.parametrize("after", [-1.0, 0.0, 2.0])
def test_it_is_known_how_much_later_than_the_layers_a_score_appears(after: float):
    found = appearance(*study(after))
    mig = found[found["score"] == "mig"]
    assert len(mig) == 12
    assert mig["after_encoder"].tolist() == pytest.approx([after] * 12)
    assert mig["after_decoder"].tolist() == pytest.approx([after - 1] * 12)
    first = mig.set_index("run").loc["s0-0"]
    assert first[["start", "end", "encoder", "decoder"]].tolist() == pytest.approx([0.1, 0.5, 3, 7])


def test_a_score_that_hardly_rises_does_not_appear():
    found = appearance(*study(0.0))
    assert found.loc[found["score"] == "sap", ["step", "after_encoder"]].isna().all(axis=None)
    assert found.loc[found["score"] == "sap", "encoder"].notna().all()
    assert appearance(*study(0.0), least=0.005)["step"].notna().all()


def test_scores_that_appear_with_the_layers_are_ranked_as_they_are():
    found = over_runs(appearance(*study(1.0))).set_index(["score", "part"])
    assert found.loc[("mig", "encoder"), ["rho", "low", "high"]].tolist() == pytest.approx([1.0] * 3)
    assert found.loc[("mig", "encoder"), ["runs", "seeds", "p"]].tolist() == [12, 3, 0.25]
    assert found.loc[("mig", "decoder"), "after"] == pytest.approx(0.0)
    assert np.isnan(found.loc[("sap", "encoder"), "rho"])
    assert found.loc[("sap", "encoder"), "seeds"] == 0


def test_over_steps_each_run_has_the_rank_correlation_of_its_curves():
    scores, references, runs = study(1.0)
    rng = np.random.default_rng(0)
    scores["value"] += rng.normal(0, 0.1, len(scores))
    noisy = references["layer"] == "encoder.2"
    references.loc[noisy, "score"] = rng.uniform(size=noisy.sum())
    mig = scores[scores["score"] == "mig"].groupby("run")["value"]
    layer = references[noisy & (references["reference"] == "final")].groupby("run")["score"]
    for changes in (False, True):
        found = over_steps(scores, references, runs, changes).set_index(["score", "layer"])
        by_run = []
        for run in runs["run"]:
            y, x = (table.get_group(run).to_numpy(float)[:-1] for table in (mig, layer))
            by_run.append(spearmanr(np.diff(y) if changes else y, np.diff(x) if changes else x).statistic)
        by_seed = np.array(by_run).reshape(4, 3).mean(axis=0)
        row = found.loc[("mig", "encoder.2")]
        assert row["rho"] == pytest.approx(by_seed.mean())
        assert row["high"] - row["rho"] == pytest.approx(4.302653 * by_seed.std(ddof=1) / 3**0.5, rel=1e-5)
        assert row["high"] < 1
        assert (row["runs"], row["seeds"], row["part"]) == (12, 3, "encoder")
        assert len(found) == 6


def test_rank_correlations_are_over_what_is_known():
    rng = np.random.default_rng(1)
    ys, x = rng.integers(0, 4, (5, 12)).astype(float), rng.uniform(size=12)
    ys[1, :4], x[7], ys[2], ys[3, 2:] = np.nan, np.nan, 1.0, np.nan
    found = spearman(ys, x)
    for row in (0, 1, 4):
        known = ~np.isnan(ys[row]) & ~np.isnan(x)
        assert found[row] == pytest.approx(spearmanr(ys[row][known], x[known]).statistic)
    assert np.isnan(found[[2, 3]]).all()


def test_nothing_disentangled_gives_empty_tables_and_two_measures_are_refused():
    scores, references, runs = study(0.0)
    none = appearance(scores.iloc[:0], references, runs)
    assert len(none) == len(over_runs(none)) == len(over_steps(scores.iloc[:0], references, runs)) == 0
    alone = appearance(scores, references.iloc[:0], runs)
    assert alone["encoder"].isna().all()
    assert alone.loc[alone["score"] == "mig", "step"].notna().all()
    assert len(over_steps(scores, references.iloc[:0], runs)) == 0
    with pytest.raises(UsageError, match="one measure"):
        appearance(scores, pd.concat([references, references.assign(measure="procrustes")]), runs)
