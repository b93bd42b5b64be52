"""Claims about latents at the end of training, and claims that fail."""

from dataclasses import replace
from typing import Any, ClassVar, cast, final

import numpy as np
import pandas as pd
import pytest
from tests.stats.claims.cases import WIDE
from tests.stats.claims.simulated import Truth, simulate

from vaescope.stats.claim import CLAIMS, Claim
from vaescope.stats.judge import judge, verdict_frame
from vaescope.stats.judging.latents_at_end import falls, final_latents, left_out, pressures

TWO = simulate(Truth(actives=(9.0, 3.0), objectives=("beta_vae",)), 5, 0, ("latents",))
GAUGE = simulate(Truth(**WIDE), 5, 0, ("latents",))


def said(evidence, claim):
    return judge(evidence, [claim])[0]


def named(objective, text):
    """The study of 9 and then 3 active latents, with another objective and option."""
    strengths = [text.format(f"{value:g}") for value in TWO.runs["strength_value"]]
    return replace(TWO, runs=TWO.runs.assign(objective=objective, strength=strengths))


def test_a_gauge_that_was_never_put_to_the_test_is_undecided():
    table = TWO.posterior.assign(active=10, passive=0, gauge=1.0, mean_sampled=0.98)
    verdict = said(replace(TWO, posterior=table), "collapse_gauge")
    assert verdict.readings[0].high < 0.1
    assert verdict.word == "undecided"
    assert "too few different numbers of active latents" in verdict.why


@pytest.mark.parametrize(("collapsed", "word"), [(1, "supported"), (2, "undecided")])
def test_runs_whose_codes_collapsed_are_counted_and_no_more_than_a_tenth_may_be(collapsed, word):
    table, runs = GAUGE.posterior.copy(), len(GAUGE.runs)
    assert said(GAUGE, "collapse_gauge").word == "supported"
    table.loc[table.index[-collapsed:], ["active", "passive", "gauge", "mean_sampled"]] = [0, 10, 0.0, np.nan]
    verdict = said(replace(GAUGE, posterior=table), "collapse_gauge")
    assert verdict.word == word
    expected = f"Left out: {collapsed} of {runs} runs, in which CKA(mean, sampled) has no value at the end, {collapsed}"
    assert expected in verdict.readings[0].note
    assert verdict.readings[0].runs == runs - collapsed


def test_the_gauge_is_held_against_what_variances_lead_one_to_expect_where_that_is_known():
    near = GAUGE.posterior.assign(expected_mean_sampled=GAUGE.posterior["mean_sampled"] + 0.01)
    verdict = said(replace(GAUGE, posterior=near), "collapse_gauge")
    assert verdict.readings[2].estimate == pytest.approx(0.01)
    assert verdict.word == "supported"
    far = near.assign(expected_mean_sampled=GAUGE.posterior["mean_sampled"] - 0.3)
    assert said(replace(GAUGE, posterior=far), "collapse_gauge").word == "not supported"


@pytest.mark.parametrize(
    ("objective", "text", "word"),
    [
        ("beta_vae", "beta={}", "supported"),
        ("annealed_vae", "gamma={}", "supported"),
        ("annealed_vae", "c_max={} warmup=1000", "not supported"),
        ("info_vae", "alpha={}", "not supported"),
        ("info_vae", "lambda_mmd={}", "supported"),
        ("mine", "weight={}", "supported"),
        ("annealed_vae", "c_max=5 warmup={}", "undecided"),
        ("beta_anneal", "beta=4 steps={} shape=linear", "undecided"),
        ("annealed_vae", "c_max={0} gamma={0}", "undecided"),
    ],
)
def test_what_is_stronger_is_decided_by_objective_and_option(objective, text, word):
    verdict = said(named(objective, text), "latents_follow_strength")
    assert verdict.word == word
    assert (f"Left out: {objective}" in verdict.why) == (word == "undecided")


def test_only_the_last_step_is_the_end():
    early = TWO.posterior.assign(step=0, active=10, passive=0, gauge=1.0, mean_sampled=0.99)
    strong = TWO.posterior["run"].str.contains("-4-seed")
    evidence = replace(TWO, posterior=pd.concat([early, TWO.posterior[~strong]], ignore_index=True))
    assert set(final_latents(evidence)["strength_value"]) == {1.0}
    assert said(evidence, "latents_follow_strength").word == "undecided"


@pytest.mark.parametrize("claim", ["latents_follow_strength", "collapse_gauge"])
def test_each_run_ends_at_its_own_last_step(claim):
    evidence = TWO if claim == "latents_follow_strength" else GAUGE
    runs, table = [*evidence.runs["run"].astype(str)], evidence.posterior
    last = {run: evidence.steps - place for place, run in enumerate(runs)}
    uneven = replace(evidence, posterior=table.assign(step=table["run"].astype(str).map(last)), last=last)
    even, found = said(evidence, claim), said(uneven, claim)
    assert found.word == even.word == "supported"
    assert [r.estimate for r in found.readings] == pytest.approx([r.estimate for r in even.readings], nan_ok=True)
    assert "Left out" not in found.why


def test_runs_left_out_are_left_out_for_the_reason_that_they_have():
    ids = [*TWO.posterior["run"].astype(str)]
    early = TWO.posterior.assign(step=np.where(TWO.posterior["run"].astype(str) == ids[0], 0, TWO.posterior["step"]))
    evidence = replace(TWO, posterior=early[early["run"].astype(str) != ids[-1]])
    told = left_out(evidence, final_latents(evidence))
    assert told == (
        f"Left out: 1 of {len(ids)} runs, with latents examined, but not at their last step. "
        f"Left out: 1 of {len(ids)} runs, with no latents examined."
    )


def test_several_runs_of_one_strength_and_seed_are_averaged():
    ends = final_latents(TWO)
    twice = pd.concat([ends, ends.assign(share=ends["share"] + 0.2 * (ends["strength_value"] == 1))])
    one, two = (falls(pressures(table)[0]) for table in (ends, twice))
    assert two["seed"].tolist() == one["seed"].tolist()
    assert two["share"].to_numpy() == pytest.approx(one["share"].to_numpy() + 0.1)


@pytest.mark.parametrize("failing", ["raises", "gives nothing"])
def test_a_claim_that_fails_is_named_and_the_others_are_judged(failing):
    @final
    class Faulty(Claim):
        """A claim with a mistake."""

        name: ClassVar[str] = "faulty"
        title: ClassVar[str] = "Faulty"
        statement: ClassVar[str] = "It fails."
        statistic: ClassVar[str] = "None."
        threshold: ClassVar[str] = "0."

        def judge(self, evidence):
            return cast(Any, {}["gone"] if failing == "raises" else None)

    try:
        CLAIMS.register(Faulty)
        verdicts = judge(TWO, ["latents_follow_strength", "faulty"])
        assert [v.word for v in verdicts] == ["supported", "undecided"]
        assert ("raised KeyError: 'gone'" if failing == "raises" else "gave NoneType") in verdicts[1].why
        assert verdict_frame(verdicts)["why"].str.contains("faulty could not be judged").any()
    finally:
        CLAIMS._members.pop("faulty", None)
