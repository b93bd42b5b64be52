"""MPI3D's files: an .npz of one array each, 12.7 GB when unpacked, never in memory as a whole.

References:
    Gondal et al. (2019), On the transfer of inductive bias from simulation to the real world: a new disentanglement
    dataset. https://arxiv.org/abs/1906.03292; the files are described at
    https://github.com/rr-learning/disentanglement_dataset
"""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile

import numpy as np

from vaescope.data.datasets.mpi3d import MPI3D
from vaescope.data.readers.source import Readable, checksum, ended, exactly, opened, reading, the_only
from vaescope.data.readers.unpacked import Part, unpack
from vaescope.progress import Progress

_MEMBER: Final = "images.npy"
_PIECE: Final = 1024  # images at once: 12 MiB
_HEADER_END: Final = 1 << 16
# The headers that are right, so that nothing has to be evaluated; Python 2 wrote some sizes as 64L.
_HEADER: Final = re.compile(
    rb"\{'descr': '[|<]u1', 'fortran_order': False, 'shape': \(((?:\d{1,12}L?, ?)*\d{1,12}L?),?\), ?\}\s*"
)


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, Any]:
    """What `MPI3D` is made from: the images in an array file.

    Args:
        paths: the .npz file of one variant.
        unpacked: the folder for the array file.
        progress: is told how far it is.

    Raises:
        UsageError: no such file.
        CorruptArtifact: it is not what it should be.
        ResourceError: no room on the disk, or the file cannot be read.
    """
    return read_grid(paths, unpacked, progress, MPI3D.FACTORS.sizes)


def read_grid(paths: Sequence[Path], unpacked: Path, progress: Progress, sizes: tuple[int, ...]) -> dict[str, Any]:
    """As `read`, where the factors have other numbers of classes."""
    path = the_only(paths, "mpi3d")
    shape = (prod(sizes), 64, 64, 3)
    expected = f"an .npz with the array `images`, uint8 {shape}"
    with reading(path, expected):
        name = f"mpi3d-1-{checksum(path, unpacked, progress)[:32]}"

    def fill(part: Part) -> None:
        with reading(path, expected, BadZipFile, LargeZipFile, KeyError, NotImplementedError, RuntimeError):
            with opened(path):  # told here if it is a web page
                pass
            with ZipFile(path) as archive:
                _put_all(part, archive, sizes, progress)

    return {"pixels": unpack(unpacked, name, shape, fill, progress), "fingerprint": name}


def _put_all(part: Part, archive: ZipFile, sizes: tuple[int, ...], progress: Progress) -> None:
    count, each = prod(sizes), (64, 64, 3)
    about = archive.getinfo(_MEMBER)
    if about.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ValueError(f"compression of kind {about.compress_type}")
    if not 0 < about.file_size - count * prod(each) <= _HEADER_END:
        raise ValueError(f"an array of about {about.file_size:,} bytes")
    with archive.open(about) as member:
        skip_header(member, {(count, *each), (*sizes, *each)})
        progress.stage("Unpacking mpi3d", count)
        for first in range(0, count, _PIECE):
            rows = min(_PIECE, count - first)
            piece = np.frombuffer(exactly(member, rows * prod(each), f"images {first} and after"), np.uint8)
            part.put(first, piece.reshape(rows, *each))
            progress.advance(rows)
            progress.check()
        ended(member)  # where the archive's own checksum is verified


def skip_header(file: Readable, shapes: set[tuple[int, ...]]) -> None:
    """Reads over the header of an .npy. ValueError unless it is one of bytes, rows first, of one of these shapes.

    References:
        NumPy Enhancement Proposal 1. https://numpy.org/neps/nep-0001-npy-format.html
    """
    start = exactly(file, 10, "header")
    if start[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError(f"a beginning of {start[:8]!r}, which is no .npy of format 1.0")
    header = exactly(file, int.from_bytes(start[8:], "little"), "header")
    match = _HEADER.fullmatch(header)
    sizes = match and tuple(int(size.strip().rstrip(b"L")) for size in match[1].split(b","))
    if sizes not in shapes:
        raise ValueError(f"an array with the header {header[:120].decode('latin-1').strip()!r}")
