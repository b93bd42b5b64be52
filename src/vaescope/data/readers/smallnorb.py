"""smallNORB's six files: matrices in the authors' own binary format.

References:
    LeCun, Huang & Bottou (2004), the NORB dataset; the format is described at
    https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Int32, UInt8

from vaescope.data.datasets.smallnorb import SmallNORB
from vaescope.data.readers.shrink import shrunk
from vaescope.data.readers.source import Readable, by_role, checksum, ended, exactly, opened, reading
from vaescope.data.readers.unpacked import Part, unpack
from vaescope.progress import Progress

BYTES: Final = 0x1E3D4C55
INTEGERS: Final = 0x1E3D4C54
_SIDE: Final = 96  # pixels of a stored image; each example is two of them, left camera first
_SPLITS: Final = ("training", "testing")
_PIECE: Final = 256  # pairs read at once: 4.5 MiB


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, Any]:
    """What `SmallNORB` is made from: the left images at 64 x 64 in an array file, and the classes of all factors.

    Args:
        paths: the six files, .gz or unzipped, in any order, under the names they were published under.
        unpacked: the folder for the array file.
        progress: is told how far it is.

    Raises:
        UsageError: a file is missing.
        CorruptArtifact: a file is not what it should be.
        ResourceError: no room on the disk, or a file cannot be read.
    """
    return read_grid(paths, unpacked, progress, SmallNORB.FACTORS.sizes)


def read_grid(paths: Sequence[Path], unpacked: Path, progress: Progress, sizes: tuple[int, ...]) -> dict[str, Any]:
    """As `read`, for other numbers of classes; every combination once, half of the instances in each split."""
    files = by_role(paths, [f"{split}-{kind}" for split in _SPLITS for kind in ("dat", "cat", "info")], "smallnorb")
    classes = read_classes(files, sizes)
    digests = []
    for split in _SPLITS:
        data = files[f"{split}-dat"]
        with reading(data, "a file that can be read"):
            digests.append(checksum(data, unpacked, progress))
    digest = sha256("".join(digests).encode() + classes.tobytes()).hexdigest()
    name = f"smallnorb-1-{digest[:32]}"

    def fill(part: Part) -> None:
        progress.stage("Unpacking smallnorb", len(classes))
        for split in _SPLITS:
            _put_left(files[f"{split}-dat"], len(classes) // 2, part, progress)

    pixels = unpack(unpacked, name, (len(classes), 64, 64), fill, progress)
    return {"pixels": pixels, "classes": classes, "fingerprint": name}


def read_classes(files: dict[str, Path], sizes: tuple[int, ...]) -> UInt8[np.ndarray, "n f"]:
    """Category, instance, elevation, azimuth and lighting of every example, training files first, in file order.

    The files do not go through the factors in any order, so nothing can be known from an example's place. Instances
    are 0 to 9 over both splits; azimuths are stored as 0, 2, …, 34.

    Raises:
        CorruptArtifact: a class out of range, or a combination of classes that does not occur exactly once.
    """
    count = prod(sizes) // len(_SPLITS)
    tables = []
    for split in _SPLITS:
        category = _integers(files[f"{split}-cat"], (count,))
        info = _integers(files[f"{split}-info"], (count, 4))
        with reading(files[f"{split}-info"], "classes of smallNORB's factors"):
            table = np.column_stack([category, info])
            if (table[:, 3] % 2).any():
                raise ValueError("an azimuth that is not even")
            table[:, 3] //= 2
            for column, size in zip(table.T, sizes, strict=True):
                if column.min() < 0 or column.max() >= size:
                    raise ValueError(f"classes {column.min()} to {column.max()} of a factor of {size}")
            tables.append(table)
    table = np.concatenate(tables)
    with reading(files[f"{_SPLITS[1]}-info"], "with the other split every combination of the factors once"):
        times = np.bincount(np.ravel_multi_index(tuple(table.T), sizes), minlength=prod(sizes))
        if (times != 1).any():
            wrong = np.unravel_index(int(np.argmax(times != 1)), sizes)
            raise ValueError(f"combination {tuple(map(int, wrong))} {times[times != 1][0]} times")
    return table.astype(np.uint8)


def skip_header(file: Readable, magic: int, shape: tuple[int, ...]) -> None:
    """Reads over a header. ValueError unless it is that of a matrix of this kind and shape.

    Little-endian 32-bit numbers: the magic number, the number of dimensions, at least three dimensions.
    """
    found, dimensions = struct.unpack("<II", exactly(file, 8, "header"))
    if found != magic:
        raise ValueError(f"magic number 0x{found:08X} instead of 0x{magic:08X}")
    if dimensions != len(shape):
        raise ValueError(f"{dimensions} dimensions instead of {len(shape)}")
    stored = max(3, dimensions)
    sizes = struct.unpack(f"<{stored}i", exactly(file, 4 * stored, "header"))[:dimensions]
    if sizes != shape:
        raise ValueError(f"dimensions {sizes}")


def _integers(path: Path, shape: tuple[int, ...]) -> Int32[np.ndarray, "..."]:
    with reading(path, f"a smallNORB matrix of integers {shape}"), opened(path) as file:
        skip_header(file, INTEGERS, shape)
        table = np.frombuffer(exactly(file, 4 * prod(shape), "integers"), "<i4").reshape(shape)
        ended(file)
    return table.astype(np.int32)


def _put_left(path: Path, count: int, part: Part, progress: Progress) -> None:
    """The left image of each pair, 96 -> 64 pixels, after those that are there already."""
    shape = (count, 2, _SIDE, _SIDE)
    with reading(path, f"a smallNORB matrix of bytes {shape}"), opened(path) as file:
        skip_header(file, BYTES, shape)
        for first in range(0, count, _PIECE):
            pairs = min(_PIECE, count - first)
            piece = np.frombuffer(exactly(file, pairs * prod(shape[1:]), f"pairs {first} and after"), np.uint8)
            part.put(part.written, shrunk(piece.reshape(pairs, *shape[1:])[:, 0], 64))
            progress.advance(pairs)
            progress.check()
        ended(file)
