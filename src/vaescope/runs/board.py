"""How far the training of a study is: what manifests and heartbeats say, added up. Pure arithmetic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vaescope.progress import Board, Row

if TYPE_CHECKING:
    from vaescope.runs.manifest import Manifest
    from vaescope.runs.study import Run

# Imported for their types only: the command line imports this file before it knows what it is asked for.

STALE_SECONDS = 30.0
ENDED = frozenset({"done", "diverged"})  # a failed run may be tried again


@dataclass(frozen=True, kw_only=True)
class Live:
    """The last sign of life of a run.

    Attributes:
        run: its id.
        step: optimiser steps done.
        steps: optimiser steps in all.
        steps_per_second: over the last half minute, None where that is not known yet.
        loss: the last one, None where it is no finite number.
        threads: how many torch has for it.
        host: the machine it is on.
        pid: the process there.
        begun: when this attempt began, seconds.
        written: when this was written, seconds.
    """

    run: str
    step: int
    steps: int
    steps_per_second: float | None
    loss: float | None
    threads: int
    host: str
    pid: int
    begun: float
    written: float


def board_of(
    name: str,
    study_runs: Mapping[str, "Run"],
    manifests: Mapping[str, "Manifest"],
    lives: Mapping[str, Live],
    now: float,
) -> Board:
    """Add up what is known of the runs of a study.

    A heartbeat older than `STALE_SECONDS` does not count as running: that run has the steps it will continue from. A
    failed run that is being tried again counts as running. The time left is that of all remaining steps at the present
    rate of all runs together, and at least that of the run that takes longest alone.

    Args:
        name: of the study.
        study_runs: id -> run, in the order of the study.
        manifests: by id; a run without one has not begun.
        lives: by id; those of runs that have ended do not count.
        now: seconds, on the clock of `Live.written`.
    """
    done = failed = steps_done = steps_total = 0
    open_ended = False
    failures: list[str] = []
    rows: list[Row] = []
    for run_id, run in study_runs.items():
        manifest = manifests.get(run_id)
        state = manifest.state if manifest else "planned"
        total = most(run, manifest.step if manifest else 0)
        step = min(manifest.step, total) if manifest else 0
        row = _row(run_id, run, lives[run_id], now) if run_id in lives and state not in ENDED else None
        lost = state == "diverged" or (state == "failed" and not (row and row.alive))
        if lost or state == "done":
            done, failed = done + (not lost), failed + lost
            steps_done += step if lost else total
            steps_total += step if lost else total
            if lost and manifest:
                failures.append(f"{run_id}: {manifest.reason or state}")
            continue
        if row:
            step, total = (row.step, row.steps) if row.alive else (step, total)
            rows.append(row)
        steps_done += step
        steps_total += total
        open_ended = open_ended or not has_total(run)
    alive = [row for row in rows if row.alive]
    rate = sum(row.steps_per_second or 0.0 for row in alive)
    return Board(
        name=name,
        runs_total=len(study_runs),
        done=done,
        running=len(alive),
        waiting=len(study_runs) - done - failed - len(alive),
        failed=failed,
        steps_done=steps_done,
        steps_total=steps_total,
        steps_per_second=rate,
        seconds_left=None if open_ended else _seconds_left(steps_total - steps_done, rate, alive),
        rows=(*alive, *(row for row in rows if not row.alive)),
        failures=tuple(failures),
    )


def has_total(run: "Run") -> bool:
    """Whether it is known how many steps a run will take: not of recorded ones whose owner did not say."""
    return run.recorded is None or run.steps > max(run.snapshots[-1], 1)  # 1: nobody said


def most(run: "Run", step: int) -> int:
    """How many steps a run that is at `step` has: recorded ones may go beyond what was known of them."""
    return run.steps if run.recorded is None else max(run.steps, step)


def label(run: "Run") -> str:
    """What people call a run: its dataset, objective, strengths and seed."""
    return f"{run.dataset} {run.setting} seed {run.seed}"


def _row(run_id: str, run: "Run", live: Live, now: float) -> Row:
    age = max(0.0, now - live.written)
    return Row(
        run=run_id,
        label=label(run),
        step=min(live.step, most(run, live.step)),
        steps=most(run, live.step),
        steps_per_second=live.steps_per_second,
        loss=live.loss,
        host=live.host,
        age=age,
        alive=age <= STALE_SECONDS,
    )


def _seconds_left(steps: int, rate: float, alive: Sequence[Row]) -> float | None:
    if steps == 0:
        return 0.0
    if not rate:
        return None
    alone = [(row.steps - row.step) / row.steps_per_second for row in alive if row.steps_per_second]
    return max(steps / rate, *alone)


def in_words(board: Board) -> str:
    """The board in one line: "12 of 300 runs done, 2 running, 0 failed, 143 steps/s, about 3.1 h left"."""
    return counts(board) if board.ended else f"{counts(board)}, {pace(board)}"


def counts(board: Board) -> str:
    """How many runs are where: "12 of 300 runs done, 2 running, 0 failed"."""
    text = f"{board.done:,} of {board.runs_total:,} runs done, {board.running:,} running, {board.failed:,} failed"
    silent = sum(not row.alive for row in board.rows)
    return f"{text}, {silent:,} without a sign of life" if silent else text


def pace(board: Board) -> str:
    """How fast it goes and how long that will take: "143 steps/s, about 3.1 h left"."""
    if board.ended:
        return "nothing left to do"
    if not board.running:
        return "nothing is running now"
    if board.seconds_left is None:
        return f"{speed(board.steps_per_second)} steps/s" if board.steps_per_second else "speed not known yet"
    return f"{speed(board.steps_per_second)} steps/s, about {duration(board.seconds_left)} left"


def speed(rate: float | None) -> str:
    """Steps a second in digits that tell something, "-" where not known."""
    if rate is None:
        return "-"
    return f"{rate:,.0f}" if rate >= 99.5 else f"{rate:.3g}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them.

    >>> [duration(s) for s in (0.2, 59, 150, 11_160, 200_000, 400_000)]
    ['under 1 s', '59 s', '3 min', '3.1 h', '56 h', '5 days']
    """
    if seconds < 1:
        return "under 1 s"
    for unit, length, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 72)):
        if (value := seconds / length) < most:
            return f"{value:.1f} {unit}" if value < 10 and unit == "h" else f"{math.ceil(value)} {unit}"
    return f"{seconds / 86_400:,.0f} days"
