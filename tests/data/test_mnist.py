import dataclasses
import gzip
import hashlib

import numpy as np
import pytest
from tests.data.official_files import idx, write_mnist

from vaescope.data import load
from vaescope.data.datasets.fashion_mnist import FashionMNIST
from vaescope.data.datasets.mnist import MNIST
from vaescope.data.load import load_dataset
from vaescope.data.official import OFFICIAL
from vaescope.data.published import Enlarged, TenClasses
from vaescope.data.readers.fashion_mnist import read
from vaescope.data.readers.idx import read_idx, read_split
from vaescope.data.stored import InMemory
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress

COUNTS = (600, 300)


@pytest.fixture(scope="module")
def sprites(shared_data):
    """900 real images of Fashion-MNIST."""
    with np.load(shared_data / "fashion_mnist" / "fashion_sprite_900.npz") as file:
        return file["images"], file["labels"].astype(np.uint8)


@pytest.fixture
def paths(tmp_path, sprites):
    return write_mnist(tmp_path, *sprites, COUNTS[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory, sprites):
    """Four files of the true size: 70,000 images, the real ones again and again."""
    images, labels = sprites
    order = np.arange(70_000) % 900
    return write_mnist(tmp_path_factory.mktemp("whole"), images[order], labels[order], 60_000)


def test_real_images_and_labels_come_out_as_they_went_in(paths, sprites):
    found = read_split(paths[::-1], "fashion_mnist", COUNTS)
    np.testing.assert_array_equal(found["pixels"].take(np.arange(900)), sprites[0])
    np.testing.assert_array_equal(found["labels"], sprites[1])


def test_the_header_is_the_one_of_the_official_files(whole):
    headers = [gzip.decompress(path.read_bytes())[:16] for path in whole]
    assert headers[0] == bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    assert headers[1][:8] == bytes.fromhex("00000801 0000ea60")
    assert headers[2] == bytes.fromhex("00000803 00002710 0000001c 0000001c")


def test_files_of_the_true_size_are_read_by_name(whole, sprites, monkeypatch, tmp_path):
    files = tuple(
        dataclasses.replace(file, checksum=f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}", bytes=None)
        for file, path in zip(OFFICIAL["fashion_mnist"], whole, strict=True)
    )
    monkeypatch.setitem(OFFICIAL, "fashion_mnist", files)
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path))
    dataset = load_dataset("fashion_mnist", path=whole[0].parent)
    assert (len(dataset), dataset.image_shape) == (70_000, (1, 28, 28))
    np.testing.assert_array_equal(dataset.images([69_999, 5])[:, 0], sprites[0][[69_999 % 900, 5]] / np.float32(255))
    np.testing.assert_array_equal(dataset.factors([69_999, 5])[:, 0], sprites[1][[69_999 % 900, 5]])
    larger = load_dataset("fashion_mnist", path=whole[0].parent, size=64)
    assert larger.image_shape == (1, 64, 64) == load.described("fashion_mnist", size=64).image_shape
    assert larger.fingerprint != dataset.fingerprint


def test_larger_images_have_black_edges_and_repeated_pixels(sprites):
    pixels = InMemory(sprites[0])
    for size in (32, 64, 128, 256):
        shown = Enlarged(pixels, size)
        assert shown.shape == (900, size, size)
        image, original = shown.take(np.array([3]))[0], sprites[0][3]
        times = size // 32
        for row, column in ((0, 0), (size - 1, 7), (2 * times, 2 * times), (17 * times, 11 * times), (size // 2, 9)):
            r, c = row // times - 2, column // times - 2
            expected = original[r, c] if 0 <= r < 28 and 0 <= c < 28 else 0
            assert image[row, column] == expected
        assert image.sum(dtype=int) == times**2 * original.sum(dtype=int)


@pytest.mark.parametrize("member", [MNIST, FashionMNIST])
def test_the_datasets_have_one_factor_and_check_what_they_get(member):
    pixels, labels = InMemory(np.zeros((70_000, 28, 28), np.uint8)), np.arange(70_000) % 10
    dataset = member(pixels, labels, "made-up")
    assert (len(dataset), dataset.image_shape) == (TenClasses.COUNT, TenClasses.SHAPE) == (70_000, (1, 28, 28))
    assert (dataset.factor_names, dataset.factor_sizes) == (("label",), (10,))
    assert dataset.factors([0, 13, 69_999]).tolist() == [[0], [3], [9]]
    for size in (0, 16, 29, 65, 512, True, "32"):
        with pytest.raises((UsageError, TypeError), match="size"):
            member(pixels, labels, "made-up", size)
    with pytest.raises(UsageError, match="expected label 0 to 9, got 0 to 10"):
        member(pixels, np.arange(70_000) % 11, "made-up")
    with pytest.raises(UsageError, match="factors of 70000 images, got 60000"):
        member(pixels, labels[:60_000], "made-up")
    with pytest.raises(UsageError, match=r"expected uint8 images \(70000, 28, 28\), got uint8 \(60000, 28, 28\)"):
        member(InMemory(np.zeros((60_000, 28, 28), np.uint8)), labels, "made-up")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda a: idx(a)[:-1], "the end of the file after 235,199 of 235,200 bytes"),
        (lambda a: idx(a)[:10], "of header"),
        (lambda a: b"", "after 0 of 4 bytes"),
        (lambda a: idx(a) + b"\0", "more bytes than its header says"),
        (lambda a: idx(a, magic=b"\0\0\x08\x01"), "magic number 0x00000801"),
        (lambda a: idx(a, magic=b"\0\0\x0d\x03"), "magic number 0x00000D03"),  # floats
        (lambda a: idx(a, magic=b"\x03\x08\0\0"), "magic number 0x03080000"),  # the other byte order
        (lambda a: idx(a, sizes=(301, 28, 28)), r"dimensions \(301, 28, 28\)"),
        (lambda a: idx(a, sizes=(2**32 - 1,) * 3), r"dimensions \(4294967295, 4294967295, 4294967295\)"),
        (lambda a: idx(a, sizes=(0, 28, 28)), r"dimensions \(0, 28, 28\)"),
        (lambda a: b"<html>moved</html>", "a web page saved under this name"),
        (lambda a: b"\x1f\x8b" + b"x" * 100, "got: "),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_images_whose_header_or_length_lies_are_refused(tmp_path, sprites, content, message, zipped):
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    raw = content(sprites[0][:300])
    path.write_bytes(gzip.compress(raw) if zipped and raw[:1] not in (b"<", b"\x1f") else raw)
    with pytest.raises(CorruptArtifact, match=message) as told:
        read_idx(path, (300, 28, 28))
    assert str(told.value).startswith(f"{path}: expected an idx file of bytes (300, 28, 28), got: ")


@pytest.mark.parametrize("kept", [1, 9, 0.5, -1, -8])
def test_a_gz_cut_short_or_changed_is_refused(paths, kept):
    path = paths[0]
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CorruptArtifact, match="train-images"):
        read_split(paths, "mnist", COUNTS)
    path.write_bytes(content[:-8] + b"\0\0\0\0" + content[-4:])
    with pytest.raises(CorruptArtifact, match="CRC"):
        read_split(paths, "mnist", COUNTS)


def test_a_label_that_is_none_of_the_ten_is_refused(paths, sprites):
    labels = sprites[1][600:].copy()
    labels[7] = 10
    paths[3].write_bytes(gzip.compress(idx(labels)))
    with pytest.raises(CorruptArtifact, match=r"t10k-labels.*expected labels 0 to 9, got: label 10"):
        read_split(paths, "mnist", COUNTS)


def test_missing_files_are_told(paths, tmp_path):
    with pytest.raises(UsageError, match=r"mnist: expected 4 files.*for train-labels among"):
        read_split([paths[0], *paths[2:]], "mnist", COUNTS)
    paths[1].unlink()
    with pytest.raises(UsageError, match="got no such file"):
        read_split(paths, "mnist", COUNTS)


def test_files_of_another_size_than_the_official_ones_are_refused_by_the_reader(paths, tmp_path):
    with pytest.raises(CorruptArtifact, match=r"expected an idx file of bytes \(60000, 28, 28\)"):
        read(paths, tmp_path, Progress())


def test_a_size_it_cannot_have_is_told_before_anything_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="expected `size` 28, 32, 64, 128 or 256, got 30"):
        load_dataset("mnist", size=30, mirror=str(tmp_path / "no_such_folder"))
