import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vaescope.data.datasets.color_dsprites import ColorDSprites
from vaescope.data.datasets.dsprites import DSprites
from vaescope.data.datasets.noisy_dsprites import NoisyDSprites, noise
from vaescope.data.datasets.scream_dsprites import ScreamDSprites
from vaescope.data.keyed import words
from vaescope.data.load import load_dataset
from vaescope.data.texture import waves
from vaescope.errors import CorruptArtifact, UsageError

ALL = [ColorDSprites, NoisyDSprites, ScreamDSprites]
MANY = np.random.default_rng(0).integers(0, 737_280, 1_500)


def kolmogorov(sample, low, high):
    """The largest distance between the sample's distribution and the uniform one, times the root of its size."""
    ordered = np.sort((np.asarray(sample, float).ravel() - low) / (high - low))
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    return np.abs(ordered - steps).max() * np.sqrt(len(ordered))


@pytest.mark.parametrize("variant", ALL)
def test_index_and_factors_are_those_of_dsprites(variant):
    mine, plain = variant(), DSprites()
    assert len(mine) == len(plain)
    assert mine.image_shape == (3, 64, 64)
    assert (mine.factor_names, mine.factor_sizes, mine.factor_values) == (
        plain.factor_names,
        plain.factor_sizes,
        plain.factor_values,
    )
    np.testing.assert_array_equal(mine.factors(MANY), plain.factors(MANY))
    for wrong in ([737_280], [-1]):
        with pytest.raises(IndexError):
            mine.images(wrong)


@pytest.mark.parametrize("variant", ALL)
def test_an_image_depends_on_its_index_alone(variant):
    mine = variant()
    together = mine.images([3, 700_000, 3, 5])
    assert together.dtype == np.float32
    for position, index in enumerate([3, 700_000, 3, 5]):
        np.testing.assert_array_equal(variant().images([index])[0], together[position])
    assert together.min() >= 0
    assert together.max() <= 1
    assert mine.images([]).shape == (0, 3, 64, 64)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("color_dsprites", "15f49db961f45377"),
        ("noisy_dsprites", "ec065848607b9826"),
        ("scream_dsprites", "d1187cff037a4b96"),
    ],
)
def test_the_images_are_the_same_on_every_machine(name, digest):
    images = load_dataset(name).images([0, 1, 368_640, 737_279])
    assert hashlib.sha256(images.astype("<f4").tobytes()).hexdigest()[:16] == digest


def test_another_process_makes_the_same_images():
    code = (
        "import hashlib; from vaescope import load_dataset\n"
        "for name in ('color_dsprites', 'noisy_dsprites', 'scream_dsprites'):\n"
        "    print(hashlib.sha256(load_dataset(name).images(range(50, 60)).tobytes()).hexdigest())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == [hashlib.sha256(variant().images(range(50, 60)).tobytes()).hexdigest() for variant in ALL]


def test_colours_are_uniform_from_a_half_to_one_and_fill_the_sprite():
    images = ColorDSprites().images(MANY)
    sprite = DSprites().images(MANY)
    colours = images.max(axis=(2, 3))
    np.testing.assert_array_equal(images, sprite * colours[:, :, None, None])
    for channel in colours.T:
        assert kolmogorov(channel, 0.5, 1) < 1.95  # exceeded by chance once in 1,000
    assert np.abs(np.corrcoef(colours.T) - np.eye(3)).max() < 0.1


def test_noise_is_uniform_independent_and_only_beside_the_sprite():
    images = NoisyDSprites().images(MANY[:200])
    sprite = np.broadcast_to(DSprites().images(MANY[:200]) == 1, images.shape)
    assert (images[sprite] == 1).all()
    levels = np.bincount(np.rint(images[~sprite] * 255).astype(int), minlength=256)
    expected = levels.sum() / 256
    assert ((levels - expected) ** 2 / expected).sum() < 340  # chi-squared, 255 degrees: once in 4,000
    flat = noise(MANY[:200]).reshape(200, -1).astype(float)
    assert np.abs(np.corrcoef(flat[:, :-1].ravel(), flat[:, 1:].ravel())[0, 1]) < 0.005
    assert np.abs(np.corrcoef(flat[:-1].ravel(), flat[1:].ravel())[0, 1]) < 0.005


def test_the_sprite_is_the_negative_of_a_tinted_patch_of_the_picture():
    texture = np.random.default_rng(1).integers(0, 256, (70, 80, 3), np.uint8)
    scream = ScreamDSprites(texture)
    images = scream.images(MANY[:60]).astype(float)
    sprite = np.broadcast_to(DSprites().images(MANY[:60]) == 1, images.shape)
    background = np.where(sprite, 1 - images, images)
    patches = np.lib.stride_tricks.sliding_window_view(texture.transpose(2, 0, 1) / 255, (64, 64), (1, 2))
    patches = patches.transpose(1, 2, 0, 3, 4)  # (top, left, colour, row, column)
    places = []
    for found in background:
        tints = 2 * found - patches
        even = (tints.max(axis=(-1, -2)) - tints.min(axis=(-1, -2))).max(axis=-1)
        top, left = np.unravel_index(even.argmin(), even.shape)
        assert even[top, left] < 1e-6  # there is a patch from which it differs by one tint per colour
        tint = tints[top, left].mean(axis=(1, 2))
        assert (tint > -1e-6).all()
        assert (tint < 1 + 1e-6).all()
        places.append((top, left, *tint))
    tops, lefts, *tints = zip(*places, strict=True)
    assert (set(tops), max(lefts), min(lefts)) == (set(range(7)), 16, 0)
    assert kolmogorov(np.array(tints), 0, 1) < 1.95


def test_the_picture_is_read_from_a_file_and_made_smaller(tmp_path):
    array = np.random.default_rng(2).integers(0, 256, (100, 90, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    mine = load_dataset("scream_dsprites", path=tmp_path / "a.png")
    np.testing.assert_array_equal(mine.images(MANY[:9]), ScreamDSprites(array).images(MANY[:9]))
    assert mine.fingerprint == ScreamDSprites(array).fingerprint != ScreamDSprites().fingerprint
    Image.fromarray(np.full((600, 1_000), 51, np.uint8)).save(tmp_path / "large.png")
    flat = load_dataset("scream_dsprites", path=tmp_path / "large.png")
    assert flat.fingerprint == ScreamDSprites(np.full((274, 457, 3), 51, np.uint8)).fingerprint


def test_a_picture_that_is_too_small_missing_or_broken_is_told(tmp_path):
    Image.fromarray(np.zeros((63, 90, 3), np.uint8)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match="expected a picture of at least 64 pixels a side, got 90 x 63"):
        load_dataset("scream_dsprites", path=tmp_path / "small.png")
    with pytest.raises(UsageError, match="expected a file, got none there"):
        load_dataset("scream_dsprites", path=tmp_path / "absent.png")
    (tmp_path / "page.png").write_text("<html>")
    with pytest.raises(CorruptArtifact, match=r"page\.png: expected a picture"):
        load_dataset("scream_dsprites", path=tmp_path / "page.png")


def test_patches_of_the_drawn_picture_differ():
    picture = waves()
    assert picture.shape == (274, 350, 3)
    means = [picture[y : y + 64, x : x + 64].mean(axis=(0, 1)) for y in (0, 70, 140, 210) for x in (0, 140, 280)]
    assert np.ptp(means, axis=0).min() > 10
    assert picture.std(axis=(0, 1)).min() > 20


def test_words_are_those_of_philox_keyed_by_index_and_purpose():
    found = words(7, np.array([5, 0, 2**40]), 9)
    for index, row in zip([5, 0, 2**40], found, strict=True):
        expected = np.random.Philox(key=index + (7 << 64)).random_raw(9)
        np.testing.assert_array_equal(row, expected)
    np.testing.assert_array_equal(words(7, np.array([5]), 3)[0], found[0, :3])
