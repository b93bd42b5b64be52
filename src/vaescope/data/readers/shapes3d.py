"""3D Shapes' file: HDF5 with the arrays `images` and `labels`.

References:
    Burgess & Kim (2018), 3D Shapes dataset. https://github.com/google-deepmind/3d-shapes
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from vaescope.data.datasets.shapes3d import Shapes3D
from vaescope.data.readers.source import checksum, opened, reading, the_only
from vaescope.data.readers.unpacked import Part, unpack
from vaescope.errors import UsageError
from vaescope.progress import Progress

if TYPE_CHECKING:
    import h5py

_KNOWN_FILTERS: Final = {1, 2, 3, 32000}  # deflate, shuffle, fletcher32, lzf: those built in, no loaded code
_CHUNK: Final = 256 << 20  # bytes of a chunk, at most
_PIECE: Final = 4096  # images at once where chunks do not say better: 48 MiB


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, Any]:
    """What `Shapes3D` is made from: the images in an array file, and the values of the factors.

    Args:
        paths: the .h5 file.
        unpacked: the folder for the array file.
        progress: is told how far it is.

    Raises:
        UsageError: no such file, or h5py is not installed.
        CorruptArtifact: it is not what it should be.
        ResourceError: no room on the disk, or the file cannot be read.
    """
    return read_grid(paths, unpacked, progress, Shapes3D.FACTORS.sizes)


def read_grid(paths: Sequence[Path], unpacked: Path, progress: Progress, sizes: tuple[int, ...]) -> dict[str, Any]:
    """As `read`, where the factors have other numbers of classes."""
    path = the_only(paths, "shapes3d")
    shape = (prod(sizes), 64, 64, 3)
    with _hdf5(path, shape, len(sizes)) as file:
        labels = _plain(file, "labels", (shape[0], len(sizes)), "f")
        values = grid_values(np.asarray(labels[:], np.float64), sizes)
        name = f"shapes3d-1-{checksum(path, unpacked, progress)[:32]}"

    def fill(part: Part) -> None:
        with _hdf5(path, shape, len(sizes)) as file:
            _put_all(part, _plain(file, "images", shape, "u"), progress)

    return {"pixels": unpack(unpacked, name, shape, fill, progress), "values": values, "fingerprint": name}


@contextmanager
def _hdf5(path: Path, shape: tuple[int, ...], columns: int) -> Iterator["h5py.File"]:
    """The open file; what goes wrong while it is read is told as `reading` tells it."""
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            'dataset "shapes3d": expected the package h5py. Install it: pip install "vaescope[data]"'
        ) from error
    expected = f"HDF5 with `images`, uint8 {shape}, and `labels`, floats {(shape[0], columns)}"
    with reading(path, expected, KeyError, RuntimeError, TypeError), opened(path):  # a web page is told here
        try:
            with h5py.File(path, "r") as file:
                yield file
        except OSError as error:
            if error.errno is None:  # HDF5's own complaints, not the system's
                raise ValueError(str(error)) from error
            raise


def grid_values(labels: Float[np.ndarray, "n f"], sizes: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """The values of each factor, ascending.

    Raises:
        ValueError: the labels are not all combinations of them in order, the last factor changing fastest.
    """
    if not np.isfinite(labels).all():
        raise ValueError("labels that are not finite")
    values = []
    for column, factor in enumerate(labels.T):
        distinct, classes = np.unique(factor, return_inverse=True)
        expected = np.arange(len(labels)) // prod(sizes[column + 1 :]) % sizes[column]
        if len(distinct) != sizes[column] or not np.array_equal(classes.ravel(), expected):
            raise ValueError(f"labels whose column {column} does not go through {sizes[column]} values in order")
        values.append(tuple(map(float, distinct)))
    return tuple(values)


def _plain(file: "h5py.File", name: str, shape: tuple[int, ...], kind: str) -> "h5py.Dataset":
    """An array that lies in this very file. ValueError where it lies elsewhere or is of another kind or shape."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"`{name}` missing, or a link to elsewhere")
    array = file[name]
    if not isinstance(array, h5py.Dataset) or array.is_virtual or array.external:
        raise ValueError(f"`{name}`, which is no array of this file")
    most = {"u": 1, "f": 8}[kind]
    if array.shape != shape or array.dtype.kind != kind or array.dtype.itemsize > most:
        raise ValueError(f"`{name}` {array.dtype} {array.shape}")
    made = array.id.get_create_plist()
    filters = {made.get_filter(k)[0] for k in range(made.get_nfilters())}
    if not filters <= _KNOWN_FILTERS or (array.chunks and prod(array.chunks) * most > _CHUNK):
        raise ValueError(f"`{name}` with filters {sorted(filters)} and chunks {array.chunks}")
    return array


def _put_all(part: Part, images: "h5py.Dataset", progress: Progress) -> None:
    """All images, in pieces of whole chunks so that none is unzipped twice; 200 MB at once at most."""
    rows = images.chunks[0] if images.chunks else _PIECE
    piece = _PIECE if rows > 4 * _PIECE else rows * max(1, _PIECE // rows)
    progress.stage("Unpacking shapes3d", len(images))
    for first in range(0, len(images), piece):
        part.put(first, images[first : first + piece])  # not kept: one piece at a time is in memory
        progress.advance(min(piece, len(images) - first))
        progress.check()
