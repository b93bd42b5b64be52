"""The coordinator of tasks: gives them to an executor, stops them, tries again those whose worker died."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from uuid import uuid4

from vaescope import __version__
from vaescope.errors import ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.runs.attempt import RETRIES, Answer, Order, attempt, look
from vaescope.runs.crew import Shared
from vaescope.runs.machine import cores
from vaescope.runs.pool import Pool, WorkerDied
from vaescope.runs.session import Session

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0
MOST_BLAMED = 10


@dataclass(frozen=True)
class Task:
    """A piece of work that may be done anywhere, and again.

    It writes whole files, or finds that they are there: what it did before its worker died must do no harm.

    Attributes:
        key: different for each task of a study; names its lock.
        function: importable where the work is done; called as `function(*arguments, progress=progress)`, where
            `progress.check()` raises `Interrupted` once the task should save what it has and return.
        arguments: plain data: paths, ids, numbers; never tensors.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        key: of the task.
        value: what its function returned.
        failed: why it was given up: its worker died each time; "" otherwise.
    """

    key: str
    value: Any = None
    failed: str = ""


def run_tasks(
    tasks: Iterable[Task],
    executor: Executor | None,
    folder: Path,
    progress: Progress | None = None,
    *,
    at_once: int = 1,
    tick: Callable[[], object] | None = None,
    finished: Callable[[Outcome], object] | None = None,
) -> list[Outcome]:
    """Do all tasks, and return what came of them in their order.

    A task whose worker dies is tried up to three times more, then given up with the reason; the others go on. The
    first error that a task raises stops all, as does a stop that was asked for: tasks under way save and return.

    Args:
        tasks: in the order in which to begin them.
        executor: who does them; threads of this process if None.
        folder: of the study; all workers must see it under this path.
        progress: asked several times a second whether to stop. In this process the tasks tell it what they do;
            of those done elsewhere it gets the lines they say, when they are done.
        at_once: how many at once in this process.
        tick: called several times a second.
        finished: called with each outcome as soon as it is known; without it, a failure is told to `progress`.

    Raises:
        Interrupted: a stop was asked for.
        UsageError: two tasks have the same key.
        ResourceError: the executor can do no more, or a worker cannot see the folder or has another vaescope.
        BaseException: what a task raised.
    """
    progress = progress or Progress()
    listed = list(tasks)
    twice = [key for key, count in Counter(task.key for task in listed).items() if count > 1]
    if twice:
        raise UsageError(f"expected tasks of different names; two tasks are called {twice[0]!r}.")
    session = Session(Path(folder).absolute(), uuid4().hex)
    with session.leading():
        if executor is not None:
            _greet(executor, session)
            return _Coordinator(listed, executor, session, progress, None, tick, finished).run()
        with ThreadPoolExecutor(at_once, thread_name_prefix="vaescope") as threads:
            return _Coordinator(listed, threads, session, progress, Shared(progress), tick, finished).run()


class _Coordinator:
    """One call of `run_tasks`.

    Attributes:
        waiting: tasks not submitted, the next one first.
        flying: those submitted.
        outcomes: those that have ended, by key.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        executor: Executor,
        session: Session,
        progress: Progress,
        shared: Shared | None,
        tick: Callable[[], object] | None,
        finished: Callable[[Outcome], object] | None,
    ) -> None:
        self.tasks, self.executor, self.session, self.progress = tasks, executor, session, progress
        self.shared, self.tick, self.finished = shared, tick, finished
        self.pool = executor if isinstance(executor, Pool) else None
        self.waiting = deque(tasks)
        self.flying: dict[Future[Answer], Task] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.blamed = Counter[str]()  # deaths in a row in which the task had not begun
        self.returned = Counter[str]()  # attempts that stopped though nobody asked
        self.told: set[str] = set()
        self.deaths: dict[str, str] = {}  # how the last worker of a task died
        self._looked = -POLL_SECONDS

    def run(self) -> list[Outcome]:
        try:
            while self.waiting or self.flying:
                self._look()
                self._submit()
                done, _ = wait(self.flying, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    self._take(self.flying.pop(future), future)
            if self.tick:
                self.tick()
        except BaseException as error:
            self._stop(error)
            raise
        return [self.outcomes[task.key] for task in self.tasks]

    def _look(self) -> None:
        self.progress.check()
        if self.pool:
            self.pool.check()
        if self.tick and time.monotonic() - self._looked >= POLL_SECONDS:
            self._looked = time.monotonic()
            self.tick()

    def _submit(self) -> None:
        room = self.pool.room() if self.pool else getattr(self.executor, "_max_workers", 0) or cores()
        if self.pool and not self.pool.slots():
            self._tell("the cluster has no workers now; waiting for some")
        while self.waiting and len(self.flying) < max(1, room):
            task = self.waiting.popleft()
            order = Order(str(self.session.folder), self.session.name, task.key, __version__)
            # As one argument: Dask looks for tasks of its own inside lists and tuples.
            work = partial(attempt, order, task.function, task.arguments, self.shared)
            self.flying[self.executor.submit(work)] = task

    def _take(self, task: Task, future: "Future[Answer]", stopping: bool = False) -> None:
        """Note what came of an attempt. Raises what the task raised."""
        try:
            answer = future.result()
        except WorkerDied as error:
            if not stopping:
                self._try_again(task, str(error))
            return
        for line in answer.said:
            self.progress.say(line)
        if answer.state == "done":
            self._end(Outcome(task.key, answer.value))
        elif answer.state == "died":
            last = self.deaths.get(task.key, answer.where)
            self._end(Outcome(task.key, failed=f"its worker died {answer.deaths} times while at it; last: {last}"))
        elif stopping:
            return
        elif answer.state == "left":
            self.waiting.appendleft(task)
        elif answer.state == "busy":
            self._tell(f"{task.key}: another worker has not let go of it yet; waiting")
            self.waiting.append(task)
        else:
            self.returned[task.key] += 1
            if self.returned[task.key] > RETRIES:
                raise ResourceError(
                    f"{task.key}: {answer.where} stopped it though nobody asked. Does it see the same "
                    f"{self.session.folder} as this machine, and its file locks?"
                )
            self.waiting.appendleft(task)

    def _try_again(self, task: Task, how: str) -> None:
        """The attempt itself knows when it was tried often enough; a death before it began is not the task's doing."""
        self.deaths[task.key] = how
        self.blamed[task.key] = 0 if self.session.forget_beginning(task.key) else self.blamed[task.key] + 1
        if self.blamed[task.key] > MOST_BLAMED:
            self._end(Outcome(task.key, failed=f"no worker lived to begin it, {MOST_BLAMED} times; last: {how}"))
            return
        if len(self.session.begun(task.key)) <= RETRIES:
            self.progress.say(f"{task.key}: {how}; it is tried again")
        self.waiting.appendleft(task)

    def _end(self, outcome: Outcome) -> None:
        self.outcomes[outcome.key] = outcome
        if self.finished:
            self.finished(outcome)
        elif outcome.failed:
            self.progress.say(f"{outcome.key} failed: {outcome.failed}")

    def _tell(self, line: str) -> None:
        if line not in self.told:
            self.told.add(line)
            self.progress.say(line)

    def _stop(self, why: BaseException) -> None:
        """Have all attempts stop, and wait until they have.

        Raises:
            Exception: an error of theirs that says more than that a stop was asked for.
        """
        self.session.stop()  # before looking what has begun: what begins after that stops by itself
        if self.shared:
            self.shared.stopped = True
        for future, task in self.flying.items():
            if not self.session.begun(task.key):
                future.cancel()
        left = {future: task for future, task in self.flying.items() if not future.cancelled()}
        done, late = wait(left, STOP_SECONDS)
        if late:
            self.progress.say(f"{len(late)} task(s) have not stopped within {STOP_SECONDS:.0f} s; not waiting longer")
        for future in done:
            try:
                self._take(left[future], future, stopping=True)
            except Exception:
                if isinstance(why, KeyboardInterrupt):
                    raise


def _greet(executor: Executor, session: Session) -> None:
    """Look on all machines whether tasks can be done there. Raises `ResourceError`, naming the first worker."""
    if not isinstance(executor, Pool):
        return
    order = Order(str(session.folder), session.name, "", __version__)
    for worker, found in executor.everywhere(version, "vaescope").items():
        if isinstance(found, PackageNotFoundError):
            raise ResourceError(f'worker {worker} has no vaescope: pip install "vaescope=={__version__}" there.')
    for worker, found in executor.everywhere(look, order).items():
        if found and not isinstance(found, OSError):
            raise ResourceError(f"worker {worker} {found}")
