"""Shares of variance against a plain analysis of variance, known shares, and a permutation test that holds its word."""

import numpy as np
import pandas as pd
import pytest
from tests.stats.dynamics.studies import effects, ends, grid

from vaescope.stats.dynamics.decomposition import decomposition

GRID = {
    "beta_vae": ["beta=1", "beta=4", "beta=8"],
    "tc": ["beta=1", "beta=4", "beta=8"],
    "annealed": ["c=1", "c=5", "c=9"],
}


def shares(found: pd.DataFrame, column: str = "share") -> pd.DataFrame:
    return found.pivot(index="layer", columns="factor", values=column)


def anova(runs: pd.DataFrame, x: np.ndarray) -> dict[str, float]:
    """Sums of squares of a full grid, from means."""

    def around(keys: list[str]) -> np.ndarray:
        return pd.DataFrame(x).groupby([runs[k] for k in keys]).transform("mean").to_numpy()

    grand = x.mean(axis=0)
    by_objective, by_setting, by_seed = around(["objective"]), around(["setting"]), around(["seed"])
    parts = {
        "objective": by_objective - grand,
        "strength": by_setting - by_objective,
        "seed": by_seed - grand,
        "residual": x - by_setting - by_seed + grand,
    }
    return {name: float((part**2).sum()) for name, part in parts.items()}


def test_sums_of_squares_of_points_are_those_of_a_plain_analysis_of_variance():
    rng = np.random.default_rng(0)
    runs = grid(GRID, seeds=4)
    x = effects(runs, rng, objective=0.5, setting=0.3, seed=0.2, noise=0.3)
    expected = anova(runs, x)
    total = sum(expected.values())
    found = decomposition(ends(runs, {"mean": x}), runs).set_index("factor")
    freedom = {"objective": 2, "strength": 6, "seed": 3, "residual": 24}
    noise = expected["residual"] / 24
    for factor, square in expected.items():
        assert found.loc[factor, "unadjusted"] == pytest.approx(square / total)
        assert found.loc[factor, "freedom"] == freedom[factor]
        if factor != "residual":
            assert found.loc[factor, "share"] == pytest.approx((square - freedom[factor] * noise) / total)
    assert found["share"].sum() == pytest.approx(1)
    assert found["unadjusted"].sum() == pytest.approx(1)


def test_one_effect_alone_has_all_of_the_variance():
    rng = np.random.default_rng(1)
    runs = grid(GRID, seeds=3)
    layers = {f"{name}.1": effects(runs, rng, **{name: 1.0}) for name in ("objective", "seed")}
    found = shares(decomposition(ends(runs, layers), runs))
    assert found.loc["objective.1", "objective"] == pytest.approx(1)
    assert found.loc["seed.1", "seed"] == pytest.approx(1)
    p = shares(decomposition(ends(runs, layers), runs), "p")
    assert p.loc["seed.1", "seed"] < 0.05


def test_shares_are_those_of_the_effects_that_were_put_in():
    """60 layers: variances 1 (objective), 0.25 (strength within it), 0.5 (seed), 0.25 (noise)."""
    rng = np.random.default_rng(2)
    k, m, s = 4, 3, 4
    runs = grid({f"o{i}": [f"{i}-{j}" for j in range(m)] for i in range(k)}, seeds=s)
    layers = {f"mean.{i}": effects(runs, rng, objective=1.0, setting=0.5, seed=0.5**0.5, noise=0.5) for i in range(60)}
    found = shares(decomposition(ends(runs, layers), runs, draws=9)).mean()
    parts = {"objective": (1 - 1 / k) * (1 + 0.25 / m), "strength": 0.25 * (1 - 1 / m), "seed": 0.5 * (1 - 1 / s)}
    parts["residual"] = 0.25 * (1 - 1 / (k * m * s))
    for factor, part in parts.items():
        assert found[factor] == pytest.approx(part / sum(parts.values()), abs=0.015)


def test_what_does_not_matter_has_a_share_of_zero_on_average_and_a_uniform_p():
    """150 layers without any effect, and with one of the seed alone."""
    rng = np.random.default_rng(3)
    runs = grid({"a": ["1", "2"], "b": ["1", "2"]}, seeds=4)
    nothing = {f"encoder.{k}": effects(runs, rng, noise=1.0, size=5) for k in range(150)}
    found = decomposition(ends(runs, nothing), runs, draws=99)
    for _, own in found[found["factor"] != "residual"].groupby("factor"):
        assert abs(own["share"].mean()) < 0.02
        assert (own["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.045)
        assert own["p"].mean() == pytest.approx(0.5, abs=0.08)
    assert (found["p_adjusted"] <= 0.05).sum() == 0
    strong = {f"encoder.{k}": effects(runs, rng, seed=3.0, noise=1.0, size=5) for k in range(150)}
    found = decomposition(ends(runs, strong), runs, draws=99)
    own = found[found["factor"] == "strength"]
    assert (own["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.045)


def test_layers_that_differ_are_told_from_those_that_do_not():
    rng = np.random.default_rng(4)
    runs = grid(GRID, seeds=3)
    layers = {"encoder.1": effects(runs, rng, noise=0.5), "mean": effects(runs, rng, setting=0.7, noise=0.5)}
    found = decomposition(ends(runs, layers), runs).set_index(["layer", "factor"])
    assert found.loc[("mean", "strength"), "p_adjusted"] < 0.05
    assert found.loc[("encoder.1", "strength"), "p"] > 0.05
    assert list(found.index[:4]) == [("encoder.1", f) for f in ("objective", "strength", "seed", "residual")]


def test_datasets_are_added_up():
    rng = np.random.default_rng(5)
    parts = [grid(GRID, 3, name) for name in ("shapes", "cars")]
    points = [effects(part, rng, objective=0.5, seed=0.4, noise=0.3) for part in parts]
    runs = pd.concat(parts, ignore_index=True)
    sums = [anova(part, x) for part, x in zip(parts, points, strict=True)]
    total = sum(sum(own.values()) for own in sums)
    found = decomposition(ends(runs, {"mean": np.concatenate(points)}), runs).set_index("factor")
    for factor in ("objective", "strength", "seed", "residual"):
        assert found.loc[factor, "unadjusted"] == pytest.approx(sum(own[factor] for own in sums) / total)
    assert found.loc["residual", "freedom"] == 2 * 16


def test_what_is_not_varied_or_not_repeated_has_no_share():
    rng = np.random.default_rng(6)
    runs = grid({"a": ["1", "2"]}, seeds=3)
    found = shares(decomposition(ends(runs, {"mean": effects(runs, rng, noise=1.0)}), runs))
    assert np.isnan(found.loc["mean", "objective"])
    assert found.loc["mean", ["strength", "seed", "residual"]].sum() == pytest.approx(1)
    alone = grid(GRID, seeds=1)
    found = decomposition(ends(alone, {"mean": effects(alone, rng, noise=1.0)}), alone)
    assert found[["share", "p"]].isna().all(axis=None)
    still = decomposition(ends(runs, {"input": np.zeros((6, 2))}), runs)
    assert still["share"].isna().all()
    assert len(decomposition(ends(runs, {}), runs)) == 0


def test_a_dataset_in_which_a_factor_is_not_varied_leaves_its_p_as_it_is():
    """150 layers without any effect; one of two datasets has one objective alone."""
    rng = np.random.default_rng(7)
    runs = pd.concat([grid({"a": ["1"], "b": ["1"]}, 4), grid({"a": ["1", "2", "3"]}, 4, "cars")], ignore_index=True)
    nothing = {f"encoder.{k}": effects(runs, rng, noise=1.0, size=5) for k in range(150)}
    found = decomposition(ends(runs, nothing), runs, draws=99)
    own = found[found["factor"] == "objective"]
    assert (own["p"] <= 0.05).mean() == pytest.approx(0.05, abs=0.045)
    assert own["p"].mean() == pytest.approx(0.5, abs=0.08)
