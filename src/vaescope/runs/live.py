"""Signs of life: each run under way says about once a second where it is, and whoever wants to know reads that."""

import json
import math
import os
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from vaescope.errors import CorruptArtifact, ResourceError
from vaescope.progress import Board
from vaescope.runs.board import ENDED, Live, board_of
from vaescope.runs.manifest import Manifest
from vaescope.runs.store import RunFolder
from vaescope.runs.study import Run

FILE = "live.json"
BEAT_SECONDS = 1.0
WINDOW_SECONDS = 30.0
MOST_BYTES = 10_000
MOST = 1e300


class Heartbeat:
    """The sign of life of one run, written by whoever trains it; gone when the run ends. It never stops a run.

    Args:
        folder: of the run.
        run: the run.
    """

    def __init__(self, folder: Path, run: Run) -> None:
        self._path, self._run, self._id = folder / FILE, run, run.id
        self._begun = time.time()
        self._next = -math.inf
        self._seen: deque[tuple[float, int]] = deque()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def due(self) -> bool:
        """Whether the next `beat` would write: so that a loss need not be fetched from a device for nothing."""
        return time.monotonic() >= self._next

    def beat(self, step: int, loss: float, threads: int) -> None:
        """Say that `step` optimiser steps are done; at most once a second, the other calls cost nothing."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + BEAT_SECONDS
        self._seen.append((now, step))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        (then, before), *_ = self._seen
        live = Live(
            run=self._id,
            step=step,
            steps=self._run.steps,
            steps_per_second=(step - before) / (now - then) if step > before else None,
            loss=loss if math.isfinite(loss) else None,
            threads=threads,
            host=socket.gethostname(),
            pid=os.getpid(),
            begun=self._begun,
            written=time.time(),
        )
        _write(self._path, json.dumps(asdict(live)).encode())

    def end(self) -> None:
        """Take the sign of life away."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """Replace a file whole, without waiting for the disk; nothing happens where it cannot be written."""
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    with suppress(OSError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_live(path: Path) -> Live | None:
    """The sign of life in a file; None where it is missing, cut off or something else."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return _live(content) if isinstance(content, dict) else None


def _live(content: Mapping[str, Any]) -> Live | None:
    """A heartbeat from JSON, if each of its values is what it must be."""
    found = {field.name: content.get(field.name) for field in fields(Live)}
    if not (isinstance(found["run"], str) and isinstance(found["host"], str)):
        return None
    if not all(isinstance(n := found[k], int) and n >= 0 for k in ("step", "steps", "threads", "pid")):
        return None
    numbers = {k: _finite(found[k]) for k in ("begun", "written", "steps_per_second", "loss")}
    if any(v is None and (found[k] is not None or k in ("begun", "written")) for k, v in numbers.items()):
        return None
    return None if (numbers["steps_per_second"] or 1) < 0 else Live(**{**found, **numbers})


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < MOST else None


class Watch:
    """What is known of the runs of a study at any moment; only files that changed are read again.

    It takes no lock and writes nothing. How old a sign of life is goes by when this watch saw it change, so clocks
    that differ between machines, or are set meanwhile, mislead it only at its first look.

    Args:
        path: of the study's folder.
        name: of the study.
        runs: of the study.

    Attributes:
        damaged: id -> what is wrong, of each run whose manifest could not be read at the last look.
    """

    def __init__(self, path: Path, name: str, runs: Sequence[Run]) -> None:
        self._path, self._name = path, name
        self.runs = {run.id: run for run in runs}
        self.manifests: dict[str, Manifest] = {}
        self.damaged: dict[str, str] = {}
        self._stamps: dict[str, tuple[int, int, int] | None] = {}
        self._lives: dict[str, tuple[Live, float]] = {}

    def look(self) -> Board:
        """How far the study is now."""
        now = time.monotonic()
        lives = {}
        for run_id, run in self.runs.items():
            folder = self._path / "runs" / run_id
            self._look_at_manifest(run_id, run, folder)
            if self.manifests[run_id].state not in ENDED and (live := self._look_at_live(run_id, folder, now)):
                lives[run_id] = live
        return board_of(self._name, self.runs, self.manifests, lives, now)

    def _look_at_manifest(self, run_id: str, run: Run, folder: Path) -> None:
        stamp = _stamp(folder / "manifest.json")
        if run_id in self.manifests and self._stamps[run_id] == stamp:
            return
        self._stamps[run_id] = stamp
        self.damaged.pop(run_id, None)
        try:
            self.manifests[run_id] = RunFolder(folder, run).manifest()
        except (CorruptArtifact, ResourceError) as error:
            self.manifests[run_id], self.damaged[run_id] = Manifest(), str(error)

    def _look_at_live(self, run_id: str, folder: Path, now: float) -> Live | None:
        """The sign of life of a run, its time that of this process's monotonic clock."""
        live = read_live(folder / FILE)
        if live is None or live.run != run_id:
            self._lives.pop(run_id, None)
            return None
        last, seen = self._lives.get(run_id, (None, 0.0))
        if last is None:
            seen = now - max(0.0, time.time() - live.written)
        elif last != live:
            seen = now
        self._lives[run_id] = live, seen
        return replace(live, written=seen)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
