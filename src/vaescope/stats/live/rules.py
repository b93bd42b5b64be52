"""What counts as settled, as still and as collapsed."""

from dataclasses import dataclass

from vaescope.errors import UsageError

FEWEST_KEPT = 8


@dataclass(frozen=True)
class Rules:
    """The thresholds of `Live`, where they are described.

    Raises:
        UsageError: one is out of its range.
    """

    level: float
    patience: int
    confidence: float
    examples: int
    stretch: float
    unchanged: float
    highest_floor: float
    idle: float
    warm_up: int
    kept: int
    leave_out: bool

    def __post_init__(self) -> None:
        for name in ("level", "confidence", "unchanged", "highest_floor"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"Live: expected {name} between 0 and 1, got {getattr(self, name)}.")
        for name, least in (("patience", 1), ("warm_up", 1), ("examples", 10), ("kept", FEWEST_KEPT)):
            if getattr(self, name) < least:
                raise UsageError(f"Live: expected {name} of at least {least}, got {getattr(self, name)}.")
        if not self.stretch > 1:
            raise UsageError(f"Live: expected stretch above 1 (2: twice the time), got {self.stretch}.")
        if not self.idle > 0:
            raise UsageError(f"Live: expected idle above 0 nats, got {self.idle}.")

    @property
    def in_use(self) -> float:
        """Nats from which on a latent is in use: more than `idle`, so that one on the border does not flicker."""
        return 2 * self.idle
