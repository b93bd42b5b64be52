"""What to keep of a model that goes to another dataset, from where its layers stand between floor and ceiling. Pure."""

import math
from dataclasses import dataclass
from typing import Literal

from vaescope.errors import UsageError

NO_ENDS: tuple[float, float, float] = (math.nan, math.nan, math.nan)
"""Position, low and high of what has none."""

Word = Literal["keep", "fine-tune", "retrain", "undecided"]
KEEP, RETRAIN = 0.75, 0.25
"""Positions between what an untrained network has (0) and what another seed reaches (1). Conventions, not constants."""


@dataclass(frozen=True)
class Limits:
    """From where on a part is kept, and up to where it is retrained.

    Attributes:
        keep: the whole interval of the position above it: keep.
        retrain: the whole interval below it: retrain. Within both: fine-tune.

    Raises:
        UsageError: they are not in that order.
    """

    keep: float = KEEP
    retrain: float = RETRAIN

    def __post_init__(self) -> None:
        if not self.retrain < self.keep:
            raise UsageError(f"expected retrain below keep, e.g. 0.25 and 0.75, got {self.retrain} and {self.keep}.")


@dataclass(frozen=True)
class Advice:
    """What to do with a part, and why.

    Attributes:
        part: "encoder", "latent", "decoder" or "other".
        word: "keep", "fine-tune", "retrain" or "undecided".
        leaning: what the estimate alone says; "" without one.
        position: mean over the part's layers: 0 as an untrained network, 1 as another seed of the target's own.
        low: lower end of its interval.
        high: upper end.
        layers: how many layers it is the mean of.
        units: what the interval is over: "3 seeds", "halves of 500 examples"; "" without one.
        words: the same in a sentence or two.
    """

    part: str
    word: Word
    leaning: str
    position: float
    low: float
    high: float
    layers: int
    units: str
    words: str


def word_of(position: float, low: float, high: float, limits: Limits) -> tuple[Word, str]:
    """The word that the interval allows, and the one that the estimate alone leans to ("" without an estimate)."""
    if not math.isfinite(position):
        return "undecided", ""
    leaning = _zone(position, limits)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "undecided", leaning
    return (leaning if _zone(low, limits) == _zone(high, limits) == leaning else "undecided"), leaning


def advised(
    part: str, position: float, low: float, high: float, layers: int, units: str, limits: Limits, level: float, why: str
) -> Advice:
    """The advice on a part.

    Args:
        part: its name.
        position: mean over its layers.
        low: lower end of its interval; NaN without one.
        high: upper end.
        layers: how many layers.
        units: what the interval is over.
        limits: of the words.
        level: coverage of the interval.
        why: what is to be said where there is no interval or no position.
    """
    word, leaning = word_of(position, low, high, limits)
    name = {"latent": "latent layers"}.get(part, part)
    if not leaning:
        said = f"{name}: undecided. {why}"
    else:
        ends = f"; the estimate alone says {leaning}" if word == "undecided" else ""
        span = f", {level:.0%} interval {low:.2f} to {high:.2f} over {units}" if math.isfinite(low) else ""
        scale = "0 is an untrained network, 1 another model of the target's own"
        less = " It is less like the target's own than an untrained network is." if position < 0 else ""
        said = f"{name}: {word}{ends}. Position {position:.2f}{span} ({scale}).{less}{f' {why}' if why else ''}"
    return Advice(part, word, leaning, position, low, high, layers, units if math.isfinite(low) else "", said)


def _zone(value: float, limits: Limits) -> Word:
    return "keep" if value > limits.keep else "retrain" if value < limits.retrain else "fine-tune"
