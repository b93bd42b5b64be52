"""What the spacing of snapshots leaves open of a lead, and what is left out of it, on studies whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.stats.claims import simulated
from tests.stats.claims.cases import GRIDS, boundary
from tests.stats.claims.simulated import Truth, simulate

from vaescope.stats.dynamics.settling import settling_steps
from vaescope.stats.judge import judge
from vaescope.stats.judging.leading import CORRECTED, RAW, lead_values
from vaescope.stats.judging.spacing import error_of, spacing


def thinned(evidence, grid):
    tables = {name: getattr(evidence, name) for name in ("references", "wiring")}
    return replace(evidence, **{name: t[t["step"].isin(GRIDS[grid])] for name, t in tables.items()})


def curve(run, layer, part, scores):
    return [(run, layer, part, step, -1, score) for step, score in scores.items()]


def test_the_gap_is_that_in_which_the_layer_settles_and_the_error_is_that_of_the_worse_part():
    rows = [
        *curve("a", "e1", "encoder", {0: 0.0, 1: 0.95, 63: 0.99, 4095: 1.0}),  # in 0..1: one doubling
        *curve("a", "e2", "encoder", {0: 0.95, 1: 0.96, 63: 0.99, 4095: 1.0}),  # there from the start
        *curve("a", "d1", "decoder", {0: 0.0, 1: 0.1, 63: 0.2, 4095: 1.0}),  # in 63..4095: six
        *curve("a", "d2", "decoder", {0: 0.0, 1: 0.1, 63: np.nan, 4095: 1.0}),  # in 1..4095: eleven
        *curve("b", "e1", "encoder", {1: 0.95, 63: 0.99}),  # somewhere in 0..1
        *curve("b", "d1", "decoder", {1: 0.95, 63: 0.3, 4095: 0.4}),
    ]
    curves = pd.DataFrame(rows, columns=["run", "layer", "part", "step", "draw", "score"])
    found = spacing(curves, settling_steps(curves, 0.9, "raw")).set_index("run")
    assert found["apart"].to_dict() == pytest.approx({"a": 11.0, "b": 1.0})
    assert found["off"].to_dict() == pytest.approx({"a": (6 / 2 + 11 / 2) / 2, "b": 1 / 8})
    assert error_of(np.array([1.0, 2.0, 4.0, 6.0])).tolist() == [0.125, 0.5, 2.0, 3.0]


@pytest.mark.parametrize("claim", ["encoder_first", "encoder_first_everywhere", "lead_independent"])
def test_on_coarse_grids_a_claim_at_its_threshold_is_not_decided(claim):
    case = boundary(claim)
    evidence = simulate(case.truth, 5, 0, case.of)
    for grid in ("2, shifted by one", "3 doublings", "3, shifted by two"):
        said = judge(thinned(evidence, grid), [claim])[0]
        assert (said.word, said.readings[0].word) == ("undecided", "undecided"), grid


def test_without_the_wider_interval_the_same_grids_would_decide_wrongly():
    evidence = simulate(boundary("encoder_first").truth, 5, 0, ("leads",))
    inner = {}
    for grid in ("3 doublings", "3, shifted by two"):
        seen = thinned(evidence, grid)
        off = lead_values(seen, CORRECTED)["off"].mean()
        main = judge(seen, ["encoder_first"])[0].readings[0]
        inner[grid] = (main.low + off, main.high - off)
        assert "doublings apart where layers settle: the interval is 1.0" in main.note
    assert inner["3 doublings"][1] < 1 < inner["3, shifted by two"][0]


@pytest.mark.parametrize(("lead", "words"), [(3.0, ["supported"] * 2), (0.0, ["not supported", "undecided"])])
def test_twelve_snapshots_decide_clear_leads(lead, words, monkeypatch):
    monkeypatch.setattr(simulated, "STEPS", np.array(GRIDS["12 snapshots, 1.2"]))
    evidence = simulate(Truth(lead=lead), 5, 0, ("leads",))
    assert [v.word for v in judge(evidence, ["encoder_first", "encoder_first_everywhere"])] == words


def test_a_reading_that_only_closer_snapshots_would_decide_says_so():
    evidence = simulate(Truth(lead=3.0), 5, 0, ("leads",))
    said = judge(thinned(evidence, "every 1,024 steps"), ["encoder_first"])[0]
    assert said.word == "undecided"
    assert "The threshold is nearer than the spacing of snapshots can tell" in said.why
    assert "seeds would decide" not in said.why


def test_layers_that_training_hardly_moved_are_left_out_and_named():
    evidence = simulate(Truth(lead=3.0), 3, 0, ("leads",))
    table = evidence.references
    idle = (table["layer"] == "encoder.1") & (table["reference"] == "final")
    late = table["score"].where(~idle, np.where(table["step"] < 4096, 0.96, 1.0))  # settles last, by 0.04
    moved = replace(evidence, references=table.assign(score=late))
    without = replace(evidence, references=table[~idle])
    found, expected = (lead_values(e, CORRECTED)["value"].to_numpy() for e in (moved, without))
    assert found == pytest.approx(expected)
    raw = judge(moved, ["encoder_first"])[0].plain
    main = judge(moved, ["encoder_first"])[0].readings[0]
    assert "Left out, since training adds less than 0.05 to their similarity: encoder.1." in main.note
    assert "Left out" not in raw.note
    assert set(lead_values(moved, RAW)["idle"]) == {""}


def test_a_setting_without_any_lead_leaves_everywhere_open_and_is_named():
    def dead(evidence, setting):
        gone = evidence.references["run"].astype(str).str.contains(setting)
        table = evidence.references
        return replace(evidence, references=table.assign(score=table["score"].where(~gone)))

    claims = ["encoder_first_everywhere", "lead_independent"]
    everywhere, independent = judge(dead(simulate(Truth(lead=3.0), 5, 0, ("leads",)), "tc_vae-4"), claims)
    assert everywhere.word == "undecided"
    told = "1 of 4 settings have no lead at all: one, conv, beta_tc_vae beta=4."
    assert told in everywhere.why
    assert told.replace("of 4 ", "") in independent.readings[0].note
    against = dead(simulate(Truth(lead=3.0, lead_last=-2.5), 5, 0, ("leads",)), "-beta_vae-1")
    assert judge(against, claims[:1])[0].word == "not supported"  # one setting is enough against it


def test_what_is_missing_is_said_in_the_right_words():
    evidence = simulate(Truth(), 2, 0, ("leads",))
    nothing = evidence.references.iloc[:0]
    said = {
        "distances only": replace(evidence, measure="", references=nothing),
        "not been examined": replace(evidence, references=nothing),
        "No run has reached its last snapshot": replace(evidence, runs=evidence.runs.iloc[:0]),
        "No snapshot has a score": replace(evidence, references=evidence.references.assign(score=np.nan)),
    }
    for words, seen in said.items():
        assert words in judge(seen, ["encoder_first"])[0].why
