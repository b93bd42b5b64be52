"""What the command line shows while it works: live on a terminal, plain lines otherwise; and how it stops."""

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ManyBars
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vaescope.errors import Interrupted
from vaescope.progress import Board, Progress, Row
from vaescope.runs.board import counts, duration, in_words, pace, speed

PLAIN_SECONDS = 10.0
REDRAWN_A_SECOND = 4  # each redrawing takes time from the training it tells of
MOST_WIDE = 120


def clean(text: object) -> str:
    """Text with everything a terminal would obey made visible: names are data."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in str(text))


def one_line(text: object) -> str:
    """Clean text without line breaks."""
    return clean(text).replace("\n", " ")


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
    console().print(tabled(columns, rows, title))


def tabled(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """Rows under columns, for a console to print."""
    shown = Table(box=SIMPLE, title=Text(clean(title)) if title else None, title_justify="left", pad_edge=False)
    data = [list(row) for row in rows]
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) or row[number] in ("", "-") for row in data)
        shown.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in data:
        shown.add_row(*(Text(f"{v:,}" if isinstance(v, int) else clean(v)) for v in row))
    return shown


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
        self._board: Board | None = None
        self._begun = self._told = time.monotonic()

    def stage(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._note = name, total, 0, ""
        self._board = None
        self._begun = self._told = time.monotonic()
        say(f"{name} ({total:,})")

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        self._note = note or self._note
        now = time.monotonic()
        if self._board is None and (self._done >= self._total or now - self._told >= PLAIN_SECONDS):
            self._told = now
            note = f", {self._note}" if self._note else ""
            say(f"  {self._done:,}/{self._total:,} in {now - self._begun:.0f} s{note}")

    def show(self, board: Board) -> None:
        now = time.monotonic()
        ends = board.ended and not (self._board and self._board.ended)
        if ends or now - self._told >= PLAIN_SECONDS:
            self._told = now
            say(f"training: {in_words(board)}")
        self._board = board

    def say(self, line: str) -> None:
        say(line)


class Bars(ManyBars):
    """Bars that move, one a piece of work, and below them the board of the runs under way if there is one."""

    board: Board | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        shown = [task for task in self.tasks if task.visible]
        if shown:
            yield self.make_tasks_table(shown)
        if self.board is not None:
            width, height = self.console.size
            yield picture(self.board, width, height - len(shown))


class Live(Shown):
    """Bars, and the board of the runs under way in place of the bar of its piece of work."""

    def __init__(self, stop: Stop, bars: Bars) -> None:
        super().__init__(stop)
        self._bars = bars
        self._task: TaskID | None = None
        self._note = ""

    def stage(self, name: str, total: int) -> None:
        if self._task is not None:
            self._bars.stop_task(self._task)
        if (board := self._bars.board) is not None:
            self._bars.board = None
            self.say(f"training: {in_words(board)}")
        self._note = ""
        self._task = self._bars.add_task(one_line(name), total=total, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        if self._task is not None:
            self._note = note or self._note
            self._bars.update(self._task, advance=count, note=one_line(self._note))

    def show(self, board: Board) -> None:
        if self._bars.board is None and self._task is not None:
            self._bars.update(self._task, visible=False)
        self._bars.board = board

    def say(self, line: str) -> None:
        self._bars.console.print(Text(clean(line)))


def picture(board: Board, width: int, height: int, title: str = "training") -> Group:
    """The board as lines that fit a terminal: where it is, a bar, the runs under way, what failed.

    Args:
        board: what to show.
        width: of the terminal in cells.
        height: its lines; where there are more runs than fit, the last line counts them.
        title: what goes on.
    """
    width = min(width - 1, MOST_WIDE)  # a line as wide as the terminal is one that breaks when it gets narrower
    alive = [row for row in board.rows if row.alive]
    silent = [f"no sign of life for {duration(row.age)}: {row.label}" for row in board.rows if not row.alive]
    most = max(1, height // 6)
    below = [
        *_first(silent, most, "without a sign of life", width),
        *_first([f"failed: {_end_of(reason, width - 8)}" for reason in board.failures], most, "failed", width),
    ][: max(0, height - 6)]
    room = max(1, height - len(below) - 4)
    lines: list[RenderableType] = [_line(f"{title}: {counts(board)}", width), _bar(board, width)]
    if alive:
        fits = alive if len(alive) <= room else alive[: max(1, room - 1)]
        lines.append(_under_way(fits, width))
        lines += [_line(f"and {len(alive) - len(fits):,} more", width)] if len(fits) < len(alive) else []
    return Group(*lines, *below)


def _line(text: str, width: int) -> Text:
    line = Text(one_line(text), no_wrap=True)
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def _end_of(text: str, width: int) -> str:
    """A text that fits, without its beginning where need be: runs differ in what comes last."""
    text = one_line(text)
    if cell_len(text) > width:
        while text and cell_len(text) >= width:
            text = text[1:]
        text = f"…{text}"
    return text


def _first(texts: Sequence[str], most: int, what: str, width: int) -> list[Text]:
    """The first few lines, and how many more there are."""
    more = [f"and {len(texts) - most:,} more {what}"] if len(texts) > most else []
    return [_line(text, width) for text in [*texts[:most], *more]]


def _bar(board: Board, width: int) -> Table:
    share = board.steps_done / board.steps_total if board.steps_total else 1.0
    text = f"{100 * share:5.1f} %  {pace(board)}"
    grid = Table.grid(padding=(0, 1))
    room = min(40, width - len(text) - 1)
    if room >= 4:
        grid.add_row(ProgressBar(total=1.0, completed=share, width=room), _line(text, width))
    else:
        grid.add_row(_line(text, width))
    return grid


def _under_way(rows: Sequence[Row], width: int) -> Table:
    several = len({row.host for row in rows}) > 1
    heads = ["step", "steps/s", "loss", *(["host"] if several and width >= 90 else [])]
    cells = [[f"{row.step:,}/{row.steps:,}", speed(row.steps_per_second), _loss(row.loss), row.host] for row in rows]
    widths = [max(len(head), *(len(c[k]) for c in cells)) for k, head in enumerate(heads)]
    while widths and sum(widths) + 2 * len(widths) + 12 > width:
        widths.pop()  # a narrow terminal goes without the last columns
    name = max(1, min(max(len(row.label) for row in rows), width - sum(widths) - 2 * len(widths)))
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("run", width=name, no_wrap=True)
    for head, size in zip(heads, widths, strict=False):
        shown.add_column(head, width=size, no_wrap=True, justify="left" if head == "host" else "right")
    for row, texts in zip(rows, cells, strict=True):
        shown.add_row(Text(_end_of(row.label, name)), *(_line(t, w) for t, w in zip(texts, widths, strict=False)))
    return shown


def _loss(loss: float | None) -> str:
    if loss is None:
        return "-"
    return f"{loss:,.2f}" if abs(loss) < 1e6 else f"{loss:.2e}"


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
        with Bars(*columns, console=console(), refresh_per_second=REDRAWN_A_SECOND) as bars:
            yield Live(stop, bars)


@contextmanager
def watching() -> Iterator[Callable[[Board, Sequence[RenderableType | str]], None]]:
    """A function that shows the present state again and again: in place on a terminal, else as one line each time."""
    if not sys.stdout.isatty():
        yield lambda board, below: say(f"Study {board.name}: {in_words(board)}")
        return
    with Screen(console=console(), screen=True, auto_refresh=False) as screen:

        def draw(board: Board, below: Sequence[RenderableType | str]) -> None:
            width, height = screen.console.size
            under = [_line(part, width - 1) if isinstance(part, str) else part for part in below]
            shown = picture(board, width, height - len(under), f"Study {board.name}")
            screen.update(Group(shown, *under), refresh=True)

        yield draw
