"""From an estimate, its interval and a threshold to one of three words.

A claim is "supported" when the whole interval is beyond the threshold, "not supported" when the whole interval is short
of it, "undecided" otherwise. With intervals of 95 % a claim that is exactly at its threshold is supported in 2.5 % of
studies. Where a claim says "in every layer" or "in every setting", the interval is that of the least (or largest) of
several quantities; where it must survive controls, all of them must support it, which needs no correction: the chance
that all of several tests err is no larger than that of the one whose null is true (intersection-union).

References:
    Berger & Hsu (1996), Bioequivalence trials, intersection-union tests and equivalence confidence sets.
        https://doi.org/10.1214/ss/1032280304
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from vaescope.stats.claim import Claim, Reading, Verdict, Word
from vaescope.stats.dynamics.hierarchy import Estimate

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
MOST_SEEDS = 100
FEWEST = 3
NO_CONTROL = " The control could not be made."
Side = Literal["above", "below"]
At = Callable[[float], Estimate]
"""An estimate at the level of coverage that is asked for."""


def word_of(low: float, high: float, threshold: float, side: Side = "above") -> Word:
    """What an interval says of a claim that the statistic is on that side of a threshold; undecided without one.

    >>> word_of(1.2, 3.0, 1.0), word_of(1.2, 3.0, 1.0, "below"), word_of(0.9, 3.0, 1.0)
    ('supported', 'not supported', 'undecided')
    """
    if low > threshold:
        return "supported" if side == "above" else "not supported"
    if high < threshold:
        return "supported" if side == "below" else "not supported"
    return "undecided"


def least(estimates: Sequence[At], level: float = LEVEL) -> Estimate:
    """The least of several quantities.

    That it is above a threshold is that all of them are, so its lower end is the lowest of the lower ends at `level`;
    that it is below one is that any of them is, so the upper end is the lowest of the upper ends at the level which
    together they keep (Bonferroni). The estimate is the least one, a little too low where several are close.
    """
    single, together = _both(estimates, level)
    return _extreme(min(single, key=lambda e: e.value), single, min(_ends(single, 0)), min(_ends(together, 1)), level)


def largest(estimates: Sequence[At], level: float = LEVEL) -> Estimate:
    """The largest of several quantities: as `least`, turned round."""
    single, together = _both(estimates, level)
    return _extreme(max(single, key=lambda e: e.value), single, max(_ends(together, 0)), max(_ends(single, 1)), level)


def sized(estimate: At) -> At:
    """The same quantity without its sign: how far it is from 0."""

    def unsigned(level: float) -> Estimate:
        e = estimate(level)
        known = not math.isnan(e.low)
        nearest, farthest = max(0.0, e.low, -e.high), max(abs(e.low), abs(e.high))
        low, high = (nearest, farthest) if known else (math.nan, math.nan)
        return Estimate(abs(e.value), low, high, level, e.p, e.seeds, e.runs)

    return unsigned


def at(values: "pd.DataFrame") -> At:
    """The mean over seeds of a table of run, seed, draw, value, at any level."""
    from vaescope.stats.dynamics.hierarchy import estimate

    return lambda level: estimate(values, level=level)


def reading(
    name: str, title: str, estimate: Estimate, threshold: float, side: Side = "above", note: str = ""
) -> Reading:
    """An estimate held against its threshold; one that decides nothing says what would.

    Args:
        name: of the reading.
        title: for people.
        estimate: of the statistic.
        threshold: what it is held against.
        side: where it must lie for the claim.
        note: what else must be known.
    """
    if math.isnan(estimate.value):
        return missing(name, title, threshold, note or "There is nothing to compute it from.")
    word = word_of(estimate.low, estimate.high, threshold, side)
    if word == "undecided":
        note = " ".join(filter(None, [note, _more_seeds(estimate, threshold)]))
    value, low, high, p = (float(x) for x in (estimate.value, estimate.low, estimate.high, estimate.p))
    return Reading(name, title, value, low, high, threshold, word, estimate.runs, estimate.seeds, p, note)


def missing(name: str, title: str, threshold: float, note: str) -> Reading:
    """A reading for which evidence is missing; the note says what."""
    nan = math.nan
    return Reading(name, title, nan, nan, nan, threshold, "undecided", 0, 0, nan, note)


def absent(reading: Reading) -> bool:
    """Whether it has no estimate at all."""
    return math.isnan(reading.estimate)


def together(main: Reading, controls: Sequence[Reading]) -> Word:
    """Supported where the main statistic and every control that could be made are; not where any is decisively not."""
    made = [main, *(c for c in controls if not absent(c))]
    words = {r.word for r in made}
    if absent(main):
        return "undecided"
    return "not supported" if "not supported" in words else "undecided" if "undecided" in words else "supported"


def verdict(claim: type[Claim], plain: Reading, main: Reading, controls: Sequence[Reading] = ()) -> Verdict:
    """The verdict on a claim, with its reasons in words.

    Args:
        claim: what was claimed; its `unit` stands behind numbers.
        plain: the reading without controls.
        main: the controlled statistic.
        controls: which must not speak against it.
    """
    word = together(main, controls)
    made = [main, *(c for c in controls if not absent(c))]
    if word == "supported":
        also = ""
        if len(made) > 1:
            counted = "the one control" if len(made) == 2 else f"all {len(made) - 1} controls"
            also = f"; {counted} agree{'s' if len(made) == 2 else ''}"
        why = f"{_told(main, claim.unit)}{also}."
    elif word == "not supported":
        why = f"{_told(next(r for r in made if r.word == word), claim.unit)}."
    else:
        open_ = next((r for r in made if r.word == "undecided"), main)
        why = " ".join(filter(None, [f"{_told(open_, claim.unit)}." if not absent(open_) else "", open_.note]))
    if len(made) <= len(controls) and not absent(main):
        gone = len(controls) + 1 - len(made)
        why += f" {gone} of {len(controls)} controls could not be made." if len(controls) > 1 else NO_CONTROL
    if plain.word != word and not absent(plain):
        why += f" Without controls it would be {plain.word}: {_numbers(plain, claim.unit)}."
    return Verdict(claim.name, word, plain, (main, *controls), why)


def number(value: float, unit: str = "") -> str:
    """For people: two decimals; "unknown" where there is none.

    >>> number(1.234, "doublings"), number(float("nan")), number(-0.001)
    ('1.23 doublings', 'unknown', '0.00')
    """
    if math.isnan(value):
        return "unknown"
    return f"{round(value, 2) + 0.0:.2f} {unit}".strip()


def seeds_needed(estimate: Estimate, threshold: float) -> int | None:
    """With how many seeds an interval of this spread would leave the threshold; None if not with `MOST_SEEDS`.

    From the half width h, towards the threshold, of s seeds: sd = h sqrt(s) / t(s - 1); the least S with
    t(S - 1) sd / sqrt(S) below the distance of the estimate from the threshold.
    """
    from scipy.special import stdtrit

    distance = abs(estimate.value - threshold)
    reach = estimate.high - estimate.value if estimate.value < threshold else estimate.value - estimate.low
    if math.isnan(reach) or reach < 0 or estimate.seeds < 2 or distance == 0:
        return None
    tail = (1 + estimate.level) / 2
    spread = reach * math.sqrt(estimate.seeds) / float(stdtrit(estimate.seeds - 1, tail))
    needed = (s for s in range(3, MOST_SEEDS + 1) if float(stdtrit(s - 1, tail)) * spread / math.sqrt(s) < distance)
    return next(needed, None)


def _more_seeds(estimate: Estimate, threshold: float) -> str:
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        if estimate.seeds >= FEWEST:
            return "Without one of the seeds there is nothing to compute it from: train more seeds of each setting."
        counted = "1 seed gives" if estimate.seeds == 1 else f"{estimate.seeds} seeds give"
        return f"{counted} no interval: train more, at least 3; 5 if you can."
    needed = seeds_needed(estimate, threshold)
    if needed is None or needed <= estimate.seeds:
        return "The interval holds the threshold, and more seeds alone may not tell them apart."
    return f"The interval holds the threshold; if the spread stays, about {needed} seeds would decide."


def _numbers(reading: Reading, unit: str) -> str:
    seeds = f"{reading.seeds} seed{'s' if reading.seeds != 1 else ''}"
    if math.isnan(reading.low) or math.isnan(reading.high):
        return f"{number(reading.estimate, unit)} ({seeds}, no interval) against {number(reading.threshold)}"
    ends = f"{number(reading.low)} to {number(reading.high)}, {seeds}"
    return f"{number(reading.estimate, unit)} ({ends}) against {number(reading.threshold)}"


def _told(reading: Reading, unit: str) -> str:
    return f"{reading.title}: {_numbers(reading, unit)}"


def _both(estimates: Sequence[At], level: float) -> tuple[list[Estimate], list[Estimate]]:
    adjusted = 1 - (1 - level) / max(1, len(estimates))
    return [e(level) for e in estimates], [e(adjusted) for e in estimates]


def _ends(estimates: Sequence[Estimate], end: int) -> list[float]:
    """The lower (0) or upper (1) ends; where any is unknown, so is the extreme one."""
    ends = [(e.low, e.high)[end] for e in estimates]
    return [math.nan] if any(math.isnan(x) for x in ends) else ends


def _extreme(chosen: Estimate, single: Sequence[Estimate], low: float, high: float, level: float) -> Estimate:
    return Estimate(chosen.value, low, high, level, math.nan, min(e.seeds for e in single), max(e.runs for e in single))
