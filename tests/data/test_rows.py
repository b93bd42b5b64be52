import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.data import rows
from vaescope.data.rows import Rows, fingerprint, npy_rows
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

ARRAY = np.random.default_rng(0).integers(0, 256, (3_000, 16, 16), np.uint8)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "images.npy"
    np.save(path, ARRAY)
    return path


@pytest.fixture
def reads(monkeypatch):
    """The (byte, count) of every read."""
    seen, true = [], os.pread

    def counting(file, count, place):
        seen.append((place, count))
        return true(file, count, place)

    monkeypatch.setattr(rows.os, "pread", counting)
    return seen


@given(indices=st.lists(st.integers(0, 2_999), max_size=60))
def test_rows_come_in_the_order_asked_for(file, indices):
    found = npy_rows(file).take(indices)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ARRAY[np.array(indices, np.int64)])


@pytest.mark.parametrize("dtype", ["?", "u1", "<u2", ">u2", "<i8", "<f4", ">f8", "<f2"])
@pytest.mark.parametrize("shape", [(40,), (40, 3), (40, 5, 4, 3), (1, 2), (0, 4), (4, 0)])
def test_every_dtype_and_shape_is_read_as_numpy_reads_it(tmp_path, dtype, shape):
    array = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    found = npy_rows(tmp_path / "a.npy")
    assert (found.shape, found.dtype, len(found)) == (array.shape, array.dtype, len(array))
    np.testing.assert_array_equal(found.take(range(len(array))), array)


def test_an_array_inside_a_larger_file_is_read_at_its_offset(tmp_path):
    path = tmp_path / "inside"
    path.write_bytes(b"something else" + ARRAY.tobytes() + b"and more")
    found = Rows(path, 14, ARRAY.shape, ARRAY.dtype)
    np.testing.assert_array_equal(found.take([2_999, 0]), ARRAY[[2_999, 0]])


def test_the_file_is_read_from_front_to_back_and_neighbours_at_once(file, reads):
    npy_rows(file).take([2_999, 5, 3, 4, 1_500, 3])
    assert reads == [(128 + 3 * 256, 3 * 256), (128 + 1_500 * 256, 256), (128 + 2_999 * 256, 256)]


def test_one_read_is_never_longer_than_a_piece(file, reads, monkeypatch):
    monkeypatch.setattr(rows, "_PIECE", 1_000)
    np.testing.assert_array_equal(npy_rows(file).take(range(10)), ARRAY[:10])
    assert [count for _, count in reads] == [3 * 256] * 3 + [256]


def test_reads_that_give_less_than_asked_are_continued(file, monkeypatch):
    true = os.pread
    monkeypatch.setattr(rows.os, "pread", lambda f, count, place: true(f, min(count, 100), place))
    np.testing.assert_array_equal(npy_rows(file).take([7, 8, 2_000]), ARRAY[[7, 8, 2_000]])


def test_threads_may_share_it(file):
    found = npy_rows(file)
    orders = [np.random.default_rng(k).permutation(3_000) for k in range(16)]
    with ThreadPoolExecutor(4) as pool:
        for order, got in zip(orders, pool.map(found.take, orders), strict=True):
            np.testing.assert_array_equal(got, ARRAY[order])


def test_it_can_be_sent_to_another_process_and_closes_its_file(file):
    found = npy_rows(file)
    number = found._file
    sent = pickle.loads(pickle.dumps(found))  # noqa: S301
    del found
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    np.testing.assert_array_equal(sent.take([1]), ARRAY[[1]])


@pytest.mark.parametrize("wrong", [[3_000], [-1], [0.5], [[1]]])
def test_wrong_indices_are_refused(file, wrong):
    with pytest.raises(IndexError):
        npy_rows(file).take(np.array(wrong))


def test_a_file_cut_short_is_refused_at_once(tmp_path):
    path = tmp_path / "short.npy"
    np.save(path, ARRAY)
    os.truncate(path, 128 + ARRAY.size - 1)
    with pytest.raises(CorruptArtifact, match=r"expected at least 768,128 bytes for .*, got 768,127: it was cut short"):
        npy_rows(path)


def test_a_file_that_becomes_shorter_while_it_is_read_is_told(tmp_path):
    path = tmp_path / "shrinks.npy"
    np.save(path, ARRAY)
    found = npy_rows(path)
    os.truncate(path, 128 + 10 * 256 + 100)
    np.testing.assert_array_equal(found.take([9]), ARRAY[[9]])
    with pytest.raises(CorruptArtifact, match="expected rows 9 to 10, 512 bytes at byte 2,432, got 356"):
        found.take([10, 9])


def test_a_failing_disk_is_a_resource_error(file, monkeypatch):
    found = npy_rows(file)

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(rows.os, "pread", fail)
    with pytest.raises(ResourceError, match="cannot be read at byte 384: Input/output error"):
        found.take([1])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.asfortranarray(ARRAY[:5]), r"got Fortran order.*np\.ascontiguousarray"),
        (np.array([1, "a"], object), "Python objects, which are never unpickled"),
        (np.zeros(3, [("a", "u1")]), "expected booleans, integers or floats"),
        (np.zeros(3, complex), "got complex128"),
        (np.array(["a"]), "got <U1"),
    ],
)
def test_arrays_that_cannot_be_read_in_place_are_refused_with_what_to_do(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UsageError, match=message):
        npy_rows(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html>",
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x09\x00\x10\x00",
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535,
        b"\x93NUMPY\x01\x00\x10\x00__import__('os')",
        b"\x93NUMPY\x01\x00\x40\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (-3, 2)}".ljust(63) + b"\n",
    ],
)
def test_what_is_no_npy_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(CorruptArtifact):
        npy_rows(tmp_path / "a.npy")


def test_a_header_written_by_python_2_is_read(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3000L, 16L, 16L), }".ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + ARRAY.tobytes()
    (tmp_path / "old.npy").write_bytes(content)
    np.testing.assert_array_equal(npy_rows(tmp_path / "old.npy").take([17]), ARRAY[[17]])


@pytest.mark.parametrize("read", [npy_rows, fingerprint])
def test_a_missing_file_a_folder_and_a_forbidden_one_are_told(tmp_path, read, monkeypatch):
    with pytest.raises(UsageError, match="expected a file, got none there"):
        read(tmp_path / "absent.npy")
    with pytest.raises(UsageError, match="got a folder"):
        read(tmp_path)

    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(ResourceError, match="cannot be read: Permission denied"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("place", "seen"), [(0, True), (65_535, True), (500_000, True), (1_699_999, True), (90_000, False)]
)
def test_the_fingerprint_changes_with_size_time_and_what_is_looked_at(tmp_path, place, seen):
    path = tmp_path / "a"
    path.write_bytes(bytes(1_700_000))  # 16 places between the ends: 100,000, 200,000, ...
    os.utime(path, ns=(1, 1))
    first = fingerprint(path)
    assert first == fingerprint(path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    assert fingerprint(path) != first
    os.utime(path, ns=(1, 1))  # whoever hides the time of change is found out at these places alone
    assert (fingerprint(path) != first) is seen
    os.truncate(path, 1_699_000)
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) != first
