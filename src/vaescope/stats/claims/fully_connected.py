"""Claim 7, first half: what holds for convolutional networks holds for fully connected ones."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import missing, verdict
from vaescope.stats.judging.leading import CORRECTED, RAW, lead_readings

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

LONG_BEFORE = 1.0  # doublings
NETWORK = "linear"


@CLAIMS.register
@final
class FullyConnected(Claim):
    """The encoder is learned long before the decoder in fully connected networks, too.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "fully_connected"
    number: ClassVar[str] = "7a"
    title: ClassVar[str] = "So in fully connected networks"
    statement: ClassVar[str] = "In fully connected networks, too, the encoder is learned long before the decoder."
    statistic: ClassVar[str] = "The lead of claim 1, in the runs of the network `linear`."
    threshold: ClassVar[str] = "Above 1 doubling, as in claim 1, with every control."
    unit: ClassVar[str] = "doublings"
    figures: ClassVar[tuple[str, ...]] = ("leads",)

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        runs = evidence.runs[evidence.runs["network"].astype(str).str.startswith(NETWORK)]
        if not len(runs):
            note = "The study has no run of a fully connected network: add `linear` to its networks."
            plain, main = (missing(how.name, how.title, LONG_BEFORE, note) for how in (RAW, CORRECTED))
            return verdict(type(self), plain, main)
        return verdict(type(self), *lead_readings(replace(evidence, runs=runs), LONG_BEFORE))
