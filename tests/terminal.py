"""A terminal for tests: a program runs in a real pseudo-terminal, and what it wrote becomes lines on a screen."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata

CONTROL = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07")


class Terminal:
    """A program in a pseudo-terminal of so many columns and lines."""

    def __init__(self, code, columns, lines, **environment):
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**kept, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def resize(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, until=None, seconds=60.0):
        """Everything written until a text comes up, or else until the program ends."""
        begun, start = time.monotonic(), len(self.text)
        while time.monotonic() - begun < seconds:
            if until is not None and until in self.text[start:]:
                return self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # the program has closed its end
                    data = b""
                if not data:
                    break
                self.text += data.decode(errors="replace")
        if until is not None:
            raise AssertionError(f"no {until!r} in what was written since, which ends: {self.text[start:][-2000:]!r}")
        self.process.wait(timeout=30)
        return self.text

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def cells(text):
    """Columns that a text takes: wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


def drawn(text):
    """Every line that was ever written, without what sets colours; going home begins a line."""
    parts = (CONTROL.sub("", part) for part in re.split(r"\x1b\[[0-9;]*H", text))
    return [line for part in parts for line in re.split(r"[\r\n]+", part) if line]


def screen(text, columns):
    """The lines that a terminal shows in the end: carriage returns, cursor up, erased lines, wrapping."""
    lines, row, column, place = [""], 0, 0, 0
    while place < len(text):
        if found := CONTROL.match(text, place):
            place = found.end()
            private, number, what = found[1], found[2], found[3]
            if private or what in ("m", None):
                continue
            if what == "A":
                row = max(0, row - int(number or 1))
            elif what == "K":
                lines[row] = "" if number == "2" else lines[row][:column]
            else:
                raise AssertionError(f"the screen of the tests does not know {found[0]!r}")
            continue
        char = text[place]
        place += 1
        if char == "\r":
            column = 0
        elif char == "\n":
            row, column = row + 1, 0
        else:
            if column >= columns:
                row, column = row + 1, 0
            while row >= len(lines):
                lines.append("")
            lines[row] = lines[row].ljust(column)[:column] + char + lines[row][column + 1 :]
            column += 1
        while row >= len(lines):
            lines.append("")
    return [line.rstrip() for line in lines]
