"""The files as they were published: opened, unzipped in passing, told apart by their checksum, refused when garbled."""

import gzip
import json
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from uuid import uuid4

from vaescope.errors import CorruptArtifact, ResourceError, UsageError, VaescopeError
from vaescope.progress import Progress

_GARBLED: Final = (ValueError, EOFError, struct.error, zlib.error, gzip.BadGzipFile)
_PIECE: Final = 1 << 20
_MARKS: Final = b"\xef\xbb\xbf \t\r\n"  # what may stand before the first < of a web page


@runtime_checkable
class Readable(Protocol):
    """A file that is read from its beginning to its end."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, fewer only at the end."""
        ...


@contextmanager
def reading(path: Path, expected: str, *garbled: type[Exception]) -> Iterator[None]:
    """Turns what goes wrong while `path` is read into an error that says what to do.

    Args:
        path: the file.
        expected: what it should be, for the message.
        garbled: exceptions that mean it is not that, besides those of numbers, zlib and gzip.

    Raises:
        UsageError: no file there.
        CorruptArtifact: it is not what was expected.
        ResourceError: the operating system cannot read it, or there is no memory.
    """
    try:
        yield
    except VaescopeError:
        raise
    except (*_GARBLED, *garbled) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise CorruptArtifact(
            f"{path}: expected {expected}, got: {said}. Delete it and download it again, `vaescope data fetch`."
        ) from error
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        got = "a folder" if path.is_dir() else "no such file"
        raise UsageError(f"{path}: expected {expected}, got {got}. `vaescope data fetch` downloads it.") from error
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be read: {error.strerror or error}. Check permissions and disk."
        ) from error
    except MemoryError as error:
        raise ResourceError(f"{path}: no memory is left to read it. Close other programs.") from error


@contextmanager
def opened(path: Path) -> Iterator[Readable]:
    """The content of a file, unzipped if it is a .gz, whatever it is called. ValueError where it is a web page."""
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.lstrip(_MARKS).startswith(b"<"):
            raise ValueError("a web page saved under this name")
        if start.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as unzipped:
                yield unzipped
        else:
            yield file


def exactly(file: Readable, count: int, what: str) -> bytes:
    """The next `count` bytes. ValueError where the file ends before."""
    found = file.read(count)
    if len(found) < count:
        raise ValueError(f"the end of the file after {len(found):,} of {count:,} bytes of {what}")
    return found


def ended(file: Readable) -> None:
    """ValueError unless the file ends here; at the end of a .gz its own checksum is verified."""
    if file.read(1):
        raise ValueError("more bytes than its header says")


def by_role(paths: Sequence[Path], roles: Sequence[str], who: str) -> dict[str, Path]:
    """The file of each role; a role is a part of the file's name, such as "training-dat".

    Raises:
        UsageError: a role that no file has or more than one.
    """
    found = {role: [path for path in paths if role in path.name] for role in roles}
    wrong = [role for role, of_one in found.items() if len(of_one) != 1]
    if wrong:
        got = ", ".join(path.name for path in paths) or "none"
        raise UsageError(
            f"{who}: expected {len(roles)} files, one whose name contains each of {', '.join(roles)}; none or several "
            f"for {', '.join(wrong)} among: {got}. Keep the names they were published under."
        )
    return {role: of_one[0] for role, of_one in found.items()}


def the_only(paths: Sequence[Path], who: str) -> Path:
    """The one file of a dataset. UsageError where there is another number of files."""
    if len(paths) != 1:
        raise UsageError(f"{who}: expected one file, got {len(paths)}: {', '.join(path.name for path in paths)}.")
    return paths[0]


def checksum(path: Path, notes: Path, progress: Progress) -> str:
    """SHA-256 of a file in hexadecimal digits, read once: noted in the folder `notes` until the file changes.

    Changed is a file with another size, time of change, or inode.
    """
    status = path.stat()
    place = str(path.resolve())
    facts = {"path": place, "bytes": status.st_size, "changed": status.st_mtime_ns, "inode": status.st_ino}
    note = notes / f"checksum-{blake2b(place.encode(), digest_size=8).hexdigest()}.json"
    with suppress(OSError, ValueError, RecursionError):
        noted = json.loads(note.read_text(encoding="utf-8"))
        known = noted.pop("sha256") if isinstance(noted, dict) and "sha256" in noted else ""
        if noted == facts and isinstance(known, str) and re.fullmatch("[0-9a-f]{64}", known):
            return known
    digits = _hashed(path, status.st_size, progress)
    with suppress(OSError):  # where nothing can be noted, it is read again next time
        notes.mkdir(parents=True, exist_ok=True)
        part = notes / f".{note.name}.{uuid4().hex}.part"
        try:
            part.write_text(json.dumps({**facts, "sha256": digits}), encoding="utf-8")
            part.replace(note)
        finally:
            part.unlink(missing_ok=True)
    return digits


def _hashed(path: Path, size: int, progress: Progress) -> str:
    digest = sha256()
    with path.open("rb") as file:
        progress.stage(f"Checksum of {path.name}", -(-size // _PIECE))
        while piece := file.read(_PIECE):
            digest.update(piece)
            progress.advance()
            progress.check()
        if os.fstat(file.fileno()).st_size != size:
            raise OSError(f"it changed from {size:,} bytes while it was read")
    return digest.hexdigest()
