"""Several pieces of work side by side in one process, stopped together."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock
from typing import TypeVar

from vaescope.errors import Interrupted
from vaescope.progress import Board, Progress
from vaescope.runs.machine import cores

T = TypeVar("T")


class Shared(Progress):
    """Progress that several threads tell, and that stops them all once one has failed or a stop was asked for."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()
        self.stopped = False

    def stage(self, name: str, total: int) -> None:
        with self._lock:
            self._progress.stage(name, total)

    def advance(self, count: int = 1, note: str = "") -> None:
        with self._lock:
            self._progress.advance(count, note)

    def say(self, line: str) -> None:
        with self._lock:
            self._progress.say(line)

    def show(self, board: Board) -> None:
        with self._lock:
            self._progress.show(board)

    def check(self) -> None:
        if self.stopped:
            raise Interrupted
        self._progress.check()


def side_by_side(pieces: int, most: int | None = None) -> int:
    """How many of so many pieces to work on at once: one a core, and no more than `most`."""
    return max(1, min(cores(), pieces, most or pieces))


def trained_at_once(runs: int, threads: int) -> int:
    """How many of so many runs to train at once in this process, each with so many threads."""
    return max(1, min(cores() // threads, runs))


def each(work: Callable[[T], None], parts: Iterable[T], at_once: int, shared: Shared) -> None:
    """Do `work` for every part, `at_once` at a time; the first error stops the rest at their next check.

    Raises:
        BaseException: the error of the first part that failed, once all others have stopped.
    """
    if at_once == 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="vaescope") as pool:
        futures = [pool.submit(work, part) for part in parts]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            shared.stopped = any(f.done() and f.exception() for f in futures) or not all(f.done() for f in futures)
            for future in futures:
                future.cancel()
    failed = [f.exception() for f in futures if not f.cancelled() and f.exception()]
    for error in sorted(failed, key=lambda e: isinstance(e, Interrupted)):
        if error is not None:
            raise error
