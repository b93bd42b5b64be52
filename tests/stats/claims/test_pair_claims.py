"""Claims about pairs of runs where settings, layers or strengths are not all alike."""

from dataclasses import replace

import numpy as np
import pytest
from tests.stats.claims.simulated import Truth, simulate

from vaescope.stats.judge import judge
from vaescope.stats.judging.seed_pairs import pairs_of

BOTH = simulate(Truth(), 5, 0, ("pairs",))


def of_runs(evidence, keep):
    """Only these rows of the runs, and their pairs."""
    ids, ends, abroad = set(keep["run"]), evidence.ends, evidence.abroad
    return replace(
        evidence,
        runs=keep.reset_index(drop=True),
        ends=ends[ends["run_a"].isin(ids) & ends["run_b"].isin(ids)],
        abroad=abroad[abroad["run"].isin(ids) & abroad["run_b"].isin(ids)],
    )


def readings(evidence, claim):
    return {r.name: r for r in judge(evidence, [claim])[0].readings}


def test_strengths_are_held_against_the_seeds_of_their_own_settings_and_not_of_noisier_ones():
    runs = BOTH.runs
    evidence = of_runs(BOTH, runs[(runs["objective"] == "beta_vae") | (runs["strength_value"] == 1)])
    ends = evidence.ends.copy()
    noisy = [ends[side].str.contains("beta_tc") for side in ("run_a", "run_b")]
    strength = [ends[side].str.extract(r"-(\d)-seed")[0] for side in ("run_a", "run_b")]
    ends["score"] -= 0.3 * (noisy[0] & noisy[1]) + 0.15 * (noisy[0] != noisy[1])
    ends["score"] -= 0.08 * (~noisy[0] & ~noisy[1] & (strength[0] != strength[1]))
    evidence = replace(evidence, ends=ends)
    alone = of_runs(evidence, evidence.runs[evidence.runs["objective"] == "beta_vae"])
    found = readings(evidence, "encoders_alike")
    assert found["strength"].estimate == pytest.approx(readings(alone, "encoders_alike")["calibrated"].estimate)
    assert found["strength"].estimate == pytest.approx(0.78, abs=0.02)
    assert found["strength"].word == "not supported"
    assert found["objective"].estimate == pytest.approx(1.0, abs=0.03)  # 0.15 lower, as is its own ceiling
    below = readings(evidence, "mean_variance_differ")["below"]
    m = pairs_of(alone).means()
    place = pairs_of(alone).layers.index("mean")
    # one of the three pairs of settings is of two strengths, and only that costs anything
    assert (m["ceiling"] - m["strength"])[place] == pytest.approx(0.08, abs=0.01)
    assert below.estimate == pytest.approx(0.08 / 3, abs=0.01)


def test_objectives_are_compared_at_the_strengths_they_share():
    strong = simulate(Truth(encoder_depends=2.0), 5, 0, ("pairs",))
    found = readings(strong, "encoders_alike")
    assert found["strength"].word == "not supported"
    assert found["objective"].estimate > 0.9
    named = strong.runs["strength"].where(strong.runs["objective"] == "beta_vae", "lambda=" + strong.runs["strength"])
    apart = readings(replace(strong, runs=strong.runs.assign(strength=named)), "encoders_alike")["objective"]
    assert apart.estimate < 0.9
    assert "No strength in common, so compared at all of theirs: beta_tc_vae and beta_vae." in apart.note
    assert "in common" not in found["objective"].note


def test_settings_without_a_ceiling_of_their_own_are_not_compared():
    runs = BOTH.runs
    lone = (runs["objective"] == "beta_tc_vae") & (runs["seed"] > 0)
    found = readings(of_runs(BOTH, runs[~lone]), "encoders_alike")
    own = readings(of_runs(BOTH, runs[runs["objective"] == "beta_vae"]), "encoders_alike")
    assert found["strength"].estimate == pytest.approx(own["calibrated"].estimate)
    assert np.isnan(found["objective"].estimate)
    assert "no pairs have a ceiling" in found["objective"].note


def test_a_ceiling_that_hangs_on_one_seed_has_no_interval_and_the_note_says_why():
    runs = BOTH.runs
    first = (runs["objective"] == "beta_vae") == (runs["seed"] < 2)
    found = readings(of_runs(BOTH, runs[first & (runs["seed"] < 4)]), "encoders_alike")["objective"]
    assert np.isfinite(found.estimate)
    assert found.word == "undecided"
    assert np.isnan(found.low)
    assert "Without one of the seeds there is nothing to compute it from" in found.note


@pytest.mark.parametrize("claim", ["encoders_alike", "seeds_stable", "mean_variance_differ", "encoders_generic"])
@pytest.mark.parametrize("gap", ["linear has one setting", "linear is on one dataset", "a layer has no scores"])
def test_layers_without_such_pairs_are_left_out_by_name_and_change_nothing(claim, gap):
    networks, datasets = ("conv", "linear"), ("one", "two")
    whole = simulate(Truth(networks=networks, datasets=datasets), 3, 0, ("pairs",))
    runs = whole.runs
    linear = runs["network"] == "linear"
    if gap == "linear has one setting":
        other = (runs["objective"] != "beta_vae") | (runs["strength_value"] != 1) | (runs["dataset"] != "one")
        missing, evidence = "linear, ", of_runs(whole, runs[~(linear & other)])
        named = {"encoders_generic", "encoders_alike", "seeds_stable", "mean_variance_differ"}
    elif gap == "linear is on one dataset":
        missing, evidence, named = (
            "linear, encoder.1",
            of_runs(whole, runs[~linear | (runs["dataset"] == "one")]),
            {"encoders_generic"},
        )
    else:
        conv = of_runs(whole, runs[~linear])
        lost = {name: getattr(conv, name).copy() for name in ("ends", "abroad")}
        for table in lost.values():
            table.loc[table["layer"].isin(["encoder.2", "mean"]), "score"] = np.nan
        evidence, missing = replace(conv, **lost), "mean" if claim == "mean_variance_differ" else "encoder.2"
        named = {"encoders_generic", "encoders_alike", "seeds_stable", "mean_variance_differ"}
    said = judge(evidence, [claim])[0]
    main = said.readings[0]
    assert np.isfinite([main.estimate, main.low, main.high]).all()
    assert (missing in main.note and "eft out" in main.note) == (claim in named)
