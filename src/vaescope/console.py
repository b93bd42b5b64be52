"""What the command line shows while it works: a live bar on a terminal, plain lines otherwise; and how it stops."""

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from vaescope.errors import Interrupted
from vaescope.progress import Progress

PLAIN_SECONDS = 10.0


def clean(text: object) -> str:
    """Text with everything a terminal would obey made visible: names are data."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(text))


def console(stderr: bool = False) -> Console:
    """A console that takes no markup from texts; wide where there is no terminal to wrap for."""
    file = sys.stderr if stderr else sys.stdout
    return Console(
        file=file, markup=False, highlight=False, emoji=False, soft_wrap=True, width=None if file.isatty() else 200
    )


def say(text: object, stderr: bool = False) -> None:
    """Print one text."""
    console(stderr).print(Text(clean(text)))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows under columns; numbers to the right."""
    shown = Table(box=SIMPLE, title=Text(clean(title)) if title else None, title_justify="left", pad_edge=False)
    data = [list(row) for row in rows]
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) or row[number] in ("", "-") for row in data)
        shown.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in data:
        shown.add_row(*(Text(f"{v:,}" if isinstance(v, int) else clean(v)) for v in row))
    console().print(shown)


class Stop:
    """Whether someone asked to stop: the first Ctrl-C or SIGTERM asks, the second one insists."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Take over the signals meanwhile."""
        before = {s: signal.signal(s, self) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Shown(Progress):
    """Progress that can be stopped."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def check(self) -> None:
        if self._stop.asked:
            raise Interrupted


class Plain(Shown):
    """A line when a piece of work begins, one every ten seconds, one when it ends."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self._name, self._total, self._done, self._note = "", 0, 0, ""
        self._begun = self._told = time.monotonic()

    def stage(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._note = name, total, 0, ""
        self._begun = self._told = time.monotonic()
        say(f"{name} ({total:,})")

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        self._note = note or self._note
        now = time.monotonic()
        if self._done >= self._total or now - self._told >= PLAIN_SECONDS:
            self._told = now
            note = f", {self._note}" if self._note else ""
            say(f"  {self._done:,}/{self._total:,} in {now - self._begun:.0f} s{note}")

    def say(self, line: str) -> None:
        say(line)


class Live(Shown):
    """Bars that move, one a piece of work."""

    def __init__(self, stop: Stop, bars: Bars) -> None:
        super().__init__(stop)
        self._bars = bars
        self._task: TaskID | None = None
        self._note = ""

    def stage(self, name: str, total: int) -> None:
        if self._task is not None:
            self._bars.stop_task(self._task)
        self._note = ""
        self._task = self._bars.add_task(clean(name), total=total, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        if self._task is not None:
            self._note = note or self._note
            self._bars.update(self._task, advance=count, note=self._note)

    def say(self, line: str) -> None:
        self._bars.console.print(Text(clean(line)))


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Progress for one command: bars on a terminal, lines otherwise; Ctrl-C and SIGTERM stop it in good order."""
    with Stop().listening() as stop:
        if not sys.stdout.isatty():
            yield Plain(stop)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Bars(*columns, console=console()) as bars:
            yield Live(stop, bars)
