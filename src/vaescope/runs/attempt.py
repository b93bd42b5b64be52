"""One attempt at a task, where it is done: the task's lock, its mark, and the coordinator's wish to stop."""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import Timeout

from vaescope.errors import Interrupted, ResourceError
from vaescope.progress import Progress
from vaescope.runs.session import Session

RETRIES = 3
BUSY_SECONDS = 5.0
LOCK_SECONDS = 0.1
STOP_SECONDS = 0.5
ALIVE_SECONDS = 3.0


@dataclass(frozen=True)
class Order:
    """Which task is to be done, for whom.

    Attributes:
        folder: of the study.
        session: name of the session.
        key: of the task.
        version: of the coordinator's vaescope.
    """

    folder: str
    session: str
    key: str
    version: str


@dataclass(frozen=True)
class Answer:
    """What came of an attempt.

    Attributes:
        state: "done"; "stopped" before it was; "left", because its worker is to leave; "busy": another attempt still
            holds the task; "died": the workers of too many earlier attempts did, so this one was not made.
        value: what the function returned.
        said: the lines it wanted to be seen.
        where: who answers; of "died", who died last.
        deaths: how many attempts had died before.
    """

    state: Literal["done", "stopped", "left", "busy", "died"]
    value: Any = None
    said: tuple[str, ...] = ()
    where: str = ""
    deaths: int = 0


class StopFile(Progress):
    """Progress of a task done elsewhere: it keeps what is said, and knows when to stop.

    That is when the coordinator wants it or is gone, or when this worker is to leave: its time on the machine is over.

    Args:
        session: whose state tells to stop. Looked at every half second at most.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._leaving = _leaving()
        self.left = False
        self._stopped = False
        self._next_look = self._next_sign = 0.0
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def check(self) -> None:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + STOP_SECONDS
            self.left = self._leaving()
            self._stopped = self._stopped or self.left or self._session.stopped()
            if not self._stopped and now >= self._next_sign:
                self._next_sign = now + ALIVE_SECONDS
                self._stopped = not self._session.led()
        if self._stopped:
            raise Interrupted


def attempt(
    order: Order, function: Callable[..., Any], arguments: tuple[Any, ...], progress: Progress | None = None
) -> Answer:
    """Do a task, unless another attempt is still at it or too many have died of it.

    Args:
        order: which task.
        function: called with the arguments and `progress=`.
        arguments: plain data.
        progress: of this process where the coordinator is this process, which then cannot outlive a death.

    Raises:
        ResourceError: this is no place to do it.
        Exception: what the function raises.
    """
    session = Session(Path(order.folder), order.session)
    where = f"process {os.getpid()} on {socket.gethostname()}"
    if problem := unseen(order):
        raise ResourceError(f"worker {where} {problem}")
    if session.stopped() or not session.led():
        return Answer("stopped", where=where)
    lock = session.lock(order.key)
    try:
        lock.acquire(timeout=BUSY_SECONDS, poll_interval=LOCK_SECONDS)
    except Timeout:
        return Answer("busy", where=where)
    try:
        died = session.begun(order.key)
        if len(died) > RETRIES:
            return Answer("died", where=died[-1], deaths=len(died))
        if progress is not None:
            return _done(function, arguments, progress, where)
        with session.beginning(order.key):
            return _done(function, arguments, StopFile(session), where)
    finally:
        lock.release()


def _done(function: Callable[..., Any], arguments: tuple[Any, ...], progress: Progress, where: str) -> Answer:
    try:
        progress.check()
        value = function(*arguments, progress=progress)
    except Interrupted:
        left = isinstance(progress, StopFile) and progress.left
        return Answer("left" if left else "stopped", said=_said(progress), where=where)
    except (KeyboardInterrupt, SystemExit) as error:  # these would end a worker, or its answer would be lost
        raise RuntimeError(f"a task ended with {error!r}") from error
    return Answer("done", value, _said(progress), where)


def _said(progress: Progress) -> tuple[str, ...]:
    return tuple(progress.said) if isinstance(progress, StopFile) else ()


def _leaving() -> Callable[[], bool]:
    """Asks whether the Dask worker that this is part of, if any, was told to close."""
    if "distributed" in sys.modules:
        from distributed import Status, get_worker

        with suppress(ValueError):
            worker = get_worker()
            return lambda: worker.status not in (Status.running, Status.paused)
    return lambda: False


def unseen(order: Order) -> str:
    """Why a process can take part in no session of this folder, "" if it can."""
    from vaescope import __version__

    if __version__ != order.version:
        return f'has vaescope {__version__}, not {order.version}: pip install "vaescope=={order.version}" there.'
    if not Path(order.folder).is_dir():
        return f"does not see {order.folder}: the study's folder must be shared, under the same path on all machines."
    return ""


def look(order: Order) -> str:
    """Why a process cannot take part in a session that is under way, "" if it can."""
    session = Session(Path(order.folder), order.session)
    if problem := unseen(order):
        return problem
    if not session.there():
        return f"sees another {order.folder} than this machine: the study's folder must be shared, the same for all."
    if not session.led():
        return (
            f"does not notice file locks that another machine holds in {order.folder}, so two workers could do the "
            "same task at once. Mount the file system with locks (NFS: not nolock; Lustre: flock), or use another."
        )
    return ""
