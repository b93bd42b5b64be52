import subprocess
import sys
from math import cos, pi, sin

import numpy as np
import pytest
import torch

from vaescope.data.datasets.dsprites import DSprites, OfficialImages

REAL_IMAGES = 64_834
KNOWN_WRONG = [151_882, 258_370, 456_189, 594_516, 725_836]  # one pixel each: datasets.md, section 1
f32 = np.float32


@pytest.fixture(scope="module")
def dsprites():
    return DSprites()


@pytest.fixture(scope="module")
def real(shared_data):
    with np.load(shared_data / "dsprites" / "dsprites_real_union_packed.npz") as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module")
def gif(shared_data):
    with np.load(shared_data / "dsprites" / "dsprites_official_gif_frames.npz") as file:
        return file["imgs"], file["first_matching_index"]


def outline(shape):
    if shape == 0:
        return [(-9.6, -9.6), (9.6, -9.6), (9.6, 9.6), (-9.6, 9.6)]
    if shape == 1:
        return [(1.33 * 9.6 * cos(2 * pi * k / 100), 9.6 / 1.33 * sin(2 * pi * k / 100)) for k in range(100)]
    turns = [2 * pi * k / 150 for k in range(150)]
    return [
        (
            9.6 * sin(a) ** 3,
            -(9.6 / 14.5) * (13 * cos(a) - 5 * cos(2 * a) - 2 * cos(3 * a) - cos(4 * a)) - 0.15 * 9.6,
        )
        for a in turns
    ]


def drawn_slowly(shape, scale, orientation, x, y):
    """Section 1 of datasets.md, a vertex, a row and a pixel at a time; whole numbers of 1/256 pixel after snapping."""
    size = f32(0.5 + 0.1 * scale)
    angle = float(f32(2 * pi * orientation / 39))
    c, s = f32(cos(angle)) * size, f32(sin(angle)) * size
    centre_x, centre_y = f32(16 + 32 * x / 31), f32(16 + 32 * y / 31)
    vertices = []
    for u, v in outline(shape):
        u, v = f32(u), f32(v)
        clip_x = (c * u + s * v + centre_x) * f32(2 / 64) - f32(1)
        clip_y = f32(1) - (-s * u + c * v + centre_y) * f32(2 / 64)
        px, py = (clip_x + f32(1)) * f32(32), f32(64) - (clip_y + f32(1)) * f32(32)
        vertices.append((round(float(px) * 256), round(float(py) * 256)))
    image = np.zeros((64, 64), bool)
    for row in range(64):
        centre = 256 * row + 128
        for (x1, y1), (x2, y2) in zip(vertices, vertices[1:] + vertices[:1], strict=True):
            if (y1 < centre) != (y2 < centre):
                # ceil(x1 + (centre - y1) (x2 - x1) / (y2 - y1) - 1/2), as one division of whole numbers
                over, under = (x1 - 128) * (y2 - y1) + (centre - y1) * (x2 - x1), 256 * (y2 - y1)
                image[row, -(-over // under) :] ^= True
    return image


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_drawn_images_equal_a_scan_line_drawn_pixel_by_pixel(dsprites, shape):
    rng = np.random.default_rng(shape)
    indices = rng.integers(shape * 245_760, (shape + 1) * 245_760, 60)
    images = dsprites.images(indices)[:, 0]
    for image, factors in zip(images, dsprites.factors(indices).tolist(), strict=True):
        np.testing.assert_array_equal(image, drawn_slowly(*factors), err_msg=str(factors))


@pytest.mark.parametrize("x", [0, 31])
@pytest.mark.parametrize("y", [0, 31])
def test_the_largest_sprites_are_whole_in_the_corners(dsprites, x, y):
    factors = [(shape, 5, orientation, x, y) for shape in range(3) for orientation in (0, 5, 24)]
    images = dsprites.images(dsprites.index(factors))[:, 0]
    for image, combination in zip(images, factors, strict=True):
        np.testing.assert_array_equal(image, drawn_slowly(*combination), err_msg=str(combination))


def test_all_real_images_come_out_but_for_one_pixel_in_each_of_five(dsprites, real):
    indices = real["original_dataset_indices"]
    wrong = np.bitwise_count(dsprites.packed(indices) ^ real["imgs_packed"]).sum(axis=1)
    assert len(wrong) == REAL_IMAGES
    assert sorted(indices[wrong > 0]) == KNOWN_WRONG
    assert wrong.sum() == 5


def test_the_real_factors_are_those_of_the_index_and_back(dsprites, real):
    np.testing.assert_array_equal(dsprites.factors(real["original_dataset_indices"]), real["latents_classes"])
    np.testing.assert_array_equal(dsprites.index(real["latents_classes"]), real["original_dataset_indices"])


def test_all_frames_of_the_official_animation_are_found(dsprites, gif):
    frames, first_matching = gif
    assert len(frames) == 320
    frames = np.packbits(frames.reshape(320, -1) > 0, axis=1)
    weights = np.random.default_rng(0).integers(1, 2**63, 256, np.uint64)

    def key(packed):  # 64 bits that tell images apart
        return packed.view(np.uint16).astype(np.uint64) @ weights

    every = np.concatenate([key(dsprites.packed(range(k, k + 4096))) for k in range(0, len(dsprites), 4096)])
    keys, first = np.unique(every, return_index=True)
    assert len(keys) == 715_706  # orientations 0 and 39 are one angle, and some small squares coincide
    found = first[np.searchsorted(keys, key(frames))]
    np.testing.assert_array_equal(dsprites.packed(found), frames)
    np.testing.assert_array_equal(found, first_matching)


def test_packed_and_images_are_the_same_pixels(dsprites):
    indices = np.random.default_rng(3).integers(0, len(dsprites), 100)
    images = dsprites.images(indices)
    assert images.dtype == np.float32
    assert images.shape == (100, 1, 64, 64)
    assert set(np.unique(images)) == {0, 1}
    np.testing.assert_array_equal(np.packbits(images.reshape(100, -1) > 0, axis=1), dsprites.packed(indices))


def test_the_factors_have_their_names_sizes_and_physical_values(dsprites):
    assert dsprites.factor_names == ("shape", "scale", "orientation", "posX", "posY")
    assert dsprites.factor_sizes == (3, 6, 40, 32, 32) == tuple(len(values) for values in dsprites.factor_values)
    assert len(dsprites) == 737_280
    assert dsprites.image_shape == (1, 64, 64)
    shape, scale, orientation, x, y = dsprites.factor_values
    assert shape == (1, 2, 3)
    assert scale == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert orientation[0] == 0
    assert orientation[1] == pytest.approx(2 * pi / 39)
    assert orientation[-1] == pytest.approx(2 * pi)
    assert x == y == pytest.approx([k / 31 for k in range(32)])


def test_every_index_has_its_own_factors(dsprites):
    factors = dsprites.factors(range(len(dsprites)))
    np.testing.assert_array_equal(dsprites.index(factors), np.arange(len(dsprites)))
    assert (factors.max(axis=0) == [2, 5, 39, 31, 31]).all()
    assert factors.dtype == np.int64


@pytest.mark.parametrize(
    "indices",
    [[5, 3, 5], (5, 3, 5), range(3, 6), np.array([5, 3], np.uint8), torch.tensor([5, 3]), np.array([5, 3], np.uint64)],
    ids=["list", "tuple", "range", "uint8", "tensor", "uint64"],
)
def test_indices_may_be_any_whole_numbers_in_any_order(dsprites, indices):
    expected = [[0, 0, 0, 0, int(index)] for index in indices]
    assert dsprites.factors(indices).tolist() == expected
    assert len(dsprites.images(indices)) == len(expected)


@pytest.mark.parametrize("empty", [[], np.array([]), range(0)], ids=["list", "array", "range"])
def test_no_indices_give_no_images(dsprites, empty):
    assert dsprites.images(empty).shape == (0, 1, 64, 64)
    assert dsprites.packed(empty).shape == (0, 512)
    assert dsprites.factors(empty).shape == (0, 5)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 737_280], r"expected 0 to 737279, got 737280 \(1 of 2"),
        ([-1], r"got -1 .*do not count from the end"),
        (np.array([2**64 - 1], np.uint64), "got 18446744073709551615"),
        (np.array([0.0, 1.5]), r"expected integers, got float64 such as .*0\.0"),
        (np.array([True, False]), r"got bool.*np\.flatnonzero"),
        (np.array(["a"]), "expected integers, got <U1"),
        (np.zeros((2, 2), int), r"one dimension, got shape \(2, 2\)"),
        (np.array(3), r"got shape \(\).*\[index\]"),
    ],
)
@pytest.mark.parametrize("method", ["images", "packed", "factors"])
def test_wrong_indices_are_refused_with_what_was_expected(dsprites, method, indices, message):
    with pytest.raises(IndexError, match=message):
        getattr(dsprites, method)(indices)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[3, 0, 0, 0, 0]], "expected shape 0 to 2, got 3"),
        ([[0, 0, 40, 0, 0]], "expected orientation 0 to 39, got 40"),
        ([[0, 0, 0, 0, -1]], "expected posY 0 to 31, got -1"),
        ([[0, 0, 0, 0]], r"expected shape \(n, 5\), got \(1, 4\)"),
        (np.zeros((1, 5)), "expected integers, got float64"),
        ([[0, 0, 0, 0, 0], [0]], "expected integers"),
    ],
)
def test_wrong_factors_are_refused_with_what_was_expected(dsprites, factors, message):
    with pytest.raises(IndexError, match=message):
        dsprites.index(factors)


def test_the_given_indices_are_left_as_they_were(dsprites):
    indices = np.array([3, 1, 2])
    dsprites.images(indices)
    assert indices.tolist() == [3, 1, 2]


def test_official_images_are_given_through_the_same_interface(dsprites):
    packed = np.random.default_rng(0).integers(0, 256, (2_000, 512), np.uint8)
    official = DSprites(OfficialImages(packed, "00ff"))
    np.testing.assert_array_equal(official.packed([1_999, 4]), packed[[1_999, 4]])
    np.testing.assert_array_equal(official.images([7])[0, 0], np.unpackbits(packed[7]).reshape(64, 64))
    np.testing.assert_array_equal(official.factors([1_999]), dsprites.factors([1_999]))
    assert official.factor_names == dsprites.factor_names
    assert (official.fingerprint, dsprites.fingerprint) == ("dsprites-official-00ff", "dsprites-made-1")
    with pytest.raises(IndexError, match="expected 0 to 1999, got 2000"):
        official.images([2_000])


def test_what_a_caller_does_to_its_images_does_not_reach_the_next(dsprites):
    for images in (dsprites, DSprites(OfficialImages(dsprites.packed(range(4)), "00ff"))):
        before = images.images([1, 2])
        images.images([1, 2])[:] = 0.5
        images.packed([1, 2])[:] = 255
        np.testing.assert_array_equal(images.images([1, 2]), before)


def test_data_is_imported_without_torch():
    code = (
        "import sys, vaescope.data.datasets.dsprites, vaescope.data.load; "
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
