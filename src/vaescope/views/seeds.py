"""Means over the seeds of a setting with their intervals, for whole arrays at once. Pure."""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Over(NamedTuple):
    """Means over seeds; NaN where no run has a value, and no interval with fewer than two."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def over_seeds(
    values: np.ndarray, of: np.ndarray, settings: int, draws: np.ndarray | None = None, level: float = LEVEL
) -> Over:
    """Means and intervals of settings, of which each run is a seed.

    The interval is that of `vaescope.stats.dynamics.hierarchy`, without its table: Student's over seeds, and where
    halves of the probe set were scored as well, the spread of the mean over them is added.

    Args:
        values: (run, …), NaN where there is none.
        of: the setting of each run, (run,).
        settings: how many there are.
        draws: (draw, run, …): the same on halves of the probe set.
        level: intended coverage.
    """
    shape = (settings, *values.shape[1:])
    made = Over(*(np.full(shape, np.nan) for _ in range(3)))
    for setting in range(settings):
        mine = of == setting
        mean, half = spread_of(values[mine], None if draws is None else draws[:, mine], level)
        made.mean[setting], made.low[setting], made.high[setting] = mean, mean - half, mean + half
    return made


def spread_of(
    values: np.ndarray, draws: np.ndarray | None = None, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the first axis and half the width of its interval, NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(0)
    mean = np.where(count > 0, np.where(known, values, 0).sum(0) / np.maximum(count, 1), np.nan)
    squares = np.where(known, (values - mean) ** 2, 0).sum(0)
    reach = quantile(np.maximum(count - 1, 1), level) ** 2 * squares / np.maximum(count - 1, 1) / np.maximum(count, 1)
    if draws is not None and len(draws) > 1:
        each = np.isfinite(draws)
        halves = np.where(each, draws, 0).sum(1) / np.maximum(each.sum(1), 1)
        reach = reach + quantile(len(draws) - 1, level) ** 2 * halves.var(0, ddof=1)
    half = np.where(count > 1, np.sqrt(reach), np.nan)
    return mean, half


def by_seed(values: np.ndarray, seeds: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray, int]:
    """The mean over all runs, half its interval over seeds, and how many seeds have a value anywhere.

    Runs of one seed share their first weights and batches: they are averaged first, so that only seeds are counted.

    Args:
        values: (run, …).
        seeds: (run,).
        level: intended coverage.
    """
    groups = [values[seeds == seed] for seed in np.unique(seeds)]
    means = np.array([spread_of(group)[0] for group in groups]) if groups else values[:0]
    mean, half = spread_of(means, level=level)
    return mean, half, int(np.isfinite(means).reshape(len(means), -1).any(1).sum())


def quantile(degrees: np.ndarray | np.integer | int, level: float = LEVEL) -> np.ndarray:
    """Student's quantile of a two-sided interval."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(degrees, 0.5 + level / 2))
