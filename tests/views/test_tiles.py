import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vaescope.views.tiles import GAP, data_uri, grid, spread


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_stands_at_its_place_in_the_grid(channels):
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 255, (3, channels, 8, 6), np.uint8), rng.integers(0, 255, (2, channels, 8, 6), np.uint8)]
    picture = grid(rows)
    assert picture.shape == (2 * 8 + GAP, 3 * 6 + 2 * GAP, 3)
    expected = np.repeat(rows[1][1].transpose(1, 2, 0), 3 // channels, axis=2)
    np.testing.assert_array_equal(picture[8 + GAP :, 6 + GAP : 12 + GAP], expected)


def test_a_picture_becomes_a_webp_of_its_size():
    uri = data_uri(np.zeros((64, 128, 3), np.uint8), 100_000)
    assert uri.startswith("data:image/webp;base64,")
    assert Image.open(BytesIO(base64.b64decode(uri.split(",")[1]))).size == (128, 64)


def test_a_picture_that_does_not_fit_becomes_smaller():
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    large, small = data_uri(noise, 1_000_000), data_uri(noise, 15_000)
    assert len(small) <= 15_000 < len(large)


def test_steps_are_spread_evenly_with_both_ends():
    assert spread([0, 1, 2], 5) == [0, 1, 2]
    assert spread(list(range(101)), 5) == [0, 25, 50, 75, 100]
