"""Verdicts on the page: every text has its number, and what is not there is not written as one."""

import math

import pytest

from vaescope.stats.claim import CLAIMS, Reading, Verdict
from vaescope.views import answers, verdicts


def reading(word="supported", estimate=1.5, low=1.2, high=2.0, p=0.03, note=""):
    return Reading("raw", "Raw", estimate, low, high, 1.0, word, 4, 2, p, note)


def test_what_the_controls_change_is_said():
    made = [
        Verdict("a", "not supported", reading(), (reading("not supported", -0.2, -0.4, 0.1),), "It is -0.2."),
        Verdict("b", "undecided", reading("undecided"), (), "why"),
    ]
    first, second = answers.answers(made)
    assert (first["word"], first["tone"], first["plain"]["tone"], first["changed"]) == (
        "not supported",
        "no",
        "yes",
        True,
    )
    assert (first["readings"][0]["estimate"], first["readings"][0]["interval"]) == ("−0.20", "−0.40 to 0.10")
    assert first["why"] == "It is −0.2."
    assert (second["changed"], second["tone"]) == (False, "open")
    assert answers.headline(made) == (
        "Of 2 claims: 1 not supported, 1 undecided; without the controls 1 of them would be answered otherwise."
    )
    assert answers.headline([]) == ""


def test_numbers_that_are_not_there_are_no_numbers_on_the_page():
    found = answers.reading(reading(estimate=math.nan, low=math.nan, high=math.nan, p=math.nan))
    assert (found["estimate"], found["interval"], found["p"]) == ("–", "", "–")
    drawn = answers.drawn([Verdict("a", "undecided", reading(low=math.nan), (), "")])[0]
    assert (drawn["plain"]["low"], drawn["plain"]["high"]) == (None, 2.0)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234.5, "1,234"), (-12.34, "−12.3"), (0.456, "0.46"), (-0.001, "0.00"), (math.inf, "–"), (99.95, "100.0")],
)
def test_numbers_have_the_digits_that_say_something_and_a_true_minus(number, text):
    assert answers.value(number) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [("from -1 to 2-3", "from −1 to 2-3"), ("(-0.5)", "(−0.5)"), ("beta-8, c-max=-5", "beta-8, c-max=−5")],
)
def test_a_hyphen_becomes_a_minus_only_before_a_number_of_its_own(text, told):
    assert answers.minus(text) == told


def test_every_claim_leads_to_a_place_on_the_page():
    for name in CLAIMS:
        verdict = Verdict(name, "undecided", reading(), (), "")
        (made,) = answers.answers([verdict])
        assert made["href"] in ("#figure-curves", "#figure-leads", "#figure-across", "#figures", "#explore")
        assert made["title"]
        assert made["statement"]


def test_a_verdict_shows_the_numbers_of_the_control_that_decided_it():
    main, control = reading("supported", 1.5), reading("not supported", -1.4, -1.9, -0.7)
    verdict = Verdict("encoder_first", "not supported", reading(), (main, control), "")
    assert answers.deciding(verdict) is control
    (row,) = verdicts.verdict_rows([verdict])
    assert row[2:6] == ("not supported", "supported", "−1.40", "−1.90 to −0.70")
    undecided = Verdict("encoder_first", "undecided", reading("undecided"), (main,), "")
    assert answers.deciding(undecided) is main
    assert answers.deciding(Verdict("b", "undecided", main, (), "")) is main


def test_reasons_are_told_under_the_number_of_the_table_and_the_name_for_only():
    told = verdicts.whys(
        [
            Verdict("encoder_first", "supported", reading(), (), "It is -1."),
            Verdict("own", "undecided", reading(), (), "No."),
        ]
    )
    assert told == ["1 encoder_first: supported. It is −1.", "own: undecided. No."]
