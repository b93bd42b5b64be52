"""Inner products of all pairs: right, and the same bits whatever the tiles, the buffers, the order and the engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.errors import Interrupted
from vaescope.progress import Progress
from vaescope.stats import inner
from vaescope.stats.inner import inner_products


def vectors(count: int, size: int, dtype=np.float32) -> list[np.ndarray]:
    return list(np.random.default_rng([count, size]).standard_normal((count, size)).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(deadline=None, max_examples=15)
@given(a=st.integers(1, 70), b=st.integers(1, 70), size=st.integers(1, 10_000))
def test_they_are_inner_products(dtype, a, b, size):
    xs, ys = vectors(a, size, dtype), vectors(b + 1, size, dtype)
    expected = np.stack(xs).astype(np.float64) @ np.stack(ys).astype(np.float64).T
    bound = 1e-6 * np.sqrt(size) if dtype == np.float32 else 1e-12 * size
    assert np.abs(inner_products(xs, ys) - expected).max() < bound * 5


def test_long_sums_keep_their_digits():
    x = np.full(3_000_000, 0.1, np.float32)
    expected = float(np.float64(np.float32(0.1)) ** 2 * len(x))
    assert inner_products([x, x], [x])[0, 0] == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("count", [2, 5, 33, 150])
def test_bits_do_not_depend_on_the_buffer_the_tiles_or_the_order(count, monkeypatch):
    xs = vectors(count, 9_000)
    whole = inner_products(xs, xs)
    assert np.array_equal(whole, whole.T)
    assert np.array_equal(inner_products(xs, xs, buffer=1), whole)
    order = np.random.default_rng(0).permutation(count)
    assert np.array_equal(inner_products([xs[k] for k in order], [xs[k] for k in order]), whole[np.ix_(order, order)])
    assert np.array_equal(inner_products(xs, list(xs)), whole)
    assert np.array_equal(inner_products(xs[:1], xs[1:]), whole[:1, 1:])
    assert np.array_equal(inner_products(xs[1:2], xs[:1]), whole[1:2, :1])
    for tile in (32, 96, 512):
        monkeypatch.setattr(inner, "TILE", tile)
        assert np.array_equal(inner_products(xs, xs), whole)


def test_bits_do_not_depend_on_the_engine():
    from vaescope.stats.prepared import Workers

    xs = vectors(100, 20_000)
    with Workers(1) as one:
        alone = inner_products(xs, xs, one)
    with Workers(3) as three:
        assert np.array_equal(inner_products(xs, xs, three, buffer=4 << 20), alone)


def test_nothing_is_asked_of_vectors_but_slices():
    class Slices:
        def __init__(self, x: np.ndarray) -> None:
            self.shape = x.shape
            self._x = x

        def __getitem__(self, part: slice) -> np.ndarray:
            return self._x[part]

    xs = vectors(3, 5_000)
    assert np.array_equal(inner_products([Slices(x) for x in xs], xs), inner_products(xs, xs))


def test_it_stops_when_asked():
    class Stop(Progress):
        def check(self) -> None:
            raise Interrupted

    with pytest.raises(Interrupted):
        inner_products(vectors(3, 100), vectors(3, 100), progress=Stop())
