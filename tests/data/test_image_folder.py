import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vaescope.data.datasets.image_folder import ImageFolder
from vaescope.data.load import load_dataset
from vaescope.data.readers.image_folder import read
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

RNG = np.random.default_rng(0)


def opened(path, **options):
    return ImageFolder(**read([path], path, Progress(), **options))


def pixels(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def put(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return array


def planar(array):
    """uint8 (h, w) or (h, w, c) as the dataset gives it."""
    array = array if array.ndim == 3 else array[..., None]
    return array.transpose(2, 0, 1) / np.float32(255)


@pytest.mark.parametrize("ending", ["png", "bmp", "webp", "tif", "tiff", "PNG", "gif", "jpg", "jpeg"])
@pytest.mark.parametrize("shape", [(16, 20), (20, 16, 3)])
def test_every_format_is_decoded_in_the_order_of_the_names(tmp_path, ending, shape):
    options = {"lossless": True} if ending == "webp" else {}
    arrays = [put(tmp_path / f"{name}.{ending}", pixels(*shape), **options) for name in ("b", "a", "c")]
    mine = opened(tmp_path, channels="L" if len(shape) == 2 else "RGB")
    assert len(mine) == 3
    assert mine.image_shape == (1 if len(shape) == 2 else 3, *shape[:2])
    exact = (
        ending in ("png", "PNG", "bmp", "tif", "tiff") or (ending == "webp") or (ending == "gif" and len(shape) == 2)
    )
    for found, array in zip(mine.images([0, 1, 2]), [arrays[1], arrays[0], arrays[2]], strict=True):
        mean = np.abs(found - planar(array)).mean()
        assert (mean == 0) if exact else (0 < mean < 0.25), mean


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("P", 3), ("RGB", 3), ("RGBA", 4), ("LA", 4), ("I;16", 1), ("CMYK", 3)],
)
def test_the_first_picture_says_how_many_channels_there_are(tmp_path, mode, channels):
    if mode == "I;16":
        picture = Image.fromarray(RNG.integers(0, 65_536, (16, 16), np.uint16))
    else:
        picture = Image.fromarray(pixels(16, 16, 3)).convert(mode)
    picture.save(tmp_path / f"a.{'tiff' if mode == 'CMYK' else 'png'}")
    assert opened(tmp_path).image_shape == (channels, 16, 16)
    for asked, count in (("L", 1), ("RGB", 3), ("RGBA", 4)):
        assert opened(tmp_path, channels=asked).images([0]).shape == (1, count, 16, 16)


def test_pictures_of_16_bits_keep_their_greys(tmp_path):
    deep = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_allclose(opened(tmp_path).images([0])[0, 0], deep / 65_535, atol=0.5 / 255 + 1e-6)


def test_a_size_resamples_the_middle_square(tmp_path):
    wide = np.zeros((64, 128), np.uint8)
    wide[:, 32:96] = 200  # the middle square; what lies beside it is black
    put(tmp_path / "wide.png", wide)
    put(tmp_path / "tall.png", np.ascontiguousarray(wide.T))
    put(tmp_path / "small.png", np.full((8, 8), 200, np.uint8))
    mine = opened(tmp_path, size=32)
    assert mine.image_shape == (1, 32, 32)
    np.testing.assert_array_equal(mine.images([0, 1, 2]), np.full((3, 1, 32, 32), np.float32(200) / np.float32(255)))


def test_resampling_is_lanczos(tmp_path):
    array = put(tmp_path / "a.png", pixels(96, 96, 3))
    expected = Image.fromarray(array).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(opened(tmp_path, size=32).images([0])[0], planar(np.asarray(expected)))


def test_pictures_of_other_sizes_are_named_where_no_size_is_given(tmp_path):
    put(tmp_path / "a.png", pixels(16, 20))
    put(tmp_path / "b.png", pixels(16, 21))
    mine = opened(tmp_path)
    with pytest.raises(UsageError, match=r"b\.png: expected 20 x 16 pixels .*got 21 x 16\. Give `size`"):
        mine.images([0, 1])


@pytest.mark.parametrize("side", [15, 257])
def test_a_first_picture_that_no_network_takes_is_refused(tmp_path, side):
    put(tmp_path / "a.png", pixels(side, 100))
    with pytest.raises(UsageError, match=r"a\.png: expected images of 16 to 256 .*`size` makes all of them one size"):
        opened(tmp_path)
    assert opened(tmp_path, size=64).image_shape == (1, 64, 64)


def test_pictures_stand_upright_as_their_camera_says(tmp_path):
    array = pixels(16, 24)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(opened(tmp_path).images([0])[0, 0] * 255, np.rot90(array, -1).astype(np.float32))


@pytest.mark.parametrize("zipped", [False, True])
def test_sub_folders_of_equal_depth_are_a_factor_each(tmp_path, zipped):
    names = ["red/small/1", "red/large/1", "blue/small/1", "blue/small/2"]
    arrays = {f"pictures/{name}.png": put(tmp_path / f"in/pictures/{name}.png", pixels(16, 16)) for name in names}
    for noise in ("in/pictures/red/.hidden.png", "in/pictures/.git/a.png", "in/__MACOSX/a.png"):
        put(tmp_path / noise, pixels(16, 16))
    (tmp_path / "in/pictures/red/notes.txt").write_text("x")
    path = tmp_path / "in"
    if zipped:
        path = tmp_path / "in.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (tmp_path / "in").rglob("*"):
                archive.write(file, file.relative_to(tmp_path / "in"))
    mine = opened(path)
    assert (mine.factor_names, mine.factor_sizes) == (("folder_1", "folder_2"), (2, 2))  # "pictures" tells nothing
    expected = {"blue": 0, "red": 1, "large": 0, "small": 1}
    for index, name in enumerate(sorted(arrays)):
        np.testing.assert_array_equal(mine.images([index])[0], planar(arrays[name]))
        assert mine.factors([index])[0].tolist() == [expected[part] for part in name.split("/")[1:3]]


def test_sub_folders_of_unequal_depth_are_one_factor(tmp_path):
    for name in ("a/x/1", "a/1", "b/1", "b/2"):
        put(tmp_path / f"{name}.png", pixels(16, 16))
    mine = opened(tmp_path)
    assert (mine.factor_names, mine.factor_sizes) == (("folder",), (3,))
    assert mine.factors(range(4))[:, 0].tolist() == [0, 1, 2, 2]


def test_without_sub_folders_there_are_no_factors(tmp_path):
    put(tmp_path / "a.png", pixels(16, 16))
    assert opened(tmp_path).factor_names == ()


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    put(tmp_path / "elsewhere/a.png", pixels(16, 16))
    (tmp_path / "in/inner").mkdir(parents=True)
    (tmp_path / "in/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/inner/again").symlink_to(tmp_path / "in")
    assert len(opened(tmp_path / "in")) == 1
    (tmp_path / "in/lost.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(UsageError, match=r"lost\.png: is a link to nothing"):
        opened(tmp_path / "in")


def bomb():
    """A PNG of a few hundred bytes that says it has 900 million pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def whole_png():
    file = BytesIO()
    Image.fromarray(pixels(64, 64)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a picture, got: cannot identify"),
        (b"<!DOCTYPE html><title>404</title>", "expected a picture, got: cannot identify"),
        (bomb(), r"expected at most 100,000,000 pixels"),
        (whole_png()[:-2_000], "expected a picture, got"),
        (whole_png()[:20], "expected a picture, got"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "expected a picture, got"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_broken_picture_is_named(tmp_path, content, message, zipped):
    put(tmp_path / "in/a.png", pixels(64, 64))
    (tmp_path / "in/b.png").write_bytes(content)
    path = tmp_path / "in"
    if zipped:
        path = tmp_path / "in.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "in/a.png", "a.png")
            archive.writestr("b.png", content)
    mine = opened(path)
    mine.images([0])
    with pytest.raises(CorruptArtifact, match=rf"b\.png: {message}"):
        mine.images([0, 1])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of odd tags that it passes over
def test_pictures_with_random_bytes_changed_never_end_in_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for ending in ("png", "gif", "bmp", "webp", "tiff", "jpg"):
        put(tmp_path / ending / f"a.{ending}", pixels(24, 24, 3))
        whole = (tmp_path / ending / f"a.{ending}").read_bytes()
        broken = tmp_path / ending / f"b.{ending}"
        broken.write_bytes(whole)
        mine = opened(tmp_path / ending, size=24)
        for _ in range(60):
            content = bytearray(whole)
            for place in rng.integers(0, min(len(content), 400), 4):
                content[place] = rng.integers(256)
            broken.write_bytes(content)
            with suppress(CorruptArtifact):
                assert mine.images([1]).shape == (1, 3, 24, 24)


def test_a_picture_that_has_gone_is_told(tmp_path):
    for name in "ab":
        put(tmp_path / f"{name}.png", pixels(16, 16))
    mine = opened(tmp_path)
    (tmp_path / "b.png").unlink()
    with pytest.raises(CorruptArtifact, match=r"b\.png: was there when the folder was listed"):
        mine.images([1])


def test_a_flipped_bit_in_a_zip_file_is_noticed(tmp_path):
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in "ab":
            file = BytesIO()
            Image.fromarray(pixels(64, 64)).save(file, "bmp")
            archive.writestr(f"{name}.bmp", file.getvalue())
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4] ^= 1
    path.write_bytes(content)
    mine = opened(path)
    mine.images([0])
    with pytest.raises(CorruptArtifact, match=r"b\.bmp: damaged: Bad CRC-32"):
        mine.images([1])


def test_a_missing_empty_or_wrong_folder_is_told(tmp_path):
    with pytest.raises(UsageError, match="expected a folder of pictures, got none there"):
        opened(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"expected pictures \(\.bmp, .*got none"):
        opened(tmp_path)
    (tmp_path / "a.zip").write_bytes(b"<html>")
    with pytest.raises(CorruptArtifact, match="expected a folder or a zip file"):
        opened(tmp_path / "a.zip")
    with pytest.raises(UsageError, match="expected `path`"):
        load_dataset("image_folder")


def test_a_folder_that_may_not_be_read_is_a_resource_error(tmp_path, monkeypatch):
    def fail(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(ResourceError, match="cannot be read: Permission denied"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "`size` to be 16 to 256, got 8"),
        ({"size": True}, "got True"),
        ({"size": "64"}, "got '64'"),
        ({"channels": "BGR"}, '`channels` to be "L" or "RGB" or "RGBA", got \'BGR\''),
        ({"channels": 3}, "got 3"),
    ],
)
def test_wrong_options_are_told(tmp_path, options, message):
    put(tmp_path / "a.png", pixels(16, 16))
    with pytest.raises(UsageError, match=message):
        opened(tmp_path, **options)


def test_the_fingerprint_changes_with_the_pictures_and_how_they_are_made_one_size(tmp_path):
    put(tmp_path / "a.png", pixels(16, 16))
    put(tmp_path / "b.png", pixels(16, 16))
    first = opened(tmp_path).fingerprint
    assert opened(tmp_path).fingerprint == first
    seen = {first, opened(tmp_path, size=32).fingerprint, opened(tmp_path, channels="RGB").fingerprint}
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    seen.add(opened(tmp_path).fingerprint)
    put(tmp_path / "c.png", pixels(16, 16))
    os.utime(tmp_path / "c.png", ns=(5, 5))
    seen.add(opened(tmp_path).fingerprint)
    assert len(seen) == 5


def test_omniglot_as_it_is_published_is_read_in_its_zip(shared_data):
    path = shared_data / "omniglot" / "images_background_small1.zip"
    mine = load_dataset("image_folder", path=path)
    assert (len(mine), mine.image_shape) == (2_720, (1, 105, 105))
    assert mine.factor_names == ("folder_1", "folder_2")
    assert mine.factor_sizes[0] == 5
    alphabets, characters = mine.factors(range(2_720)).T
    assert len(set(zip(alphabets.tolist(), characters.tolist(), strict=True))) == 136
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        expected = np.asarray(Image.open(BytesIO(archive.read(names[1_234]))))
    np.testing.assert_array_equal(mine.images([1_234])[0, 0], expected.astype(np.float32))
    small = load_dataset("image_folder", path=path, size=64)
    assert small.image_shape == (1, 64, 64)
    sent = pickle.loads(pickle.dumps(small))  # noqa: S301
    np.testing.assert_array_equal(sent.images([7, 2_719]), small.images([7, 2_719]))


def test_a_zip_file_is_read_by_two_processes_at_once(tmp_path):
    """After a fork both have the same descriptor, and a descriptor has one position: each has to open its own."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name in range(40):
            file = BytesIO()
            Image.fromarray(pixels(128, 128, 3)).save(file, "bmp")
            archive.writestr(f"{name:02}.bmp", file.getvalue())
    script = """
import os, sys
import numpy as np
from vaescope import load_dataset
mine = load_dataset("image_folder", path=sys.argv[1])
expected = [mine.images([k]) for k in range(40)]
child = os.fork()
try:
    right = all((mine.images([k]) == expected[k]).all() for _ in range(10) for k in range(40))
except Exception:
    right = False
if child == 0:
    os._exit(0 if right else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert right
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(tmp_path / "in.zip")]
    subprocess.run(command, check=True, timeout=120)
