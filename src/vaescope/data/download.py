"""One file from a server or a folder into a part file: tried again, and continued where it broke off.

The standard library's urllib does the work, since it honours the proxy settings and can ask for a range of bytes; pooch
cannot resume. What has come is not believed here: `fetch` verifies it.
"""

import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib import request
from urllib.error import HTTPError, URLError

from vaescope.data.official import OfficialFile, in_words
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

_CHUNK: Final = 256 * 1024
_HEADWAY: Final = 1024 * 1024  # bytes after which a connection that broke off counts as a new one
_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # other answers will be the same next time
OTHERWISE: Final = "or name another source: `mirror` (an address or a folder) or `path` (a copy of your own)."


@dataclass(frozen=True)
class Patience:
    """How long a download waits.

    Attributes:
        timeout: seconds a server may be silent.
        tries: connections without headway after which it gives up.
        pause: seconds before the second try; each further one waits twice as long.
    """

    timeout: float = 30.0
    tries: int = 3
    pause: float = 1.0


@dataclass(frozen=True)
class _Reply:
    """What a source gives: bytes from `at` on, of a file of `total` bytes (None: not said)."""

    read: Callable[[], bytes]
    at: int
    total: int | None


class _Broken(Exception):
    """It did not work this time."""


class _Complete(Exception):
    """The part file is all there is."""


def download(
    file: OfficialFile, source: str | Path, part: Path, progress: Progress, patience: Patience = Patience()
) -> bool:
    """Bring a file to `part`, continuing what is there already; whether it came in one piece.

    Args:
        file: what it should be.
        source: its address, or the file in another folder.
        part: where to; after any error but `CorruptArtifact` what came is kept there for the next time.
        progress: told the bytes; asked between pieces whether to stop.
        patience: with a server that fails or is silent.

    Raises:
        CorruptArtifact: the source has another file under this name, or a web page.
        UsageError: no such file in the folder.
        ResourceError: no connection, an error of the server, or no room on the disk.
    """
    failures, furthest = 0, _size(part)
    while True:
        progress.check()
        try:
            return _receive(file, source, part, progress, patience.timeout) == 0
        except _Complete:
            return False
        except _Broken as problem:
            reached = _size(part)
            failures = 1 if reached >= furthest + _HEADWAY else failures + 1
            furthest = max(furthest, reached)
            if failures >= patience.tries:
                kept = f" {in_words(reached)} are kept and will be continued." if reached else ""
                raise ResourceError(
                    f"{source}: expected a download, got: {problem} ({failures} tries in a row).{kept} Give the same "
                    f"command again later, {OTHERWISE}"
                ) from None
            progress.say(f"{file.name}: {problem}; trying again.")
            _wait(patience.pause * 2 ** (failures - 1), progress)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _wait(seconds: float, progress: Progress) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        progress.check()
        time.sleep(min(0.1, left))


def _receive(file: OfficialFile, source: str | Path, part: Path, progress: Progress, timeout: float) -> int:
    """One try: all that is still wanting; the byte at which it began. `_Broken` where it does not get there."""
    at = _size(part)
    if at and at == file.bytes:
        raise _Complete
    if file.bytes is not None and at > file.bytes:
        part.unlink()
        at = 0
    opened = _copied(source, at) if isinstance(source, Path) else _asked(source, at, part, timeout)
    with opened as reply:
        if file.bytes is not None and reply.total not in (None, file.bytes):
            raise CorruptArtifact(
                f"{source}: expected {file.bytes:,} bytes, got an offer of {reply.total:,}: another file. "
                f"Try again later, {OTHERWISE}"
            )
        first = reply.read()
        if not reply.at and first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise CorruptArtifact(f"{source}: expected {file.name}, got a web page. Try again later, {OTHERWISE}")
        total = reply.total or file.bytes
        _make_sure_of_room(part, total, reply.at)
        if total:
            progress.stage(f"Downloading {file.name}", total)
            progress.advance(reply.at, "")
        reached = _write(first, reply, part, total, progress)
    if total and reached < total:
        raise _Broken(f"it ended after {reached:,} of {total:,} bytes")
    if total and reached > total:
        part.unlink()
        raise CorruptArtifact(f"{source}: expected {total:,} bytes, got more: another file. Try later, {OTHERWISE}")
    return reply.at


def _make_sure_of_room(part: Path, total: int | None, at: int) -> None:
    free = shutil.disk_usage(part.parent).free + _size(part)
    if total and total > free:
        raise ResourceError(
            f"{part.parent}: {total - at:,} bytes are needed for {part.name}, {max(0, free - at):,} are free. "
            "Make room, or set VAESCOPE_DATA to a folder on another disk."
        )


def _write(first: bytes, reply: _Reply, part: Path, total: int | None, progress: Progress) -> int:
    """Append what the reply gives, `first` first; the length then reached."""
    reached, chunk = reply.at, first
    try:
        with part.open("ab" if reply.at else "wb") as out:
            while chunk and (total is None or reached <= total):
                out.write(chunk)
                reached += len(chunk)
                if total:
                    progress.advance(len(chunk), f"{in_words(reached)} of {in_words(total)}")
                progress.check()
                chunk = reply.read()
    except OSError as error:
        needed = f"{total - reached:,} more bytes are needed" if total else "more bytes are needed"
        raise ResourceError(
            f"{part}: cannot be written: {error.strerror or error}; {needed}. What came is kept: make room, or set "
            "VAESCOPE_DATA to a folder on another disk, then give the same command again."
        ) from error
    return reached


@contextmanager
def _copied(source: Path, at: int) -> Iterator[_Reply]:
    """A file of a folder that serves as a mirror."""
    try:
        opened = source.open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UsageError(f"{source}: expected this file in the folder given as `mirror`, got none there.") from None
    except OSError as error:
        raise ResourceError(f"{source}: cannot be read: {error.strerror}. Check permissions and disk.") from error
    with opened:
        total = opened.seek(0, 2)
        begin = opened.seek(at if at <= total else 0)
        yield _Reply(_telling(lambda: opened.read(_CHUNK), source), begin, total)


def _telling(read: Callable[[], bytes], source: str | Path) -> Callable[[], bytes]:
    """The same reading, whose failures are told from those of writing."""

    def told() -> bytes:
        try:
            return read()
        except TimeoutError:
            raise _Broken("nothing came for too long") from None
        except (HTTPException, OSError) as error:
            raise _Broken(f"{type(error).__name__}: {error}") from None

    return told


@contextmanager
def _asked(url: str, at: int, part: Path, timeout: float) -> Iterator[_Reply]:
    """The answer of a server that is asked for everything from byte `at` on."""
    headers = {"User-Agent": "vaescope", "Accept-Encoding": "identity"}
    if at:
        # without If-Range: only one version of the file has the right checksum, and any server may have it
        headers["Range"] = f"bytes={at}-"
    try:
        response = _opener().open(request.Request(url, headers=headers), timeout=timeout)  # noqa: S310, http(s) only
    except HTTPError as error:
        with error:
            raise _answered(error, url, at, part) from None
    except TimeoutError:
        raise _Broken(f"no answer within {timeout:g} s") from None
    except (URLError, HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise ResourceError(
                f"{url}: the server's certificate is not trusted: {reason.verify_message}. Mend this machine's "
                f"certificates, {OTHERWISE}"
            ) from None
        timed_out = isinstance(reason, TimeoutError)
        raise _Broken(f"no answer within {timeout:g} s" if timed_out else f"no connection: {reason}") from None
    with response:
        length = response.headers["Content-Length"]
        begin, total = 0, int(length) if length and length.isdigit() else None
        if response.status == 206:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers["Content-Range"] or "")
            if not at or not found or int(found[1]) != at:
                part.unlink(missing_ok=True)
                raise _Broken("the server sent another part than it was asked for")
            begin, total = at, int(found[2]) if found[2] != "*" else None if total is None else at + total
        yield _Reply(_telling(lambda: response.read1(_CHUNK), url), begin, total)


def _answered(error: HTTPError, url: str, at: int, part: Path) -> Exception:
    """What an answer that is no file means."""
    if error.code == 416 and at:
        if error.headers["Content-Range"] == f"bytes */{at}":
            return _Complete()
        part.unlink(missing_ok=True)  # it is longer than the file
        return _Broken("what had come before does not belong to this file")
    if error.code in _TRY_AGAIN:
        return _Broken(f"the server answers {error.code} {error.reason}")
    return ResourceError(
        f"{url}: expected a file, got the answer {error.code} {error.reason}. Try again later, {OTHERWISE}"
    )


def _opener() -> request.OpenerDirector:
    """What follows redirections and uses the proxies of the environment, but knows no scheme except http and https."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.UnknownHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener
