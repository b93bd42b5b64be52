"""Datasets by name: what they take, what is known of them without a file, and where their files come from."""

import gzip
import hashlib
import socket

import numpy as np
import pytest
from tests.data.loopback import serving

from vaescope.data.dataset import DATASETS
from vaescope.data.load import dataset_options, described, fetch_dataset, load_dataset, missing_files
from vaescope.data.official import OFFICIAL, OfficialFile, has_official
from vaescope.data.readers import mpi3d as mpi3d_reader
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress

PUBLISHED = {
    "cars3d": (17_568, (3, 64, 64), 1),
    "dsprites": (737_280, (1, 64, 64), 1),
    "fashion_mnist": (70_000, (1, 28, 28), 4),
    "mnist": (70_000, (1, 28, 28), 4),
    "mpi3d": (1_036_800, (3, 64, 64), 1),
    "shapes3d": (480_000, (3, 64, 64), 1),
    "smallnorb": (48_600, (1, 64, 64), 6),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def idx(array):
    """The format of MNIST's files: two zeros, 8 for bytes, the number of axes, their lengths, the bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes(), 1, mtime=0)


@pytest.fixture(scope="module")
def digits():
    """Images and labels as MNIST has them, few of them not black, and the four files they lie in."""
    rng = np.random.default_rng(0)
    images, labels = np.zeros((70_000, 28, 28), np.uint8), rng.integers(0, 10, 70_000, np.uint8)
    images[::1000] = rng.integers(0, 256, (70, 28, 28), np.uint8)
    names = [file.name for file in OFFICIAL["mnist"]]
    contents = [idx(array) for part in (slice(60_000), slice(60_000, None)) for array in (images[part], labels[part])]
    return images, labels, dict(zip(names, contents, strict=True))


@pytest.fixture
def published(digits, monkeypatch):
    """These files, as if they were the official ones; at an address that does not answer."""
    files = tuple(
        OfficialFile(name, f"http://127.0.0.1:9/{name}", f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))
        for name, content in digits[2].items()
    )
    monkeypatch.setitem(OFFICIAL, "mnist", files)
    return digits


class TestWithoutAnyFile:
    def test_every_dataset_of_the_issue_is_there(self):
        assert {name for name in DATASETS if has_official(name)} == set(PUBLISHED)

    @pytest.mark.parametrize("name", PUBLISHED)
    def test_its_shape_and_length_are_known(self, name, no_network, cache):
        length, shape, files = PUBLISHED[name]
        found = described(name)
        assert (found.length, found.image_shape) == (length, shape)
        if "mnist" not in name:
            assert np.prod([size for _, size in found.factors]) == length
        assert len(missing_files(name)) == (files if name != "dsprites" else 0)
        assert not cache.exists()

    def test_a_path_that_is_not_there_yet_does_not_hinder_describing(self, no_network):
        assert described("shapes3d", path="/absent/3dshapes.h5").length == 480_000
        assert described("dsprites", path="/absent").length == 737_280
        assert described("dsprites", source="official").length == 737_280

    def test_a_variant_and_a_size_are_considered(self, no_network):
        assert described("mpi3d", variant="real") == described("mpi3d")
        assert described("mnist", size=64).image_shape == (1, 64, 64)
        with pytest.raises(UsageError, match="`variant` to be one of toy, realistic, real"):
            described("mpi3d", variant="reel")
        with pytest.raises(UsageError, match="`size`"):
            described("mnist", size=31)

    def test_what_is_missing_is_what_would_be_downloaded(self, cache):
        assert missing_files("mpi3d", variant="real") == list(OFFICIAL["mpi3d_real"])
        assert missing_files("mnist", path="/somewhere") == []
        assert missing_files("dsprites", source="official") == list(OFFICIAL["dsprites"])
        assert missing_files("dsprites", mirror="http://host/") == list(OFFICIAL["dsprites"])
        assert missing_files("array", path="/somewhere.npy") == []
        (cache / "mnist").mkdir(parents=True)
        (cache / "mnist" / OFFICIAL["mnist"][1].name).write_bytes(b"")
        assert missing_files("mnist") == [OFFICIAL["mnist"][k] for k in (0, 2, 3)]


def test_an_option_without_a_default_is_asked_for(monkeypatch):
    class Demanding(DATASETS["shapes"]):
        def __init__(self, side, **others):
            super().__init__(side)

    monkeypatch.setitem(DATASETS._members, "demanding", Demanding)
    with pytest.raises(UsageError, match="dataset 'demanding': expected option side, got none"):
        load_dataset("demanding")
    assert described("demanding", side=16).image_shape == (3, 16, 16)


class TestFromOfficialFiles:
    def test_they_are_downloaded_verified_and_read(self, published, cache):
        images, labels, contents = published
        with serving(contents) as server:
            dataset = load_dataset("mnist", mirror=f"{server.address}/mnist")
            assert sorted(p for p, _ in server.asked) == sorted(f"/mnist/{name}" for name in contents)
        assert len(dataset) == 70_000
        some = [0, 59_000, 60_000, 69_999]
        np.testing.assert_array_equal(dataset.images(some)[:, 0], images[some].astype(np.float32) / np.float32(255))
        np.testing.assert_array_equal(dataset.factors(some)[:, 0], labels[some])
        assert missing_files("mnist") == []

    def test_the_second_time_no_server_is_needed(self, published):
        with serving(published[2]) as server:
            fingerprint = load_dataset("mnist", mirror=server.address).fingerprint
        assert load_dataset("mnist").fingerprint == fingerprint
        assert load_dataset("mnist", size=32).image_shape == (1, 32, 32)

    def test_a_folder_of_ones_own_is_used_where_it_lies(self, published, tmp_path, cache):
        mine = tmp_path / "mine"
        mine.mkdir()
        for name, content in published[2].items():
            (mine / name).write_bytes(content)
        assert len(load_dataset("mnist", path=str(mine))) == 70_000
        assert sorted(p.name for p in mine.iterdir()) == sorted(published[2])
        assert not any((cache / "mnist" / name).exists() for name in published[2])
        (mine / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(UsageError, match=r"'mnist': .*without t10k-labels.*Leave `path` out to have .* downloaded"):
            load_dataset("mnist", path=mine)

    def test_a_damaged_file_of_ones_own_is_refused_before_it_is_read(self, published, tmp_path):
        for name, content in published[2].items():
            (tmp_path / name).write_bytes(content)
        (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"<!DOCTYPE html>")
        with pytest.raises(CorruptArtifact, match=r"t10k-images.*a web page saved under this name.*download it again"):
            load_dataset("mnist", path=tmp_path)

    def test_each_variant_has_its_file_and_its_folder(self, tmp_path, monkeypatch, cache):
        seen = []

        def read(paths, unpacked, progress):
            seen.append(([p.read_bytes() for p in paths], unpacked))
            raise CorruptArtifact("as far as this test goes")

        monkeypatch.setattr(mpi3d_reader, "read", read)
        for variant in ("toy", "real"):
            name, content = f"mpi3d_{variant}.npz", variant.encode()
            (tmp_path / name).write_bytes(content)
            file = OfficialFile(name, "http://127.0.0.1:9/", f"sha256:{hashlib.sha256(content).hexdigest()}")
            monkeypatch.setitem(OFFICIAL, f"mpi3d_{variant}", (file,))
        for options in ({}, {"variant": "real"}):
            with pytest.raises(CorruptArtifact, match="as far as"):
                load_dataset("mpi3d", mirror=tmp_path, **options)
        assert seen == [([v.encode()], cache / f"mpi3d_{v}" / "unpacked") for v in ("toy", "real")]

    def test_progress_is_passed_on(self, published):
        told = []

        class Loud(Progress):
            def stage(self, name, total):
                told.append(name)

        with serving(published[2]) as server:
            load_dataset("mnist", mirror=server.address, progress=Loud())
        for word in ("Downloading", "Verifying", "Reading mnist"):
            assert any(name.startswith(word) for name in told), told

    def test_fetching_without_reading(self, published, cache):
        with serving(published[2]) as server:
            paths = fetch_dataset("mnist", mirror=server.address)
        assert paths == [cache / "mnist" / name for name in published[2]]
        with pytest.raises(
            UsageError, match=r"'array' has no official files; those that have: cars3d, dsprites.*mpi3d"
        ):
            fetch_dataset("array", path="x")


class TestFromTheUsersFiles:
    def test_an_array_is_opened_by_its_path(self, tmp_path):
        images = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)
        np.save(tmp_path / "mine.npy", images)
        dataset = load_dataset("array", path=str(tmp_path / "mine.npy"))
        np.testing.assert_array_equal(dataset.images([6]), images[[6]].transpose(0, 3, 1, 2) / np.float32(255))
        found = described("array", path=tmp_path / "mine.npy")
        assert (found.image_shape, found.length, found.factors) == ((3, 16, 16), 7, ())

    def test_what_is_unpacked_goes_to_the_cache(self, tmp_path, cache):
        images = np.random.default_rng(0).integers(0, 256, (7, 16, 16), np.uint8)
        np.savez_compressed(tmp_path / "mine.npz", images=images)
        np.testing.assert_array_equal(
            load_dataset("array", path=tmp_path / "mine.npz").images([3])[0, 0] * 255, images[3]
        )
        assert any(p.is_file() for p in (cache / "array" / "unpacked").iterdir())

    def test_its_path_is_asked_for(self):
        with pytest.raises(UsageError, match=r"'array': expected `path`"):
            load_dataset("array")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dsprites", ("path", "mirror", "source")),
        ("shapes3d", ("path", "mirror")),
        ("mpi3d", ("path", "mirror", "variant")),
        ("mnist", ("path", "mirror", "size")),
        ("array", ("path", "key", "factors", "layout", "scale")),
    ],
)
def test_the_options_are_those_of_the_place_and_of_the_reader(name, options):
    assert dataset_options(name) == options


@pytest.mark.parametrize("function", [load_dataset, described, missing_files, fetch_dataset])
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dsprites", {"pth": "x"}, r"unknown option 'pth'; it takes: path, mirror, source\. Did you mean 'path'\?"),
        ("dsprites", {"official": None}, "unknown option 'official'; it takes: path"),
        ("dsprites", {"source": "drawn"}, "expected `source` to be one of made, official, got 'drawn'"),
        ("dsprites", {"source": "made", "path": "x"}, "`source` made needs no files, but `path` is given"),
        ("mpi3d", {"variant": "reel"}, r"Did you mean 'real'\?"),
        ("mpi3d", {"varient": "real"}, r"Did you mean 'variant'\?"),
        ("dsprite", {}, r"unknown dataset 'dsprite'; known: .*dsprites.*Did you mean 'dsprites'\?"),
    ],
)
def test_a_wrong_name_or_option_is_told_with_the_nearest(function, name, options, message):
    with pytest.raises(UsageError, match=message):
        function(name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dsprites", {"path": 3}, "expected `path` to be the path of a file or folder, got 3"),
        ("dsprites", {"path": "a\0b"}, "expected `path` to be the path"),
        ("mnist", {"mirror": 3}, "expected `mirror` to be an address or a folder, got 3"),
        ("mnist", {"mirror": "ftp://host/"}, "expected an http, https or file address, or a folder, got 'ftp://host/'"),
    ],
)
def test_a_place_of_a_wrong_kind_is_told(name, options, message):
    with pytest.raises(UsageError, match=message):
        load_dataset(name, **options)
