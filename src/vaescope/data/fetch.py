"""Official files, in the cache or where the user has them: brought there, and nothing is used that was not verified."""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock, Timeout

from vaescope.data.download import OTHERWISE, Patience, download
from vaescope.data.official import OfficialFile
from vaescope.data.verify import is_noted, note, verify
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress


def cache() -> Path:
    """The folder that official files are kept in: $VAESCOPE_DATA, or `vaescope` in the user's cache folder.

    Raises:
        ResourceError: the user has no home.
    """
    if named := os.environ.get("VAESCOPE_DATA"):
        return Path(named).expanduser().absolute()
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vaescope" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "vaescope"
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))  # which counts only where it is absolute
        return (given if given.is_absolute() else Path.home() / ".cache") / "vaescope"
    except RuntimeError:
        raise ResourceError("this user has no home folder for a cache. Set VAESCOPE_DATA to a folder.") from None


def fetch(
    files: Sequence[OfficialFile],
    folder: Path,
    mirror: str | Path | None = None,
    progress: Progress | None = None,
    patience: Patience = Patience(),  # noqa: B008, it is immutable
) -> list[Path]:
    """The files in `folder`, downloaded where they are not there yet. Several processes may ask at the same time.

    A file that is there has its checksum verified once, and again whenever its size or time of change is another.

    Args:
        files: which ones.
        folder: where they are kept; made if it is not there.
        mirror: the address or the folder that has the files under their names, instead of where they are published.
        progress: told what is done; asked whether to stop, which keeps what has come for the next time.
        patience: with servers.

    Raises:
        UsageError: the mirror is no http, https or file address and no folder with these files.
        CorruptArtifact: a file is not the official one; it was removed.
        ResourceError: no connection, no room, or a folder that cannot be written.
    """
    told = progress or Progress()
    return [_fetched(file, folder, source_of(file, mirror), told, patience) for file in files]


def source_of(file: OfficialFile, mirror: str | Path | None) -> str | Path:
    """Where a file comes from: an http(s) address, or its path in a folder. UsageError for any other scheme."""
    if mirror is None:
        return file.url
    if isinstance(mirror, Path) or not re.match(r"[A-Za-z][A-Za-z0-9+.\-]+:", mirror):  # C:\ is a drive
        return Path(mirror).expanduser() / file.name
    parts = urlsplit(mirror)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)) / file.name
    if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\s\x00-\x1f\x7f]", mirror):
        raise UsageError(f"`mirror`: expected an http, https or file address, or a folder, got {mirror!r}.")
    return f"{mirror.rstrip('/')}/{quote(file.name)}"


def in_place(files: Sequence[OfficialFile], path: Path, folder: Path, progress: Progress | None = None) -> list[Path]:
    """The user's own copy of the files, verified, where it lies.

    Args:
        files: which ones.
        path: a folder that has them under their official names; or the file itself, if it is only one.
        folder: the cache, where it is noted what was verified.
        progress: told what is done.

    Raises:
        UsageError: a file is not there.
        CorruptArtifact: a file is not the official one.
        ResourceError: a file cannot be read.
    """
    names = ", ".join(file.name for file in files)
    try:
        if path.is_dir():
            found = [path / file.name for file in files]
            if missing := [p.name for p in found if not p.is_file()]:
                raise UsageError(f"{path}: expected {names}, got a folder without {', '.join(missing)}.")
        elif not path.is_file():
            raise UsageError(f"{path}: expected {names}, got no such file.")
        elif len(files) > 1:
            raise UsageError(f"{path}: expected a folder with {names}, got a file.")
        else:
            found = [path]
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror}. Check its permissions.") from error
    for file, place in zip(files, found, strict=True):
        verify(place, file, folder, progress or Progress(), f"Delete it and download it again from {file.url}")
    return found


def _fetched(file: OfficialFile, folder: Path, source: str | Path, progress: Progress, patience: Patience) -> Path:
    target, part = folder / file.name, folder / f".{file.name}.part"
    if is_noted(target, file, folder):
        return target
    again = "Give the same command again to download it anew."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{file.name}.lock", file.name, progress):
            if target.is_file():
                try:
                    verify(target, file, folder, progress, f"It was removed. {again}")
                except CorruptArtifact:
                    target.unlink()
                    raise
                return target
            _bring(file, source, part, progress, patience)
            _put_in_place(part, target)
            note(target, file, folder)
            return target
    except OSError as error:
        if target.is_file():  # in a folder that is only to be read
            verify(target, file, folder, progress, f"Remove it. {again}")
            return target
        raise ResourceError(
            f"{folder}: {file.name} cannot be kept here: {error.strerror or error}. Set VAESCOPE_DATA to a folder that "
            "can be written, or give the `path` of a copy of your own."
        ) from error


def _bring(file: OfficialFile, source: str | Path, part: Path, progress: Progress, patience: Patience) -> None:
    """Download and verify; what came in several pieces and is wrong is downloaded once more in one."""
    advice = f"It was removed. The source has another file: try again later, {OTHERWISE}"
    whole = download(file, source, part, progress, patience)
    try:
        verify(part, file, None, progress, advice)
    except CorruptArtifact:
        part.unlink()
        if whole:
            raise
        progress.say(f"{file.name}: what was continued does not fit together; starting again.")
        download(file, source, part, progress, patience)
        try:
            verify(part, file, None, progress, advice)
        except CorruptArtifact:
            part.unlink()
            raise


@contextmanager
def _alone(path: Path, name: str, progress: Progress) -> Iterator[None]:
    """Keep other processes out, or wait for the one that is in; the system frees the lock of one that died."""
    lock, waited = FileLock(path), False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not waited:
                progress.say(f"{name}: another process is fetching it; waiting.")
            waited = True
            progress.check()
            time.sleep(0.1)
        except NotImplementedError as error:
            raise OSError(None, str(error)) from error
    try:
        yield
    finally:
        lock.release()


def _put_in_place(part: Path, target: Path) -> None:
    """Durably: after a power failure the file is there whole or not at all."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    if sys.platform != "win32":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
