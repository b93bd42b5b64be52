"""Since which step a number has stayed at a level: candidates that one observation after another confirms or drops."""

from collections.abc import Iterable, Mapping

from vaescope.stats.live.seen import Reading


class Watch:
    """The earliest step S since which a margin has stayed at 0 or above, such as a similarity to S less a level.

    A step is a candidate as long as the lower end of the interval was at 0 or above at every observation since. It is
    believed when at least `patience` observations have confirmed it and the time since the start has grown by the
    factor `stretch` since: without that, the dense snapshots at the beginning would confirm one another. What is
    believed is dropped only when the number itself falls below 0, so that it does not flicker.

    Attributes:
        since: the step that is believed; None where there is none.

    Args:
        patience: observations after S.
        stretch: by what factor the time since the first observation must have grown.
    """

    def __init__(self, patience: int, stretch: float) -> None:
        self.patience, self.stretch = patience, stretch
        self.since: int | None = None
        self._confirmed: dict[int, int] = {}

    @property
    def candidates(self) -> tuple[int, ...]:
        """Steps that no observation has spoken against, ascending."""
        return tuple(self._confirmed)

    def judge(self, elapsed: int, margins: Mapping[int, Reading], origin: int) -> int | None:
        """Take in an observation.

        Args:
            elapsed: steps since the first observation.
            margins: candidate -> the margin now.
            origin: the step of the first observation.

        Returns:
            The step that was believed until now, if it no longer is.
        """
        for step in self.candidates:
            found = margins[step]
            if (found.value if step == self.since else found.low) >= 0:
                self._confirmed[step] += 1
            else:
                del self._confirmed[step]
        before = self.since
        if before is None or before not in self._confirmed:
            self.since = self._ripe(elapsed, origin)
        return before if before is not None and self.since != before else None

    def add(self, step: int) -> None:
        """A step that observations to come may confirm."""
        self._confirmed[step] = 0

    def forget(self, steps: Iterable[int]) -> None:
        """Candidates of which nothing is kept any more."""
        for step in steps:
            self._confirmed.pop(step, None)

    def _ripe(self, elapsed: int, origin: int) -> int | None:
        """The earliest candidate if it has been confirmed often and long enough."""
        first = next(iter(self._confirmed), None)
        if first is None or self._confirmed[first] < self.patience:
            return None
        return first if elapsed >= self.stretch * (first - origin) else None
