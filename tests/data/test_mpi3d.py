import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.data.official_files import Imagined, Recorder, npy, npz

from vaescope.data.datasets.mpi3d import MPI3D
from vaescope.data.readers import mpi3d
from vaescope.data.readers.mpi3d import read_grid
from vaescope.errors import CorruptArtifact, Interrupted, UsageError
from vaescope.progress import Progress

SIZES = (1, 1, 1, 1, 1, 7, 20)  # what the animations of the authors show
COUNT = 140
SHAPE = (COUNT, 64, 64, 3)


@pytest.fixture(scope="module")
def tiles(shared_data):
    """Real images of the three variants."""
    with np.load(shared_data / "mpi3d" / "mpi3d_gif_tiles.npz") as file:
        return {name: file[name].reshape(SHAPE) for name in ("mpi3d_toy1", "mpi3d_realistic1", "mpi3d_real1")}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)


def refused(path, message):
    with pytest.raises(CorruptArtifact, match=message) as told:
        read_grid([path], path.parent / "u", Progress(), SIZES)
    assert str(told.value).startswith(f"{path}: expected an .npz with the array `images`, uint8 {SHAPE}, got: ")
    assert not list((path.parent / "u").glob("*.npy"))


@pytest.mark.parametrize("variant", ["toy", "realistic", "real"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_real_images_of_each_variant_come_out_as_they_went_in(tmp_path, tiles, variant, compression):
    real = tiles[f"mpi3d_{variant}1"]
    told = Recorder()
    found = read_grid([npz(tmp_path / "a.npz", {"images": npy(real)}, compression)], tmp_path / "u", told, SIZES)
    np.testing.assert_array_equal(found["pixels"].take(np.arange(COUNT)[::-1]), real[::-1])
    assert (told.stages[-1], told.done[-1]) == (("Unpacking mpi3d", COUNT), COUNT)


def test_a_header_written_by_python_2_and_one_of_all_factors_are_read(tmp_path, images):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (140L, 64L, 64L, 3L), }"
    header += b" " * (117 - len(header)) + b"\n"
    old = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + images.tobytes()
    for content in (old, npy(images.reshape(*SIZES, 64, 64, 3))):
        path = npz(tmp_path / "a.npz", {"images": content})
        found = read_grid([path], tmp_path / "u", Progress(), SIZES)
        np.testing.assert_array_equal(found["pixels"].take(np.arange(COUNT)), images)


def test_memory_does_not_grow_with_the_file(tmp_path):
    sizes = (6, 6, 2, 3, 3, 4, 3)  # 7,776 images: 96 MB
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file, file.open("images.npy", "w") as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (7_776, 64, 64, 3)})
        for first in range(0, 7_776, 486):
            out.write(np.full((486, 64, 64, 3), first % 251, np.uint8).tobytes())
    tracemalloc.start()
    found = read_grid([path], tmp_path / "u", Progress(), sizes)
    pixels = found["pixels"].take([0, 486, 7_775])[:, 5, 5, 1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pixels.tolist() == [0, 486 % 251, 7_290 % 251]
    assert peak < 48 << 20


def test_the_dataset_knows_its_index_and_factors():
    dataset = MPI3D(Imagined((1_036_800, 64, 64, 3)), "made-up")
    assert (len(dataset), dataset.image_shape) == (MPI3D.COUNT, MPI3D.SHAPE) == (1_036_800, (3, 64, 64))
    assert dataset.factor_names[0] == "object_color"
    assert dataset.factor_names[-2:] == ("horizontal_axis", "vertical_axis")
    assert dataset.factor_sizes == (6, 6, 2, 3, 3, 40, 40)
    index = 5 * 172_800 + 4 * 28_800 + 1 * 14_400 + 2 * 4_800 + 1 * 1_600 + 39 * 40 + 7
    assert dataset.factors([index]).tolist() == [[5, 4, 1, 2, 1, 39, 7]]
    assert Imagined.index_of(dataset.images([index])[0]) == index
    with pytest.raises(UsageError, match=r"expected uint8 images \(1036800, 64, 64, 3\), got uint8 \(460800"):
        MPI3D(Imagined((460_800, 64, 64, 3)), "x")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return Path.write_text, (self.place, "executed")


def test_pickled_objects_are_refused_unopened(tmp_path):
    trap = np.empty(SHAPE[0] * 1536, dtype=object)  # as many bytes as the images would have
    trap[:] = 0
    trap[0] = Trap(tmp_path / "sentinel")
    content = npy(trap, allow_pickle=True)
    refused(npz(tmp_path / "short.npz", {"images": content}), "an array of about")
    padded = content + b"\0" * (128 + int(np.prod(SHAPE)) - len(content))
    refused(npz(tmp_path / "padded.npz", {"images": padded}), r"header \"\{'descr': '\|O'")
    assert not (tmp_path / "sentinel").exists()


def lying(header):
    """Images under a header of their own."""
    text = header.ljust(117).encode() + b"\n"
    return lambda images: b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + images.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda images: npy(images[1:]), "an array of about 1,708,160 bytes"),
        (lambda images: npy(images.view(np.int8)), r"'descr': '\|i1'"),
        (lambda images: npy(images > 0), r"'descr': '\|b1'"),
        (lambda images: npy(images.astype(np.float32)), "an array of about 6,881,408 bytes"),
        (lambda images: npy(np.asfortranarray(images)), "'fortran_order': True"),
        (lambda images: npy(images.reshape(COUNT, 3, 64, 64)), r"\(140, 3, 64, 64\)"),
        (lambda images: npy(images) + b"\0", "more bytes than its header says"),
        (lambda images: npy(images)[:-64], "an array of about|the end of the file"),
        (lambda images: b"", "an array of about 0 bytes"),
        (lambda images: b"\x93NUMPY\x02\x00" + npy(images)[8:], "no .npy of format 1.0"),
        (lying("__import__('os').system('id')"), 'header "__import__'),
        (lying("{'descr': '|u1', 'fortran_order': False, 'shape': (140, 64, 64, 99999999999999999999), }"), "header"),
        (lying("{'descr': '|u1', 'fortran_order': False, 'shape': (140000000, 64, 64, 3), }"), "140000000"),
        (lying("{'descr': '|u1', 'fortran_order': False, 'shape': (), }"), "header"),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_anything_but_the_expected_array_is_refused(tmp_path, images, content, message, compression):
    refused(npz(tmp_path / "a.npz", {"images": content(images)}, compression), message)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path, compression):
    content = npy(np.zeros(SHAPE, np.uint8))
    refused(npz(tmp_path / "a.npz", {"images": content}, compression), "compression of kind")


def test_another_archive_is_refused(tmp_path):
    refused(npz(tmp_path / "a.npz", {"labels": npy(np.zeros(3))}), r"no item named 'images\.npy'")


def test_sizes_that_lie_are_refused(tmp_path, images):
    """What the archive's directory says of a member, and what is there."""
    path = npz(tmp_path / "a.npz", {"images": npy(images[:70])})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    assert struct.unpack_from("<I", content, entry + 24)[0] == 128 + 70 * 12_288
    for claim, message in ((128 + COUNT * 12_288, "got: "), (2**32 - 2, "an array of about 4,294,967,294 bytes")):
        struct.pack_into("<I", content, entry + 24, claim)
        path.write_bytes(content)
        refused(path, message)


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_file_cut_short_is_refused(tmp_path, images, kept):
    path = npz(tmp_path / "a.npz", {"images": npy(images)})
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    refused(path, "got: File is not a zip file")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_flipped_bit_is_noticed(tmp_path, images, compression):
    path = npz(tmp_path / "a.npz", {"images": npy(images)}, compression)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(path, "Bad CRC-32|invalid|Error -3|the end of the file|more bytes")


@pytest.mark.parametrize("page", [b"<!DOCTYPE html>", b"<?xml version='1.0'?><Error>UserProjectAccountProblem</Error>"])
def test_a_web_page_is_called_one(tmp_path, page):
    path = tmp_path / "mpi3d_toy.npz"
    path.write_bytes(page)
    refused(path, "a web page saved under this name")


def test_an_interrupted_one_is_made_again(tmp_path, images, monkeypatch):
    monkeypatch.setattr(mpi3d, "_PIECE", 50)
    path = npz(tmp_path / "a.npz", {"images": npy(images)})
    told = Recorder(stop_after=3, stop=Interrupted)  # two pieces of the checksum, two of the images
    with pytest.raises(Interrupted):
        read_grid([path], tmp_path / "u", told, SIZES)
    assert 0 < told.done[-1] < COUNT
    assert not [p for p in (tmp_path / "u").iterdir() if "npy" in p.name and p.suffix != ".lock"]
    found = read_grid([path], tmp_path / "u", Progress(), SIZES)
    np.testing.assert_array_equal(found["pixels"].take([0, 139]), images[[0, 139]])
