"""A worker process of `Processes`, seen from the coordinator: started, heard, ended, and how it died."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from vaescope.runs.pool import WorkerDied

LOOK_SECONDS = 0.5
END_SECONDS = 5.0
KEPT = 4_000  # bytes of what a worker printed, for its last words


class Child:
    """One worker process and the connection to it.

    Args:
        environment: its environment variables.

    Attributes:
        process: the process.
        connection: to it; takes jobs once `ready`.
        ready: whether it has said hello.

    Raises:
        OSError: the system has no process to give.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        paths = [path or os.getcwd() for path in sys.path]
        ours, theirs = socket.socketpair()
        self._output, output = os.pipe()
        with theirs:
            code = (
                f"import sys; sys.path[:] = {paths!r}; from vaescope.runs.worker import main; "
                f"main({theirs.fileno()}, {os.getpid()})"
            )
            try:
                self.process = subprocess.Popen(  # noqa: S603 this interpreter, with code of our own
                    [sys.executable, "-P", "-c", code],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                )
            except BaseException:
                ours.close()
                os.close(self._output)
                raise
            finally:
                os.close(output)
        self.connection = Connection(ours.detach())
        self.ready = False
        self._printed = b""
        self._listening = True

    def alive(self) -> bool:
        return self.process.poll() is None

    def hear_hello(self) -> None:
        """Wait until it is ready. Raises `WorkerDied`."""
        if not self.ready:
            self.answer()
            self.ready = True

    def answer(self) -> Any:
        """Wait for the next message. Raises `WorkerDied`."""
        while True:
            sources = [self.connection, self._output] if self._listening else [self.connection]
            found = connection.wait(sources, LOOK_SECONDS)
            if self._output in found:
                self._listen()
            if self.connection in found:
                try:
                    return self.connection.recv()
                except (EOFError, OSError):
                    break
            if not found and not self.alive():
                break
        raise WorkerDied(self._how())

    def end(self) -> None:
        """End the process, if it has not, and leave nothing of it."""
        self.connection.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    def _listen(self) -> None:
        data = os.read(self._output, 1 << 16)
        self._listening = bool(data)
        self._printed = (self._printed + data)[-KEPT:]

    def _how(self) -> str:
        """How the process died, and its last words."""
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"worker process {self.process.pid} closed its connection"
        while self._listening and connection.wait([self._output], 0):
            self._listen()
        lines = [line for line in self._printed.decode(errors="replace").splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        words = f"; its last words: {(fatal or lines)[-1].strip()[:300]}" if lines else ""
        return f"worker process {self.process.pid} {ending(code)}{words}"


def ending(code: int) -> str:
    """What the exit code of a process says, in words.

    >>> ending(-9), ending(3)
    ('was killed by signal 9 (SIGKILL: by someone, or for want of memory)', 'ended with exit code 3')
    """
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"was killed by signal {-code}"
    why = ": by someone, or for want of memory" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({name}{why})"
