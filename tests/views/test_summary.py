import math

import numpy as np
import pandas as pd
import pytest
from tests.views.fake_results import FakeResults

from vaescope.views import summary
from vaescope.views.summary import Lead


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
    assert summary.finding(none, none, {}, "CKA")[0].startswith("No finding yet")


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
    told = summary.finding(Lead(raw, raw, raw, 1, 1), Lead(corrected, corrected, corrected, 1, 1), {}, "CKA")
    assert expected in told[-1]


def test_a_decoder_that_comes_first_is_told_as_such():
    told = summary.finding(Lead(0.25, 0.125, 0.5, 3, 0), Lead(0.25, 0.125, 0.5, 3, 0), {}, "CKA")
    assert "encoder layers take 4× as many steps as decoder layers" in told[0]
    assert "2× to 8×" in told[0]
    assert "decoder is first in 3\u00a0of\u00a03" in told[0]


def test_the_floors_are_means_over_layers_and_runs():
    settling = FakeResults().settling
    encoder = settling[(settling.measure == "cka") & (settling.part == "encoder")].floor.mean()
    assert summary.floors(settling, "cka")["encoder"] == pytest.approx(encoder)
    told = summary.finding(Lead(2, 2, 2, 1, 1), Lead(2, 2, 2, 1, 1), {"encoder": 0.78, "decoder": 0.31}, "CKA")
    assert "0.78 in the encoder and 0.31 in the decoder" in told[2]


def test_diverged_and_unfinished_runs_are_told():
    diverged = FakeResults(diverged=2)
    labels = {run: run for run in diverged.runs.run}
    assert "diverged at step 5 (loss is nan)" in summary.caveats(diverged.runs, labels)[0]
    unfinished = FakeResults(snapshots=3)
    assert summary.caveats(unfinished.runs, labels) == ["4 runs of 4 not finished yet: what follows will change."]
    assert summary.caveats(FakeResults().runs, labels) == []


@pytest.mark.parametrize(("factor", "text"), [(3.24, "3.2×"), (57.3, "57×"), (1234.0, "1,234×"), (math.nan, "–")])
def test_factors_read_well(factor, text):
    assert summary.times(factor) == text


def test_runs_on_both_sides_are_no_finding_whatever_the_mean():
    raw, corrected = Lead(120, 93, 146, 4, 4), Lead(1.2, 0.93, 1.4, 4, 3)
    assert summary.headline(raw, corrected) == (
        "Neither encoder nor decoder clearly settles first: decoder layers take 1.2× as many steps "
        "(floor-corrected; 0.93× to 1.4× over 4 runs; raw, 120×)."
    )
    told = summary.finding(raw, corrected, {}, "CKA")[-1]
    assert "raw, the encoder leads by 120×" in told
    assert "fall on both sides (0.93× to 1.4×)" in told


def test_the_headline_says_when_the_runs_are_too_few_to_be_sure():
    none = Lead(math.nan, math.nan, math.nan, 0, 0)
    assert summary.headline(none, Lead(3, 2, 4, 5, 5)).endswith(
        "5 runs, all on one side, are still too few to be sure."
    )
    assert summary.headline(none, Lead(3, 3, 3, 1, 1)).endswith("One run is too few to be sure.")
    assert "few" not in summary.headline(none, Lead(3, 2, 4, 6, 6))


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
