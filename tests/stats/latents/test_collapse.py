"""Verdicts on runs whose latents are known at each snapshot."""

import numpy as np
import pandas as pd
import pytest

from vaescope.errors import UsageError
from vaescope.stats.latents.collapse import HISTORIES, VERDICTS, histories, over_runs
from vaescope.stats.latents.over_training import COUNTS, over_training

STEPS = (0, 10, 100, 1000)
INFORMATION = {"a": 2.0, "m": 0.4, "p": 0.001, "i": 0.02}  # i: told nothing, but of another variance than the prior
KINDS = {"a": "active", "m": "mixed", "p": "passive", "i": "mixed"}


def table(*latents, run="r", steps=STEPS):
    """One text a latent, one letter a snapshot."""
    return pd.DataFrame(
        [
            {"run": run, "step": step, "latent": k, "kind": KINDS[letter], "information": INFORMATION[letter]}
            for k, letters in enumerate(latents)
            for step, letter in zip(steps, letters, strict=True)
        ]
    )


def verdict(*latents, **options):
    return over_runs(table(*latents, **options)).iloc[0]


def test_a_run_whose_latents_are_all_in_use_has_not_collapsed():
    found = verdict("paaa", "pmma")
    assert (found.verdict, found.in_use, found.which, found.latents) == ("none", 2, "", 2)
    assert np.isnan(found.step)


def test_latents_that_were_never_used_are_told_from_those_that_died():
    found = verdict("paaa", "pppp", "pmap", "ppap")
    assert (found.verdict, found.in_use, found.died, found.never_used) == ("partial", 1, 2, 1)
    assert found.which == "1, 2, 3"
    assert (found.step, found.passive) == (1000, 3)
    assert "1 never did, 2 did once and lost it, the last of them by step 1,000" in found.why


def test_the_step_is_the_first_from_which_they_stay_idle_to_the_end():
    assert verdict("paaa", "pmpp").step == 100
    assert verdict("paaa", "pppp").step == 0
    assert verdict("aapp", "amip").step == 100
    assert verdict("paaa", "pamp").step == 1000


def test_a_run_none_of_whose_latents_tells_anything_has_collapsed_fully():
    found = verdict("pppp", "pmpp")
    assert (found.verdict, found.in_use, found.step) == ("full", 0, 100)
    assert found.why.startswith("None of 2 latents tells anything of the images at the end: 1 never did, 1 did once ")
    assert "the last of them by step 100. Train longer" in found.why


def test_being_idle_for_a_while_is_no_collapse():
    assert verdict("ppaa", "appa", "papa").verdict == "none"


def test_a_network_that_was_not_trained_has_not_collapsed():
    found = verdict("p", "p", steps=(0,))
    assert (found.verdict, found.died, found.never_used) == ("untrained", 0, 0)
    assert np.isnan(found.step)


def test_latents_that_tell_nothing_have_collapsed_whatever_their_kind():
    found = verdict("paaa", "piii", "pipi")
    assert (found.verdict, found.which, found.passive, found.never_used) == ("partial", "1, 2", 0, 2)


def test_runs_keep_their_order_and_do_not_mix():
    both = pd.concat([table("paaa", "pppp", run="z"), table("pp", "pp", run="b", steps=(0, 5))]).sample(
        frac=1, random_state=1
    )
    both = pd.concat([both[both["run"] == "z"], both[both["run"] == "b"]])
    found = over_runs(both)
    assert found["run"].tolist() == ["z", "b"]
    assert found["verdict"].tolist() == ["partial", "full"]
    assert tuple(found.columns) == VERDICTS


def test_histories_say_since_when_each_latent_is_what_it_is():
    found = histories(table("paaa", "apaa", "pmpp", "pppp")).set_index("latent")
    assert tuple(found.reset_index().columns[1:2]) == ("run",)
    assert found["story"].tolist() == ["in use", "in use", "died", "never used"]
    assert found["since"].tolist() == [10, 100, 100, 0]
    assert found["kind"].tolist() == ["active", "active", "passive", "passive"]


def test_without_a_column_of_information_it_is_taken_from_the_variances():
    whole = table("paaa", "pmpp", "piii")
    ratio = np.expm1(2 * whole["information"])
    variances = whole.drop(columns="information").assign(variance=0.5, mean_variance=0.5 * ratio)
    pd.testing.assert_frame_equal(over_runs(variances), over_runs(whole))
    with pytest.raises(UsageError, match="mean_variance"):
        over_runs(whole.drop(columns="information"))


def test_what_is_idle_is_a_threshold():
    assert over_runs(table("pmmm"), idle=0.5)["verdict"].item() == "full"
    assert over_runs(table("pmmm"), idle=0.3)["verdict"].item() == "none"


def test_tables_without_rows_give_tables_without_rows():
    nothing = table("paaa").iloc[:0]
    assert tuple(histories(nothing).columns) == HISTORIES
    assert tuple(over_runs(nothing).columns) == VERDICTS
    assert tuple(over_training(nothing).columns) == COUNTS
    assert len(over_runs(nothing)) == len(over_training(nothing)) == 0


def test_kinds_are_counted_at_each_step_of_each_run():
    found = over_training(pd.concat([table("paaa", "pmpp", "piim", run="z"), table("pa", run="b", steps=(0, 5))]))
    assert tuple(found.columns) == COUNTS
    assert found["run"].drop_duplicates().tolist() == ["z", "b"]
    assert len(found) == 3 * (4 + 2)
    at = found[(found["run"] == "z") & (found["step"] == 10)]
    assert dict(zip(at["kind"], at["latents"], strict=True)) == {"active": 1, "mixed": 2, "passive": 0}
    assert at["share"].tolist() == pytest.approx([1 / 3, 2 / 3, 0])
    assert found.groupby(["run", "step"])["share"].sum().tolist() == pytest.approx([1.0] * 6)
