from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from vaescope.data.datasets.shapes import Shapes
from vaescope.data.load import load_dataset
from vaescope.errors import UsageError

COLOURS = [(255, 255, 255), (255, 64, 64), (64, 255, 64), (64, 96, 255)]


def drawn_slowly(side, shape, colour, size, x, y):
    """A pixel at a time, in whole numbers: is its centre inside?"""
    radius = Fraction((3, 4, 5)[size] * side, 32)
    most = Fraction(5 * side, 32)
    unit = Fraction(1, 448)  # places lie on this grid
    cx, cy = (most + (place * (side - 2 * most) / 7) // unit * unit for place in (x, y))
    image = np.zeros((3, side, side), np.float32)
    for row, column in product(range(side), repeat=2):
        dx, dy = column + Fraction(1, 2) - cx, row + Fraction(1, 2) - cy
        inside = (
            max(abs(dx), abs(dy)) <= radius,
            dx * dx + dy * dy <= radius * radius,
            dy <= radius and 2 * abs(dx) <= dy + radius,
        )[shape]
        if inside:
            image[:, row, column] = np.float32(COLOURS[colour]) / np.float32(255)
    return image


@pytest.mark.parametrize("side", [16, 32, 45])
def test_images_equal_those_drawn_a_pixel_at_a_time(side):
    shapes = Shapes(side)
    indices = np.random.default_rng(side).integers(0, len(shapes), 40)
    for image, factors in zip(shapes.images(indices), shapes.factors(indices).tolist(), strict=True):
        np.testing.assert_array_equal(image, drawn_slowly(side, *factors), err_msg=str(factors))


def test_every_combination_is_there_once_and_all_images_differ():
    shapes = load_dataset("shapes")
    assert len(shapes) == 2_304
    factors = shapes.factors(range(2_304))
    np.testing.assert_array_equal(factors, list(product(range(3), range(4), range(3), range(8), range(8))))
    assert len(np.unique(shapes.images(range(2_304)).reshape(2_304, -1), axis=0)) == 2_304


def test_shapes_never_touch_the_border_of_the_largest_ones_box():
    shapes = Shapes(64)
    images = shapes.images(range(len(shapes)))
    largest = shapes.factors(range(len(shapes)))[:, 2] == 2
    squares = shapes.factors(range(len(shapes)))[:, 0] == 0
    ink = (images.max(axis=1) > 0).sum(axis=(1, 2))
    assert set(ink[largest & squares].tolist()) == {20 * 20}  # 5/16 of 64, nowhere cut off


@pytest.mark.parametrize("side", [15, 257, "32", True, 32.0])
def test_another_side_is_refused(side):
    with pytest.raises((UsageError, TypeError), match="side"):
        load_dataset("shapes", side=side)


def test_the_side_is_part_of_the_fingerprint():
    assert Shapes(16).fingerprint != Shapes(32).fingerprint == load_dataset("shapes").fingerprint
