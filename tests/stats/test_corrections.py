import numpy as np
import pytest
from scipy.stats import false_discovery_control

from vaescope.errors import UsageError
from vaescope.stats.certainty.corrections import adjusted, max_t

P = np.random.default_rng(0).uniform(size=(6, 7)) ** 3


@pytest.mark.parametrize(("method", "scipy_name"), [("benjamini_hochberg", "bh"), ("benjamini_yekutieli", "by")])
def test_false_discovery_corrections_are_those_of_scipy(method, scipy_name):
    expected = false_discovery_control(P.ravel(), method=scipy_name).reshape(P.shape)
    np.testing.assert_allclose(adjusted(P, method), expected, rtol=1e-12)


def test_holm_is_the_step_down_of_its_definition():
    expected, order = np.empty(P.size), np.argsort(P.ravel())
    for rank in range(P.size):
        expected[order[rank]] = min(1, max((P.size - k) * P.ravel()[order[k]] for k in range(rank + 1)))
    np.testing.assert_allclose(adjusted(P, "holm").ravel(), expected, rtol=1e-12)
    assert (adjusted(P, "holm") <= adjusted(P, "bonferroni")).all()


def test_cells_without_a_test_count_for_nothing():
    upper = np.triu(np.ones((6, 6), bool), 1)
    square = P[:, :6].copy()
    found = adjusted(square, "holm", upper)
    assert np.isnan(found[~upper]).all()
    np.testing.assert_array_equal(found[upper], adjusted(square[upper], "holm"))
    square[0, 1] = np.nan
    assert np.isnan(adjusted(square, cells=upper)[0, 1])
    assert adjusted(np.array([np.nan]), "holm").shape == (1,)
    assert adjusted(np.empty(0)).shape == (0,)


def test_max_t_counts_maxima_that_reach_the_score():
    maxima = np.array([1.0, 3.0, 2.0])
    found = max_t(np.array([[0.5, 2.0], [4.0, np.nan]]), maxima)
    np.testing.assert_array_equal(found, [[1.0, 3 / 4], [1 / 4, np.nan]])


def test_what_is_no_p_value_is_refused():
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        adjusted(np.array([0.5, 1.5]))
