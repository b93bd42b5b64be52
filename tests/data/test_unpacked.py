import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from tests.data.official_files import Recorder

from vaescope.data.readers import source, unpacked
from vaescope.data.readers.source import checksum
from vaescope.data.readers.unpacked import unpack
from vaescope.errors import CorruptArtifact, Interrupted, ResourceError, UsageError
from vaescope.progress import Progress

SHAPE = (40, 4, 4, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)


def fill(part):
    for first in (30, 0, 10, 20):
        part.put(first, IMAGES[first : first + 10])


def never(part):
    raise AssertionError("it was there already")


def left(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_images_put_in_any_order_are_read_back_by_row(tmp_path):
    rows = unpack(tmp_path / "new" / "folder", "a", SHAPE, fill, Progress())
    np.testing.assert_array_equal(rows.take(np.array([39, 0, 5])), IMAGES[[39, 0, 5]])
    np.testing.assert_array_equal(np.load(rows.path, mmap_mode="r"), IMAGES)  # anyone can open it
    np.testing.assert_array_equal(unpack(rows.path.parent, "a", SHAPE, never, Progress()).take([7]), IMAGES[[7]])
    assert left(rows.path.parent) == ["a.npy"]


@pytest.mark.parametrize("kept", [0, 5, 128, 1_000, 2_047])
def test_one_that_was_cut_short_is_made_again(tmp_path, kept):
    place = unpack(tmp_path, "a", SHAPE, fill, Progress()).path
    place.write_bytes(place.read_bytes()[:kept])
    np.testing.assert_array_equal(unpack(tmp_path, "a", SHAPE, fill, Progress()).take(np.arange(40)), IMAGES)


def test_one_of_another_shape_is_made_again(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES[:20])
    np.testing.assert_array_equal(unpack(tmp_path, "a", SHAPE, fill, Progress()).take(np.arange(40)), IMAGES)
    np.save(tmp_path / "b.npy", IMAGES.view(np.int8))
    np.testing.assert_array_equal(unpack(tmp_path, "b", SHAPE, fill, Progress()).take(np.arange(40)), IMAGES)


@pytest.mark.parametrize("stop", [Interrupted, CorruptArtifact("garbled"), MemoryError])
def test_what_stops_it_leaves_nothing_behind(tmp_path, stop):
    def stopped(part):
        part.put(0, IMAGES[:39])
        raise stop

    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        unpack(tmp_path, "a", SHAPE, stopped, Progress())
    assert left(tmp_path) == []


def test_too_few_images_are_not_taken_for_all(tmp_path):
    with pytest.raises(CorruptArtifact, match="expected 40 images, got 39"):
        unpack(tmp_path, "a", SHAPE, lambda part: part.put(1, IMAGES[1:]), Progress())
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("first", "images"), [(-1, IMAGES[:1]), (40, IMAGES[:1]), (35, IMAGES[:6]), (0, IMAGES[:1, :2])]
)
def test_images_that_do_not_fit_are_refused(tmp_path, first, images):
    with pytest.raises(ValueError, match="of an array"):
        unpack(tmp_path, "a", SHAPE, lambda part: part.put(first, images), Progress())


CHILD = """
    import os, signal, sys, time
    from pathlib import Path
    import numpy as np
    from vaescope.data.readers.unpacked import unpack
    from vaescope.progress import Progress

    folder, way = Path(sys.argv[1]), sys.argv[2]
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), np.uint8)

    def fill(part):
        for k in range(40):
            part.put(k, images[k : k + 1])
            if way == "die" and k == 25:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.01)
        (folder / f"filled-{os.getpid()}").touch()

    rows = unpack(folder, "a", (40, 4, 4, 3), fill, Progress())
    assert (rows.take(np.arange(40)) == images).all()
"""


def child(folder, way):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), str(folder), way])


def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(tmp_path):
    assert child(tmp_path, "die").wait(60) == -9
    assert left(tmp_path) == [".a.npy.part"]
    np.testing.assert_array_equal(unpack(tmp_path, "a", SHAPE, fill, Progress()).take(np.arange(40)), IMAGES)
    assert left(tmp_path) == ["a.npy"]


def test_of_several_processes_one_makes_it_and_the_others_wait(tmp_path):
    children = [child(tmp_path, "live") for _ in range(3)]
    assert [process.wait(120) for process in children] == [0, 0, 0]
    assert len(list(tmp_path.glob("filled-*"))) == 1


def test_waiting_can_be_stopped(tmp_path):
    with (
        unpacked._alone(tmp_path / ".a.lock", Progress()),
        pytest.raises(Interrupted),
        unpacked._alone(tmp_path / ".a.lock", Recorder(stop_after=0, stop=Interrupted)),
    ):
        raise AssertionError("both were inside")


def test_no_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacked.shutil, "disk_usage", lambda _: unpacked.shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(ResourceError, match=r"expected 67,110,784 bytes free to unpack a, got 10.*VAESCOPE_DATA"):
        unpack(tmp_path, "a", SHAPE, never, Progress())
    assert left(tmp_path) == []


def test_a_disk_that_fills_up_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(ResourceError, match=r"No space left on device.*Make room"):
        unpack(tmp_path, "a", SHAPE, fill, Progress())
    assert left(tmp_path) == []


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="could not be written"):
        unpack(tmp_path / "file" / "under", "a", SHAPE, fill, Progress())


def test_writes_that_end_early_are_continued(tmp_path, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: whole(file, data[:7], place))
    np.testing.assert_array_equal(unpack(tmp_path, "a", SHAPE, fill, Progress()).take(np.arange(40)), IMAGES)


def test_a_checksum_is_computed_once_until_the_file_changes(tmp_path, monkeypatch):
    path, notes = tmp_path / "data", tmp_path / "notes"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum(path, notes, Progress()) == digest
    told = Recorder()
    assert checksum(path, notes, told) == digest
    assert told.stages == []
    os.utime(path, ns=(0, 0))
    assert checksum(path, notes, told) == digest
    assert told.stages == [("Checksum of data", 1)]
    path.write_bytes(b"abd")
    os.utime(path, ns=(0, 0))
    other = tmp_path / "other"
    other.write_bytes(b"abd")
    other.replace(path)
    assert checksum(path, notes, told) != digest


@pytest.mark.parametrize("note", [b"", b"[]", b"null", b'{"sha256": 3}', b"\xff", b"[" * 100_000])
def test_a_damaged_note_is_passed_over(tmp_path, note):
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    right = checksum(path, tmp_path / "notes", Progress())
    next((tmp_path / "notes").iterdir()).write_bytes(note)
    assert checksum(path, tmp_path / "notes", Progress()) == right


def test_where_nothing_can_be_noted_the_checksum_is_still_right(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc")
    assert checksum(path, path / "no folder", Progress()).startswith("ba7816bf")


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (FileNotFoundError(2, "No such file"), UsageError, "got no such file"),
        (PermissionError(13, "Permission denied"), ResourceError, "cannot be read: Permission denied"),
        (OSError(5, "Input/output error"), ResourceError, "Input/output error"),
        (MemoryError(), ResourceError, "no memory is left"),
        (EOFError(), CorruptArtifact, "expected a thing, got: EOFError"),
        (KeyError("images.npy"), KeyError, "images.npy"),
        (UsageError("already told"), UsageError, "^already told$"),
    ],
)
def test_what_goes_wrong_while_reading_is_told(tmp_path, failure, kind, message):
    with pytest.raises(kind, match=message), source.reading(tmp_path / "x", "a thing"):
        raise failure
