"""A mean over runs with an interval: seeds are drawn anew, and the probe set is halved, jointly for all of them.

All runs see one probe set, so a subsample of it is the same draw for every run, while the seeds are independent of one
another. Few seeds make a bootstrap too narrow: its spread is widened by sqrt(s / (s - 1)) and multiplied by Student's
quantile of s - 1 degrees of freedom.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        value: of the whole probe set, the mean over seeds of the means over their runs; NaN without any.
        low, high: its interval; NaN with fewer than two seeds.
        level: intended coverage.
        p: of the sign-flip test over seeds that the mean is `null`, two-sided; NaN with fewer than two seeds.
        seeds: independent seeds that have a value.
        runs: runs that have one.
    """

    value: float
    low: float
    high: float
    level: float
    p: float
    seeds: int
    runs: int


def estimate(
    values: "pd.DataFrame", level: float = 0.95, null: float = 0.0, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """The mean over seeds, with its interval.

    Args:
        values: run, seed, draw, value: one row a run and draw; draw -1 is the whole probe set, 0, 1, … half of it
            without replacement, the same half for all runs. Without such rows only seeds are drawn. NaN is left out.
        level: intended coverage.
        null: what the sign-flip test compares with.
        draws: bootstrap draws.
        seed: of the draws.
    """
    raise NotImplementedError
