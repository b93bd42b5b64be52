"""The official dSprites .npz, verified and then read without its pickle."""

import hashlib
import re
import zlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from struct import error as StructError
from typing import Final, cast
from zipfile import BadZipFile, ZipExtFile, ZipFile

import numpy as np
from jaxtyping import UInt8

from vaescope.data.datasets.dsprites import OfficialImages
from vaescope.data.official import OFFICIAL
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

_FILE: Final = OFFICIAL["dsprites"][0]
_MD5: Final = _FILE.checksum.removeprefix("md5:")
_SHAPE: Final = (737_280, 64, 64)
_CHUNK = 2048  # images: 8 MiB unpacked
# The one header that is right, so that nothing has to be parsed; numpy under Python 2 wrote some sizes as 64L.
_HEADER = re.compile(rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \((\d+)L?, (\d+)L?, (\d+)L?\), ?\}\s*")


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, OfficialImages]:
    """What `DSprites` is made of where the official file is used. Raises as `read_dsprites_file` does."""
    return {"official": read_dsprites_file(paths[0])}


def read_dsprites_file(path: Path, md5: str = _MD5, shape: tuple[int, int, int] = _SHAPE) -> OfficialImages:
    """The images of the official dSprites .npz, at one bit a pixel: 377 MB of memory, some seconds.

    The checksum of the whole file is verified before anything in it is believed. Only the member `imgs` is read, in
    pieces; `metadata`, which is a pickle, is never touched.

    Args:
        path: the file as downloaded.
        md5: hexadecimal checksum the file must have.
        shape: (images, height, width) the array must have; the width a multiple of 8.

    Raises:
        UsageError: no file there.
        CorruptArtifact: wrong checksum, a web page saved under this name, or not the array expected.
        ResourceError: no permission, a failing disk, no memory.
    """
    try:
        with path.open("rb") as file:
            _verify(file, path, md5)
            return OfficialImages(_read_packed(file, path, shape), md5)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        got = "a folder" if path.is_dir() else "no such file"
        raise UsageError(
            f"{path}: expected the official dSprites file, got {got}. Leave `path` out to draw the images instead, or "
            f"download the file from {_FILE.url}"
        ) from error
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be read: {error.strerror or error}. Check permissions and disk."
        ) from error
    except MemoryError as error:
        needed = int(np.prod(shape)) // 8
        raise ResourceError(
            f"{path}: expected {needed:,} bytes of free memory, got fewer. Leave `path` out."
        ) from error


def _verify(file: BufferedReader, path: Path, md5: str) -> None:
    """CorruptArtifact unless the whole file has this checksum; leaves it at its start."""
    start = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    file.seek(0)
    got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    size = file.tell()
    file.seek(0)
    if got == md5:
        return
    page = " It is a web page saved under this name: the download failed." if start.startswith(b"<") else ""
    raise CorruptArtifact(
        f"{path}: expected MD5 {md5}, got {got} ({size:,} bytes).{page} Delete it and download it "
        f"again from {_FILE.url}"
    )


def _read_packed(file: BufferedReader, path: Path, shape: tuple[int, int, int]) -> UInt8[np.ndarray, "n bytes"]:
    """The member `imgs` of an open .npz, packed piece by piece."""
    count, height, width = shape
    try:
        with ZipFile(file) as archive, archive.open("imgs.npy") as opened:
            member = cast(ZipExtFile, opened)
            _check_header(member, shape)
            packed = np.empty((count, height * width // 8), np.uint8)
            for first in range(0, count, _CHUNK):
                expected = min(_CHUNK, count - first) * height * width
                piece = np.frombuffer(member.read(expected), np.uint8)
                if piece.size < expected:
                    raise ValueError(f"ends after {first * height * width + piece.size:,} of {np.prod(shape):,} pixels")
                if piece.max() > 1:
                    raise ValueError(f"expected pixels 0 and 1, got {piece.max()} in image {first} or soon after")
                packed[first : first + _CHUNK] = np.packbits(piece.reshape(-1, height * width), axis=1)
            if member.read(1):  # at the end the archive's own checksum is verified as well
                raise ValueError(f"goes on after {np.prod(shape):,} pixels")
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        StructError,
    ) as e:
        raise CorruptArtifact(
            f"{path}: expected an .npz whose array `imgs` is uint8 of shape {shape}, got: {e}. Download it again from "
            f"{_FILE.url}"
        ) from e
    return packed


def _check_header(member: ZipExtFile, shape: tuple[int, int, int]) -> None:
    """ValueError unless a plain uint8 array of this shape begins here; leaves `member` at its first pixel."""
    magic, size = member.read(8), member.read(2)
    if magic != b"\x93NUMPY\x01\x00":
        raise ValueError(f"a beginning of {magic!r}, which is no .npy of format 1.0")
    header = member.read(int.from_bytes(size, "little"))
    match = _HEADER.fullmatch(header)
    if match is None or tuple(map(int, match.groups())) != shape:
        raise ValueError(f"an array with the header {header[:100].decode('latin-1').strip()!r}")
