"""What coordinator and workers tell one another through the study's folder: who is there, what has begun, when to stop.

    .tasks/<session>/alive       locked by the coordinator while it lives
    .tasks/<session>/state       "go" or "no"; written in place, so that other machines see it when they open it
    .tasks/<session>/begun/      a file for each attempt that has begun, gone when it ended by itself
    .tasks/locks/<task>          locked by whoever does the task

The locks are the kernel's and end with the process that holds them. Nothing of this is left when the session ends.
"""

import atexit
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from vaescope.errors import ResourceError

FOLDER = ".tasks"
GO, NO = b"go", b"no"


class Session:
    """One call of `run_tasks`, as those see it who take part.

    Args:
        folder: of the study.
        name: of the session.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self._locks = folder / FOLDER / "locks"
        self._path = folder / FOLDER / name
        self._state = self._path / "state"
        self._alive = self._path / "alive"
        self._begun = self._path / "begun"

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Be its coordinator meanwhile, and remove what earlier coordinators left that were killed.

        Raises:
            ResourceError: the folder cannot be written, or has no locks.
        """
        try:
            for path in (self._locks, self._begun):
                path.mkdir(parents=True, exist_ok=True)
            for other in (self.folder / FOLDER).iterdir():
                if other not in (self._locks, self._path) and not _locked(other / "alive"):
                    shutil.rmtree(other, ignore_errors=True)
            self._state.write_bytes(GO)
            held = os.open(self._alive, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ResourceError(
                f"{self.folder / FOLDER}: workers cannot be led from here: {error.strerror}. "
                "The study's folder must be writable and on a file system with file locks."
            ) from None
        try:
            yield
        finally:
            os.close(held)
            shutil.rmtree(self._path, ignore_errors=True)
            self._sweep()

    def _sweep(self) -> None:
        with suppress(OSError):
            for path in self._locks.iterdir():
                with suppress(Timeout), FileLock(path, timeout=0):
                    path.unlink(missing_ok=True)
            self._locks.rmdir()
            self._locks.parent.rmdir()

    def stop(self) -> None:
        """Ask all attempts of this session to stop."""
        with suppress(OSError):
            state = os.open(self._state, os.O_WRONLY)
            try:
                os.pwrite(state, NO, 0)
            finally:
                os.close(state)

    def there(self) -> bool:
        """Whether this folder is the one that the coordinator made."""
        return self._state.exists()

    def stopped(self) -> bool:
        """Whether attempts should stop: they were asked to, or the session is over."""
        try:
            return self._state.read_bytes() != GO
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def led(self) -> bool:
        """Whether the coordinator lives."""
        return _locked(self._alive)

    def lock(self, key: str) -> FileLock:
        """The lock of a task; at most one attempt holds it, of whatever session."""
        return FileLock(self._locks / _name(key), thread_local=False)

    @contextmanager
    def beginning(self, key: str) -> Iterator[None]:
        """Leave a mark while an attempt is under way; it stays if the process dies, not if it ends in good order.

        Raises:
            ResourceError: it cannot be written.
        """
        mark = self._begun / f"{_name(key)}.{uuid4().hex}"
        try:
            (self._begun / _name(key)).touch()
            mark.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        except FileNotFoundError:
            pass  # the session is over, and the attempt will stop
        except OSError as error:
            raise ResourceError(f"{mark.parent}: cannot be written: {error.strerror}.") from None

        def remove() -> None:
            with suppress(OSError):
                mark.unlink(missing_ok=True)

        atexit.register(remove)
        try:
            yield
        finally:
            remove()
            atexit.unregister(remove)

    def forget_beginning(self, key: str) -> bool:
        """Whether the task was begun since this was last asked."""
        try:
            (self._begun / _name(key)).unlink()
        except OSError:
            return False
        return True

    def begun(self, key: str) -> list[str]:
        """Who began the task and has not ended it. Asked by who holds the task's lock: who died while doing it."""
        found = []
        with suppress(OSError):
            for mark in sorted(self._begun.glob(f"{_name(key)}.*")):
                found.append(mark.read_text())
        return found


def _locked(path: Path) -> bool:
    """Whether a process holds the lock of a file. Many may look at once, and no file is made by looking."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _name(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:32]
