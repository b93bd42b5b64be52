"""Arrays in an .npz: read in place where they are stored as they are, unpacked once where they are compressed."""

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from struct import error as StructError
from struct import unpack
from typing import Final, cast
from zipfile import ZIP_STORED, BadZipFile, ZipExtFile, ZipFile, ZipInfo

import numpy as np

from vaescope.data.rows import Rows, fingerprint, npy_header, npy_rows
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

_PIECE: Final = 4 * 1024 * 1024  # bytes unpacked between two looks at whether to stop
_LOCAL: Final = 30  # bytes of a member's own header, before its name
BROKEN = (BadZipFile, zlib.error, EOFError, StructError, NotImplementedError, RuntimeError)
"""What zipfile raises of damaged archives; NotImplementedError of a method of compression that it does not know."""


@dataclass(frozen=True)
class Header:
    """Shape and dtype of an array that was not read."""

    shape: tuple[int, ...]
    dtype: np.dtype


def npz_headers(path: Path) -> dict[str, Header]:
    """Name -> shape and dtype of the numeric arrays of an .npz; what is none (Python objects, texts) is left out.

    Raises:
        UsageError: no such file.
        CorruptArtifact: no zip file, or a damaged one.
        ResourceError: the file cannot be read.
    """
    found = {}
    with _archive(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            try:
                with archive.open(info) as member:
                    found[info.filename[:-4]] = Header(
                        *npy_header(cast(ZipExtFile, member), f"{path}: {info.filename}")
                    )
            except UsageError:
                continue
    return found


def npz_rows(path: Path, key: str, unpacked: Path, progress: Progress) -> Rows:
    """The array of this name in an .npz.

    Args:
        path: the .npz.
        key: name of the array.
        unpacked: folder for a compressed array; it is unpacked there piece by piece, the first time only.
        progress: told the bytes unpacked; asked whether to stop.

    Raises:
        UsageError: no such file or array, or not one that can be read in place (see `npy_rows`).
        CorruptArtifact: damaged: not a zip file, cut short, or what was unpacked has another checksum.
        ResourceError: the file cannot be read, or the disk is full.
        Interrupted: a stop was asked for; the same call begins again.
    """
    with _archive(path) as archive:
        try:
            info = archive.getinfo(f"{key}.npy")
        except KeyError:
            known = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
            raise UsageError(f"{path}: expected an array {key!r}, got {', '.join(known) or 'none at all'}.") from None
        if info.flag_bits & 1:
            raise UsageError(f"{path}: {key!r} is encrypted. Save it anew with np.savez.")
        if info.compress_type == ZIP_STORED:
            return npy_rows(path, _place(path, info))
        name = blake2b(f"{fingerprint(path)}/{key}".encode(), digest_size=8).hexdigest()
        target = unpacked / f"{name}.npy"
        if not target.is_file() or target.stat().st_size != info.file_size:
            with archive.open(info) as member:  # refused before it is unpacked, where it would be after
                npy_header(cast(ZipExtFile, member), f"{path}: {key}")
            unpack_member(archive, info, target, progress)
    return npy_rows(target)


def unpack_member(archive: ZipFile, info: ZipInfo, target: Path, progress: Progress) -> None:
    """Write a member of an open zip file to `target`: whole and with the right checksum, or not at all.

    Raises:
        CorruptArtifact: the checksum in the archive is another one.
        ResourceError: the disk is full, or the folder cannot be written.
        Interrupted: a stop was asked for.
    """
    progress.stage(f"unpack {info.filename}", info.file_size)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ResourceError(f"{target.parent}: cannot be written: {error.strerror}. Give another folder.") from error
    try:
        with os.fdopen(number, "wb") as out, archive.open(info) as member:
            while piece := member.read(_PIECE):  # at its end the checksum is verified
                out.write(piece)
                progress.advance(len(piece))
                progress.check()
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(target)
    except OSError as error:
        raise ResourceError(
            f"{target}: cannot be written: {error.strerror}. {info.file_size:,} bytes of free disk are needed."
        ) from error
    except BROKEN as error:
        raise CorruptArtifact(f"{archive.filename}: {info.filename} is damaged: {error}. Download it again.") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _place(path: Path, info: ZipInfo) -> int:
    """The byte at which the content of a stored member begins."""
    try:
        with path.open("rb") as file:
            file.seek(info.header_offset)
            signature, name, extra = unpack("<4s22xHH", file.read(_LOCAL))
    except StructError as error:
        raise CorruptArtifact(f"{path}: {info.filename} was cut off. Copy or download it again.") from error
    if signature != b"PK\x03\x04":
        raise CorruptArtifact(f"{path}: {info.filename} is not where the archive says. Copy or download it again.")
    return info.header_offset + _LOCAL + name + extra


@contextmanager
def _archive(path: Path) -> Iterator[ZipFile]:
    """A zip file open for reading; what goes wrong in it is told in the package's own errors."""
    fingerprint(path)  # tells of a missing file or a folder
    try:
        with ZipFile(path) as archive:
            yield archive
    except BROKEN as error:
        raise CorruptArtifact(
            f"{path}: expected an .npz as np.savez writes it, got: {error}. Copy or download it again."
        ) from error
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror or error}. Check the disk.") from error
