"""What a worker process of `Processes` does: one job after the other, until nobody wants it any more."""

import ctypes
import faulthandler
import os
import signal
import sys
import time
import traceback
from multiprocessing import reduction
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOOK_SECONDS = 0.5
PACKER: Any = reduction.ForkingPickler


def main(channel: int, parent: int) -> None:
    """Serve the coordinator until it closes the connection or is gone.

    Args:
        channel: file descriptor of this side of the connection.
        parent: process id of the coordinator.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # for the coordinator, who tells the workers
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    faulthandler.enable()
    _end_with(parent)
    os.set_inheritable(channel, False)
    from vaescope.runs.machine import keep_freed_memory

    keep_freed_memory()
    with Connection(channel) as connection:
        connection.send(os.getpid())
        while True:
            try:
                job = connection.recv_bytes()
                connection.send(True)  # what dies before this had not begun
                connection.send_bytes(_done(job))
            except (EOFError, OSError):
                return


def _done(job: bytes) -> bytes:
    try:
        function, args, kwargs = PACKER.loads(job)  # imports what is needed, which can fail like anything else
        return _packed(True, function(*args, **kwargs))
    except BaseException as error:
        return _packed(False, error)


def _packed(good: bool, value: object) -> bytes:
    """An answer as bytes that the other side is sure to be able to rebuild."""
    if isinstance(value, BaseException):
        value.add_note(f"In worker process {os.getpid()}:\n{''.join(traceback.format_exception(value))}")
    try:
        data = bytes(PACKER.dumps((good, value)))
        if not good:
            PACKER.loads(data)
    except Exception as error:
        what = f"{type(value).__name__}: {value}" if not good else f"the result cannot be sent: {error}"
        data = bytes(PACKER.dumps((False, RuntimeError(what))))
    return data


def _end_with(parent: int) -> None:
    """End this process soon after the coordinator, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    Thread(target=_watch, args=(parent,), name="vaescope-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
