from dataclasses import fields, replace

import numpy as np
import pytest
from oracles import ORACLES

from vaescope.errors import UsageError
from vaescope.stats.certainty.corrections import max_t
from vaescope.stats.certainty.moments import invariants
from vaescope.stats.certainty.null import calibrated, expected_cka, null_from_moments, pearson_tail, student_tail
from vaescope.stats.certainty.participation import participation_ratio
from vaescope.stats.certainty.permutation import counted, permutation_null, permutations
from vaescope.stats.certainty.reorder import kept, permuted
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import MEASURES

CKAS = ["cka", "cka_biased"]


def zoo(n, widths, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n, 3))
    return [(common @ rng.standard_normal((3, p)) + 2 * rng.standard_normal((n, p)) + 1).astype(dtype) for p in widths]


def prepared(name, xs):
    measure = MEASURES[name]()
    return measure, [measure.prepare(x) for x in xs]


@pytest.mark.parametrize("name", [*CKAS, "procrustes"])
def test_a_permuted_form_scores_as_the_permuted_representation(name):
    x, y, z = zoo(30, (4, 50, 7))
    measure, forms = prepared(name, (x, y, z))
    orders = permutations(30, 3, seed=1)
    for other, form in ((x, forms[0]), (y, forms[1])):
        for order, shuffled in zip(orders, permuted(form, orders), strict=True):
            assert measure.compare(shuffled, forms[2]) == pytest.approx(ORACLES[name](other[order], z), abs=1e-9)


@pytest.mark.parametrize("name", [*CKAS, "procrustes"])
def test_a_cut_form_scores_as_the_representation_of_fewer_examples(name):
    x, y = zoo(30, (4, 50))
    measure, forms = prepared(name, (x, y))
    rows = [np.arange(0, 30, 2), np.array([1, 29, 3, 17, 8])]
    for some, a, b in zip(rows, kept(forms[0], rows), kept(forms[1], rows), strict=True):
        assert measure.compare(a, b) == pytest.approx(ORACLES[name](x[some], y[some]), abs=1e-8)


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"gaussian_shape", "cka_minibatch"}))
def test_every_form_is_permuted_as_if_its_representation_were_prepared_in_that_order(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 6))
    y = x @ rng.standard_normal((6, 6)) + rng.standard_normal((40, 6))
    measure, (form, other) = prepared(name, (x, y))
    for order, shuffled in zip((orders := permutations(40, 2, 0)), permuted(other, orders), strict=True):
        assert measure.compare(form, shuffled) == pytest.approx(
            measure.compare(form, measure.prepare(y[order])), abs=1e-12
        )
        assert measure.compare(shuffled, other) != pytest.approx(measure.compare(other, other), abs=1e-3)


@pytest.mark.parametrize("name", ["cka", "cka_biased"])
def test_feature_forms_are_permuted_and_cut_too(name):
    from vaescope.stats.forms.features import Features

    x, y = zoo(30, (4, 5))
    measure = MEASURES[name]()
    a, b = (measure.prepare(v, Features) for v in (x, y))
    order = permutations(30, 1, 0)[0]
    assert measure.compare(permuted(a, order[None])[0], b) == pytest.approx(ORACLES[name](x[order], y), abs=1e-10)
    some = order[:12]
    halves = [kept(form, [some])[0] for form in (a, b)]
    assert measure.compare(*halves) == pytest.approx(ORACLES[name](x[some], y[some]), abs=1e-10)


@pytest.mark.parametrize("name", CKAS)
def test_moments_and_monte_carlo_agree(name):
    xs = zoo(60, (2, 40, 300))
    measure, forms = prepared(name, xs)
    scores = measure.block(forms, forms)
    exact = null_from_moments(measure, scores, invariants(forms))
    drawn = permutation_null(measure, scores, forms, n=60, draws=400)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(drawn.mean[off], exact.mean[off], atol=4 * exact.sd.max() / 20)
    np.testing.assert_allclose(drawn.sd[off], exact.sd[off], rtol=0.25)
    assert (np.abs(drawn.p - exact.p)[off] < 0.07).all()
    assert (exact.p[~off] < 1e-3).all()
    assert exact.draws == 0
    assert drawn.draws == 400


@pytest.mark.parametrize("name", CKAS)
@pytest.mark.parametrize(("p", "decay"), [(2, 0), (300, 0), (100, 2)])
def test_p_values_from_moments_are_right_where_nothing_is_to_be_found(name, p, decay):
    rng = np.random.default_rng(p)
    n, scale = 50, np.arange(1, p + 1.0) ** (-decay / 2)
    x, y = (rng.standard_normal((n, p)) * scale for _ in range(2))
    measure, (form, other) = prepared(name, (x, y))
    draws = permuted(other, permutations(n, 2_000, seed=2))
    scores = measure.block([form], draws)
    one = invariants([other])
    # all columns are one representation in many orders, and invariants do not know of order
    columns = replace(one, **{f.name: np.repeat(getattr(one, f.name), 2_000) for f in fields(one) if f.name != "n"})
    null = null_from_moments(measure, scores, [form], columns)
    assert (null.p <= 0.05).mean() == pytest.approx(0.05, abs=0.016)
    assert (null.p <= 0.01).mean() == pytest.approx(0.01, abs=0.008)


def test_the_type_three_tail_is_a_gamma_tail_of_either_sign_and_normal_without_skewness():
    from scipy.stats import norm, pearson3

    z = np.linspace(-3, 6, 19)
    for skewness in (2.3, 0.4, -0.7):
        found = pearson_tail(z, np.full(z.shape, skewness))
        np.testing.assert_allclose(found, pearson3.sf(z, skewness), rtol=1e-8, atol=1e-14)
    np.testing.assert_allclose(pearson_tail(z, np.zeros(z.shape)), norm.sf(z), rtol=1e-12)
    np.testing.assert_allclose(pearson_tail(z, np.full(z.shape, 2e-4)), norm.sf(z), rtol=5e-2)


def test_the_student_tail_is_right_in_many_dimensions_and_says_too_much_in_few():
    rng = np.random.default_rng(0)
    n = 40
    for p, reject in ((1_000, (0.003, 0.02)), (1, (0.02, 0.1))):
        measure, (form, other) = prepared("cka", rng.standard_normal((2, n, p)))
        scores = measure.block([form], permuted(other, permutations(n, 2_000, 0)))
        low, high = reject
        assert low < (student_tail(scores, n) <= 0.01).mean() < high


@pytest.mark.parametrize(("p", "q", "decay"), [(100, 100, 0.0), (1000, 50, 0.0), (300, 300, 1.0)])
def test_biased_cka_of_independent_representations_is_near_its_closed_form(p, q, decay):
    rng = np.random.default_rng(1)
    n = 300
    spectra = [np.arange(1, k + 1.0) ** -decay for k in (p, q)]
    ratios = [s.sum() ** 2 / np.square(s).sum() for s in spectra]
    x, y = (rng.standard_normal((n, len(s))) * np.sqrt(s) for s in spectra)
    measure, (a, b) = prepared("cka_biased", (x, y))
    exact = null_from_moments(measure, measure.block([a], [b]), [a], [b])
    assert expected_cka(n, *ratios) == pytest.approx(exact.mean[0, 0], abs=0.01)
    estimated = expected_cka(n, participation_ratio(x), participation_ratio(y))
    assert estimated == pytest.approx(exact.mean[0, 0], abs=0.015)


def test_the_closed_form_of_a_grid_is_a_matrix():
    found = expected_cka(100, np.array([1.0, 10.0]), np.array([5.0, 50.0, 500.0]))
    assert np.shape(found) == (2, 3)
    assert found[1, 2] == pytest.approx(expected_cka(100, 10.0, 500.0))


def test_monte_carlo_is_what_permuting_by_hand_gives_also_for_one_triangle_only():
    xs = zoo(25, (3, 5, 40))
    measure, forms = prepared("procrustes", xs)
    scores = measure.block(forms, forms)
    null = permutation_null(measure, scores, forms, n=25, draws=9, seed=4)
    orders = permutations(25, 9, 4)
    drawn = [ORACLES["procrustes"](xs[0], xs[2][order]) for order in orders]
    assert null.mean[0, 2] == pytest.approx(np.mean(drawn), abs=1e-9)
    assert null.sd[0, 2] == pytest.approx(np.std(drawn, ddof=1), abs=1e-9)
    assert null.p[0, 2] == (1 + (np.array(drawn) >= scores[0, 2]).sum()) / 10
    assert null.calibrated[0, 2] == pytest.approx((scores[0, 2] - np.mean(drawn)) / (1 - np.mean(drawn)))
    for field in (null.mean, null.sd, null.p, null.tail, null.z):
        np.testing.assert_array_equal(field, field.T)
    whole = permutation_null(measure, scores, forms, forms, n=25, draws=9, seed=4)
    np.testing.assert_array_equal(np.triu(whole.mean, 1), np.triu(null.mean, 1))
    assert (null.calibrated.diagonal() == 1).all()
    assert np.isnan(null.p.diagonal()).all()


def test_monte_carlo_draws_do_not_depend_on_how_many_there_are():
    assert (permutations(30, 3, 7) == permutations(30, 10, 7)[:3]).all()
    assert (permutations(30, 3, 7) != permutations(30, 3, 8)).any()


def test_a_distance_counts_draws_that_are_smaller():
    drawn = np.array([[1.0, 2.0, 3.0]])
    assert counted(np.array([0.5]), drawn, -1.0)[0] == 1 / 4
    assert counted(np.array([0.5]), drawn)[0] == 1.0
    assert counted(np.array([2.0]), drawn)[0] == 3 / 4, "a tie counts"
    assert np.isnan(counted(np.array([np.nan]), drawn)[0])
    assert calibrated(np.array([0.0, 2.0]), np.array([2.0, 2.0]), 0.0).tolist() == [1.0, 0.0]


def test_related_representations_are_found_and_the_tail_goes_on_where_counting_ends():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((60, 5))
    y, other = x @ rng.standard_normal((5, 8)), rng.standard_normal((60, 8))
    measure, forms = prepared("procrustes", (x, y, other))
    scores = measure.block(forms, forms)
    null = permutation_null(measure, scores, forms, n=60, draws=19)
    assert null.p[0, 1] == 1 / 20
    assert null.tail[0, 1] < 1e-6
    assert null.tail[0, 2] > 0.01
    assert max_t(null.z, null.maxima)[0, 1] == 1 / 20
    assert max_t(null.z, null.maxima)[0, 2] > 1 / 20


def test_tail_p_values_of_procrustes_are_right_where_nothing_is_to_be_found():
    rng = np.random.default_rng(6)
    measure = MEASURES["procrustes"]()
    rejected = []
    for _ in range(20):
        xs = [measure.prepare(rng.standard_normal((40, 3))) for _ in range(6)]
        ys = [measure.prepare(rng.standard_normal((40, 5))) for _ in range(6)]
        null = permutation_null(measure, measure.block(xs, ys), xs, ys, n=40, draws=19, seed=int(rng.integers(1_000)))
        rejected += [null.tail <= 0.05, null.tail <= 0.01]
    assert np.mean(rejected[::2]) == pytest.approx(0.05, abs=0.025)
    assert np.mean(rejected[1::2]) == pytest.approx(0.01, abs=0.01)


def test_the_largest_z_of_independent_representations_is_beaten_as_often_as_it_should():
    rng = np.random.default_rng(7)
    measure = MEASURES["procrustes"]()
    found = 0
    for trial in range(120):
        forms = [measure.prepare(rng.standard_normal((12, 2))) for _ in range(3)]
        null = permutation_null(measure, measure.block(forms, forms), forms, n=12, draws=9, seed=trial)
        found += bool((max_t(null.z, null.maxima)[np.triu_indices(3, 1)] <= 0.1).any())
    assert 4 <= found <= 22, "10 % of 120"


def test_what_cannot_be_done_is_said():
    grams = prepared("cka", zoo(20, (2, 3)))[1]
    measure, forms = prepared("procrustes", zoo(20, (2, 3)))
    scores = measure.block(forms, forms)
    with pytest.raises(UsageError, match="permutation_null"):
        null_from_moments(measure, scores, grams)
    with pytest.raises(UsageError, match="19 or more"):
        permutation_null(measure, scores, forms, n=20, draws=1)

    opaque = type("Opaque", (Form,), dict.fromkeys(Form.__abstractmethods__))()
    with pytest.raises(UsageError, match="again"):
        permuted(opaque, np.array([[0, 1]]))
    asked = []
    assert kept(opaque, [np.array([1])], again=lambda rows: asked.append(rows.tolist()) or opaque) == [opaque]
    assert asked == [[1]]
