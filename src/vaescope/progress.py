"""How long work tells where it is, and learns that it should stop. This one is silent; the command line has others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One run that has given a sign of life and has not ended.

    Attributes:
        run: its id.
        label: what people call it: "dsprites beta_vae beta=4 seed 0".
        step: optimiser steps done.
        steps: optimiser steps in all.
        steps_per_second: over the last half minute, None where that is not known yet.
        loss: the last one in nats per example, None where it is no finite number.
        host: the machine it is on.
        age: seconds since its last sign of life.
        alive: whether that is recent enough to say that it is running.
    """

    run: str
    label: str
    step: int
    steps: int
    steps_per_second: float | None
    loss: float | None
    host: str
    age: float
    alive: bool


@dataclass(frozen=True)
class Board:
    """How far the training of a study is: `done + running + waiting + failed == runs_total`.

    Attributes:
        name: of the study.
        runs_total: runs it has.
        done: runs that came to their end.
        running: runs with a recent sign of life.
        waiting: runs that were not begun, or were begun and are not being worked on.
        failed: runs that diverged or whose workers died too often.
        steps_done: optimiser steps done that count.
        steps_total: optimiser steps to be done in all; of a failed run only those it did.
        steps_per_second: of all running runs together.
        seconds_left: until the last run ends if all goes on like this; None where nothing tells.
        rows: runs with a sign of life, running ones first, each kind in the order of the study.
        failures: "id: reason" of each failed run.
    """

    name: str
    runs_total: int
    done: int
    running: int
    waiting: int
    failed: int
    steps_done: int
    steps_total: int
    steps_per_second: float
    seconds_left: float | None
    rows: tuple[Row, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether no run is left to do."""
        return self.done + self.failed == self.runs_total


class Progress:
    """Silent progress. Long work calls `stage` once, then `advance` and `check` as it goes."""

    def stage(self, name: str, total: int) -> None:
        """A new piece of work of `total` units begins."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` units are done; `note` says what is interesting now, e.g. the loss."""

    def show(self, board: Board) -> None:
        """Where many runs are that go on side by side; until the next stage it takes the place of this one's bar."""

    def say(self, line: str) -> None:
        """One line worth keeping on the screen."""

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for. Called wherever stopping loses nothing."""


class Quiet(Progress):
    """Progress of a part of some work: asked whether to stop, told nothing, since the whole counts its parts.

    Args:
        progress: of the whole.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def check(self) -> None:
        self._progress.check()
