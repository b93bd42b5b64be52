"""Whether a file is the official one: its checksum, computed once for each size and time of change it is seen with."""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from vaescope.data.official import OfficialFile
from vaescope.errors import CorruptArtifact, ResourceError
from vaescope.progress import Progress

_CHUNK: Final = 4 * 1024 * 1024


def verify(path: Path, file: OfficialFile, notes: Path | None, progress: Progress, advice: str) -> None:
    """Make sure that a file is the official one.

    Args:
        path: the file.
        file: what it should be.
        notes: a folder in which it is noted that it was verified, so that it is not read again until it changes.
        progress: told the bytes; asked between pieces whether to stop.
        advice: what the user can do where it is another file.

    Raises:
        CorruptArtifact: it is another file.
        ResourceError: it cannot be read.
    """
    before = _stamp(path)
    if notes is not None and is_noted(path, file, notes):
        return
    kind, _, digits = file.checksum.partition(":")
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        size = path.stat().st_size
        progress.stage(f"Verifying {file.name}", size)
        with path.open("rb") as opened:
            start = b""
            while chunk := opened.read(_CHUNK):
                start = start or chunk[:512]
                digest.update(chunk)
                progress.advance(len(chunk))
                progress.check()
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror}. Check permissions and disk.") from error
    if digest.hexdigest() != digits:
        page = start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
        raise CorruptArtifact(
            f"{path}: expected {'MD5' if kind == 'md5' else 'SHA-256'} {digits}, got {digest.hexdigest()} "
            f"({size:,} bytes).{' It is a web page saved under this name: the download failed.' if page else ''} "
            f"{advice}"
        )
    if notes is not None and before == _stamp(path):
        note(path, file, notes)


def _stamp(path: Path) -> list[int]:
    """What changes with a file's bytes: its size and times of change; [] where it cannot be seen."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _note_of(path: Path, notes: Path) -> Path:
    return notes / ".verified" / f"{hashlib.blake2b(os.fsencode(path.absolute()), digest_size=8).hexdigest()}.json"


def is_noted(path: Path, file: OfficialFile, notes: Path) -> bool:
    """Whether this file was found to be the official one, and has the same size and times of change since."""
    with suppress(OSError, ValueError):
        found = json.loads(_note_of(path, notes).read_bytes())
        return isinstance(found, dict) and found == {"checksum": file.checksum, "stamp": _stamp(path)}
    return False


def note(path: Path, file: OfficialFile, notes: Path) -> None:
    """Note that this file was verified; where that cannot be written it is verified again the next time."""
    with suppress(OSError):
        place = _note_of(path, notes)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"checksum": file.checksum, "stamp": _stamp(path)}))
