"""The contract of a tracker, and the guard that keeps a broken one from stopping a training."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

PREFIX = "vaescope/"
"""What every tag begins with, e.g. "vaescope/similarity_to_start/encoder.1"; trackers group by it."""


@runtime_checkable
class Tracker(Protocol):
    """Takes what became known at a step. It may raise: the Recorder puts a `Guarded` around it.

    A tracker is called between two training steps, so a slow one slows the training.
    """

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        """Take the numbers and the sentences of one step.

        Args:
            step: optimiser steps taken before it.
            values: name -> number, e.g. "similarity_to_start/encoder.1"; may hold numbers that are not finite.
            texts: sentences, in the order in which they became known; mostly none.
        """
        ...

    def close(self) -> None:
        """End: what was taken is where it belongs. Nothing is logged afterwards."""
        ...


def tagged(values: Mapping[str, float]) -> dict[str, float]:
    """The finite numbers under their tags: trackers differ in what a NaN does to their charts, so none gets one.

    >>> tagged({"active": 3, "kl": float("nan")})
    {'vaescope/active': 3.0}
    """
    return {PREFIX + name: float(value) for name, value in values.items() if math.isfinite(value)}


class Guarded:
    """A tracker that never raises: it says the first error, goes on trying, and says at the end what was lost.

    Only what ends a program (`KeyboardInterrupt`, `SystemExit`) passes through.

    Args:
        tracker: the tracker guarded.
        name: what it is called in the message, e.g. "tensorboard".
        tell: takes the message; without it, it is a warning of the kind `RuntimeWarning`.

    Attributes:
        lost: how many steps could not be logged.
    """

    def __init__(self, tracker: Tracker, name: str = "", tell: Callable[[str], object] | None = None) -> None:
        self.lost = 0
        self._tracker = tracker
        self._name = name or type(tracker).__name__
        self._tell = tell
        self._logged = 0

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        """Hand over a step; an error is told once and counted."""
        try:
            self._tracker.log(step, values, texts)
        except Exception as error:
            self.lost += 1
            if self.lost == 1:
                self._say(
                    f"The tracker {self._name} failed at step {step:,} ({_told(error)}). Training goes on; the "
                    "tracker is tried again at each look, and further failures are only counted."
                )
        else:
            self._logged += 1

    def close(self) -> None:
        """End it; if anything was lost, say how much."""
        try:
            self._tracker.close()
        except Exception as error:
            self._say(f"The tracker {self._name} could not be closed ({_told(error)}); its last lines may be missing.")
        if self.lost > 1:
            self._say(f"The tracker {self._name} missed {self.lost} of {self.lost + self._logged} looks.")

    def _say(self, text: str) -> None:
        with suppress(Exception):  # where warnings are errors, this one must not stop a training either
            if self._tell is None:
                warnings.warn(text, RuntimeWarning, stacklevel=4)
            else:
                self._tell(text)


def _told(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
