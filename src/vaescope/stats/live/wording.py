"""How answers are put: numbers, lists, intervals."""

import math
from collections.abc import Sequence

from vaescope.stats.live.seen import Reading

MOST_LISTED = 12


def score(value: float, like: float | None = None) -> str:
    """A similarity without its zero, with two digits of what it lacks of 1, three to six in all: ".984", ".99962".

    Args:
        value: the similarity.
        like: another one whose number of digits to take.
    """
    lacking = 1 - (value if like is None else like)
    digits = min(max(3, math.ceil(-math.log10(lacking)) + 1), 6) if 0 < lacking < 1 else 3
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text.split(".")[0]


def with_interval(found: Reading) -> str:
    """A similarity and its interval: ".984, interval .981 to .987"."""
    return f"{score(found.value)}, interval {score(found.low, found.value)} to {score(found.high, found.value)}"


def step_name(step: int) -> str:
    """A step with thousands apart."""
    return f"{step:,}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: "a", "a and b", "a, b and c"; of many, the first and how many more."""
    if len(names) > MOST_LISTED:
        names = [*names[: MOST_LISTED - 1], f"{len(names) - MOST_LISTED + 1:,} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def numbers(word: str, which: Sequence[int]) -> str:
    """Numbered things: "Latent 3", "Latents 1 and 4"."""
    return f"{word}{'s' if len(which) > 1 else ''} {listed([str(k) for k in which])}"
