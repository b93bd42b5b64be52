"""An answer in words, and the numbers behind it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "opening", "similarity", "settled", "moved", "still", "collapse", "recovered", "frozen", "skipped", "warning"
]


@dataclass(frozen=True)
class Answer:
    """Something that became known at a step.

    Attributes:
        kind: what it is about.
        step: when it became known.
        text: a sentence for people, without markup.
        where: the part ("encoder") or layer it is about; "" for the whole model.
        since: the step since which it holds; None where it has none.
        value: the number the sentence rests on, e.g. a floor-corrected similarity.
        low: lower end of its interval, NaN where there is none.
        high: upper end of its interval, NaN where there is none.
        latents: the latents concerned, numbered from 0.
    """

    kind: Kind
    step: int
    text: str
    where: str = ""
    since: int | None = None
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    latents: tuple[int, ...] = ()
