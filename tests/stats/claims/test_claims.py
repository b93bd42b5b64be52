"""The claims, on simulated studies whose truth is known."""

import math
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from tests.stats.claims.cases import BOUNDARIES, CLEAR, boundary
from tests.stats.claims.simulated import STEPS, Probe, Truth, simulate

from vaescope.errors import UsageError
from vaescope.stats.claim import CLAIMS
from vaescope.stats.judge import VERDICTS, judge, verdict_frame
from vaescope.stats.judging.leading import CORRECTED, RAW, lead_values
from vaescope.stats.judging.seed_pairs import SeedPairs, pairs_of
from vaescope.stats.measures.cka import DebiasedCKA
from vaescope.stats.similarity import similarity

WORDS = {"supported", "not supported", "undecided"}


def test_the_simulated_scores_are_those_of_the_librarys_debiased_cka():
    rng = np.random.default_rng(7)
    x, s, t = rng.standard_normal((30, 6)), *np.exp(rng.standard_normal((2, 6)))
    assert DebiasedCKA.name == "cka"
    assert Probe(x).cka(s**2, t**2) == pytest.approx(similarity(x * s, x * t, "cka"), abs=1e-6)
    assert Probe(x).all_pairs(s[None] ** 2, t[None] ** 2)[0, 0] == pytest.approx(Probe(x).cka(s**2, t**2))


@pytest.mark.parametrize("case", CLEAR, ids=lambda case: f"{case.claim}: {case.title}")
def test_verdicts_on_clear_truths_are_right(case):
    said = judge(simulate(case.truth, 10, 0, case.of), [case.claim])[0]
    assert said.word == case.right
    if case.plain:
        assert said.plain.word == case.plain


@pytest.mark.parametrize("claim", ["encoders_alike", "seeds_stable", "latents_follow_strength"])
def test_a_claim_at_its_threshold_is_seldom_supported(claim):
    case = boundary(claim)
    said = [judge(simulate(case.truth, 5, number, case.of), [claim])[0].word for number in range(20)]
    assert said.count("supported") <= 4  # of one in twenty: 5 or more by chance in 1 of 390 such tests


def test_the_lead_at_its_threshold_is_seldom_supported_and_nor_is_it_without_the_controls():
    case = boundary("encoder_first")
    said = [judge(simulate(case.truth, 3, number, case.of), [case.claim])[0] for number in range(8)]
    assert [v.word for v in said].count("supported") <= 2
    assert [v.readings[0].word for v in said].count("supported") <= 2


def test_the_paper_would_have_been_misled_where_random_encoders_look_trained():
    trap = next(case for case in CLEAR if "alike from the start" in case.title)
    said = judge(simulate(trap.truth, 5, 3, trap.of), ["encoder_first"])[0]
    assert (said.plain.word, said.word) == ("supported", "not supported")
    assert said.plain.estimate > 3
    assert "Without controls it would be supported" in said.why


def test_a_decoder_that_settles_first_is_found_out_by_feeding_it_from_the_final_encoder():
    evidence = simulate(Truth(lead=-3.0, code_change=1.0), 5, 0, ("leads",))
    fed = {r.name: r for r in judge(evidence, ["encoder_first"])[0].readings}
    assert fed["final_encoder"].estimate < fed["floor_corrected"].estimate - 0.5
    assert fed["final_encoder"].word == "not supported"


def test_leads_are_what_a_loop_over_curves_says():
    evidence = simulate(Truth(lead=2.0), 2, 0, ("leads",))
    run = evidence.runs["run"][0]
    table = evidence.references
    curves = table[(table["run"] == run) & (table["reference"] == "final") & (table["draw"] == -1)]
    for how in (RAW, CORRECTED):
        times = {"encoder": [], "decoder": []}
        for (part, _), curve in curves.groupby(["part", "layer"], observed=True):
            score = curve.sort_values("step")["score"].to_numpy()
            if how.corrected:
                score = (score - score[0]) / (1 - score[0])
            k = int(np.argmax(score >= 0.9))
            time = np.log(STEPS + 1)
            if k:
                way = (0.9 - score[k - 1]) / (score[k] - score[k - 1])
                times[part].append((time[k - 1] + way * (time[k] - time[k - 1])) / math.log(2))
            else:
                times[part].append(0.0)
        values = lead_values(evidence, how)
        found = values[(values["run"] == run) & (values["draw"] == -1)]["value"].item()
        assert found == pytest.approx(np.mean(times["decoder"]) - np.mean(times["encoder"]))


def test_pairs_are_sorted_by_what_they_differ_in():
    evidence = simulate(Truth(), 3, 0, ("pairs",))
    pairs = pairs_of(evidence)
    runs = evidence.runs.set_index("run")
    expected = {"ceiling": [], "strength": [], "objective": [], "same_seed": [], "other": [], "floor": []}
    for row in evidence.ends[evidence.ends["layer"] == "mean"].itertuples():
        a, b = runs.loc[row.run_a], runs.loc[row.run_b]
        if a.seed == b.seed:
            expected["same_seed"].append(row.score)
            continue
        expected["floor"].append(row.floor)
        if a.setting == b.setting:
            expected["ceiling"].append(row.score)
        else:
            expected["other"].append(row.score)
            if a.objective == b.objective:
                expected["strength"].append(row.score)
            elif a.strength == b.strength:
                expected["objective"].append(row.score)
    place = pairs.layers.index("mean")
    found = {kind: pairs.means()[kind][place] for kind in expected}
    assert found == pytest.approx({kind: np.mean(values) for kind, values in expected.items()})


def test_intervals_over_pairs_leave_out_a_seed_with_all_its_pairs():
    rng = np.random.default_rng(3)
    seeds = 4
    rows = [("ceiling", "a", "encoder", i, j, rng.normal()) for i in range(seeds) for j in range(i)]
    table = pd.DataFrame(rows, columns=["kind", "layer", "part", "seed_a", "seed_b", "score"])
    table = table.assign(setting_a=0, setting_b=0)
    found = SeedPairs(table, 4).estimates(lambda m: m["ceiling"])[0](0.95)
    left = [np.mean([r[5] for r in rows if k not in r[3:5]]) for k in range(seeds)]
    error = math.sqrt((seeds - 1) / seeds * sum((x - np.mean(left)) ** 2 for x in left))
    assert found.value == pytest.approx(np.mean([r[5] for r in rows]))
    assert found.high - found.value == pytest.approx(1.2 * 3.182446 * error, rel=1e-5)


def emptied(evidence, *names):
    return replace(evidence, **{name: getattr(evidence, name).iloc[:0] for name in names})


WHOLE, ONE_SEED = (simulate(Truth(lead=3.0), seeds, 0) for seeds in (3, 1))
TABLES = [f.name for f in fields(WHOLE) if f.name not in ("study", "measure", "steps", "last")]


@pytest.mark.parametrize("gone", [*TABLES, "all", "one seed", "no step 0", "one setting", "no strengths", "unscored"])
def test_whatever_is_missing_makes_claims_undecided_and_says_so(gone):
    evidence = ONE_SEED if gone == "one seed" else WHOLE
    if gone == "all":
        evidence = emptied(evidence, *TABLES)
    elif gone == "no step 0":
        started = {n: getattr(evidence, n)[getattr(evidence, n)["step"] > 0] for n in ("references", "wiring")}
        evidence = replace(evidence, **started, ends=evidence.ends.assign(floor=np.nan))
    elif gone == "one setting":
        evidence = replace(evidence, runs=evidence.runs[evidence.runs["setting"] == evidence.runs["setting"][0]])
    elif gone == "no strengths":
        evidence = replace(evidence, runs=evidence.runs.assign(strength_value=np.nan))
    elif gone == "unscored":
        blank = {n: getattr(evidence, n).assign(score=np.nan) for n in ("references", "wiring", "ends")}
        evidence = replace(evidence, **blank)
    elif gone != "one seed":
        evidence = emptied(evidence, gone)
    verdicts = judge(evidence)
    for said in verdicts:
        assert said.word in WORDS
        assert said.why
        assert "nan" not in said.why
        for r in (said.plain, *said.readings):
            assert not math.isnan(r.threshold)
            assert (r.word != "undecided") or r.note
            assert "nan" not in r.note
        if gone == "all":
            assert said.word == "undecided"
    by_name = {v.claim: v for v in verdicts}
    open_ = {
        "references": ["encoder_first"],
        "ends": ["encoders_alike", "seeds_stable"],
        "posterior": ["collapse_gauge"],
        "readings": ["procrustes_overestimates"],
        "one seed": ["encoder_first", "encoders_alike", "seeds_stable", "encoder_first_everywhere"],
        "no step 0": ["encoder_first", "encoders_alike"],
        "one setting": ["encoder_first_everywhere", "lead_independent", "encoders_alike"],
        "no strengths": ["latents_follow_strength"],
        "unscored": ["encoder_first", "encoders_alike"],
    }
    assert {by_name[name].word for name in open_.get(gone, [])} <= {"undecided"}


def test_a_missing_control_is_left_out_and_told():
    evidence = emptied(simulate(Truth(lead=3.0), 5, 0, ("leads",)), "wiring")
    said = judge(evidence, ["encoder_first"])[0]
    assert said.word == "supported"
    notes = {r.name: r.note for r in said.readings}
    assert "have not been fed this way" in notes["prior"]
    assert "4 of 5 controls could not be made" in said.why


def test_verdicts_come_in_the_order_of_the_paper_and_as_a_table_of_readings():
    evidence = simulate(Truth(lead=3.0), 3, 0)
    verdicts = judge(evidence)
    assert [CLAIMS[v.claim].number for v in verdicts] == [
        *("1", "2a", "2b", "3", "3b", "4a", "4b", "5", "6", "7a", "7b", "8")
    ]
    table = verdict_frame(verdicts)
    assert tuple(table.columns) == VERDICTS
    assert len(table) == sum(1 + len(v.readings) for v in verdicts)
    first = table[table["claim"] == "encoder_first"]
    assert first["role"].tolist()[:3] == ["plain", "main", "control"]
    assert set(table["role"]) == {"plain", "main", "control"}
    assert verdict_frame(()).empty
    with pytest.raises(UsageError, match="Did you mean 'encoder_first'"):
        judge(evidence, ["encoder_frist"])


@pytest.mark.parametrize("claim", list(CLAIMS.values()), ids=list(CLAIMS))
def test_every_claim_says_beforehand_what_it_computes_and_what_for(claim):
    said = (claim.title, claim.statement, claim.statistic, claim.threshold, claim.number)
    assert all(isinstance(text, str) and text for text in said)
    assert any(character.isdigit() for character in claim.threshold)
    assert claim.name in BOUNDARIES or claim.name == "classifier_encoders"
