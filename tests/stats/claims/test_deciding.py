"""From intervals to words."""

import math

import numpy as np
import pytest

from vaescope.stats.claim import Reading
from vaescope.stats.claims.encoder_first import EncoderFirst
from vaescope.stats.dynamics.hierarchy import Estimate
from vaescope.stats.judging.deciding import (
    largest,
    least,
    missing,
    number,
    reading,
    seeds_needed,
    sized,
    together,
    verdict,
    word_of,
)

NAN = math.nan


def normal(value, sd, seeds=5):
    """An estimate whose half width is 2 sd at 95 % and grows with the level."""

    def at(level):
        reach = 2 * sd * (1 + math.log10(0.05 / (1 - level)))
        return Estimate(value, value - reach, value + reach, level, NAN, seeds, 2 * seeds)

    return at


def told(name, word, estimate=1.0):
    return Reading(name, name.title(), estimate, estimate, estimate, 0.0, word, 4, 2, NAN)


@pytest.mark.parametrize(
    ("low", "high", "side", "word"),
    [
        (1.1, 3, "above", "supported"),
        (-3, 0.9, "above", "not supported"),
        (0.9, 1.1, "above", "undecided"),
        (1.0, 2.0, "above", "undecided"),
        (NAN, NAN, "above", "undecided"),
        (1.1, 3, "below", "not supported"),
        (-3, 0.9, "below", "supported"),
        (0.9, 1.1, "below", "undecided"),
    ],
)
def test_a_word_needs_the_whole_interval_on_one_side(low, high, side, word):
    assert word_of(low, high, 1.0, side) == word


def test_the_least_is_low_as_the_lowest_alone_and_high_as_the_lowest_together():
    found = least([normal(3.0, 0.5), normal(1.0, 0.1), normal(1.2, 1.0)])
    adjusted = 2 * (1 + math.log10(3))
    assert found.value == 1.0
    assert found.low == pytest.approx(1.2 - 2 * 1.0)
    assert found.high == pytest.approx(1.0 + adjusted * 0.1)
    assert (found.seeds, found.runs) == (5, 10)


def test_the_largest_mirrors_the_least():
    makes = [(3.0, 0.5), (1.0, 0.1), (1.2, 1.0)]
    up, down = largest([normal(v, s) for v, s in makes]), least([normal(-v, s) for v, s in makes])
    assert (up.value, up.low, up.high) == pytest.approx((-down.value, -down.high, -down.low))


def test_an_extreme_of_something_without_an_interval_has_none():
    found = least([normal(3.0, 0.5), lambda level: Estimate(4.0, NAN, NAN, level, NAN, 1, 1)])
    assert found.value == 3.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.seeds == 1


@pytest.mark.parametrize(("low", "high", "ends"), [(-2, 1, (0, 2)), (1, 3, (1, 3)), (-3, -1, (1, 3))])
def test_a_size_is_nearest_and_farthest_from_zero(low, high, ends):
    found = sized(lambda level: Estimate(-0.5, low, high, level, NAN, 3, 3))(0.95)
    assert (found.value, found.low, found.high) == (0.5, *ends)


def test_seeds_that_are_needed_give_an_interval_that_leaves_the_threshold():
    from scipy.stats import t

    sd, seeds = 0.8, 4
    reach = t.ppf(0.975, seeds - 1) * sd / math.sqrt(seeds)
    needed = seeds_needed(Estimate(1.5, 1.5 - reach, 1.5 + reach, 0.95, NAN, seeds, seeds), 1.0)
    assert needed is not None
    assert t.ppf(0.975, needed - 1) * sd / math.sqrt(needed) < 0.5
    assert t.ppf(0.975, needed - 2) * sd / math.sqrt(needed - 1) >= 0.5


def test_no_number_of_seeds_moves_an_estimate_from_its_threshold():
    assert seeds_needed(Estimate(1.0, 0.5, 1.5, 0.95, NAN, 4, 4), 1.0) is None
    assert seeds_needed(Estimate(2.0, NAN, NAN, 0.95, NAN, 1, 4), 1.0) is None


def test_an_undecided_reading_says_how_many_seeds_would_decide_and_one_seed_that_there_is_no_interval():
    assert "about 11 seeds" in reading("a", "A", Estimate(1.5, 0.6, 2.4, 0.95, NAN, 5, 5), 1.0).note
    alone = reading("a", "A", Estimate(1.5, NAN, NAN, 0.95, NAN, 1, 1), 1.0)
    assert alone.word == "undecided"
    assert "1 seed gives no interval" in alone.note


def test_all_controls_must_support_and_one_is_enough_against():
    yes, no, open_ = told("a", "supported"), told("b", "not supported"), told("c", "undecided")
    gone = missing("d", "D", 0.0, "not there")
    assert together(yes, [yes, yes]) == "supported"
    assert together(yes, [yes, open_]) == "undecided"
    assert together(yes, [open_, no]) == "not supported"
    assert together(yes, [gone]) == "supported"
    assert together(gone, [yes]) == "undecided"


def test_a_verdict_says_what_the_paper_would_have_concluded_where_that_differs():
    said = verdict(EncoderFirst, told("raw", "supported", 4.0), told("main", "not supported", 0.2))
    assert said.word == "not supported"
    assert "Main: 0.20 doublings" in said.why
    assert "Without controls it would be supported: 4.00 doublings" in said.why
    same = verdict(EncoderFirst, told("raw", "supported"), told("main", "supported"))
    assert "Without controls" not in same.why


def test_numbers_in_words_are_never_nan():
    assert number(np.nan) == "unknown"
    assert number(-0.0001) == "0.00"
    gone = missing("a", "A", 0.0, "Something is missing.")
    assert "nan" not in verdict(EncoderFirst, gone, gone).why.lower()
