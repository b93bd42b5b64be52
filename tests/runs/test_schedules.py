import pytest

from vaescope.errors import UsageError
from vaescope.runs.schedules import doubling, every, log_spaced, schedule_of
from vaescope.runs.study import log_steps


def walked(schedule, last):
    found, step = [], -1
    while (step := schedule(step)) is not None and step <= last:
        found.append(step)
    return found


def test_doubling_gives_zero_and_the_powers_of_two():
    assert walked(doubling, 100) == [0, 1, 2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_every_gives_the_multiples(steps):
    assert walked(every(steps), 5 * steps) == [k * steps for k in range(6)]


@pytest.mark.parametrize(("last", "count"), [(1, 2), (700, 10), (3, 50)])
def test_log_spaced_gives_the_steps_of_a_study(last, count):
    assert tuple(walked(log_spaced(last, count), 10**9)) == log_steps(last, count)


@pytest.mark.parametrize(
    ("at", "expected"),
    [([8, 0, 3, 3], [0, 3, 8]), (5, [0, 5, 10]), (doubling, [0, 1, 2, 4, 8]), (range(0, 9, 4), [0, 4, 8])],
)
def test_a_schedule_is_a_function_a_number_or_steps(at, expected):
    assert walked(schedule_of(at), 10) == expected


@pytest.mark.parametrize("at", ["doubling", [], [-1], [0.5], 0, True, None, 1.5])
def test_anything_else_is_refused_with_what_there_is(at):
    with pytest.raises(UsageError, match=r"every|doubling"):
        schedule_of(at)


@pytest.mark.parametrize(("last", "count"), [(0, 5), (10, 1)])
def test_log_spacing_needs_an_end_and_two_looks(last, count):
    with pytest.raises(UsageError, match="log_spaced"):
        log_spaced(last, count)
