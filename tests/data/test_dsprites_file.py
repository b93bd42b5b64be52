"""The official dSprites file, in small."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vaescope.data.datasets.dsprites import DSprites
from vaescope.data.load import load_dataset
from vaescope.data.official import OFFICIAL, OfficialFile
from vaescope.data.readers import dsprites as reader
from vaescope.data.readers.dsprites import read_dsprites_file
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

SHAPE = (5_000, 64, 64)  # more than two pieces of 2,048
OFFICIAL_MD5 = "7da33b31b13a06f4b04a70402ce90c2e"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return Path.write_text, (self.sentinel, "executed")


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def images():
    return np.unpackbits(DSprites().packed(range(SHAPE[0]))).reshape(SHAPE)


@pytest.fixture(scope="module")
def module_sentinel(tmp_path_factory):
    return tmp_path_factory.mktemp("sentinel") / "sentinel"


@pytest.fixture
def sentinel(module_sentinel):
    module_sentinel.unlink(missing_ok=True)
    return module_sentinel


@pytest.fixture(scope="module")
def official_bytes(tmp_path_factory, images, module_sentinel):
    """A small file in the layout of the official one, with a trap where the pickle is."""
    factors = DSprites().factors(range(SHAPE[0]))
    members = {
        "metadata": npy(np.array({"title": Trap(module_sentinel)}, dtype=object)),
        "imgs": npy(images),
        "latents_classes": npy(factors),
        "latents_values": npy(factors.astype(float)),
    }
    return archive(tmp_path_factory.mktemp("official") / "dsprites.npz", members).read_bytes()


@pytest.fixture
def official(tmp_path, official_bytes):
    path = tmp_path / "dsprites.npz"
    path.write_bytes(official_bytes)
    return path


def test_the_official_file_gives_what_is_in_it(official):
    loaded = read_dsprites_file(official, md5(official), SHAPE)
    np.testing.assert_array_equal(loaded.packed, DSprites().packed(range(SHAPE[0])))
    assert loaded.md5 == md5(official)


def test_the_pickle_in_the_official_file_is_never_loaded(official, sentinel):
    read_dsprites_file(official, md5(official), SHAPE)
    assert not sentinel.exists()
    with zipfile.ZipFile(official) as file:
        np.lib.format.read_array(file.open("metadata.npy"), allow_pickle=True)
    assert sentinel.read_text() == "executed"  # the trap is one


def test_a_pickle_in_place_of_the_images_is_refused_unopened(tmp_path, sentinel):
    path = archive(tmp_path / "evil.npz", {"imgs": npy(np.array([Trap(sentinel)], dtype=object))})
    with pytest.raises(CorruptArtifact, match=r"uint8 of shape .*got: .*'descr': '\|O'"):
        read_dsprites_file(path, md5(path), SHAPE)
    path.write_bytes(pickle.dumps(Trap(sentinel)))
    with pytest.raises(CorruptArtifact, match="not a zip file"):
        read_dsprites_file(path, md5(path), SHAPE)
    assert not sentinel.exists()


def test_a_header_written_by_python_2_is_read(tmp_path, images):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (5000L, 64L, 64L), }"
    header += b" " * (117 - len(header)) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + images.tobytes()
    path = archive(tmp_path / "old.npz", {"imgs": content})
    np.testing.assert_array_equal(read_dsprites_file(path, md5(path), SHAPE).packed, DSprites().packed(range(SHAPE[0])))


@pytest.fixture
def small(official, monkeypatch):
    """The small file in the place of the official one."""
    read, file = reader.read_dsprites_file, OFFICIAL["dsprites"][0]
    monkeypatch.setattr(reader, "read_dsprites_file", lambda path: read(path, md5(path), SHAPE))
    monkeypatch.setitem(OFFICIAL, "dsprites", (OfficialFile(file.name, file.url, f"md5:{md5(official)}"),))
    return official


def test_load_dataset_takes_the_official_file_by_its_path(small):
    for path in (small, str(small)):
        dataset = load_dataset("dsprites", path=path)
        assert len(dataset) == SHAPE[0]
        assert dataset.fingerprint == f"dsprites-official-{md5(small)}"
        np.testing.assert_array_equal(dataset.images([4_999, 0]), DSprites().images([4_999, 0]))


def test_load_dataset_fetches_the_official_file_where_it_is_asked_for(small, tmp_path, cache):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    name = OFFICIAL["dsprites"][0].name
    (mirror / name).write_bytes(small.read_bytes())
    fingerprint = f"dsprites-official-{md5(small)}"
    assert load_dataset("dsprites", mirror=str(mirror)).fingerprint == fingerprint
    assert (cache / "dsprites" / name).exists()
    assert load_dataset("dsprites", source="official").fingerprint == fingerprint
    assert load_dataset("dsprites", path=mirror).fingerprint == fingerprint
    assert load_dataset("dsprites", source="made").fingerprint == "dsprites-made-1"


@pytest.mark.parametrize("options", [{}, {"path": None}])
def test_load_dataset_draws_the_images_where_no_file_is_given(options):
    dataset = load_dataset("dsprites", **options)
    assert dataset.fingerprint == "dsprites-made-1"
    assert len(dataset) == 737_280


@pytest.mark.parametrize("place", [0, 0.25, 0.5, 0.75, 0.999])
def test_one_flipped_bit_anywhere_is_noticed(official, place):
    right = md5(official)
    content = bytearray(official.read_bytes())
    content[int(place * len(content))] ^= 1
    official.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=f"expected MD5 {right}, got {md5(official)}.*download it again"):
        read_dsprites_file(official, right, SHAPE)


def test_a_flipped_bit_is_noticed_by_the_archive_too(official):
    content = bytearray(official.read_bytes())
    content[len(content) // 2] ^= 1
    official.write_bytes(content)
    with pytest.raises(CorruptArtifact, match="Download it again"):
        read_dsprites_file(official, md5(official), SHAPE)


@pytest.mark.parametrize("kept", [0, 1, 3, 100, 5_000, 0.5, 0.9, 0.9999])
def test_a_file_cut_short_is_refused(official, kept):
    content, right = official.read_bytes(), md5(official)
    official.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(CorruptArtifact, match="expected MD5"):
        read_dsprites_file(official, right, SHAPE)
    with pytest.raises(CorruptArtifact, match="not a zip file"):
        read_dsprites_file(official, md5(official), SHAPE)


@pytest.mark.parametrize("page", ["<!DOCTYPE html><title>404</title>", "\n  <html>rate limit</html>", "\ufeff<html/>"])
def test_a_web_page_saved_as_the_file_is_called_one(tmp_path, page):
    path = tmp_path / "dsprites.npz"
    path.write_text(page, encoding="utf-8")
    with pytest.raises(CorruptArtifact, match=f"expected MD5 {OFFICIAL_MD5}.*is a web page saved under this name"):
        load_dataset("dsprites", path=path)


def short(images):
    return npy(images)[:-1]


def long(images):
    return npy(images) + b"\0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda images: npy(images[:-1]), r"uint8 of shape \(5000, 64, 64\), got: .*\(4999, 64, 64\)"),
        (lambda images: npy(images.reshape(-1, 32, 128)), r"got: .*\(5000, 32, 128\)"),
        (lambda images: npy(images.astype(np.float32)), r"got: .*'descr': '<f4'"),
        (lambda images: npy(images.astype(bool)), r"got: .*'descr': '\|b1'"),
        (lambda images: npy(np.asfortranarray(images)), "'fortran_order': True"),
        (lambda images: npy(images * 255), "expected pixels 0 and 1, got 255 in image 0"),
        (short, "ends after 20,479,999 of 20,480,000 pixels"),
        (long, "goes on after 20,480,000 pixels"),
        (lambda images: b"", "got: a beginning of b''"),
        (lambda images: b"not an array at all", "a beginning of b'not an a'"),
        (lambda images: b"\x93NUMPY\x03\x00" + npy(images)[8:], r"a beginning of b'\\x93NUMPY\\x03\\x00'"),
        (lambda images: b"\x93NUMPY\x01\x00\x08\x00__import", "header '__import'"),
        (lambda images: b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535, r"header '\({100}'"),
    ],
)
def test_anything_but_the_expected_array_is_refused(tmp_path, images, content, message):
    path = archive(tmp_path / "wrong.npz", {"imgs": content(images)})
    with pytest.raises(CorruptArtifact, match=message):
        read_dsprites_file(path, md5(path), SHAPE)


def test_an_archive_without_images_is_refused(tmp_path):
    path = archive(tmp_path / "other.npz", {"latents": npy(np.zeros(3))})
    with pytest.raises(CorruptArtifact, match=r"no item named 'imgs\.npy'"):
        read_dsprites_file(path, md5(path), SHAPE)


def test_headers_of_random_bytes_are_refused_as_corrupt(tmp_path, images):
    rng = np.random.default_rng(0)
    whole = bytearray(npy(images[:1]))
    for _ in range(300):
        content = whole.copy()
        for place in rng.integers(0, 128, 3):
            content[place] = rng.integers(256)
        path = archive(tmp_path / "fuzzed.npz", {"imgs": bytes(content)})
        with pytest.raises(CorruptArtifact):
            read_dsprites_file(path, md5(path), SHAPE)


def test_a_missing_file_or_a_folder_is_told_with_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.npz: .*no such file\. Leave `path` out to draw .*https://"):
        load_dataset("dsprites", path=tmp_path / "absent.npz")
    with pytest.raises(UsageError, match="got a folder"):
        load_dataset("dsprites", path=tmp_path)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (PermissionError(13, "Permission denied"), "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
        (MemoryError(), "expected 377,487,360 bytes of free memory"),
    ],
)
def test_what_the_machine_cannot_do_is_a_resource_error(tmp_path, monkeypatch, failure, message):
    path = tmp_path / "dsprites.npz"
    path.write_bytes(b"x")

    def fail(*_):
        raise failure

    monkeypatch.setattr(reader, "_verify", fail)
    with pytest.raises(ResourceError, match=message):
        read_dsprites_file(path)
