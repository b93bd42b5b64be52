"""An array in a file, read by position and never mapped: memory does not grow with the file.

A mapped file counts as this process's memory as far as it was touched, and a failing disk kills the process (SIGBUS);
a read gives an error that can be told.
"""

import os
import warnings
import weakref
from collections.abc import Callable
from hashlib import blake2b
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from vaescope.data.dataset import Indices, checked_indices
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

_GAP: Final = 32 * 1024  # bytes between two rows wanted that are read along: cheaper than another call
_PIECE: Final = 8 * 1024 * 1024  # bytes of one read, at most, where one row is not longer
_ENDS: Final = 64 * 1024  # bytes at each end of a file that its fingerprint covers
_BETWEEN, _SAMPLE = 16, 4096  # places between them, and the bytes at each
_HEADERS: dict[tuple[int, int], Callable] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Rows:
    """The rows of an array that lies in a file, in C order. Several threads may use one; it can be sent to a process.

    Args:
        path: the file.
        offset: byte at which the first row begins.
        shape: of the whole array; the first axis counts the rows.
        dtype: boolean, integer or floating, in either byte order.

    Raises:
        UsageError: no file there, or another kind of dtype.
        CorruptArtifact: the file ends before the array does.
        ResourceError: the file cannot be opened.
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        if not shape or min(shape) < 0 or offset < 0:
            raise CorruptArtifact(f"{path}: expected an array of at least one axis, got shape {shape} at {offset}.")
        if dtype.kind not in "buif":
            raise UsageError(f"{path}: expected booleans, integers or floats, got {dtype}. Save it with .astype(...).")
        self._row = prod(shape[1:]) * dtype.itemsize
        self._file = _opened(path)
        weakref.finalize(self, os.close, self._file)
        size, end = os.fstat(self._file).st_size, offset + shape[0] * self._row
        if size < end:
            raise CorruptArtifact(
                f"{path}: expected at least {end:,} bytes for {shape} of {dtype}, got {size:,}: it was cut short. "
                "Copy or download it again."
            )

    def __reduce__(self) -> tuple[type["Rows"], tuple[Path, int, tuple[int, ...], np.dtype]]:
        return type(self), (self.path, self.offset, self.shape, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, indices: Indices) -> np.ndarray:
        """These rows in the order asked for, (k, *shape[1:]), of the file's dtype.

        The file is read from its beginning to its end, rows that lie close together at once.

        Raises:
            IndexError: an index out of range.
            CorruptArtifact: the file has become shorter.
            ResourceError: the disk fails.
        """
        wanted = checked_indices(indices, len(self))
        rows = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        if not rows.size:
            return rows
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        reach, most = 1 + _GAP // self._row, max(1, _PIECE // self._row)
        start = 0
        breaks = np.flatnonzero(np.diff(ascending) > reach) + 1
        for stop in [*breaks.tolist(), len(ascending)]:
            while start < stop:
                first = int(ascending[start])
                end = start + int(np.searchsorted(ascending[start:stop], first + most))
                count = int(ascending[end - 1]) - first + 1
                piece = np.frombuffer(self._read(first, count), self.dtype).reshape(count, *self.shape[1:])
                rows[order[start:end]] = piece[ascending[start:end] - first]
                start = end
        return rows

    def _read(self, first: int, count: int) -> bytes:
        """The bytes of `count` rows from row `first`."""
        size, place = count * self._row, self.offset + first * self._row
        found = b""
        while len(found) < size:  # one call may give less than was asked for
            try:
                part = os.pread(self._file, size - len(found), place + len(found))
            except OSError as error:
                raise ResourceError(f"{self.path}: cannot be read at byte {place:,}: {error.strerror}.") from error
            if not part:
                raise CorruptArtifact(
                    f"{self.path}: expected rows {first} to {first + count - 1}, {size:,} bytes at byte {place:,}, got "
                    f"{len(found):,}: the file became shorter while it was read. Restore it."
                )
            found = found + part if found else part
        return found


def npy_rows(path: Path, offset: int = 0) -> Rows:
    """The array of an .npy file, or of an .npy that begins at byte `offset` of a larger file.

    References:
        NumPy Enhancement Proposal 1. https://numpy.org/neps/nep-0001-npy-format.html

    Raises:
        UsageError: no such file, Python objects, or columns first (Fortran order): told how to save it anew.
        CorruptArtifact: no .npy, or cut short.
        ResourceError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            shape, dtype = npy_header(file, str(path))
            begin = file.tell()
    except OSError as error:
        raise _told(path, error) from error
    return Rows(path, begin, shape, dtype)


def npy_header(file: BufferedIOBase, where: str, any_order: bool = False) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the .npy that begins here; leaves `file` at its first number. Raises as `npy_rows` does.

    Args:
        file: anything with `read`, also a member of a zip file.
        where: what messages call it.
        any_order: whether columns first will do too.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # sizes as 64L, from Python 2
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"format {version}, which only arrays with named fields need")
            shape, columns_first, dtype = _HEADERS[version](file)
    except (ValueError, EOFError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptArtifact(f"{where}: expected an array as np.save writes it, got: {first[:200]}") from error
    if dtype.hasobject or dtype.kind not in "buif":
        raise UsageError(
            f"{where}: expected booleans, integers or floats, got {dtype}"
            + (", Python objects, which are never unpickled" if dtype.hasobject else "")
            + ". Save it anew: np.save(path, np.stack(list(array)).astype(...))."
        )
    if columns_first and len(shape) > 1 and not any_order:
        raise UsageError(
            f"{where}: expected rows first (C order), got Fortran order, in which no image lies in one piece. "
            "Save it anew: np.save(path, np.ascontiguousarray(array))."
        )
    return shape, dtype


def fingerprint(path: Path) -> str:
    """Changes when the file does, as far as can be seen without reading all of it.

    Of its size, time of change, both ends and 16 places between; 16 hexadecimal digits. UsageError where there is no
    such file, ResourceError where it cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            parts = [file.read(_ENDS)]
            for place in range(1, _BETWEEN + 1):
                file.seek(status.st_size * place // (_BETWEEN + 1))
                parts.append(file.read(_SAMPLE))
            file.seek(max(0, status.st_size - _ENDS))
            parts.append(file.read(_ENDS))
    except OSError as error:
        raise _told(path, error) from error
    said = f"{status.st_size}/{status.st_mtime_ns}/".encode()
    return blake2b(said + b"".join(parts), digest_size=8).hexdigest()


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise _told(path, error) from error


def _told(path: Path, error: OSError) -> UsageError | ResourceError:
    """What an error of the operating system means to the user."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UsageError(f"{path}: expected a file, got none there. Check the path.")
    if isinstance(error, IsADirectoryError):
        return UsageError(f"{path}: expected a file, got a folder. Check the path.")
    return ResourceError(f"{path}: cannot be read: {error.strerror or error}. Check permissions and disk.")
