import gzip
import io
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from tests.data.official_files import Imagined, Recorder, car, car_members, mat, member, tar

from vaescope.data.datasets.cars3d import Cars3D
from vaescope.data.readers import cars3d
from vaescope.data.readers.cars3d import read_car, read_grid
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress

SIZES = (2, 3, 4)  # elevations, azimuths, cars
STORED = (128, 128, 3, 3, 2)


@pytest.fixture(scope="module")
def members():
    return car_members(SIZES)


@pytest.fixture
def archive(tmp_path, members):
    return tar(tmp_path / "nips2015-analogy-data.tar.gz", members)


def refused(path, folder, message, sizes=SIZES):
    with pytest.raises(CorruptArtifact, match=message) as told:
        read_grid([path], folder / "unpacked", Progress(), sizes)
    assert str(told.value).startswith(f"{path}: expected Cars3D's .tar.gz with {sizes[-1]} files car_*_mesh.mat, got: ")
    assert not list((folder / "unpacked").glob("*.npy"))


def test_each_image_lies_where_elevation_azimuth_and_car_put_it(archive, tmp_path):
    told = Recorder()
    found = read_grid([archive], tmp_path / "u", told, SIZES)
    images = found["pixels"].take(np.arange(24))
    for place, number in enumerate((1, 4, 7, 10)):  # by name, though the archive has them the other way round
        stored = car(number, SIZES)
        for elevation in range(2):
            for azimuth in range(3):
                picture = Image.fromarray(np.ascontiguousarray(stored[..., azimuth, elevation]))
                picture.thumbnail((64, 64), Image.Resampling.LANCZOS)  # the authors' own way
                index = (elevation * 3 + azimuth) * 4 + place
                np.testing.assert_array_equal(images[index], np.array(picture))
    assert told.stages == [("Checksum of nips2015-analogy-data.tar.gz", 1), ("Unpacking cars3d", 24)]
    assert told.done == [1, 24]


@pytest.mark.parametrize("compressed", [True, False])
def test_variables_are_read_zipped_or_not(compressed):
    image = car(0, SIZES)
    found = read_car(mat(image, do_compression=compressed), "car", STORED)
    np.testing.assert_array_equal(found[1, 2], image[..., 2, 1])


def test_files_of_matlab_4_are_refused():
    file = io.BytesIO()
    savemat(file, {"im": np.zeros((128, 128), np.uint8)}, format="4")
    with pytest.raises(ValueError, match="car: no MATLAB 5 file"):
        read_car(file.getvalue(), "car", STORED)


def test_an_archive_that_is_not_zipped_is_read_too(archive, tmp_path, members):
    plain = tar(tmp_path / "data.tar", members, zipped=False)
    first = read_grid([archive], tmp_path / "a", Progress(), SIZES)
    second = read_grid([plain], tmp_path / "b", Progress(), SIZES)
    np.testing.assert_array_equal(first["pixels"].take(np.arange(24)), second["pixels"].take(np.arange(24)))


def test_archives_as_tar_itself_writes_them_are_read(tmp_path, members):
    for number, style in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        path = tmp_path / f"{number}.tar.gz"
        with tarfile.open(path, "w:gz", format=style, compresslevel=1) as file:
            for info, content in members:
                file.addfile(info, io.BytesIO(content))
        assert read_grid([path], tmp_path / "u", Progress(), SIZES)["pixels"].shape == (24, 64, 64, 3)


def test_it_is_unpacked_once_and_anew_for_another_archive(archive, tmp_path):
    first = read_grid([archive], tmp_path / "u", Progress(), SIZES)
    told = Recorder()
    assert read_grid([archive], tmp_path / "u", told, SIZES)["fingerprint"] == first["fingerprint"]
    assert told.stages == []
    tar(archive, car_members(SIZES, [2, 3, 5, 8]))
    other = read_grid([archive], tmp_path / "u", Progress(), SIZES)
    assert other["fingerprint"] != first["fingerprint"]
    assert (other["pixels"].take([0]) != first["pixels"].take([0])).any()


def test_the_dataset_knows_its_index_and_factors():
    dataset = Cars3D(Imagined((17_568, 64, 64, 3)), "made-up")
    assert (len(dataset), dataset.image_shape) == (Cars3D.COUNT, Cars3D.SHAPE) == (17_568, (3, 64, 64))
    assert dataset.factor_names == ("elevation", "azimuth", "object")
    assert dataset.factor_sizes == (4, 24, 183)
    assert dataset.factor_values[1] == tuple(15 * k for k in range(24))
    index = (3 * 24 + 5) * 183 + 100
    assert dataset.factors([index]).tolist() == [[3, 5, 100]]
    assert Imagined.index_of(dataset.images([index])[0]) == index
    with pytest.raises(UsageError, match=r"expected uint8 images \(17568, 64, 64, 3\), got uint8 \(17600, 64, 64, 3\)"):
        Cars3D(Imagined((17_600, 64, 64, 3)), "x")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (member("../../evil", b"x"), r"member '\.\./\.\./evil', which leads out"),
        (member("data/cars/../../../car_099_mesh.mat", b"x"), "leads out of the archive"),
        (member("/etc/cron.d/evil", b"x"), "member '/etc/cron.d/evil', which leads out"),
        (
            member("data/cars/car_099_mesh.mat", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "is a link or not a plain file",
        ),
        (member("data/cars/car_099_mesh.mat", type=tarfile.LNKTYPE, linkname="data/cars/list.txt"), "is a link"),
        (member("data/cars/car_099_mesh.mat", type=tarfile.FIFOTYPE), "not a plain file"),
        (member("data/cars/car_099_mesh.mat", type=tarfile.CHRTYPE), "not a plain file"),
        (member("data/cars/car_099_mesh.mat", type=tarfile.DIRTYPE), "not a plain file"),
        (member("data/cars/car_099_mesh.mat", b"x", size=65 << 20), "of 68,157,440 bytes"),
        (member("data/cars/car_099_mesh.mat", b"x", size=8**11 - 1), "of 8,589,934,591 bytes"),
        (member("data/other", b"x", size=2**40), r"an archive of more than"),
        (member("data/other", b"x", size=2**62), r"an archive of more than"),
        (member("././@LongLink", b"x", type=tarfile.GNUTYPE_LONGNAME, size=2**33), "a record of 8,589,934,592 bytes"),
        (member("header", b"x", type=tarfile.XHDTYPE, size=2**33), "a record of"),
        (member("data/cars/car_099_mesh.mat", b""), "5 of them, 5 different"),
        (member("more/car_001_mesh.mat", b""), "5 of them, 4 different"),
    ],
    ids=lambda value: value[0].name[:12] if isinstance(value, tuple) else value[:20],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_hostile_member_is_refused_and_nothing_is_written(tmp_path, members, extra, message, first):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    path = tar(inner / "evil.tar.gz", [extra, *members] if first else [*members, extra])
    refused(path, inner, message)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {name for name in left if ".lock" not in name and "checksum" not in name} == {"a/b/evil.tar.gz"}


def test_links_that_are_no_cars_are_passed_over(tmp_path, members):
    link = member("data/sprites/link.mat", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    path = tar(tmp_path / "a.tar.gz", [*members, link])
    assert read_grid([path], tmp_path / "u", Progress(), SIZES)["pixels"].shape == (24, 64, 64, 3)


def test_an_archive_that_unzips_to_too_much_is_refused(tmp_path, members, monkeypatch):
    monkeypatch.setattr(cars3d, "_WHOLE", 3_000_000)
    bomb = [member(f"data/{k}", b"\0" * 100_000) for k in range(50)]
    refused(tar(tmp_path / "bomb.tar.gz", [*members, *bomb]), tmp_path, "an archive of more than 3,")


def test_zeros_without_end_after_the_archive_are_refused(tmp_path, members, monkeypatch):
    monkeypatch.setattr(cars3d, "_WHOLE", 3_000_000)
    path = tar(tmp_path / "bomb.tar.gz", members)
    with path.open("ab") as file:
        file.write(gzip.compress(b"\0" * 10_000_000, 1))
    refused(path, tmp_path, "an archive of more than")


def flipped(content):
    content = bytearray(content)
    content[len(content) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[: len(c) // 2], "got: "),
        (lambda c: c[:-4], "got: "),
        (lambda c: c[:1], "got: "),
        (lambda c: b"", "got: "),
        (flipped, "got: "),
        (lambda c: c[:-8] + b"\0\0\0\0" + c[-4:], "CRC"),
        (lambda c: b"<html>gone</html>", "a web page saved under this name"),
        (lambda c: gzip.compress(b"no archive" * 1000), "got: "),
        (lambda c: gzip.compress(b""), "got: "),
        (lambda c: c + b"trailing", "Not a gzipped file"),
    ],
)
def test_a_damaged_archive_is_refused(archive, tmp_path, change, message):
    archive.write_bytes(change(archive.read_bytes()))
    refused(archive, tmp_path, message)


def large_claim(content):
    """The compressed element says it has 3 GB."""
    inner = bytearray(zlib.decompress(content[136:]))
    struct.pack_into("<I", inner, len(inner) - 4 - 294_912, 3_000_000_000)
    packed = zlib.compress(bytes(inner))
    return content[:128] + struct.pack("<II", 15, len(packed)) + packed


def longer(content):
    """The zipped element goes on after the variable."""
    packed = zlib.compress(zlib.decompress(content[136:]) + b"\0" * 5_000)
    return content[:128] + struct.pack("<II", 15, len(packed)) + packed


def first_variable(content):
    """A file of `im` alone."""
    return content[: 136 + struct.unpack("<I", content[132:136])[0]]


IMAGE = np.zeros(STORED, np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MATLAB 5.0 MAT-file",
        b"\0" * 1000,
        b"\xff" * 1000,
        mat(np.zeros((128, 128, 3, 2, 3), np.uint8)),
        mat(IMAGE.astype(np.float64)),
        mat(IMAGE.astype(np.int8)),
        mat(IMAGE > 0),
        mat({"cell": 1}),
        mat(np.array([IMAGE[..., 0], 1], dtype=object)),
        mat(IMAGE)[:500],
        mat(IMAGE, do_compression=False)[:-100],
        b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n",
        large_claim(first_variable(mat(IMAGE))),
        longer(first_variable(mat(IMAGE))),
        first_variable(mat(IMAGE)) + mat(IMAGE)[128:],
    ],
    ids=range(16),
)
def test_a_car_that_is_no_such_array_is_refused(tmp_path, members, content):
    damaged = [*members[:3], member("data/cars/car_001_mesh.mat", content), *members[3:6]]
    refused(tar(tmp_path / "a.tar.gz", damaged), tmp_path, r"car_001_mesh\.mat: ")


@pytest.mark.parametrize("compressed", [True, False])
def test_random_damage_gives_an_error_or_an_array_never_anything_else(compressed):
    shape = (8, 8, 3, 2, 2)
    whole = mat(np.random.default_rng(0).integers(0, 256, shape, np.uint8), do_compression=compressed)
    rng = np.random.default_rng(1)
    refusals = 0
    for _ in range(1_000):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(content), 300), rng.integers(1, 4)):
            content[place] = rng.integers(256)
        try:
            found = read_car(bytes(content), "car", shape)
        except ValueError:
            refusals += 1
        else:
            assert found.shape == (2, 2, 8, 8, 3)
            assert found.dtype == np.uint8
    assert refusals > 100


def test_a_missing_file_and_too_many_are_told(tmp_path, archive):
    with pytest.raises(UsageError, match=r"no such file\. `vaescope data fetch` downloads it"):
        read_grid([tmp_path / "absent.tar.gz"], tmp_path, Progress(), SIZES)
    with pytest.raises(UsageError, match="got a folder"):
        read_grid([tmp_path], tmp_path, Progress(), SIZES)
    with pytest.raises(UsageError, match="cars3d: expected one file, got 2"):
        read_grid([archive, archive], tmp_path, Progress(), SIZES)
