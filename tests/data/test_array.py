import json
import os
import subprocess
import sys
import zipfile
from io import BytesIO

import h5py
import numpy as np
import pytest
import zarr

from vaescope.data import archive
from vaescope.data.datasets.array import Array
from vaescope.data.load import load_dataset
from vaescope.data.readers.array import read
from vaescope.errors import CorruptArtifact, Interrupted, ResourceError, UsageError
from vaescope.progress import Progress

IMAGES = np.random.default_rng(0).integers(0, 256, (500, 20, 16, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(3, 9, 500)
PICK = [499, 0, 17, 18, 19, 0]
EXPECTED = (IMAGES[PICK] / np.float32(255)).transpose(0, 3, 1, 2)
FORMATS = [".npy", "stored.npz", "deflated.npz", ".h5", ".hdf5", ".zarr", "plain.zarr", "old.zarr"]


class Heard(Progress):
    """Notes what it is told."""

    def __init__(self, stop_after=10**18):
        self.stages, self.done, self.stop_after = [], 0, stop_after

    def stage(self, name, total):
        self.stages.append((name, total))

    def advance(self, count=1, note=""):
        self.done += count

    def check(self):
        if self.done >= self.stop_after:
            raise Interrupted


def written(folder, kind, arrays):
    """A file or folder with these arrays; the first of them alone where there is room for one."""
    path = folder / f"mine{kind}"
    first = next(iter(arrays.values()))
    if kind == ".npy":
        np.save(path, first)
    elif kind.endswith(".npz"):
        (np.savez if kind.startswith("stored") else np.savez_compressed)(path, **arrays)
    elif kind in (".h5", ".hdf5"):
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file.create_dataset(key, data=array, chunks=True, compression="gzip")
    elif kind == "plain.zarr":
        zarr.create_array(str(path), data=first, chunks=(7, *first.shape[1:]))
    else:
        group = zarr.open_group(str(path), mode="w", zarr_format=2 if kind.startswith("old") else 3)
        for key, array in arrays.items():
            group.create_array(key, data=array, chunks=(7, *array.shape[1:]))
    return path


def opened(path, folder, **options):
    return Array(**read([path], folder / "unpacked", Progress(), **options))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_its_images_by_index(tmp_path, kind):
    mine = opened(written(tmp_path, kind, {"pictures": IMAGES}), tmp_path)
    assert (len(mine), mine.image_shape, mine.factor_names) == (500, (3, 20, 16), ())
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    assert mine.images([]).shape == (0, 3, 20, 16)
    with pytest.raises(IndexError):
        mine.images([500])


@pytest.mark.parametrize("kind", [k for k in FORMATS if k not in (".npy", "plain.zarr")])
def test_factors_lie_beside_the_images_and_the_images_are_found_by_their_axes(tmp_path, kind):
    table = np.stack([LABELS, LABELS * 0.5 - 1], axis=1)
    path = written(tmp_path, kind, {"labels": LABELS, "latents": table, "pictures": IMAGES})
    mine = opened(path, tmp_path, factors="labels")
    assert (mine.factor_names, mine.factor_sizes) == (("labels",), (6,))
    assert mine.factor_values == ((3.0, 4.0, 5.0, 6.0, 7.0, 8.0),)
    np.testing.assert_array_equal(mine.factors(PICK)[:, 0], LABELS[PICK] - 3)
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    both = opened(path, tmp_path, factors="latents")
    assert both.factor_names == ("latents_1", "latents_2")
    assert both.factor_values[1] == (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def test_factors_of_an_npy_lie_in_another_npy(tmp_path):
    path = written(tmp_path, ".npy", {"": IMAGES})
    np.save(tmp_path / "labels.npy", LABELS)
    for name in ("labels.npy", str(tmp_path / "labels.npy")):
        mine = opened(path, tmp_path, factors=name)
        assert mine.factor_names == ("labels",)
        np.testing.assert_array_equal(mine.factors(PICK)[:, 0], LABELS[PICK] - 3)
    with pytest.raises(UsageError, match=r"the path of an \.npy beside it, got 'labels'"):
        opened(path, tmp_path, factors="labels")


@pytest.mark.parametrize("kind", ["stored.npz", ".h5", ".zarr"])
def test_which_array_is_the_images_is_guessed_or_asked(tmp_path, kind):
    other = np.zeros((500, 16, 16), np.float32)
    usual = written(tmp_path, kind, {"masks": other, "imgs": IMAGES, "labels": LABELS})
    np.testing.assert_array_equal(opened(usual, tmp_path).images(PICK), EXPECTED)
    assert opened(usual, tmp_path, key="masks").image_shape == (1, 16, 16)
    with pytest.raises(UsageError, match=r"imgs \(500, 20, 16, 3\).*got 'img'\. Did you mean 'imgs'\?"):
        opened(usual, tmp_path, key="img")
    (tmp_path / "two").mkdir()
    unusual = written(tmp_path / "two", kind, {"a": other, "b": IMAGES})
    with pytest.raises(UsageError, match=r"which of its arrays .*a \(500, 16, 16\).*Give `key`"):
        opened(unusual, tmp_path)
    with pytest.raises(UsageError, match=r"expected factors \(500,\) or \(500, f\), got \(500, 20, 16, 3\)"):
        opened(unusual, tmp_path, key="a", factors="b")


@pytest.mark.parametrize("kind", [".h5", ".zarr"])
def test_arrays_in_groups_are_found(tmp_path, kind):
    path = tmp_path / f"mine{kind}"
    if kind == ".h5":
        with h5py.File(path, "w") as file:
            file["train/x"] = IMAGES
            file["test/y"] = IMAGES
    else:
        zarr.open_group(str(path), mode="w").create_array("train/x", data=IMAGES)
    np.testing.assert_array_equal(opened(path, tmp_path).images(PICK), EXPECTED)
    np.testing.assert_array_equal(opened(path, tmp_path, key="train/x").images(PICK), EXPECTED)


def test_compressed_arrays_are_unpacked_once_with_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PIECE", 100_000)
    path = written(tmp_path, "deflated.npz", {"images": IMAGES})
    heard = Heard()
    read([path], tmp_path / "unpacked", heard)
    size = IMAGES.nbytes + 128
    assert (heard.stages, heard.done) == ([("unpack images.npy", size)], size)
    again = Heard()
    kept = Array(**read([path], tmp_path / "unpacked", again))
    assert again.stages == []
    [file] = (tmp_path / "unpacked").iterdir()
    np.testing.assert_array_equal(np.load(file), IMAGES)
    np.testing.assert_array_equal(kept.images(PICK), EXPECTED)


def test_an_array_that_changes_is_unpacked_anew(tmp_path):
    path = written(tmp_path, "deflated.npz", {"images": IMAGES})
    first = opened(path, tmp_path)
    np.savez_compressed(path, images=255 - IMAGES)
    second = opened(path, tmp_path)
    np.testing.assert_array_equal(second.images(PICK), ((255 - IMAGES[PICK]) / np.float32(255)).transpose(0, 3, 1, 2))
    assert first.fingerprint != second.fingerprint


def test_stored_arrays_are_not_unpacked(tmp_path):
    opened(written(tmp_path, "stored.npz", {"images": IMAGES}), tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_unpacking_that_is_stopped_leaves_nothing_and_begins_again(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PIECE", 100_000)
    path = written(tmp_path, "deflated.npz", {"images": IMAGES})
    with pytest.raises(Interrupted):
        read([path], tmp_path / "unpacked", Heard(stop_after=200_000))
    assert list((tmp_path / "unpacked").iterdir()) == []
    np.testing.assert_array_equal(opened(path, tmp_path).images(PICK), EXPECTED)


def test_a_full_disk_while_unpacking_leaves_nothing(tmp_path, monkeypatch):
    path = written(tmp_path, "deflated.npz", {"images": IMAGES})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(ResourceError, match=r"No space left on device\. 480,128 bytes of free disk are needed"):
        opened(path, tmp_path)
    assert list((tmp_path / "unpacked").iterdir()) == []


@pytest.mark.parametrize("kind", ["deflated.npz", ".h5"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_files_cut_short_are_refused(tmp_path, kind, kept):
    path = written(tmp_path, kind, {"images": IMAGES})
    size = path.stat().st_size
    os.truncate(path, kept if isinstance(kept, int) else int(kept * size))
    with pytest.raises(CorruptArtifact, match=str(path)):
        opened(path, tmp_path)


def test_a_flipped_bit_in_what_is_unpacked_is_noticed(tmp_path):
    path = written(tmp_path, "deflated.npz", {"images": IMAGES})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"images\.npy is damaged"):
        opened(path, tmp_path)
    assert list((tmp_path / "unpacked").iterdir()) == []


@pytest.mark.parametrize("kind", [".npy", "stored.npz", ".h5", ".zarr"])
def test_a_web_page_under_the_name_is_refused(tmp_path, kind):
    path = tmp_path / f"mine{kind}"
    path.write_text("<!DOCTYPE html><title>404</title>")
    with pytest.raises(CorruptArtifact, match="expected"):
        opened(path, tmp_path)


@pytest.mark.parametrize("kind", [".h5", ".zarr"])
def test_a_damaged_chunk_is_told_where_it_is_read(tmp_path, kind):
    path = written(tmp_path, kind, {"images": IMAGES})
    mine = opened(path, tmp_path)
    if kind == ".h5":
        with h5py.File(path) as file:
            chunk = file["images"].id.get_chunk_info(0)
        mine = opened(path, tmp_path)
        with path.open("r+b") as file:
            file.seek(chunk.byte_offset)
            file.write(bytes(chunk.size))
    else:
        (path / "images/c/0/0/0/0").write_bytes(b"no chunk")
    with pytest.raises(CorruptArtifact, match="images cannot be read"):
        mine.images([0])


def test_python_objects_are_never_unpickled(tmp_path):
    content = BytesIO()
    np.lib.format.write_array(content, np.array([{}], object), allow_pickle=True)
    for name in ("metadata", "images"):
        with zipfile.ZipFile(tmp_path / "mine.npz", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{name}.npy", content.getvalue())
            file.writestr("pictures.npy", (tmp_path / "p.npy").read_bytes() if (tmp_path / "p.npy").exists() else b"")
        np.save(tmp_path / "p.npy", IMAGES)
    np.testing.assert_array_equal(opened(tmp_path / "mine.npz", tmp_path).images(PICK), EXPECTED)  # passed over
    with pytest.raises(UsageError, match="expected one of its arrays"):
        opened(tmp_path / "mine.npz", tmp_path, key="images")


@pytest.mark.parametrize("kind", FORMATS)
def test_integers_that_are_all_0_or_1_need_to_be_told_what_is_white(tmp_path, kind):
    path = written(tmp_path, kind, {"images": IMAGES % 2})
    with pytest.raises(UsageError, match=r"only 0 and 1 in the 64 images looked at\. Give `scale`"):
        opened(path, tmp_path)
    np.testing.assert_array_equal(
        opened(path, tmp_path, scale=1).images(PICK), (IMAGES[PICK] % 2).transpose(0, 3, 1, 2).astype(np.float32)
    )
    assert opened(path, tmp_path, scale=255).images(PICK).max() == np.float32(1) / np.float32(255)


def test_booleans_and_floats_need_no_scale(tmp_path):
    for number, array in enumerate([IMAGES > 99, (IMAGES > 99).astype(np.float64)]):
        (tmp_path / str(number)).mkdir()
        mine = opened(written(tmp_path / str(number), ".npy", {"": array}), tmp_path)
        np.testing.assert_array_equal(mine.images(PICK), array[PICK].transpose(0, 3, 1, 2).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npy", "expected a file, got none there"),
        ("absent.npz", "expected a file, got none there"),
        ("absent.h5", "expected a file, got none there"),
        ("absent.zarr", "expected a Zarr folder, got nothing there"),
        ("images.mat", r"expected a file \.npy, .*got \.mat"),
        ("images", "got no ending"),
    ],
)
def test_a_missing_or_unknown_file_is_told(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        opened(tmp_path / name, tmp_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_fingerprint_is_the_same_until_the_file_changes(tmp_path, kind):
    path = written(tmp_path, kind, {"images": IMAGES})
    first = opened(path, tmp_path).fingerprint
    assert opened(path, tmp_path).fingerprint == first
    inner = path if path.is_file() else max(path.rglob("*"), key=lambda p: p.is_file())
    status = inner.stat()
    os.utime(inner, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert opened(path, tmp_path).fingerprint != first


@pytest.mark.parametrize("kind", FORMATS)
def test_another_process_reads_the_same_after_a_fork(tmp_path, kind):
    mine = opened(written(tmp_path, kind, {"images": IMAGES}), tmp_path)
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    script = """
import os, sys
import numpy as np
from pathlib import Path
from vaescope.data.datasets.array import Array
from vaescope.data.load import load_dataset
from vaescope.data.readers.array import read
from vaescope.progress import Progress
mine = Array(**read([Path(sys.argv[1])], Path(sys.argv[2]), Progress()))
before = mine.images(range(0, 500, 7))
child = os.fork()
again = mine.images(range(499, 0, -3))
if child == 0:
    os._exit(0 if (mine.images(range(0, 500, 7)) == before).all() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (mine.images(range(499, 0, -3)) == again).all()
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(mine_path(tmp_path, kind))]
    subprocess.run([*command, str(tmp_path / "unpacked")], check=True, timeout=120)


def mine_path(folder, kind):
    return folder / f"mine{kind}"


MEASURED = """
import json, sys
from pathlib import Path
from vaescope.data.datasets.array import Array
from vaescope.data.load import load_dataset
from vaescope.data.readers.array import read
from vaescope.progress import Progress
from vaescope.runs.batches import batches
from vaescope.runs.study import Run
images = Array(**read([Path(sys.argv[1])], Path(sys.argv[1]).parent, Progress(), scale=255))
steps = int(sys.argv[2])
run = Run(dataset="array", network="conv", objective="vae", seed=0, latents=10, steps=steps, batch_size=64,
          optimiser={}, snapshots=(0, steps), log_every=1)
drawn = sum(len(batch) for batch in batches(run, images, 0))
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({"images": len(images), "drawn": drawn, "peak": int(status["VmHWM"].split()[0]) * 1024}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_training_on_50_gb_takes_no_more_memory_than_on_20_mb(tmp_path):
    """The peak of a process that draws 300 batches of 64; what they touch, mapped, would be 230 MB."""
    measured = {}
    for size in (20_000_000, 50_000_000_000):
        path, count = tmp_path / f"{size}.npy", size // (64 * 64 * 3)
        with path.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64, 3)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + count * 64 * 64 * 3)  # a hole: nothing is written
        command = [sys.executable, "-c", MEASURED, str(path), "300"]
        result = subprocess.run(command, check=True, timeout=280, stdout=subprocess.PIPE)
        measured[size] = json.loads(result.stdout)
    small, large = measured.values()
    assert large["images"] > 4_000_000
    assert small["drawn"] == large["drawn"] == 301 * 64
    assert large["peak"] - small["peak"] < 50_000_000, measured


def test_load_dataset_opens_it_with_its_options(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCOPE_DATA", str(tmp_path / "cache"))
    path = written(tmp_path, "deflated.npz", {"labels": LABELS, "pictures": IMAGES})
    mine = load_dataset("array", path=path, key="pictures", factors="labels", layout="hwc", scale=255)
    assert (mine.name, mine.factor_names) == ("array", ("labels",))
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    assert [file.suffix for file in (tmp_path / "cache/array/unpacked").iterdir()] == [".npy", ".npy"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected `path`, one file"),
        ({"path": "a.npy", "kez": "x"}, r"unknown option 'kez'; it takes: path, key, factors, layout, scale\. Did you"),
        ({"path": "a.npy", "key": 3}, "`key` to be a text, got 3"),
        ({"path": "a.npy", "layout": "nhwc"}, '`layout` to be "hwc" or "chw", got \'nhwc\''),
        ({"path": "a.npy", "scale": "255"}, "`scale` to be a positive number, got '255'"),
        ({"path": "a.npy", "scale": True}, "`scale` to be a positive number, got True"),
        ({"path": "a.npy", "key": "x"}, "holds one array without a name, got key 'x'"),
    ],
)
def test_wrong_options_are_told(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", IMAGES)
    with pytest.raises(UsageError, match=message):
        load_dataset("array", **options)
