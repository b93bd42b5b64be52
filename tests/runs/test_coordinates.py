import numpy as np
import pytest

import vaescope
from vaescope.runs.coordinates import coordinates


def wide(n=40, p=900, seed=0, offset=0.0):
    rng = np.random.default_rng([seed, n, p])
    return (
        rng.standard_normal((n, 7)) @ rng.standard_normal((7, p)) + 0.1 * rng.standard_normal((n, p)) + offset
    ).astype(np.float32)


def centred_gram(x):
    x = x.astype(np.float64) - x.astype(np.float64).mean(0)
    return x @ x.T


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_inner_products_are_those_of_the_wide_one(offset):
    x = wide(offset=offset)
    found = coordinates(x)
    assert found.shape == (40, 40)
    assert found.dtype == np.float32
    gram = centred_gram(x)
    assert np.abs(centred_gram(found) - gram).max() < 2e-5 * gram.max()


def test_narrow_ones_are_left_as_they_are():
    x = wide(p=40)
    assert np.array_equal(coordinates(x), x)


@pytest.mark.parametrize("measure", ["cka", "cka_biased", "procrustes", "rsa_spearman", "knn_jaccard"])
def test_measures_that_ignore_turns_and_shifts_give_what_they_gave(measure):
    x, y = wide(seed=1), wide(seed=2)
    y[:, :450] += x[:, :450]
    full = vaescope.similarity(x, y, measure)
    assert vaescope.similarity(coordinates(x), coordinates(y), measure) == pytest.approx(full, abs=1e-5)


def test_rows_of_it_stand_for_the_same_rows():
    x, y = wide(seed=1), wide(seed=2)
    y += x
    half = slice(0, 40, 2)
    full = vaescope.similarity(x[half], y[half])
    assert vaescope.similarity(coordinates(x)[half], coordinates(y)[half]) == pytest.approx(full, abs=1e-5)


def test_a_constant_layer_stays_constant_and_a_broken_one_broken():
    assert not coordinates(np.full((8, 20), 3.0, np.float32)).any()
    broken = wide(8, 20)
    broken[0, 0] = np.inf
    assert np.isnan(coordinates(broken)).all()
