"""What is shown while work goes on: on a real pseudo-terminal, and without one."""

import io
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from tests.terminal import Terminal, cells, drawn, screen
from vaescope import console
from vaescope.console import MOST_WIDE, Plain, Stop, picture
from vaescope.errors import Interrupted
from vaescope.progress import Board, Progress, Row

BEGIN = """
import time
from vaescope.console import show_progress
from vaescope.progress import Board, Row
from vaescope.runs.board import in_words

def board(running=3, done=12, failures=(), name="dsprites beta_vae beta=4", silent=0):
    rows = tuple(
        Row(run=f"id{k}", label=f"{name} seed {k}", step=1000 + k, steps=300_000, steps_per_second=71.5, loss=32.125,
            host="here", age=1.0 if k < running else 120.0, alive=k < running)
        for k in range(running + silent)
    )
    counts = 300, done, running, 300 - done - running - len(failures), len(failures)
    return Board("study", *counts, 1_000_000, 90_000_000, 143.2, 11_160.0, rows, failures)
"""
ALL = (
    BEGIN
    + """
with show_progress() as progress:
    progress.stage("training 300 of 300 run(s)", 90_000_000)
    progress.advance(100, "loss 3.0")
    progress.show(board(40, failures=tuple(f"run{k}: the loss is nan" for k in range(9)), silent=7))
    time.sleep(0.6)
    progress.say("run x diverged: the loss is nan")
    progress.show(board(2, done=13))
    time.sleep(0.6)
    MIDDLE
    progress.stage("comparing", 10)
    progress.advance(10)
"""
)


def code(middle="pass"):
    return ALL.replace("MIDDLE", middle)


def under_way(running, **changes):
    namespace = {}
    exec(BEGIN, namespace)  # noqa: S102
    return namespace["board"](running, **changes)


def text_of(board, width, height):
    file = io.StringIO()
    Console(file=file, width=width, markup=False).print(picture(board, width, height))
    return file.getvalue().splitlines()


@pytest.mark.parametrize(("columns", "lines"), [(120, 40), (100, 24), (60, 24), (40, 12), (20, 8)])
def test_the_table_is_drawn_and_stays_within_the_terminal(columns, lines):
    with Terminal(code("while True: time.sleep(0.05)"), columns, lines) as terminal:
        text = terminal.read(until="diverged: the loss is nan")
        before = text[: text.index("run x diverged")]
        written = drawn(before[before.index("training: 12") :])
        assert max(map(cells, written)) < columns
        assert any(line.startswith("training: 12 of 30") for line in written)
        assert any("and " in line and "more" in line for line in written)
        assert any(("…" if columns == 20 else "seed 0") in line for line in written)
        assert "loss 3.0" not in before[before.index("training: 12") :]
        frame = before[before.rindex("training: 12") :]
        assert frame.count("\n") < lines
        time.sleep(0.5)
        text = terminal.read(until="training: 13 of 30")  # all that 20 columns have room for
        assert "\x1b[?25l" in text


def test_the_table_leaves_a_line_when_the_next_piece_of_work_begins():
    with Terminal(code(), 100, 30) as terminal:
        text = terminal.read()
        shown = [line for line in screen(text, 100) if line]
    assert terminal.process.returncode == 0
    assert shown[0] == "run x diverged: the loss is nan"
    assert shown[1] == "training: 13 of 300 runs done, 2 running, 0 failed, 143 steps/s, about 3.1 h left"
    assert shown[2].startswith("comparing ")
    assert "10/10" in shown[2]
    assert len(shown) == 3
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_table_that_ends_the_command_stays_on_the_screen():
    ending = BEGIN + "with show_progress() as p:\n    p.stage('training', 3)\n    p.show(board(2))\n"
    with Terminal(ending, 80, 24) as terminal:
        shown = [line for line in screen(terminal.read(), 80) if line]
    assert shown[0] == "training: 12 of 300 runs done, 2 running, 0 failed"
    assert shown[1].endswith("143 steps/s, about 3.1 h left")
    assert shown[2].split() == ["run", "step", "steps/s", "loss"]
    assert shown[3].split() == ["dsprites", "beta_vae", "beta=4", "seed", "0", "1,000/300,000", "71.5", "32.12"]
    assert len(shown) == 5


def test_it_follows_a_terminal_that_is_resized():
    with Terminal(code("while True: progress.show(board(2, done=99)); time.sleep(0.1)"), 110, 30) as terminal:
        terminal.read(until="training: 99 of 300")
        terminal.resize(60, 20)
        time.sleep(0.6)
        terminal.read(until="143 steps/s")
        start = len(terminal.text)
        terminal.read(until="training: 99 of 300")
        terminal.read(until="143 steps/s")
        assert max(map(cells, drawn(terminal.text[start:]))) < 60


@pytest.mark.parametrize("how", ["ctrl-c", "error"])
def test_the_cursor_comes_back_and_the_last_table_stays(how):
    middle = "while True: progress.check(); time.sleep(0.05)" if how == "ctrl-c" else "raise ValueError('broken')"
    with Terminal(code(middle), 100, 30) as terminal:
        terminal.read(until="training: 13 of 300")
        if how == "ctrl-c":
            terminal.interrupt()
        text = terminal.read()
    assert terminal.process.returncode != 0
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "Interrupted" in text if how == "ctrl-c" else "ValueError: broken" in text
    head = text[: text.index("Traceback")]
    assert any(line.startswith("training: 13 of 300") for line in screen(head, 100))


def test_names_and_reasons_reach_the_terminal_as_text():
    evil = "[red]x[/red]\\x1b[31m\\n:smile: \\u202e"
    shown = BEGIN + (
        "with show_progress() as p:\n"
        f'    p.show(board(1, name="{evil}", failures=("{evil}: {evil}",), silent=1))\n    time.sleep(0.6)\n'
        f'    p.stage("{evil}", 3)\n    p.advance(1, "{evil}")\n'
    )
    with Terminal(shown, 118, 30) as terminal:
        text = terminal.read()
    assert terminal.process.returncode == 0, text
    assert text.count("[red]x[/red]\\x1b[31m") >= 4
    assert ":smile:" in text
    assert "\\u202e" in text
    assert "\x1b[31m" not in text
    assert "\u202e" not in text


def test_without_a_terminal_there_are_plain_lines():
    result = subprocess.run([sys.executable, "-c", code()], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "training 300 of 300 run(s) (90,000,000)",
        "run x diverged: the loss is nan",
        "comparing (10)",
        "  10/10 in 0 s",
    ]


def test_a_plain_line_comes_every_ten_seconds_and_at_the_end(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    plain = Plain(Stop())
    plain.stage("training", 10)
    for _ in range(24):
        plain.show(under_way(2))
        plain.advance(5, "loss 1.0")
        now[0] += 1
    ended = Board("study", 2, 2, 0, 0, 0, 10, 10, 0.0, 0.0)
    plain.show(ended)
    plain.show(ended)
    line = "training: 12 of 300 runs done, 2 running, 0 failed, 143 steps/s, about 3.1 h left"
    last = "training: 2 of 2 runs done, 0 running, 0 failed"
    assert capsys.readouterr().out.splitlines() == ["training (10)", line, line, last]


@pytest.mark.parametrize("height", [1, 5, 10, 24, 50])
@pytest.mark.parametrize("running", [0, 1, 7, 200])
def test_as_many_rows_as_there_is_room_for(height, running):
    lines = text_of(under_way(running), 80, height)
    rows = sum("seed" in line for line in lines)
    more = [line for line in lines if line.startswith("and ")]
    assert len(lines) <= max(height, 5)
    assert rows + (int(more[0].split()[1]) if more else 0) == running
    assert rows >= min(running, 1)
    if not more:
        assert rows == running
    else:
        assert len(lines) >= height - 1


def test_labels_keep_their_ends_and_narrow_terminals_fewer_columns():
    wide, narrow = text_of(under_way(1), 80, 24), text_of(under_way(1), 32, 24)
    assert wide[2].split() == ["run", "step", "steps/s", "loss"]
    assert narrow[2].split() == ["run", "step"]
    assert narrow[3].startswith("…")
    assert narrow[3].split()[-3:] == ["seed", "0", "1,000/300,000"]
    assert max(map(cells, text_of(under_way(1, name="漢字" * 60), 70, 24))) < 70


def test_hosts_are_shown_where_there_are_several():
    one = under_way(2)
    two = Board(**{**vars(one), "rows": (one.rows[0], Row(**{**vars(one.rows[1]), "host": "node2"}))})
    assert "host" not in text_of(one, 100, 24)[2]
    assert text_of(two, 100, 24)[2].split()[-1] == "host"
    assert text_of(two, 100, 24)[4].split()[-1] == "node2"


def test_very_wide_terminals_get_lines_a_person_can_follow():
    assert max(map(cells, text_of(under_way(3, name="x" * 300), 400, 24))) <= MOST_WIDE


def test_silent_progress_takes_a_board():
    assert Progress().show(under_way(1)) is None


def test_the_first_signal_asks_and_the_second_insists():
    with Stop().listening() as stop:
        plain = Plain(stop)
        plain.check()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            plain.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
