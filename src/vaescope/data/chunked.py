"""Arrays that are stored in chunks, in an HDF5 file or a Zarr folder, read by index."""

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Int64

from vaescope.data.archive import Header
from vaescope.data.rows import fingerprint
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

if TYPE_CHECKING:
    import h5py

_CACHE: Final = 16 * 1024 * 1024  # bytes of unpacked chunks that an open HDF5 file keeps


class HDF5Pixels:
    """An array of an HDF5 file. Threads wait for one another (so does HDF5 itself); each process opens the file anew.

    Args:
        path: the file.
        key: name of the array, with the groups it lies in, e.g. "train/images".

    Raises:
        UsageError: no such file or array, or h5py is not installed.
        CorruptArtifact: no HDF5 file, or one that was cut short.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self._lock, self._process, self._file = Lock(), -1, None
        with self._lock:
            array = self._array()
            self.shape, self.dtype = tuple(array.shape), array.dtype

    def __reduce__(self) -> tuple[type["HDF5Pixels"], tuple[Path, str]]:
        return type(self), (self.path, self.key)

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        """These rows, (k, *shape[1:]), read from front to back and each once. CorruptArtifact where a chunk is bad."""
        with self._lock:
            array = self._array()
            try:
                return _by_runs(lambda start, stop: array[start:stop], indices, self.shape, self.dtype)
            except (OSError, RuntimeError, ValueError) as error:
                raise CorruptArtifact(f"{self.path}: {self.key} cannot be read: {error}. Restore the file.") from error

    def _array(self) -> Any:
        if self._process != os.getpid():  # after a fork the parent's handle is not ours to use
            self._file, self._process = hdf5_file(self.path), os.getpid()
        h5py = _h5py()
        found = self._file.get(self.key) if self._file is not None else None
        if not isinstance(found, h5py.Dataset):
            raise UsageError(f"{self.path}: expected an array {self.key!r}, got {', '.join(hdf5_headers(self.path))}.")
        return found


class ZarrPixels:
    """An array of a Zarr folder, format 2 or 3.

    Args:
        path: the folder, of the array itself or of a group.
        key: name of the array in the group; "" for the array itself.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        arrays = zarr_arrays(path)
        if key not in arrays:
            raise UsageError(f"{path}: expected an array {key!r}, got {', '.join(arrays) or 'none'}.")
        self._array = arrays[key]
        self.shape, self.dtype = tuple(self._array.shape), np.dtype(self._array.dtype)

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        """These rows, (k, *shape[1:]); a chunk is unpacked once a call. CorruptArtifact where one is damaged."""
        if not len(indices):
            return np.empty((0, *self.shape[1:]), self.dtype)
        distinct, back = np.unique(indices, return_inverse=True)
        try:
            return np.asarray(self._array.oindex[(distinct, *[slice(None)] * (len(self.shape) - 1))])[back]
        except (OSError, RuntimeError, ValueError) as error:
            raise CorruptArtifact(f"{self.path}: {self.key} cannot be read: {error}. Restore it.") from error


def hdf5_file(path: Path) -> "h5py.File":
    """An HDF5 file open for reading. Raises as `HDF5Pixels` does."""
    fingerprint(path)  # tells of a missing file or a folder
    h5py = _h5py()
    try:
        return h5py.File(path, "r", rdcc_nbytes=_CACHE)
    except OSError as error:
        raise CorruptArtifact(f"{path}: expected an HDF5 file, got: {error}. Copy or download it again.") from error


def hdf5_headers(path: Path) -> dict[str, Header]:
    """Name -> shape and dtype of each array of an HDF5 file, at any depth. Raises as `HDF5Pixels` does."""
    h5py = _h5py()
    found: dict[str, Header] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            found[name] = Header(tuple(item.shape), item.dtype)

    with hdf5_file(path) as file:
        file.visititems(note)
    return found


def zarr_arrays(path: Path) -> dict[str, Any]:
    """Name -> array of a Zarr group, at any depth; "" -> the array where the folder is one.

    Raises:
        UsageError: nothing there.
        CorruptArtifact: not a Zarr folder, or a damaged one.
    """
    import zarr

    if not path.exists():
        raise UsageError(f"{path}: expected a Zarr folder, got nothing there. Check the path.")
    try:
        found = zarr.open(str(path), mode="r")
        if isinstance(found, zarr.Array):
            return {"": found}
        return {name: item for name, item in found.members(max_depth=None) if isinstance(item, zarr.Array)}
    except PermissionError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror}. Check permissions.") from error
    except Exception as error:  # whatever zarr makes of damaged metadata
        raise CorruptArtifact(f"{path}: expected a Zarr array or group, got: {error!r}"[:400]) from error


def zarr_fingerprint(path: Path) -> str:
    """Changes when a file of the folder does: of the names, sizes and times of change of all; 16 hexadecimal digits."""
    digest = blake2b(digest_size=8)
    for folder, inner, files in os.walk(path):
        inner.sort()
        for name in sorted(files):
            status = os.stat(os.path.join(folder, name))
            inside = os.path.relpath(os.path.join(folder, name), path)
            digest.update(f"{inside}/{status.st_size}/{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _by_runs(
    read: Callable[[int, int], np.ndarray], indices: Int64[np.ndarray, " k"], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    """Rows through a reader of slices: one slice for neighbours, in ascending order."""
    distinct, back = np.unique(indices, return_inverse=True)
    rows = np.empty((len(distinct), *shape[1:]), dtype)
    breaks = np.flatnonzero(np.diff(distinct) > 1) + 1
    for part in np.split(np.arange(len(distinct)), breaks):
        if len(part):
            rows[part[0] : part[-1] + 1] = read(int(distinct[part[0]]), int(distinct[part[-1]]) + 1)
    return rows[back]


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UsageError('HDF5 files need h5py: pip install "vaescope[data]"') from error
    return h5py
