"""Intrinsic dimensions of manifolds whose dimension is known, and the estimators written out."""

import numpy as np
import pytest

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.latents.dimension import intrinsic_dimension, maximum_likelihood_dimension, two_nn_dimension


def embedded(x, width=20):
    """The points in a space of more dimensions, turned."""
    turn, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(width, width)))
    return x @ turn[: x.shape[1]]


def cube(n, d):
    return embedded(np.random.default_rng(1).random((n, d)))


def sphere(n, d):
    x = np.random.default_rng(2).normal(size=(n, d + 1))
    return embedded(x / np.linalg.norm(x, axis=1, keepdims=True))


def swiss_roll(n):
    rng = np.random.default_rng(3)
    angle = 1.5 * np.pi * (1 + 2 * rng.random(n))
    return np.stack([angle * np.cos(angle), 21 * rng.random(n), angle * np.sin(angle)], axis=1)


MANIFOLDS = [
    (cube(1000, 1), 1),
    (cube(1000, 2), 2),
    (cube(2000, 5), 5),
    (sphere(1000, 1), 1),
    (sphere(1000, 3), 3),
    (swiss_roll(2000), 2),
    (embedded(np.random.default_rng(4).normal(size=(1500, 4))), 4),
]


@pytest.mark.parametrize("method", ["mle", "two_nn"])
@pytest.mark.parametrize(("points", "dimension"), MANIFOLDS)
def test_manifolds_have_their_dimension(points, dimension, method):
    assert intrinsic_dimension(points, method) == pytest.approx(dimension, rel=0.15)


@pytest.mark.parametrize("method", ["mle", "two_nn"])
def test_more_dimensions_are_seen_as_more_though_too_few_where_points_are_few(method):
    found = [intrinsic_dimension(embedded(np.random.default_rng(5).normal(size=(800, d))), method) for d in (5, 10, 20)]
    assert found == sorted(found)
    assert found[2] < 20


def brute(x):
    """Distances to the others, ascending, of each different point."""
    points = np.unique(x, axis=0)
    return np.sort(np.linalg.norm(points[:, None] - points, axis=2), axis=1)[:, 1:]


def test_the_likelihood_estimate_is_its_formula():
    x, k = cube(80, 3), 7
    inverse = []
    for row in brute(x):
        inverse.append(sum(np.log(row[k - 1] / row[j]) for j in range(k - 1)) / (k - 1))
    assert maximum_likelihood_dimension(x, k) == pytest.approx(1 / np.mean(inverse), rel=1e-9)


def test_the_two_neighbours_estimate_is_its_line():
    x = cube(90, 3)
    ratios = sorted(row[1] / row[0] for row in brute(x))[: int(0.9 * 90)]
    heights = [-np.log(1 - (i + 1) / 90) for i in range(len(ratios))]
    line = sum(np.log(r) * h for r, h in zip(ratios, heights, strict=True)) / sum(np.log(r) ** 2 for r in ratios)
    assert two_nn_dimension(x, 0.9) == pytest.approx(line, rel=1e-9)


@pytest.mark.parametrize("estimate", [maximum_likelihood_dimension, two_nn_dimension])
def test_equal_points_count_once_and_scale_does_not_matter(estimate):
    x = cube(200, 3)
    assert estimate(np.concatenate([x, x[:50]])) == pytest.approx(estimate(x), rel=1e-9)
    assert estimate(1e-9 * x + 5e-9) == pytest.approx(estimate(x), rel=1e-6)


@pytest.mark.parametrize("estimate", [maximum_likelihood_dimension, two_nn_dimension])
def test_too_few_different_points_have_no_dimension(estimate):
    with pytest.raises(RepresentationError, match="different points, got 1 of 500") as caught:
        estimate(np.ones((500, 3)))
    assert caught.value.reason == "too_few"
    with pytest.raises(RepresentationError, match="finite"):
        estimate(np.full((500, 3), np.nan))


def test_a_grid_has_no_two_nearest_neighbours_to_tell_apart():
    grid = np.stack(np.meshgrid(*[np.arange(8.0)] * 2), axis=-1).reshape(-1, 2)
    with pytest.raises(RepresentationError, match="equally far"):
        two_nn_dimension(grid)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="at least 2 neighbours"):
        maximum_likelihood_dimension(cube(50, 2), 1)
    with pytest.raises(UsageError, match="a share"):
        two_nn_dimension(cube(50, 2), 0.0)
