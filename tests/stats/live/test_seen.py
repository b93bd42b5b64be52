"""What is kept of a layer, against similarities computed anew with each example left out."""

import numpy as np
import pytest
from tests.stats.live.made import normal

from vaescope.errors import RepresentationError
from vaescope.stats.live.seen import FEWEST, scores, seen
from vaescope.stats.similarity import similarity

N = 24


def near(key, share, width=9):
    return normal(1, n=N, width=width) + share * normal(2, key, n=N, width=width)


def without_each(x, y):
    rows = [np.delete(np.arange(N), i) for i in range(N)]
    return np.array([similarity(x[kept], y[kept]) for kept in rows])


def test_similarities_with_and_without_each_example_are_those_computed_anew():
    layers = [near(key, share) for key, share in ((0, 0.1), (1, 0.5), (2, 3.0))]
    now = near(3, 0.2)
    found = scores(seen(9, now), [seen(k, x) for k, x in enumerate(layers)])
    assert found.whole == pytest.approx([similarity(now, x) for x in layers], abs=2e-6)
    assert found.without == pytest.approx(np.stack([without_each(now, x) for x in layers], axis=1), abs=2e-6)


def test_the_corrected_similarity_leaves_an_example_out_of_both():
    start, then, now = near(0, 2.0), near(1, 0.3), near(2, 0.3)
    found = scores(seen(9, now), [seen(0, start), seen(5, then)]).corrected(0, 0.9)[1]
    f, s = similarity(now, start), similarity(now, then)
    left = (without_each(now, then) - without_each(now, start)) / (1 - without_each(now, start))
    error = np.sqrt((N - 1) / N * np.square(left - left.mean()).sum())
    from scipy.stats import t

    assert found.value == pytest.approx((s - f) / (1 - f), abs=1e-5)
    assert found.low == pytest.approx((s - f) / (1 - f) - t.ppf(0.95, N - 1) * error, abs=1e-4)


def test_the_corrected_similarity_is_one_less_the_share_of_the_squared_way():
    def whole(x):
        form = seen(0, x)
        matrix = np.zeros((N, N))
        matrix[np.triu_indices(N, 1)] = form.triangle
        return matrix + matrix.T

    start, then, now = near(0, 2.0), near(1, 0.3), near(2, 0.3)
    way = np.square(whole(now) - whole(then)).sum() / np.square(whole(now) - whole(start)).sum()
    found = scores(seen(9, now), [seen(0, start), seen(5, then)]).corrected(0, 0.9)[1]
    assert found.value == pytest.approx(1 - way, abs=1e-5)


def test_a_layer_that_never_moved_has_no_corrected_similarity():
    x = near(0, 1.0)
    found = scores(seen(9, x), [seen(0, 3 * x), seen(5, x + 1)])
    assert found.whole == pytest.approx([1, 1], abs=1e-6)
    assert np.isnan(found.corrected(0, 0.9)[1].value)


def test_inner_products_are_all_that_matters_so_turned_axes_change_nothing():
    wide = near(0, 1.0, width=3 * N)
    values, vectors = np.linalg.eigh((wide - wide.mean(axis=0)) @ (wide - wide.mean(axis=0)).T)
    turned = vectors * np.sqrt(np.maximum(values, 0))
    assert seen(0, turned).triangle == pytest.approx(seen(0, wide).triangle, abs=1e-6)


@pytest.mark.parametrize(("x", "reason"), [(np.ones((N, 3)), "zero_variance"), (np.full((N, 3), np.nan), "non_finite")])
def test_what_cannot_be_compared_is_refused(x, reason):
    with pytest.raises(RepresentationError) as error:
        seen(0, x)
    assert error.value.reason == reason


def test_memory_is_a_float32_triangle():
    form = seen(0, normal(1, n=256))
    assert form.nbytes == 256 * 255 // 2 * 4 + 256 * 8
    assert FEWEST >= 10
