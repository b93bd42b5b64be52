"""The shape of a representation, and when a layer is dead."""

import numpy as np
import pytest

from vaescope.stats.forms.examples import Examples
from vaescope.stats.halves import halved
from vaescope.stats.shape import Shape, dead, shape_of, variance


def shaped(x):
    return shape_of(x, halved("cka", len(x), 0).prepare(Examples(x)))


def normal(n, p, seed=0):
    return np.random.default_rng(seed).normal(size=(n, p)).astype(np.float32)


def layer(*variances, features=5, directions=3.0, constant=False):
    return [Shape(10, features, directions, directions, v, constant, 0.1) for v in variances]


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1000, 1), (-7, 1e-4)])
def test_variance_is_that_of_float64(offset, scale):
    x = (offset + scale * normal(50, 3000)).astype(np.float32)
    assert variance(x) == pytest.approx(x.astype(np.float64).var(axis=0).sum(), rel=1e-5)
    assert variance(np.full((5, 3), 7, np.float32)) == 0
    assert np.isnan(variance(np.full((5, 3), np.inf, np.float32)))


def test_equal_variances_fill_all_dimensions_and_one_direction_one():
    assert shaped(normal(300, 12)).participation == pytest.approx(12, rel=0.05)
    line = normal(300, 1) * normal(1, 40)
    found = shaped(line)
    assert found.participation == pytest.approx(1, abs=0.02)
    assert found.directions == pytest.approx(1, abs=1e-4)


def test_the_heaviest_examples_carry_what_they_carry():
    x = normal(200, 30)
    even = shaped(x).top_share
    x[[3, 5]] *= 40
    assert even < 0.03
    assert shaped(x).top_share > 0.45


def test_a_constant_layer_is_dead_and_one_that_is_not_finite_is_not_known():
    constant = shaped(np.ones((20, 6), np.float32))
    assert constant.constant
    assert constant.variance == 0
    assert np.isnan([constant.participation, constant.top_share]).all()
    assert dead([constant]).tolist() == [True]
    wrong = shaped(np.full((20, 6), np.nan, np.float32))
    assert not wrong.constant
    assert dead([wrong]).tolist() == [False]


def test_a_layer_dies_where_it_varies_far_less_than_it_did():
    assert dead(layer(1, 2, 1e-7, 1.9e-8)).tolist() == [False, False, False, True]


def test_a_decoder_that_begins_with_hardly_any_variance_is_not_dead():
    assert dead(layer(2e-6, 1, 9e5)).tolist() == [False, False, False]


def test_one_direction_alone_does_not_make_a_layer_dead_but_does_where_it_also_shrinks():
    one = {"directions": 1.0005}
    assert dead(layer(1, 1e-3, **one)).tolist() == [False, False]
    assert dead(layer(1, 1e-5, **one)).tolist() == [False, True]
    assert dead(layer(1, 1e-5, features=1, **one)).tolist() == [False, False]
    assert dead(layer(1, 1e-5, directions=1.5)).tolist() == [False, False]


def test_snapshots_that_are_not_finite_do_not_hide_what_came_before():
    assert dead(layer(1, np.nan, 1e-9)).tolist() == [False, False, True]
