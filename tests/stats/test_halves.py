"""Similarities on halves of the probe set, held against the measures themselves on rows cut by hand."""

import numpy as np
import pytest

import vaescope
from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.halves import FEW_HALVES, HALVES, MOST_COSTLY, HalvedCKA, half, halved

N = 40


def layer(seed, p, n=N):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, p)) * np.geomspace(1, 4, p) + 2).astype(np.float32)


def related(x, p, noise=0.5):
    rng = np.random.default_rng(p)
    return (x @ rng.normal(size=(x.shape[1], p)) + noise * rng.normal(size=(len(x), p))).astype(np.float32)


def by_hand(x, y, measure, draws):
    rows = [np.arange(len(x)) if d < 0 else half(len(x), d) for d in draws]
    return [vaescope.similarity(x[some], y[some], measure) for some in rows]


def found(measure, x, y):
    return measure.scores(*(measure.prepare(measure.examples_of(m)) for m in (x, y)))


def test_a_half_is_half_of_the_examples_without_replacement_and_the_same_every_time():
    for n in (8, 41):
        drawn = [half(n, d) for d in range(HALVES)]
        assert all(len(set(rows.tolist())) == n // 2 and (np.diff(rows) > 0).all() for rows in drawn)
        assert len({tuple(rows) for rows in drawn}) > 1
        np.testing.assert_array_equal(half(n, 3), np.sort(np.random.default_rng([2205, 3]).permutation(n)[: n // 2]))


@pytest.mark.parametrize("name", ["cka", "cka_biased", "rv"])
@pytest.mark.parametrize("p", [1, 3, 200])
def test_cka_on_every_half_is_that_of_the_rows_cut_by_hand(name, p):
    x = layer(0, p)
    y = related(x, 30)
    measure = halved(name, N)
    assert isinstance(measure, HalvedCKA)
    assert list(measure.draws) == [-1, *range(8)]
    np.testing.assert_allclose(found(measure, x, y), by_hand(x, y, name, measure.draws), atol=3e-6)


def test_cka_of_what_is_as_large_as_diverged_runs_are_or_has_a_large_mean_is_right_too():
    x = layer(0, 20)
    y = related(x, 30)
    measure = halved("cka", N)
    np.testing.assert_allclose(found(measure, x * np.float32(1e16), y), found(measure, x, y), atol=3e-6)
    np.testing.assert_allclose(found(measure, x + 1000, y), by_hand(x + 1000, y, "cka", measure.draws), atol=3e-6)


@pytest.mark.parametrize("p", [3, 500])
def test_procrustes_on_every_half_is_that_of_the_rows_cut_by_hand(p):
    x = layer(1, p)
    y = related(x, 300)
    measure = halved("procrustes", N)
    assert list(measure.draws) == [-1, *range(FEW_HALVES)]
    np.testing.assert_allclose(found(measure, x, y), by_hand(x, y, "procrustes", measure.draws), atol=2e-5)


@pytest.mark.parametrize("name", ["rsa_spearman", "mutual_knn", "svcca"])
def test_any_other_similarity_is_prepared_anew_on_every_half(name):
    x = layer(2, 6)
    y = related(x, 7)
    measure = halved(name, N)
    np.testing.assert_allclose(found(measure, x, y), by_hand(x, y, name, measure.draws), atol=1e-6)


def test_kernels_keep_the_width_they_took_from_all_examples():
    x = layer(3, 5)
    y = related(x, 5)
    measure = halved("cka_rbf", N)
    scores = found(measure, x, y)
    assert scores[0] == pytest.approx(vaescope.similarity(x, y, "cka_rbf"), abs=3e-6)
    np.testing.assert_allclose(scores[1:], by_hand(x, y, "cka_rbf", range(8)), atol=0.1)
    assert np.isfinite(scores).all()


def test_costly_measures_look_at_fewer_examples():
    assert halved("procrustes", 1000).examples == MOST_COSTLY
    assert halved("cka", 1000).examples == 1000
    x = layer(4, 8, n=MOST_COSTLY + 60)
    y = related(x, 4)
    some = slice(MOST_COSTLY)
    expected = vaescope.similarity(x[some], y[some], "procrustes")
    assert found(halved("procrustes", len(x), 0), x, y).tolist() == [expected]


@pytest.mark.parametrize("name", ["cka", "cka_biased", "procrustes"])
def test_a_layer_with_itself_scores_one_and_a_constant_one_nothing(name):
    x, measure = layer(5, 12), halved(name, N)
    np.testing.assert_allclose(found(measure, x, x), 1, atol=1e-9)
    assert np.isnan(found(measure, x, np.ones_like(x))).all()
    assert measure.prepare(Examples(np.ones_like(x))) is None
    assert measure.prepare(Examples(np.full_like(x, np.nan))) is None


@pytest.mark.parametrize("name", ["cka", "cka_biased", "procrustes"])
def test_a_half_without_the_only_example_that_differs_has_no_score(name):
    x, y, measure = layer(6, 4), np.ones((N, 5), np.float32), halved(name, N)
    y[7] += np.arange(5)
    scores = found(measure, x, y)
    for draw, score in zip(measure.draws, scores, strict=True):
        there = draw < 0 or 7 in half(N, draw)
        if there:
            assert np.isfinite(score)
        else:
            assert np.isnan(score)
            with pytest.raises(RepresentationError):
                vaescope.similarity(x[half(N, draw)], y[half(N, draw)], name)


def test_too_few_examples_have_no_halves_and_fewer_still_no_score():
    assert list(halved("cka", 7).draws) == [-1]
    assert list(halved("cka", 8).draws) == [-1, *range(8)]
    x = layer(7, 5, n=3)
    assert np.isnan(found(halved("cka", 3), x, x)).all()
