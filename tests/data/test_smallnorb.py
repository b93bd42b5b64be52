import gzip
import struct

import numpy as np
import pytest
from PIL import Image
from tests.data.official_files import (
    Imagined,
    Recorder,
    grid,
    matrix,
    norb_name,
    norb_tables,
    write_norb_classes,
    write_smallnorb,
)

from vaescope.data.datasets.smallnorb import SmallNORB
from vaescope.data.official import OFFICIAL
from vaescope.data.readers.smallnorb import read_classes, read_grid
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress

SIZES = (2, 4, 3, 5, 3)  # 360 examples: a training file of 180
TRUE = (5, 10, 9, 18, 6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_smallnorb(tmp_path_factory.mktemp("norb"), SIZES)


@pytest.fixture
def paths(tmp_path, files):
    """A copy that may be damaged."""
    copies = []
    for path in files[0]:
        copies.append(tmp_path / path.name)
        copies[-1].write_bytes(path.read_bytes())
    return copies


def damaged(paths, split, kind, change, zipped=True):
    path = next(p for p in paths if f"{split}-{kind}" in p.name)
    content = change(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(content, 1) if zipped else content)
    return path


def test_the_left_images_come_in_file_order_made_smaller_as_the_study_did(files, tmp_path):
    paths, pairs, classes = files
    told = Recorder()
    found = read_grid(paths, tmp_path, told, SIZES)
    np.testing.assert_array_equal(found["classes"], classes)
    images = found["pixels"].take(np.arange(360))
    assert images.shape == (360, 64, 64)
    for index in (0, 17, 179, 180, 359):
        expected = Image.fromarray(pairs[index, 0]).resize((64, 64), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(images[index], np.array(expected))
    assert told.stages[-1] == ("Unpacking smallnorb", 360)
    assert told.done[-1] == 360


def test_the_order_of_the_files_is_not_that_of_the_factors(files, tmp_path):
    found = read_grid(files[0], tmp_path, Progress(), SIZES)
    assert (found["classes"] != grid(SIZES)).any(axis=1).mean() > 0.9
    np.testing.assert_array_equal(sorted(map(tuple, found["classes"].tolist())), grid(SIZES))
    training = set(found["classes"][:180, 1].tolist())
    assert len(training) == 2
    assert not training & set(found["classes"][180:, 1].tolist())


def test_paths_may_come_in_any_order_and_unzipped(files, paths, tmp_path):
    for path in paths:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    plain = read_grid(paths[::-1], tmp_path / "a", Progress(), SIZES)
    zipped = read_grid(files[0], tmp_path / "b", Progress(), SIZES)
    np.testing.assert_array_equal(plain["pixels"].take(np.arange(360)), zipped["pixels"].take(np.arange(360)))
    np.testing.assert_array_equal(plain["classes"], zipped["classes"])


def test_the_classes_of_all_48600_examples_are_read_and_given_by_the_dataset(tmp_path):
    tables = norb_tables(TRUE)
    write_norb_classes(tmp_path, tables)
    header = gzip.decompress((tmp_path / norb_name("training", "info")).read_bytes())[:20]
    assert struct.unpack("<IIiii", header) == (0x1E3D4C54, 2, 24_300, 4, 1)
    files = {f"{s}-{k}": tmp_path / norb_name(s, k) for s in ("training", "testing") for k in ("cat", "info")}
    classes = read_classes(files, TRUE)
    dataset = SmallNORB(Imagined((48_600, 64, 64)), classes, "made-up")
    assert len(dataset) == 48_600
    np.testing.assert_array_equal(dataset.factors(range(48_600)), np.concatenate(tables))
    assert Imagined.index_of(dataset.images([48_599])[0]) == 48_599


def test_factors_have_names_sizes_and_degrees():
    dataset = SmallNORB(Imagined((48_600, 64, 64)), np.zeros((48_600, 5), np.uint8), "made-up")
    assert dataset.factor_names == ("category", "instance", "elevation", "azimuth", "lighting")
    assert dataset.factor_sizes == TRUE
    assert dataset.factor_values[2] == (30, 35, 40, 45, 50, 55, 60, 65, 70)
    assert dataset.factor_values[3][:3] == (0, 20, 40)
    assert dataset.factor_values[3][-1] == 340
    assert (dataset.image_shape, len(dataset)) == (SmallNORB.SHAPE, SmallNORB.COUNT) == ((1, 64, 64), 48_600)


def test_the_dataset_refuses_other_images_and_classes():
    with pytest.raises(UsageError, match=r"expected uint8 images \(48600, 64, 64\), got uint8 \(46789, 64, 64\)"):
        SmallNORB(Imagined((46_789, 64, 64)), np.zeros((46_789, 5), np.uint8), "x")
    with pytest.raises(UsageError, match="expected instance 0 to 9, got 10 to 10"):
        SmallNORB(Imagined((48_600, 64, 64)), np.tile([0, 10, 0, 0, 0], (48_600, 1)), "x")
    with pytest.raises(UsageError, match="factors of 48600 images, got 3"):
        SmallNORB(Imagined((48_600, 64, 64)), np.zeros((3, 5), np.uint8), "x")


def test_it_is_unpacked_once_and_anew_where_a_file_is_another(files, paths, tmp_path):
    first = read_grid(paths, tmp_path / "u", Progress(), SIZES)
    told = Recorder()
    again = read_grid(paths, tmp_path / "u", told, SIZES)
    assert told.stages == []
    assert again["fingerprint"] == first["fingerprint"]
    assert again["pixels"].path == first["pixels"].path

    def inverted(content):
        return content[:24] + bytes(255 - b for b in content[24:])

    damaged(paths, "training", "dat", inverted)
    other = read_grid(paths, tmp_path / "u", Progress(), SIZES)
    assert other["fingerprint"] != first["fingerprint"]
    assert (other["pixels"].take([0]) != first["pixels"].take([0])).any()
    np.testing.assert_array_equal(other["pixels"].take([200]), first["pixels"].take([200]))


def test_other_classes_of_the_same_images_are_another_dataset(files, paths, tmp_path):
    first = read_grid(paths, tmp_path / "u", Progress(), SIZES)

    def lit_the_other_way(content):
        info = np.frombuffer(content[20:], "<i4").reshape(-1, 4).copy()
        info[:, 3] = 2 - info[:, 3]
        return content[:20] + info.tobytes()

    damaged(paths, "training", "info", lit_the_other_way)
    other = read_grid(paths, tmp_path / "u", Progress(), SIZES)
    assert other["fingerprint"] != first["fingerprint"]
    np.testing.assert_array_equal(other["classes"][:180, 4], 2 - first["classes"][:180, 4])


def header(content, **fields):
    """The same data under a header that says something else."""
    shape = {0x1E3D4C55: (180, 2, 96, 96)}.get(struct.unpack("<I", content[:4])[0])
    assert shape is not None
    return matrix(np.frombuffer(content[24:], np.uint8).reshape(shape), **fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-1], r"the end of the file after .* of .* bytes of pairs"),
        (lambda c: c[:24], "the end of the file after 0 of"),
        (lambda c: c[:13], "of header"),
        (lambda c: b"", "after 0 of 8 bytes of header"),
        (lambda c: c + b"\0", "more bytes than its header says"),
        (lambda c: header(c, magic=0x1E3D4C54), "magic number 0x1E3D4C54 instead of 0x1E3D4C55"),
        (lambda c: header(c, magic=0x554C3D1E), "magic number 0x554C3D1E"),  # the other byte order
        (lambda c: header(c, dimensions=3), "3 dimensions instead of 4"),
        (lambda c: header(c, dimensions=2**32 - 1), "4294967295 dimensions"),
        (lambda c: header(c, sizes=(181, 2, 96, 96)), r"dimensions \(181, 2, 96, 96\)"),
        (lambda c: header(c, sizes=(2**31 - 1, 2**31 - 1, 96, 96)), r"dimensions \(2147483647, "),  # no allocation
        (lambda c: header(c, sizes=(-180, -2, 96, 96)), r"dimensions \(-180, "),
        (lambda c: header(c, sizes=(180, 2, 96, 0)), r"dimensions \(180, 2, 96, 0\)"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_images_whose_header_or_length_lies_are_refused(paths, tmp_path, change, message, zipped):
    path = damaged(paths, "testing", "dat", change, zipped)
    with pytest.raises(CorruptArtifact, match=message) as told:
        read_grid(paths, tmp_path / "u", Progress(), SIZES)
    assert str(told.value).startswith(f"{path}: expected a smallNORB matrix of bytes (180, 2, 96, 96), got: ")
    assert not list((tmp_path / "u").glob("*.npy"))


@pytest.mark.parametrize("kind", ["dat", "cat", "info"])
@pytest.mark.parametrize("kept", [1, 5, 30, 0.5, -1])
def test_a_gz_cut_short_is_refused(paths, tmp_path, kind, kept):
    path = next(p for p in paths if f"training-{kind}" in p.name)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CorruptArtifact, match=f"{kind}.mat.gz: expected a smallNORB matrix"):
        read_grid(paths, tmp_path / "u", Progress(), SIZES)


@pytest.mark.parametrize("kind", ["dat", "cat", "info"])
@pytest.mark.parametrize("content", [b"<!DOCTYPE html><title>404</title>", b"\x1f\x8b" + b"\xff" * 500, b"\0" * 100])
def test_anything_else_under_its_name_is_refused(paths, tmp_path, kind, content):
    path = next(p for p in paths if f"testing-{kind}" in p.name)
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match="a web page" if content.startswith(b"<") else "got: "):
        read_grid(paths, tmp_path / "u", Progress(), SIZES)


def integer(place, value):
    def change(content):
        content = bytearray(content)
        struct.pack_into("<i", content, place, value)
        return bytes(content)

    return change


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("info", integer(20 + 4 * 2, 1), "an azimuth that is not even"),
        ("info", integer(20 + 4 * 2, 10), "classes 0 to 5 of a factor of 5"),
        ("info", integer(20, -1), "classes -1 to .* of a factor of 4"),
        ("info", integer(20 + 4, 2**31 - 1), "classes 0 to 2147483647 of a factor of 3"),
        ("cat", integer(20, 2), "classes 0 to 2 of a factor of 2"),
        ("cat", lambda c: integer(20, 1 - struct.unpack_from("<i", c, 20)[0])(c), "combination .* [02] times"),
        ("cat", integer(8, 181), r"dimensions \(181,\)"),
        ("info", integer(4, 1), "1 dimensions instead of 2"),
    ],
)
def test_classes_that_cannot_be_are_refused(paths, tmp_path, kind, change, message):
    damaged(paths, "training", kind, change)
    with pytest.raises(CorruptArtifact, match=message):
        read_grid(paths, tmp_path / "u", Progress(), SIZES)
    assert not (tmp_path / "u").exists()


def test_a_missing_file_or_one_too_many_is_told(files, tmp_path):
    paths = files[0]
    with pytest.raises(UsageError, match=r"smallnorb: expected 6 files.*for training-dat among"):
        read_grid(paths[1:], tmp_path, Progress(), SIZES)
    with pytest.raises(UsageError, match="none or several for training-cat"):
        read_grid([*paths, paths[1]], tmp_path, Progress(), SIZES)
    with pytest.raises(UsageError, match="no such file"):
        read_grid([tmp_path / path.name for path in paths], tmp_path, Progress(), SIZES)


def test_the_names_of_the_catalogue_are_those_the_reader_knows(tmp_path):
    names = {file.name for file in OFFICIAL["smallnorb"]}
    assert names == {norb_name(s, k) for s in ("training", "testing") for k in ("dat", "cat", "info")}
