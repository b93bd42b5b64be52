"""Worker processes on this machine, each a process of its own: the death of one costs the future it worked on."""

import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from vaescope.errors import ResourceError, UsageError
from vaescope.runs.child import Child
from vaescope.runs.machine import cores
from vaescope.runs.pool import Pool, WorkerDied

P = ParamSpec("P")
T = TypeVar("T")

LOOK_SECONDS = 0.5
STARTS = 3  # a worker that dies so often before it is ready will not get ready


@dataclass(frozen=True)
class _Job:
    future: "Future[Any]"
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class Processes(Pool):
    """So many worker processes, with an equal share of the cores each.

    Functions must be importable in a fresh interpreter, arguments and results plain data. Workers are started as new
    interpreters, not forked, and do not import the caller's main script. They end with this process, however it ends.

    Args:
        workers: how many.

    Raises:
        UsageError: fewer than one.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise UsageError(f"--workers: expected a number of processes, at least 1, got {workers}.")
        environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores() // workers))}
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._over = False
        self._changing = Lock()
        self._seats = [_Seat(self._jobs, environment) for _ in range(workers)]
        for seat in self._seats:
            seat.start()

    def slots(self) -> int:
        return len(self._seats)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have a worker call a function; a job whose worker dies fails with `WorkerDied`."""
        with self._changing:
            if self._over:
                raise RuntimeError("these worker processes were told to end; nothing more can be submitted.")
            future: Future[T] = Future()
            self._jobs.put(_Job(future, fn, args, kwargs))
            return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the workers end once they have done what was submitted."""
        with self._changing:
            if cancel_futures:
                self._cancel()
            if not self._over:
                self._over = True
                for _ in self._seats:
                    self._jobs.put(None)
        if wait:
            for seat in self._seats:
                seat.join()

    def kill(self) -> None:
        """End the workers at once: what they are at fails with `WorkerDied`, what they have not begun is cancelled."""
        for seat in self._seats:
            seat.kill()
        self.shutdown(cancel_futures=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
            return
        try:
            self.shutdown()
        except BaseException:
            self.kill()
            raise

    def _cancel(self) -> None:
        ends = 0
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                ends += 1
            else:
                job.future.cancel()
                job.future.set_running_or_notify_cancel()
        for _ in range(ends):
            self._jobs.put(None)


class _Seat(Thread):
    """The place of one worker: gives it one job after the other, and puts a new process there when it dies.

    The thread lives as long as its workers: Linux ends a worker with the thread that started it.
    """

    def __init__(self, jobs: "SimpleQueue[_Job | None]", environment: Mapping[str, str]) -> None:
        super().__init__(name="vaescope-worker", daemon=True)
        self._jobs, self._environment = jobs, environment
        self._worker: Child | None = None
        self._refused = OSError()
        self._killed = False
        self._starting = Lock()

    def run(self) -> None:
        # A worker inherits this until it is ready to ignore them itself.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while (job := self._next()) is not None:
            if job.future.set_running_or_notify_cancel():
                try:
                    good, value = self._done(job)
                except BaseException as error:
                    good, value = False, error
                if good:
                    job.future.set_result(value)
                else:
                    job.future.set_exception(value)
                del job, value
        if self._worker:
            self._worker.end()

    def kill(self) -> None:
        """End the worker at once, and have no other."""
        with self._starting:
            self._killed = True
            if self._worker:
                self._worker.process.kill()

    def _next(self) -> _Job | None:
        while True:
            if self._worker is None or (self._worker.ready and not self._worker.alive()):
                self._replace()
            try:
                return self._jobs.get(timeout=LOOK_SECONDS)
            except Empty:
                continue

    def _replace(self) -> None:
        """Put a new process in this place; none where the system has none to give, which the next job is told."""
        if self._worker:
            self._worker.end()
        with self._starting:
            try:
                self._worker = None if self._killed else Child(self._environment)
            except OSError as error:
                self._worker, self._refused = None, error

    def _done(self, job: _Job) -> tuple[bool, Any]:
        message = ForkingPickler.dumps((job.function, job.args, job.kwargs))
        how = ""
        for _ in range(STARTS):
            if self._worker is None or not self._worker.alive():
                self._replace()
            if self._worker is None:
                how = "stopped" if self._killed else f"the system refused: {self._refused.strerror}"
                break
            try:
                self._worker.hear_hello()
                self._worker.connection.send_bytes(message)
                self._worker.answer()  # it has the job
            except WorkerDied as error:
                how = str(error)
                self._worker.end()
                continue
            except OSError as error:
                how = str(error)
                continue
            try:
                return self._worker.answer()
            except WorkerDied:
                self._worker.end()
                raise
        if self._killed:
            raise WorkerDied("the workers were told to end at once")
        raise ResourceError(f"no worker process can be started: {how}. Fewer --workers need less memory.")
