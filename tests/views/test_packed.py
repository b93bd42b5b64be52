"""Numbers packed for the page come back as they were, as exactly as their bytes allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaescope.views.packed import Arrays, unpacked

NUMBERS = hnp.arrays(
    np.float64,
    hnp.array_shapes(max_dims=3, max_side=5, min_side=0),
    elements=st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(np.nan),
)


@given(NUMBERS, st.sampled_from(["u1", "u2"]))
def test_every_number_comes_back_within_half_a_step_and_what_is_missing_stays_missing(values, kind):
    arrays = Arrays()
    handle = arrays.put(values, kind)
    back = unpacked(arrays.text(), handle)
    assert back.shape == values.shape
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    known = values[np.isfinite(values)]
    step = (np.ptp(known) if known.size else 0) / {"u1": 254, "u2": 65534}[kind]
    np.testing.assert_allclose(back[np.isfinite(values)], known, atol=step / 2 + 1e-9 * np.abs(known).max(initial=1))


@given(hnp.arrays(np.float64, 7, elements=st.floats(-1e30, 1e30, allow_subnormal=False)))
def test_of_many_magnitudes_it_is_the_relative_error_that_is_small(values):
    arrays = Arrays()
    handle = arrays.put(values, "u2", "asinh")
    back = unpacked(arrays.text(), handle)
    np.testing.assert_allclose(back, values, rtol=2e-3, atol=2e-3)


def test_arrays_lie_one_after_the_other_where_typed_views_can_begin():
    arrays = Arrays()
    handles = [arrays.put(np.arange(count), kind) for count, kind in ((3, "u1"), (5, "u2"), (0, "u1"), (1, "u2"))]
    handles.append(arrays.codes(np.array([0, 2, 255]), "u1", "kinds"))
    assert [handle["at"] % 4 for handle in handles] == [0] * 5
    text = arrays.text()
    for handle, count in zip(handles, (3, 5, 0, 1), strict=False):
        np.testing.assert_allclose(unpacked(text, handle), np.arange(count), atol=1e-3)
    np.testing.assert_array_equal(unpacked(text, handles[-1]), [0, 2, np.nan])
    assert arrays.sections == {"": 3 + 10 + 0 + 2, "kinds": 3}


@pytest.mark.parametrize("values", [np.full((2, 2), np.nan), np.zeros((0, 3)), np.full(3, 0.25)])
def test_nothing_and_always_the_same_are_packed_too(values):
    arrays = Arrays()
    handle = arrays.put(values)
    np.testing.assert_array_equal(unpacked(arrays.text(), handle), values)
