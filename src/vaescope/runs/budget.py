"""How much of a training a recorder may take. Pure arithmetic on seconds that others measure."""

from dataclasses import dataclass

GRACE = 30.0  # seconds that looks may take where nobody knows how long a training will be: the first tell most


@dataclass
class Budget:
    """The share of a training's time that looks may take.

    A look is allowed while what looks took, with this one as long as the longest of the last two, stays within `share`
    of the training's own time. Where the last step is known, that is what the whole training is projected to take, so
    that early looks are paid for by late steps. Where it is not, looks may take `GRACE` seconds in any case. The first
    look is always allowed.

    Attributes:
        share: of the training's own time, e.g. 0.05; None allows every look.
        steps: of the whole training, None where unknown.
        spent: seconds that looks took.
        looks: how many there were.
        skipped: how many were due and not allowed.
    """

    share: float | None
    steps: int | None = None
    spent: float = 0.0
    looks: int = 0
    skipped: int = 0
    _last: tuple[float, ...] = ()

    def allows(self, elapsed: float, done: int) -> bool:
        """Whether a look may be taken now.

        Args:
            elapsed: seconds since the first call, looks included.
            done: steps taken since then.
        """
        if self.share is None or not self.looks:
            return True
        training = max(0.0, elapsed - self.spent)
        if self.steps is None:
            return self.spent + max(self._last) <= max(self.share * training, GRACE)
        training *= max(1.0, self.steps / max(done, 1))
        return self.spent + max(self._last) <= self.share * training

    def took(self, seconds: float) -> None:
        """Count a look."""
        self.spent += seconds
        self.looks += 1
        self._last = (*self._last, seconds)[-2:]
