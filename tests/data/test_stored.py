from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.data.stored import Factors, InMemory, Stored
from vaescope.errors import UsageError

RNG = np.random.default_rng(0)


class Mine(Stored):
    """A set of the test's own."""

    name = "mine"


def of(array, **options):
    return Mine(InMemory(array), "print", **options)


def bytes_of(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("shape", "axes", "image_shape"),
    [
        ((9, 16, 20), "hw", (1, 16, 20)),
        ((9, 16, 20, 1), "hwc", (1, 16, 20)),
        ((9, 32, 16, 3), "hwc", (3, 32, 16)),
        ((9, 4, 16, 256), "chw", (4, 16, 256)),
        ((9, 2, 17, 16), "chw", (2, 17, 16)),
    ],
)
def test_images_are_the_pixels_by_255_channels_first(shape, axes, image_shape):
    array = bytes_of(*shape)
    mine = of(array)
    assert (len(mine), mine.image_shape) == (9, image_shape)
    images = mine.images([4, 0, 4])
    assert (images.dtype, images.shape) == (np.float32, (3, *image_shape))
    assert images.flags.c_contiguous
    for position, index in enumerate([4, 0, 4]):
        for c, h, w in product(range(image_shape[0]), range(0, image_shape[1], 5), range(0, image_shape[2], 3)):
            place = tuple({"c": c, "h": h, "w": w}[axis] for axis in axes)
            assert images[position, c, h, w] == np.float32(int(array[(index, *place)])) / np.float32(255)


@pytest.mark.parametrize(
    ("dtype", "scale", "white"),
    [
        ("u1", None, 255),
        ("u1", 1, 1),
        ("u1", 15, 15),
        ("?", None, 1),
        ("<u2", None, 65_535),
        (">u2", None, 65_535),
        ("<u2", 1_023, 1_023),
        ("i2", None, 255),
        ("i8", 7, 7),
        ("f8", None, 1),
        (">f4", None, 1),
        ("f2", None, 1),
        ("f4", 255, 255),
    ],
)
def test_every_dtype_ends_as_float32_from_black_to_white(dtype, scale, white):
    array = np.zeros((3, 16, 16), dtype)
    array[1] = white
    images = of(array, scale=scale).images([0, 1])
    assert images.dtype == np.float32
    assert images.dtype.isnative
    assert (images[0] == 0).all()
    assert (images[1] == 1).all()


@pytest.mark.parametrize(
    ("dtype", "wrong", "scale", "message"),
    [
        ("f4", -0.5, None, r"image 7: expected pixels from 0 to 1, got -0\.5 to 0\. .*Option `scale`"),
        ("f4", 255.0, None, "image 7: expected pixels from 0 to 1, got 0 to 255"),
        ("f4", np.nan, None, "image 7: expected pixels from 0 to 1, got nan to nan"),
        ("f8", np.inf, None, "image 7: .*got 0 to inf"),
        ("i4", -1, None, "image 7: expected pixels from 0 to 255, got -1 to 0"),
        ("u1", 2, 1, "image 7: expected pixels from 0 to 1, got 0 to 2"),
        ("u2", 1_024, 1_023, "image 7: expected pixels from 0 to 1023, got 0 to 1024"),
    ],
)
def test_a_pixel_outside_is_told_with_its_image_and_range(dtype, wrong, scale, message):
    array = np.zeros((9, 16, 16), dtype)
    array[7, 3, 5] = wrong
    mine = of(array, scale=scale)
    assert (mine.images([0, 6, 8]) == 0).all()
    with pytest.raises(UsageError, match=message):
        mine.images([0, 7, 8])


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((0, 16, 16), {}, "expected images, got none"),
        ((2, 15, 16), {}, "got 15 x 16. Pad them"),
        ((2, 16, 257), {}, "got 16 x 257. Make them smaller"),
        ((2, 16), {}, r"expected \(images, height, width\),.*got \(2, 16\)"),
        ((2, 16, 16, 5), {}, "1 to 4 channels, got"),
        ((2, 3, 16, 3), {}, 'could be either way. Give `layout`: "hwc" or "chw"'),
        ((2, 16, 16, 3), {"layout": "chw"}, r"got \(2, 16, 16, 3\) with layout 'chw'"),
        ((2, 16, 16, 3), {"layout": "nchw"}, "got 'nchw'"),
        ((2, 16, 16), {"scale": 0}, "positive number"),
        ((2, 16, 16), {"scale": float("nan")}, "positive number"),
        ((2, 16, 16), {"factors": Factors.counted(["a"], [3])}, "factors of 2 images, got 3"),
    ],
)
def test_what_no_network_takes_is_refused_with_what_to_do(shape, options, message):
    with pytest.raises(UsageError, match=message):
        of(np.zeros(shape, np.uint8), **options)


def test_a_given_layout_settles_which_axis_is_the_channels():
    mine = of(bytes_of(5, 4, 16, 16), layout="chw")
    assert mine.image_shape == (4, 16, 16)


@pytest.mark.parametrize("wrong", [[5], [-1], [0.5]])
def test_wrong_indices_are_refused(wrong):
    mine = of(bytes_of(5, 16, 16))
    for ask in (mine.images, mine.factors):
        with pytest.raises(IndexError):
            ask(np.array(wrong))


def test_without_factors_there_are_none():
    mine = of(bytes_of(5, 16, 16))
    assert (mine.factor_names, mine.factor_sizes, mine.factor_values) == ((), (), ())
    assert mine.factors([1, 2]).shape == (2, 0)


def test_all_combinations_change_the_last_factor_fastest():
    mine = of(bytes_of(24, 16, 16), factors=Factors.counted(["a", "b", "c"], [2, 3, 4]))
    assert (mine.factor_names, mine.factor_sizes) == (("a", "b", "c"), (2, 3, 4))
    assert mine.factor_values[1] == (0.0, 1.0, 2.0)
    np.testing.assert_array_equal(mine.factors(range(24)), list(product(range(2), range(3), range(4))))
    assert mine.factors([3]).dtype == np.int64


@given(st.lists(st.tuples(st.sampled_from([-3.5, 0.0, 7.0]), st.integers(0, 5)), min_size=1, max_size=20))
def test_observed_factors_are_the_places_among_the_distinct_values(rows):
    factors = Factors.observed(["x", "y"], np.array(rows, float))
    mine = of(np.zeros((len(rows), 16, 16), np.uint8), factors=factors)
    for row, classes in zip(rows, mine.factors(range(len(rows))).tolist(), strict=True):
        for value, one, values in zip(row, classes, mine.factor_values, strict=True):
            assert values[one] == value
            assert sorted(set(values)) == list(values)
    assert mine.factor_sizes == tuple(len({row[k] for row in rows}) for k in (0, 1))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.array([["a"]]), "expected numbers"),
        (np.zeros(3), "expected numbers"),
        (np.zeros((3, 2)), "expected numbers"),
        (np.array([[0], [np.nan]]), "expected finite numbers, got nan in row 1"),
        (np.arange(70_000.0)[:, None], "70,000 distinct values"),
    ],
)
def test_what_is_no_class_is_refused(table, message):
    with pytest.raises(UsageError, match=message):
        Factors.observed(["a"], table)


def test_the_scale_is_part_of_the_fingerprint():
    array = np.zeros((3, 16, 16), np.uint8)
    assert of(array).fingerprint == "print"
    assert of(array, scale=1).fingerprint != of(array, scale=2).fingerprint
