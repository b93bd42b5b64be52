"""How much of a training a recorder may take. Pure arithmetic on seconds that others measure."""

from dataclasses import dataclass

from vaescope.errors import UsageError

SHARE, GRACE = 0.05, 30.0  # where nothing is said: seconds that looks may take in any training, as the first tell most


@dataclass
class Budget:
    """The share of a training's time that looks may take.

    A look is allowed while what looks took, with this one as long as the longest of the last two, stays within `share`
    of the training's own time. Where the last step is known, that is what the whole training is projected to take, so
    that early looks are paid for by late steps. The first look is always allowed.

    Attributes:
        share: of the training's own time, e.g. 0.05; None allows every look.
        steps: of the whole training, None where unknown.
        grace: seconds that looks may take in any case.
        spent: seconds that looks took.
        looks: how many there were.
        skipped: how many were due and not allowed.
    """

    share: float | None
    steps: int | None = None
    grace: float = 0.0
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
        if self.steps is not None:
            training *= max(1.0, self.steps / max(done, 1))
        return self.spent + max(self._last) <= max(self.share * training, self.grace)

    @classmethod
    def of(cls, share: object, steps: int | None) -> "Budget":
        """What was asked for: a share that is kept, None, or "auto", a twentieth and in any case 30 seconds.

        Raises:
            UsageError: it is something else.
        """
        if share == "auto":
            return cls(SHARE, steps, GRACE)
        if share is None:
            return cls(None, steps)
        if isinstance(share, int | float) and 0 < share < 1:
            return cls(share, steps)
        raise UsageError(f"max_overhead: expected a share between 0 and 1, e.g. 0.05, None or 'auto', got {share!r}.")

    def took(self, seconds: float) -> None:
        """Count a look."""
        self.spent += seconds
        self.looks += 1
        self._last = (*self._last, seconds)[-2:]
