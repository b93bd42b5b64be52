"""Intervals of whole arrays are those that the hierarchy makes cell by cell."""

import numpy as np
import pandas as pd
import pytest

from vaescope.stats.dynamics.hierarchy import estimate
from vaescope.views.seeds import by_seed, over_seeds


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("halves", [0, 8])
def test_means_and_intervals_are_those_of_the_hierarchy(seeds, halves):
    rng = np.random.default_rng([1, seeds, halves])
    values = rng.normal(size=(2 * seeds, 3))
    draws = values + 0.3 * rng.normal(size=(halves, 1, 1)) if halves else None
    of = np.repeat([0, 1], seeds)
    found = over_seeds(values, of, 2, draws)
    for setting in range(2):
        for cell in range(3):
            rows = [(run, run, -1, values[run, cell]) for run in np.flatnonzero(of == setting)]
            rows += [(r, r, d, draws[d, r, cell]) for d in range(halves) for r in np.flatnonzero(of == setting)]
            want = estimate(pd.DataFrame(rows, columns=["run", "seed", "draw", "value"]))
            got = [float(part[setting, cell]) for part in found]
            np.testing.assert_allclose(got, [want.value, want.low, want.high], rtol=1e-9)


def test_one_seed_has_a_mean_and_no_interval_and_none_has_neither():
    found = over_seeds(np.array([[1.0, np.nan], [3.0, np.nan], [5.0, 2.0]]), np.array([0, 0, 1]), 3)
    np.testing.assert_array_equal(found.mean, [[2.0, np.nan], [5.0, 2.0], [np.nan, np.nan]])
    assert np.isfinite(found.low[0, 0])
    assert np.isnan(found.low[1:]).all()


def test_runs_of_one_seed_count_once():
    values = np.array([1.0, 3.0, 4.0, 6.0])
    mean, half, seeds = by_seed(values, np.array([0, 0, 1, 1]))
    assert (float(mean), seeds) == (3.5, 2)
    assert float(half) == pytest.approx(12.706204736 * np.sqrt(2.25 * 2 / 2))
