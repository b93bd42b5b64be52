"""Whether the encoder or the decoder settles first, by how much, and how sure that is. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from vaescope.stats.convergence import SETTLED

ENOUGH = 6  # seeds that agree by chance with probability 2 / 2**6 < 0.05; with 5 it is above
NEAR = 0.1  # doublings: a factor within 7 % of 1 is no lead


@dataclass(frozen=True)
class Lead:
    """How many times later, in training steps, decoder layers settle than encoder layers; over the runs of a measure.

    Attributes:
        mean, low, high: factors (geometric mean and range); above 1 the encoder is first, NaN without runs.
        runs: how many runs have an answer.
        encoder_first: in how many of them the encoder is first.
        seeds: how many seeds those runs have, 0 where that is not known. Runs of one seed share initial weights,
            batches and noise: only seeds are independent of one another.
    """

    mean: float
    low: float
    high: float
    runs: int
    encoder_first: int
    seeds: int = 0

    @property
    def few(self) -> bool:
        """Whether there are so few seeds that even if all agree a sign test at 5 % could not tell them from chance."""
        return (self.seeds or self.runs) < ENOUGH

    @property
    def verdict(self) -> Literal["encoder", "decoder", "together", "unclear", "none"]:
        """Which is first; "unclear" where runs fall on both sides, "together" where their mean is within 7 % of 1.

        Runs on both sides are together only if each of them is within 7 % of 1.
        """
        if not self.runs:
            return "none"
        if self.runs > 1 and self.low < 1 < self.high and not (_near(self.low) and _near(self.high)):
            return "unclear"
        if _near(self.mean):
            return "together"
        return "encoder" if self.mean > 1 else "decoder"

    @property
    def counted(self) -> str:
        """`4 runs of 2 seeds`."""
        return counted(self.runs, "run") + (f" of {counted(self.seeds, 'seed')}" if self.seeds else "")


@dataclass(frozen=True)
class Start:
    """What layers score at step 0, before any training.

    Attributes:
        floor: mean similarity to the trained self, by part; without the parts that have none.
        there: part -> how many layers, over the runs, are at 0.9 already, and of how many.
        known: whether there is a snapshot at step 0, or nothing that could have one.
    """

    floor: Mapping[str, float]
    there: Mapping[str, tuple[int, int]]
    known: bool = True


def lead(frame: pd.DataFrame, measure: str, column: str, runs: pd.DataFrame | None = None) -> Lead:
    """The lead of the encoder over the runs.

    Args:
        frame: `Results.lead`: raw and corrected are differences of mean log2 steps, decoder minus encoder.
        measure: which measure.
        column: "raw" or "corrected".
        runs: `Results.runs`, for the seeds; without it they are not counted.
    """
    ours = frame[(frame["measure"] == measure) & np.isfinite(frame[column].to_numpy(float))]
    values = ours[column].to_numpy(float)
    if not len(values):
        return Lead(math.nan, math.nan, math.nan, 0, 0)
    seeds = 0 if runs is None else int(runs.loc[runs["run"].isin(ours["run"]), "seed"].nunique())
    mean, low, high = (float(2.0**v) for v in (values.mean(), values.min(), values.max()))
    return Lead(mean, low, high, len(values), int((values > 0).sum()), seeds)


def floors(settling: pd.DataFrame, measure: str) -> Start:
    """What layers score at step 0, by part: what a random network already has in common with its trained self."""
    at = settling[settling["measure"] == measure]
    known = at[np.isfinite(at["floor"].to_numpy(float))]
    by_part = known.groupby("part")["floor"]
    return Start(
        {str(part): float(value) for part, value in by_part.mean().items()},
        {str(part): (int((floor >= SETTLED).sum()), len(floor)) for part, floor in by_part},
        known=len(known) > 0 or not len(at),
    )


def fallen(curves: pd.DataFrame, measure: str, column: str) -> tuple[int, int]:
    """How many layer curves fall below 0.9 again after first reaching it, and how many reach it.

    Args:
        curves: `Results.curves`, of the parts that count.
        measure: which measure.
        column: "score" or "corrected".
    """
    ours = curves[(curves["measure"] == measure) & curves[column].notna()].sort_values("step", kind="stable")
    keys = [ours["run"], ours["layer"]]
    above = ours[column] >= SETTLED
    reached = above.groupby(keys).cummax()
    again = (reached & ~above).groupby(keys).any()
    return int(again.sum()), int(reached.groupby(keys).any().sum())


def times(factor: float) -> str:
    """A factor for people: 3.2×, 48×; near 1 two decimals, so that only 1 is 1×; "–" where there is none."""
    if not math.isfinite(factor):
        return "–"
    if factor != 1 and abs(factor - 1) < 0.1:
        return f"{factor:.2f}×"
    return f"{factor:.2g}×" if factor < 10 else f"{factor:,.0f}×"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 run`, `4 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _near(factor: float) -> bool:
    return abs(math.log2(factor)) < NEAR
