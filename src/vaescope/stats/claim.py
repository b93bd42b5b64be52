"""The contract of a claim: a statistic stated beforehand, its threshold, and the verdict, with and without controls."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from vaescope.registry import Registry

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

Word = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class Reading:
    """One way to answer a claim's question.

    Attributes:
        name: an identifier, e.g. "raw", "floor_corrected", "final_encoder".
        title: for people.
        estimate, low, high: of the statistic, with its interval; NaN where there is none.
        threshold: what the statistic is held against.
        word: what this reading alone says.
        runs, seeds: how many have part in it.
        p: of a test, NaN where none is made.
        note: what the reader must know, e.g. why it is undecided; "" otherwise.
    """

    name: str
    title: str
    estimate: float
    low: float
    high: float
    threshold: float
    word: Word
    runs: int
    seeds: int
    p: float
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """The answer to one claim.

    Attributes:
        claim: its name.
        word: with the controls.
        plain: what the paper would have concluded: the reading without controls.
        readings: all others, the controlled statistic first.
        why: one or two sentences for people.
    """

    claim: str
    word: Word
    plain: Reading
    readings: tuple[Reading, ...]
    why: str


class Claim(ABC):
    """One claim about how VAEs learn. Final subclasses have no state.

    Attributes:
        name: the registered name, an identifier.
        number: its place in the table of the paper's claims, e.g. "1", "4b"; "" for claims that are not the paper's.
        title: a few words.
        statement: what is claimed.
        statistic: what is computed, in words, with its unit.
        threshold: what is held against it, and why, in words.
        unit: what stands behind its numbers, e.g. "doublings"; "" for a share or a similarity.
        figures: names of the figures in which one sees it.
    """

    name: ClassVar[str]
    number: ClassVar[str] = ""
    title: ClassVar[str]
    statement: ClassVar[str]
    statistic: ClassVar[str]
    threshold: ClassVar[str]
    unit: ClassVar[str] = ""
    figures: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict. Evidence that is missing makes it undecided, and says what is missing; it never raises."""


CLAIMS: Registry[type[Claim]] = Registry("claim", "vaescope.stats.claims", "vaescope.claims")
"""The claims: one file each; being here is being found."""
