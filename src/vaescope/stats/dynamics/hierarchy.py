"""A mean over runs with an interval: seeds are drawn anew, and the probe set is halved, jointly for all of them.

All runs see one probe set, so a subsample of it is the same draw for every run, while the seeds are independent of one
another. The hierarchical bootstrap (draw seeds with replacement, then one half of the probe set for all of them) has a
variance that for a mean over seeds is known without drawing: V_seed + V_probe, with V_seed = sum of squares / s^2 over
the s seeds. Few seeds make it too narrow: V_seed is widened by s / (s - 1), and each of the two is multiplied by the
square of Student's quantile of its own degrees of freedom, s - 1 for seeds and 7 for 8 halves.

The spread of halves needs no scaling: drawn without replacement from n examples, the mean of m of them varies around
the mean of all by (1 - m / n) sigma^2 / m, which for m = n / 2 is sigma^2 / n, the variance of the mean of all n around
its expectation; so do statistics that are smooth in the examples. Where the point uses more examples than the halves
are halves of, the interval is too wide, not too narrow.

References:
    Saravanan, Berman & Sober (2020), Application of the hierarchical bootstrap to multi-level data in neuroscience.
        https://arxiv.org/abs/2007.07797
    Politis & Romano (1994), Large sample confidence regions based on subsamples under minimal assumptions.
        https://doi.org/10.1214/aos/1176325770
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from vaescope.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 2000
WHOLE = -1  # the draw that is the whole probe set
MOST_FLIPPED = 16  # seeds up to which all sign flips are tried


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


@dataclass(frozen=True, eq=False)
class Estimates:
    """Means over seeds, one a cell.

    Attributes:
        value: the means; NaN where no seed has a value.
        low: lower ends of the intervals; NaN with fewer than two seeds.
        high: upper ends.
        by_seed: the mean of each seed over its runs, NaN where it has none.
        seeds: seeds that have a value.
        runs: runs that have one.
    """

    value: Float64[np.ndarray, " c"]
    low: Float64[np.ndarray, " c"]
    high: Float64[np.ndarray, " c"]
    by_seed: Float64[np.ndarray, "c s"]
    seeds: Int64[np.ndarray, " c"]
    runs: Int64[np.ndarray, " c"]


def estimate(
    values: "pd.DataFrame", level: float = 0.95, null: float = 0.0, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """The mean over seeds, with its interval.

    Coverage found where 95 % were intended is in `tests/stats/dynamics/test_hierarchy.py`.

    Args:
        values: run, seed, draw, value: one row a run and draw; draw -1 is the whole probe set, 0, 1, … half of it
            without replacement, the same half for all runs. Without halves only seeds are drawn. NaN is left out.
        level: intended coverage.
        null: what the sign-flip test compares with.
        draws: sign flips drawn where there are more than 16 seeds; up to there all are tried.
        seed: of those draws.

    >>> import pandas as pd
    >>> found = estimate(pd.DataFrame({"run": ["a", "b"], "seed": [0, 1], "draw": -1, "value": [1.0, 3.0]}))
    >>> found.value, found.seeds, found.p
    (2.0, 2, 0.5)
    """
    run, seeds, draw = (values[column].to_numpy() for column in ("run", "seed", "draw"))
    found = estimates(np.zeros(len(values), np.int64), run, seeds, draw, values["value"].to_numpy(float), level)
    if not len(found.value):
        return Estimate(np.nan, np.nan, np.nan, level, np.nan, 0, 0)
    p = float(sign_flip(found.by_seed[0], null, draws, seed))
    value, low, high = (float(end[0]) for end in (found.value, found.low, found.high))
    return Estimate(value, low, high, level, p, int(found.seeds[0]), int(found.runs[0]))


def estimates(
    cell: Int64[np.ndarray, " r"],
    run: Shaped[np.ndarray, " r"],
    seed: Shaped[np.ndarray, " r"],
    draw: Shaped[np.ndarray, " r"],
    value: Float64[np.ndarray, " r"],
    level: float = 0.95,
    cells: int | None = None,
) -> Estimates:
    """The same for many cells at once: one row a cell, run and draw.

    Args:
        cell: numbers from 0.
        run: any labels.
        seed: any labels.
        draw: -1, 0, 1, ...
        value: NaN is left out.
        level: intended coverage.
        cells: how many there are; as many as `cell` names if None.

    Raises:
        UsageError: a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise UsageError(f"expected a level between 0 and 1, got {level}. Take 0.95.")
    count = cells if cells is not None else int(cell.max(initial=-1)) + 1
    _, seed_number = np.unique(seed, return_inverse=True)
    _, run_number = np.unique(run, return_inverse=True)
    most, known = int(seed_number.max(initial=-1)) + 1, ~np.isnan(value)
    whole = known & (draw == WHOLE)
    place = cell * most + seed_number
    by_seed = _means(place[whole], value[whole], count * most).reshape(count, most)
    several = int(run_number.max(initial=-1)) + 1  # a run may have several rows, such as untrained networks
    runs = np.bincount(np.unique(cell[whole] * several + run_number[whole]) // max(several, 1), minlength=count)
    seeds = (~np.isnan(by_seed)).sum(axis=1)
    means = _over(by_seed, seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.nansum((by_seed - means[:, None]) ** 2, axis=1) / (seeds * (seeds - 1))
    half = known & (draw != WHOLE)
    reach = _student(level, seeds - 1) ** 2 * spread
    if half.any():
        probe, known = _probe(place[half], run_number[half], draw[half], value[half], (count, most))
        reach = reach + _student(level, known - 1) ** 2 * probe
    reach = np.where(seeds > 1, np.sqrt(reach), np.nan)
    return Estimates(means, means - reach, means + reach, by_seed, seeds, runs)


def sign_flip(values: Float64[np.ndarray, " s"], null: float = 0.0, draws: int = DRAWS, seed: int = 0) -> float:
    """The sign-flip test that the mean is `null`, two-sided: the share of flips with a mean at least as far from it.

    All 2^s flips up to s = 16 seeds, so p is exact and at least 2 / 2^s; drawn ones beyond, themselves counted.

    Args:
        values: independent, symmetric around `null` if it is true; NaN is left out.
        null: the mean to be tested.
        draws: flips drawn where there are more than 16 values.
        seed: of the draws.

    References:
        Fisher (1935), The design of experiments, section 21; see Winkler et al. (2014), Permutation inference for the
            general linear model, section "exchangeability and sign flipping".
            https://doi.org/10.1016/j.neuroimage.2014.01.060
    """
    away = values[~np.isnan(values)] - null
    if len(away) < 2:
        return np.nan
    every = len(away) <= MOST_FLIPPED
    signs = _all_signs(len(away)) if every else _drawn_signs(len(away), draws, seed)
    reached = np.abs(signs @ away) >= np.abs(away.sum()) - 1e-9 * np.abs(away).sum()
    return float(reached.mean()) if every else float((1 + reached.sum()) / (1 + draws))


@lru_cache(maxsize=MOST_FLIPPED)
def _all_signs(count: int) -> Float64[np.ndarray, "f s"]:
    """Every flip with the first sign kept: the other half has the same sums, with the other sign."""
    bits = np.arange(2 ** (count - 1))[:, None] >> np.arange(count) & 1
    return 1.0 - 2.0 * bits


def _drawn_signs(count: int, draws: int, seed: int) -> Float64[np.ndarray, "f s"]:
    return 1.0 - 2.0 * np.random.default_rng([seed, count, draws]).integers(2, size=(draws, count))


def _probe(
    place: np.ndarray, run: np.ndarray, draw: np.ndarray, value: np.ndarray, shape: tuple[int, int]
) -> tuple[Float64[np.ndarray, " c"], Int64[np.ndarray, " c"]]:
    """The variance over halves of each cell's mean, and how many halves.

    Each run is taken around its own mean, so that a gap in one of its halves does not look like spread.
    """
    count, most = shape
    owner = place * (int(run.max()) + 1) + run
    _, owner = np.unique(owner, return_inverse=True)
    own = _means(owner, value, int(owner.max()) + 1)
    halves, draw = np.unique(draw, return_inverse=True)
    at = place * len(halves) + draw
    moved = _means(at, value - own[owner], count * most * len(halves)).reshape(count, most, len(halves)).swapaxes(1, 2)
    per_draw = _over(moved, (~np.isnan(moved)).sum(axis=2))
    known = (~np.isnan(per_draw)).sum(axis=1)
    mean = _over(per_draw, known)
    square = np.nansum((per_draw - mean[:, None]) ** 2, axis=1)
    return np.where(known > 1, square / np.maximum(known - 1, 1), 0.0), known


def _means(place: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """Means of the values at each place, NaN where there are none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.bincount(place, value, count) / np.bincount(place, minlength=count)


def _over(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Means over the last axis of what is known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(values, axis=-1) / known


def _student(level: float, freedom: np.ndarray) -> np.ndarray:
    from scipy.special import stdtrit

    return stdtrit(np.maximum(freedom, 1).astype(float), (1 + level) / 2)
