"""The oracle is every permutation there is."""

import itertools

import numpy as np
import pytest
from oracles import debiased_cka, trace_cka

from vaescope.errors import UsageError
from vaescope.stats.certainty.moments import biased_moments, debiased_moments, invariants
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.features import Features
from vaescope.stats.forms.gram import LinearGram

SKEWED = np.random.default_rng(3)


def enumerated(x, y, score):
    values = np.array([score(x, y[list(order)]) for order in itertools.permutations(range(len(x)))])
    return values.mean(), values.var(), ((values - values.mean()) ** 3).mean() / values.std() ** 3


def pair(n, p, q):
    return SKEWED.gamma(0.7, size=(n, p)), SKEWED.gamma(0.7, size=(n, q))


@pytest.mark.parametrize(("score", "moments"), [(debiased_cka, debiased_moments), (trace_cka, biased_moments)])
@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 3), (20, 3)])
def test_moments_are_those_of_all_permutations(n, p, q, score, moments):
    x, y = pair(n, p, q)
    expected = enumerated(x, y, score)
    found = moments(*(invariants([LinearGram.of(Examples(v))]) for v in (x, y)))
    got = [float(field[0, 0]) for field in (found.mean, found.variance, found.skewness)]
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_moments_are_those_of_all_permutations_of_seven_examples_where_all_shapes_of_three_edges_exist():
    x, y = pair(7, 3, 2)
    (k, l), orders = (LinearGram.of(Examples(v)) for v in (x, y)), itertools.permutations(range(7))  # noqa: E741
    upper = np.triu_indices(7, 1)
    a, b = np.zeros((7, 7)), np.zeros((7, 7))
    a[upper], b[upper] = k.values, l.values
    b += b.T
    norm = np.sqrt(k.square * l.square)
    values = np.array([(a * b[np.ix_(o, o)]).sum() / norm for o in map(list, orders)])
    found = debiased_moments(invariants([k]), invariants([l]))
    assert values.mean() == pytest.approx(0, abs=1e-15)
    assert values.var() == pytest.approx(2 / (7 * 4), rel=1e-12)
    assert found.variance[0, 0] == pytest.approx(2 / (7 * 4), rel=1e-12)
    assert found.skewness[0, 0] == pytest.approx((values**3).mean() / values.std() ** 3, rel=1e-10)


def test_moments_of_a_grid_are_those_of_its_pairs():
    forms = [LinearGram.of(Examples(SKEWED.gamma(1, size=(40, p)))) for p in (1, 3, 60)]
    rows, columns = invariants(forms), invariants(forms[1:])
    for moments in (debiased_moments, biased_moments):
        whole = moments(rows, columns)
        for i, x in enumerate(forms):
            for j, y in enumerate(forms[1:]):
                one = moments(invariants([x]), invariants([y]))
                assert whole.mean[i, j] == pytest.approx(one.mean[0, 0], rel=1e-12)
                assert whole.variance[i, j] == pytest.approx(one.variance[0, 0], rel=1e-12)
                assert whole.skewness[i, j] == pytest.approx(one.skewness[0, 0], rel=1e-9)


def test_invariants_are_the_same_from_features_and_from_gram_matrices_of_either_precision():
    x = SKEWED.gamma(1, size=(120, 6)) + 5
    exact = invariants([LinearGram.of(Examples(x))])
    for form, tolerance in (
        (Features.of(Examples(x)), 1e-9),
        (LinearGram.of(Examples(x.astype(np.float32))), 1e-4),
    ):
        found = invariants([form])
        for name in ("trace", "norm", "hollow_norm", "spread", "cubes", "triangles", "spread_cubes", "edges", "rows"):
            np.testing.assert_allclose(getattr(found, name), getattr(exact, name), rtol=tolerance, err_msg=name)


def test_forms_of_different_examples_are_refused():
    forms = [LinearGram.of(Examples(SKEWED.normal(size=(n, 3)))) for n in (8, 9)]
    with pytest.raises(UsageError, match=r"\[8, 9\]"):
        invariants(forms)
