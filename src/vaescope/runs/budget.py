"""How much of a training a recorder may take. Pure arithmetic on seconds that others measure."""

from dataclasses import dataclass

GRACE = 30.0  # seconds that looks may take in any training, however short: the first looks tell most


@dataclass
class Budget:
    """The share of a training's time that looks may take.

    A look is allowed while what looks took, with this one as long as the longest of the last two, stays within `share`
    of the training's own time; or within `GRACE` seconds in all. Where the last step is known, time is what the whole
    training is projected to take, so that early looks are paid for by late steps.

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
        if self.steps is not None and done > 0:
            training *= max(1.0, self.steps / done)
        return self.spent + max(self._last) <= max(self.share * training, GRACE)

    def took(self, seconds: float) -> None:
        """Count a look."""
        self.spent += seconds
        self.looks += 1
        self._last = (*self._last, seconds)[-2:]
