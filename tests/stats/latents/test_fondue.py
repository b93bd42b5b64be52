"""The search for the number of latents, where the answer is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.errors import UsageError
from vaescope.stats.latents.fondue import choose_latents


@given(truth=st.integers(0, 300), start=st.integers(1, 200), threshold=st.floats(0, 3))
def test_the_largest_number_that_passes_is_found_from_wherever_it_begins(truth, start, threshold):
    asked = []

    def differences(latents):
        asked.append(latents)
        return threshold if latents <= truth else threshold + 0.01

    found = choose_latents(differences, start, threshold, most=256)
    assert found.latents == min(truth, 256)
    assert found.bounded == (truth < 256)
    assert len(set(asked)) == len(asked) <= 2 * math.ceil(math.log2(256)) + 1
    assert [t.latents for t in found.trials] == asked
    assert all(t.passed == (t.latents <= truth) for t in found.trials)


def test_it_doubles_until_too_many_and_then_halves_the_gap():
    found = choose_latents(lambda d: float(d > 11), 4, 0.5)
    assert [t.latents for t in found.trials] == [4, 8, 16, 12, 10, 11]


def test_a_difference_that_is_no_number_does_not_pass():
    assert choose_latents(lambda d: math.nan if d > 3 else 0.0, 2, 1.0).latents == 3


@pytest.mark.parametrize(("start", "threshold"), [(0, 0.5), (2000, 0.5), (4, -1.0), (4, math.nan)])
def test_questions_that_make_no_sense_are_refused(start, threshold):
    with pytest.raises(UsageError, match="choose_latents: expected"):
        choose_latents(lambda d: 0.0, start, threshold)
