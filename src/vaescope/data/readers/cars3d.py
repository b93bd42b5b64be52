"""Cars3D's archive: a .tar.gz with one MATLAB file per car. Its members are read, never extracted.

References:
    Reed, Zhang, Zhang & Lee (2015), Deep visual analogy-making.
    https://papers.nips.cc/paper/5845-deep-visual-analogy-making
"""

import re
import struct
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

import numpy as np
from jaxtyping import UInt8

from vaescope.data.datasets.cars3d import Cars3D
from vaescope.data.readers.matlab import read_bytes_array
from vaescope.data.readers.shrink import shrunk
from vaescope.data.readers.source import Readable, checksum, opened, reading, the_only
from vaescope.data.readers.unpacked import Part, unpack
from vaescope.progress import Progress

_CAR: Final = re.compile(r"car_\d{1,6}_mesh\.mat")
_SIDE: Final = 128  # pixels of a stored image
_LARGEST: Final = 64 << 20  # bytes of a member that is read; a car has 5 to 17 MB
_WHOLE: Final = 16 << 30  # bytes of the unzipped archive
_EXPECTED: Final = "Cars3D's .tar.gz with {} files car_*_mesh.mat"


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, Any]:
    """What `Cars3D` is made from: the images at 64 x 64 in an array file.

    Args:
        paths: the archive, zipped or not.
        unpacked: the folder for the array file.
        progress: is told how far it is.

    Raises:
        UsageError: no such file.
        CorruptArtifact: it is not what it should be.
        ResourceError: no room on the disk, or the file cannot be read.
    """
    return read_grid(paths, unpacked, progress, Cars3D.FACTORS.sizes)


def read_grid(paths: Sequence[Path], unpacked: Path, progress: Progress, sizes: tuple[int, ...]) -> dict[str, Any]:
    """As `read`, where the factors have other numbers of classes."""
    path = the_only(paths, "cars3d")
    expected = _EXPECTED.format(sizes[-1])
    with reading(path, expected):
        name = f"cars3d-1-{checksum(path, unpacked, progress)[:32]}"

    def fill(part: Part) -> None:
        with reading(path, expected, tarfile.TarError, OverflowError):
            names = sorted(name for name, _ in _cars(path))  # all are known before the first can get its place
            if len(set(names)) != len(names) or len(names) != sizes[-1]:
                raise ValueError(f"{len(names)} of them, {len(set(names))} different")
            progress.stage("Unpacking cars3d", prod(sizes))
            for name, content in _cars(path):
                _put_car(part, names.index(name), name, content.read(), sizes)
                progress.advance(prod(sizes[:-1]))
                progress.check()

    return {"pixels": unpack(unpacked, name, (prod(sizes), 64, 64, 3), fill, progress), "fingerprint": name}


class _Bounded:
    """An archive as tarfile reads it, with a limit to one read and to the whole: a header may claim anything."""

    def __init__(self, file: Readable) -> None:
        self._file = cast(IO[bytes], file)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST:
            raise ValueError(f"a record of {size:,} bytes")
        return self._file.read(size)

    def seek(self, place: int) -> int:
        if not 0 <= place <= _WHOLE:
            raise ValueError(f"an archive of more than {place:,} bytes")
        return self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


def _cars(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each car's file, in the order of the archive; the content must be read before the next.

    Raises:
        ValueError: a path that leads out of the archive, or a car that is no plain file or too large.
    """
    with opened(path) as file:
        bounded = _Bounded(file)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as archive:
            for member in archive:
                vars(archive)["members"].clear()  # or all of them would stay in memory
                inside = PurePosixPath(member.name)
                if inside.is_absolute() or ".." in inside.parts:
                    raise ValueError(f"a member {member.name[:100]!r}, which leads out of the archive")
                if not _CAR.fullmatch(inside.name):
                    continue
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    raise ValueError(f"{member.name!r}, which is a link or not a plain file")
                if member.size > _LARGEST:
                    raise ValueError(f"{member.name!r} of {member.size:,} bytes")
                yield inside.name, cast(IO[bytes], archive.extractfile(member))
        while bounded.read(1 << 20):  # to the end, where gzip's checksum is verified
            bounded.seek(bounded.tell())


def _put_car(part: Part, place: int, name: str, content: bytes, sizes: tuple[int, ...]) -> None:
    """The images of one car, each where elevation and azimuth put it."""
    elevations, azimuths, cars = sizes
    views = read_car(content, name, (_SIDE, _SIDE, 3, azimuths, elevations))
    for view, image in enumerate(shrunk(views.reshape(-1, _SIDE, _SIDE, 3), 64)):
        part.put(view * cars + place, image[None])


def read_car(content: bytes, name: str, shape: tuple[int, ...]) -> UInt8[np.ndarray, "e a h w 3"]:
    """The views in one car's file, whose axes are stored as (height, width, channel, azimuth, elevation).

    Raises:
        ValueError: it has no array `im` of that shape.
    """
    try:
        images = read_bytes_array(content, "im", shape)
    except (ValueError, zlib.error, struct.error) as error:
        raise ValueError(f"{name}: {error}") from error
    return np.ascontiguousarray(images.transpose(4, 3, 0, 1, 2))
