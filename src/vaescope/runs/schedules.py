"""When a recorder looks: schedules as functions from a step to the next one. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import cast

from vaescope.errors import UsageError
from vaescope.runs.study import log_steps

Schedule = Callable[[int], int | None]
"""`schedule(step)`: the first step after `step` at which to look, None where there is none. Begins with -1."""


def doubling(step: int) -> int:
    """Steps 0, 1, 2, 4, 8, …: as many snapshots early, when most happens, as late.

    >>> doubling(-1), doubling(0), doubling(5)
    (0, 1, 8)
    """
    return 0 if step < 0 else 1 << step.bit_length()


def every(steps: int) -> Schedule:
    """Step 0 and every so many after it.

    Raises:
        UsageError: it is no whole number of at least 1.

    >>> every(1000)(-1), every(1000)(999), every(1000)(1000)
    (0, 1000, 2000)
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise UsageError(f"every: expected a whole number of steps, at least 1, got {steps!r}.")
    return lambda step: (step // steps + 1) * steps


def log_spaced(last: int, count: int = 20) -> Schedule:
    """`count` steps from 0 to `last`, evenly spaced in log step, as in a study of vaescope's own.

    Raises:
        UsageError: `last` is not at least 1, or `count` not at least 2.

    >>> [log_spaced(700, 10)(step) for step in (-1, 0, 11, 700)]
    [0, 1, 25, None]
    """
    if last < 1 or count < 2:
        raise UsageError(f"log_spaced: expected last >= 1 and count >= 2, got last={last!r}, count={count!r}.")
    return _among(log_steps(last, count))


def schedule_of(at: object) -> Schedule:
    """The schedule that was asked for: a function, a list of steps, or a number of steps between looks.

    Raises:
        UsageError: it is something else.
    """
    if callable(at):
        return cast(Schedule, at)
    if isinstance(at, int) and not isinstance(at, bool):
        return every(at)
    if isinstance(at, Iterable) and not isinstance(at, str):
        steps = sorted(set(at))
        if steps and all(isinstance(s, int) and s >= 0 for s in steps):
            return _among(tuple(steps))
    raise UsageError(
        f"at: expected vaescope.doubling, vaescope.every(1000), vaescope.log_spaced(last, count) or a list of steps, "
        f"got {at!r}."
    )


def _among(steps: tuple[int, ...]) -> Schedule:
    def following(step: int) -> int | None:
        place = bisect_right(steps, step)
        return steps[place] if place < len(steps) else None

    return following
