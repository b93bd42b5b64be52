"""When each layer's curve reaches a level, at thresholds of choice. Pure functions of tidy tables.

A curve is the similarity of a layer, at each snapshot, to a reference. Towards the run's own final snapshot it ends at
1 by construction, so any level is reached; the corrected curve takes off what was there at step 0 and asks when that
share of what was to change had changed. Towards another seed's final model it ends at the seed-to-seed ceiling, which
the level is relative to on request.

References:
    Raghu et al. (2017), SVCCA, section 3.1: layers converge bottom up. https://arxiv.org/abs/1706.05806
    Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from vaescope.errors import UsageError
from vaescope.stats.convergence import HIGHEST_FLOOR, SETTLED

if TYPE_CHECKING:
    import pandas as pd

Which = Literal["raw", "corrected"]
KINDS = ("measure", "control", "reference")
LEAST_ROOM = 1 - HIGHEST_FLOOR


def keys_of(table: "pd.DataFrame") -> list[str]:
    """Run, and those of measure, control and reference that the table has."""
    return ["run", *(kind for kind in KINDS if kind in table.columns)]


def settling_steps(
    curves: "pd.DataFrame",
    level: float = SETTLED,
    reading: Which = "raw",
    relative: bool = False,
    least: float = LEAST_ROOM,
) -> "pd.DataFrame":
    """The step at which each curve first reaches a level, interpolated linearly in log(step + 1) between snapshots.

    Args:
        curves: run, layer, part, step, draw, score, and measure, control, reference where there are several:
            `references` or `wiring` of the evidence. Without `draw` all is the whole probe set. Snapshots without a
            score are passed over.
        level: what is to be reached.
        reading: "raw" takes the score; "corrected" (score - floor) / (end - floor), where the floor is the score at
            step 0 of the same layer and draw, and the end is 1.
        relative: whether the end is the score at the last snapshot instead, for references that no layer reaches, such
            as another seed; the raw score is then divided by it.
        least: a curve whose end is not more than this above its floor (0 for the raw one) is none, in all draws if that
            is so in the whole probe set.

    Returns:
        run, measure, control, reference (where present), layer, part, draw, step (NaN where it is not reached or there
        is no such curve: no score, no snapshot at step 0, or nothing left to be learned after it), censored (there is a
        curve, and it does not reach the level), from_start (it is there at its first snapshot).

    Raises:
        UsageError: no such reading.
    """
    import pandas as pd

    if reading not in ("raw", "corrected"):
        raise UsageError(f"expected raw or corrected as reading, got {reading!r}.")
    table = curves if "draw" in curves.columns else curves.assign(draw=-1)
    keys = [*keys_of(table), "layer", "part", "draw"]
    grouped = table.groupby(keys, sort=False, observed=True)
    number = grouped.ngroup().to_numpy()
    heads = cast("pd.DataFrame", table.iloc[np.unique(number, return_index=True)[1]][keys]).reset_index(drop=True)
    order = np.lexsort((table["step"].to_numpy(), number))
    owner, step = number[order], table["step"].to_numpy(float)[order]
    scores, deciding = table["score"].to_numpy(float)[order], _whole(heads, keys[:-1])
    score = _read(owner, step, scores, deciding, reading, relative, least)
    known = ~np.isnan(score)
    reached, censored, from_start = _crossings(owner[known], step[known], score[known], len(heads), level)
    heads["step"], heads["censored"], heads["from_start"] = reached, censored, from_start
    return pd.DataFrame(heads)


def _whole(heads: "pd.DataFrame", keys: Sequence[str]) -> np.ndarray:
    """For each curve, the place of that of the whole probe set (draw -1), or its own where there is none."""
    numbers = heads.groupby(list(keys), sort=False, observed=True).ngroup().to_numpy()
    places, whole = np.arange(len(heads)), heads["draw"].to_numpy() == -1
    found = np.full(int(numbers.max(initial=-1)) + 1, -1)
    found[numbers[whole]] = places[whole]
    return np.where(found[numbers] >= 0, found[numbers], places)


def settling_table(
    curves: "pd.DataFrame",
    levels: Sequence[float] = (0.8, 0.9, 0.95),
    readings: Sequence[Which] = ("raw", "corrected"),
    relative: bool = False,
) -> "pd.DataFrame":
    """`settling_steps` for several levels and readings, below one another, with columns level and reading in front."""
    import pandas as pd

    parts = []
    for reading in readings:
        for level in levels:
            found = settling_steps(curves, level, reading, relative)
            found.insert(0, "reading", reading)
            found.insert(0, "level", level)
            parts.append(found)
    return pd.concat(parts, ignore_index=True)


def _read(
    owner: np.ndarray,
    step: np.ndarray,
    score: np.ndarray,
    deciding: np.ndarray,
    reading: Which,
    relative: bool,
    least: float,
) -> np.ndarray:
    """The curves as they are to be read; NaN where there is nothing to be read: decided by the curve `deciding`."""
    count = len(deciding)
    floor = np.zeros(count)
    if reading == "corrected":
        floor[:] = np.nan
        start = step == 0
        floor[owner[start]] = score[start]
    end = np.ones(count)
    if relative:
        end[:] = np.nan
        known = ~np.isnan(score)
        end[owner[known]] = score[known]  # of a place written twice the last stays, which is the last snapshot
    room = end - floor
    room[~(room[deciding] > least) | ~(room > 0)] = np.nan
    return (score - floor[owner]) / room[owner]


def _crossings(
    owner: np.ndarray, step: np.ndarray, score: np.ndarray, count: int, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of curves in order, without gaps: where they first reach the level, whether they do not, whether at once."""
    time, none = np.log1p(step), len(owner)
    rows = np.arange(none)
    first, there = np.full(count, none), np.full(count, none)
    np.minimum.at(first, owner, rows)
    above = score >= level
    np.minimum.at(there, owner[above], rows[above])
    found = np.full(count, np.nan)
    from_start = (there == first) & (first < none)
    later = (there < none) & ~from_start
    after = there[later]
    share = (level - score[after - 1]) / (score[after] - score[after - 1])
    found[later] = np.expm1(time[after - 1] + (time[after] - time[after - 1]) * share)
    found[from_start] = step[first[from_start]]
    return found, (there == none) & (first < none), from_start
