import math

import numpy as np
import pandas as pd
import pytest
from tests.views.fake_results import FakeResults

from vaescope.views import leads as leads_
from vaescope.views import summary
from vaescope.views.summary import Lead, Start

NOTHING = Start({}, {})


def leads(**values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"measure": "cka", "run": [str(i) for i in range(len(values["raw"]))], **values})


def test_the_lead_is_a_geometric_mean_of_factors_with_its_range():
    found = summary.lead(leads(raw=[1.0, 3.0], corrected=[-1.0, np.nan]), "cka", "raw")
    assert (found.mean, found.low, found.high, found.runs, found.encoder_first) == (4.0, 2.0, 8.0, 2, 2)
    corrected = summary.lead(leads(raw=[1.0, 3.0], corrected=[-1.0, np.nan]), "cka", "corrected")
    assert (corrected.mean, corrected.runs, corrected.encoder_first) == (0.5, 1, 0)


def test_without_a_run_there_is_no_lead_and_no_finding():
    none = summary.lead(leads(raw=[], corrected=[]), "cka", "raw")
    assert none.runs == 0
    assert math.isnan(none.mean)
    assert summary.finding(none, none, NOTHING, "CKA")[0].startswith("No finding yet")


@pytest.mark.parametrize(
    ("raw", "corrected", "expected"),
    [
        (8.0, 0.5, "disagree on which comes first"),
        (16.0, 2.0, "the lead shrinks from 16× to 2×"),
        (2.0, 16.0, "the lead grows from 2× to 16×"),
        (4.0, 3.0, "agree on the order and, within a factor of two"),
        (0.25, 0.3, "agree on the order and, within a factor of two"),
    ],
)
def test_the_page_says_whether_raw_and_corrected_agree(raw, corrected, expected):
    told = summary.finding(Lead(raw, raw, raw, 1, 1), Lead(corrected, corrected, corrected, 1, 1), NOTHING, "CKA")
    assert expected in told[-1]


def test_a_decoder_that_comes_first_is_told_as_such():
    told = summary.finding(Lead(0.25, 0.125, 0.5, 3, 0), Lead(0.25, 0.125, 0.5, 3, 0), NOTHING, "CKA")
    assert "encoder layers take 4× as many steps as decoder layers" in told[0]
    assert "2× to 8×" in told[0]
    assert "decoder is first in 3\u00a0of\u00a03" in told[0]


def test_the_floors_are_means_over_layers_and_runs():
    settling = FakeResults().settling
    encoder = settling[(settling.measure == "cka") & (settling.part == "encoder")].floor.mean()
    assert summary.floors(settling, "cka").floor["encoder"] == pytest.approx(encoder)
    start = Start({"encoder": 0.78, "decoder": 0.31}, {})
    told = summary.finding(Lead(2, 2, 2, 1, 1), Lead(2, 2, 2, 1, 1), start, "CKA")
    assert "0.78 in the encoder and 0.31 in the decoder" in told[2]


def test_diverged_and_unfinished_runs_are_told():
    diverged = FakeResults(diverged=2)
    labels = {run: run for run in diverged.runs.run}
    assert "diverged at step 5 (loss is nan)" in summary.caveats(diverged.runs, labels)[0]
    unfinished = FakeResults(snapshots=3)
    assert summary.caveats(unfinished.runs, labels) == ["4 runs of 4 not finished yet: what follows will change."]
    assert summary.caveats(FakeResults().runs, labels) == []


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (3.24, "3.2×"),
        (57.3, "57×"),
        (1234.0, "1,234×"),
        (math.nan, "–"),
        (1.0, "1×"),
        (1.01, "1.01×"),
        (1.05, "1.05×"),
        (1.001, "1.00×"),
        (0.996, "1.00×"),
        (0.954, "0.95×"),
        (1.16, "1.2×"),
    ],
)
def test_factors_read_well(factor, text):
    assert summary.times(factor) == text


def test_runs_on_both_sides_are_no_finding_whatever_the_mean():
    raw, corrected = Lead(120, 93, 146, 4, 4), Lead(1.2, 0.93, 1.4, 4, 3)
    assert summary.headline(raw, corrected) == (
        "Neither encoder nor decoder clearly settles first: decoder layers take 1.2× as many steps "
        "(floor-corrected; 0.93× to 1.4× over 4 runs; raw, 120×)."
    )
    told = summary.finding(raw, corrected, NOTHING, "CKA")[-1]
    assert "raw, the encoder leads by 120×" in told
    assert "fall on both sides (0.93× to 1.4×)" in told


def test_the_headline_says_when_the_runs_are_too_few_to_be_sure():
    none = Lead(math.nan, math.nan, math.nan, 0, 0)
    assert summary.headline(none, Lead(3, 2, 4, 5, 5)).endswith("5 runs, all on one side, are too few to be sure.")
    assert summary.headline(none, Lead(3, 2, 4, 8, 8, 2)).endswith(
        "8 runs of 2 seeds, all on one side, are too few to be sure."
    )
    assert summary.headline(none, Lead(3, 3, 3, 1, 1)).endswith("One run is too few to be sure.")
    assert "few" not in summary.headline(none, Lead(3, 2, 4, 6, 6))
    assert "few" not in summary.headline(none, Lead(3, 2, 4, 12, 12, 6))


def test_the_headline_names_who_is_first_by_how_much_in_both_readings():
    assert summary.headline(Lead(9, 8, 10, 6, 6), Lead(3, 2, 4, 6, 6)) == (
        "The encoder settles first: decoder layers take 3× as many steps "
        "(floor-corrected; raw, decoder layers take 9×)."
    )
    assert summary.headline(Lead(0.5, 0.5, 0.5, 6, 0), Lead(0.25, 0.25, 0.25, 6, 0)) == (
        "The decoder settles first: encoder layers take 4× as many steps "
        "(floor-corrected; raw, encoder layers take 2×)."
    )
    none = Lead(math.nan, math.nan, math.nan, 0, 0)
    assert "(raw, with the floor left in)" in summary.headline(Lead(9, 8, 10, 2, 2), none)
    assert summary.headline(none, none) == "There is no finding yet."


def test_seeds_are_those_of_the_runs_that_have_an_answer():
    frame = leads(raw=[1.0, 2.0, 3.0, np.nan], corrected=[1.0, np.nan, np.nan, np.nan])
    runs = pd.DataFrame({"run": [str(i) for i in range(4)], "seed": [0, 0, 1, 2]})
    assert [summary.lead(frame, "cka", c, runs).seeds for c in ("raw", "corrected")] == [2, 1]
    assert summary.lead(frame, "cka", "raw").seeds == 0


@pytest.mark.parametrize("mean", [0.94, 0.99, 1.0, 1.01, 1.07])
def test_nobody_is_first_where_the_factor_is_near_one(mean):
    found = Lead(mean, mean, mean, 4, 4, 2)
    head = summary.headline(Lead(120, 93, 146, 4, 4, 2), found)
    assert head.startswith(f"Encoder and decoder settle together: decoder layers take {summary.times(mean)} as many")
    assert head.endswith("4 runs of 2 seeds are too few to be sure.")
    told = summary.finding(Lead(120, 93, 146, 4, 4, 2), found, NOTHING, "CKA")
    assert "first" not in head + told[0]
    assert "they settle together" in told[0]
    assert "raw, the encoder leads by 120×; with the floor taken off, both settle together" in told[-1]


def test_together_says_the_factor_and_its_range():
    assert summary.headline(Lead(1.02, 1.01, 1.03, 6, 6, 6), Lead(1.05, 1.01, 1.1, 6, 6, 6)) == (
        "Encoder and decoder settle together: decoder layers take 1.05× as many steps "
        "(floor-corrected; 1.01× to 1.1× over 6 runs of 6 seeds; raw, 1.02×)."
    )


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (1.08, 1.08, 1.08, "encoder"),
        (0.92, 0.92, 0.92, "decoder"),
        (1.01, 0.98, 1.05, "together"),
        (1.01, 0.5, 2.0, "unclear"),
        (1.5, 0.9, 2.0, "unclear"),
    ],
)
def test_runs_far_apart_on_both_sides_are_unclear_and_not_together(mean, low, high, verdict):
    assert Lead(mean, low, high, 4, 2).verdict == verdict


def test_without_a_snapshot_at_step_0_that_is_the_reason_and_no_floor_is_told():
    settling = FakeResults().settling.assign(floor=np.nan, corrected=np.nan)
    start = summary.floors(settling, "cka")
    assert (start.floor, start.there, start.known) == ({}, {}, False)
    none = Lead(math.nan, math.nan, math.nan, 0, 0)
    told = summary.finding(Lead(3, 3, 3, 1, 1), none, start, "CKA")
    assert told[0] == "There is no snapshot at step 0, so no floor and no corrected reading."
    assert told[1].startswith("Raw (CKA), decoder layers take 3×")
    assert len(told) == 2
    assert "nan" not in " ".join(told)


def test_a_study_without_curves_is_not_blamed_for_its_snapshots():
    assert summary.floors(FakeResults(snapshots=3).settling, "cka").known


def test_a_floor_that_is_not_a_number_is_left_out_of_the_mean():
    settling = pd.DataFrame({"measure": "cka", "part": ["encoder"] * 3, "floor": [0.5, 0.9, np.nan]})
    start = summary.floors(settling, "cka")
    assert start.floor == {"encoder": pytest.approx(0.7)}
    assert start.there == {"encoder": (1, 2)}


def test_the_raw_sentence_says_where_steps_are_counted_from_and_who_is_there_at_step_0():
    start = Start({"encoder": 0.95, "decoder": 0.37}, {"encoder": (17, 20), "decoder": (0, 24)})
    raw = Lead(119, 101, 145, 4, 4, 2)
    told = summary.finding(raw, Lead(1.3, 1.2, 1.3, 4, 4, 2), start, "CKA")
    assert told[1] == (
        "Raw, decoder layers take 119× as many steps (counted from 1) as encoder layers to reach 0.9 of their final "
        "similarity (4 runs of 2 seeds, geometric mean; 101× to 145×); 17 of 20 encoder layers, over the runs, are "
        "there at step 0. The encoder is first in 4\u00a0of\u00a04."
    )
    assert "counted from" not in told[0]


def fallen_slowly(curve: list[float]) -> tuple[bool, bool]:
    """Whether a curve is below 0.9 anywhere after its first time at or above it, and whether it ever is there."""
    known = [score for score in curve if not math.isnan(score)]
    first = next((i for i, score in enumerate(known) if score >= 0.9), None)
    return first is not None and min(known[first:]) < 0.9, first is not None


def test_curves_that_fall_again_are_counted_as_the_definition_says():
    values = [
        [0.95, 0.85, 1.0],
        [0.1, 0.95, 1.0],
        [0.9, 0.95, 1.0],
        [0.5, 0.92, 0.89],
        [0.1, 0.2, 0.3],
        [0.95, math.nan, 1.0],
        [math.nan] * 3,
    ]
    rows = [
        ("cka", str(i % 2), f"encoder.{i}", step, score)
        for step in (700, 5, 0)
        for i, curve in enumerate(values)
        for at, score in zip((0, 5, 700), curve, strict=True)
        if at == step
    ]
    frame = pd.DataFrame(rows, columns=["measure", "run", "layer", "step", "score"]).assign(corrected=np.nan)
    slow = [fallen_slowly(curve) for curve in values]
    assert leads_.fallen(frame, "cka", "score") == (sum(a for a, _ in slow), sum(b for _, b in slow)) == (2, 5)
    assert summary.relapses(frame, {"cka": "CKA"}) == [
        "CKA, raw: 2 of 5 curves fall below 0.9 again later; the first crossing is counted."
    ]


def test_a_measure_whose_curves_all_stay_says_so():
    told = summary.relapses(FakeResults().curves, {"cka": "CKA"})
    assert told[0] == "CKA, raw: 0 of 60 curves fall below 0.9 again later."
