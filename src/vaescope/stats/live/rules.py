"""What counts as settled, as still and as collapsed."""

from dataclasses import dataclass

from vaescope.errors import UsageError
from vaescope.stats.convergence import HIGHEST_FLOOR
from vaescope.stats.latents.collapse import IDLE

FEWEST_KEPT = 8


@dataclass(frozen=True)
class Rules:
    """The thresholds of `Live`, where they are described.

    Raises:
        UsageError: one is out of its range.
    """

    level: float = 0.98
    patience: int = 2
    confidence: float = 0.95
    examples: int = 256
    stretch: float = 2.0
    unchanged: float = 0.999
    highest_floor: float = HIGHEST_FLOOR
    idle: float = IDLE
    warm_up: int = 1_000
    kept: int = 12
    leave_out: bool = False

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
