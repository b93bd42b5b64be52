"""Claim 1: the encoder's representations are learned long before the decoder's."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import verdict
from vaescope.stats.judging.leading import lead_readings

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

LONG_BEFORE = 1.0  # doublings


@CLAIMS.register
@final
class EncoderFirst(Claim):
    """The encoder is learned long before the decoder, whichever way it is looked at.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "encoder_first"
    number: ClassVar[str] = "1"
    title: ClassVar[str] = "The encoder learns first"
    statement: ClassVar[str] = "The encoder's representations are learned long before the decoder's."
    statistic: ClassVar[str] = (
        "The lead of the encoder in doublings of the step: log2(step + 1) at which a layer's similarity to its end "
        "reaches 0.9, the mean over decoder layers less that over encoder layers, the mean over seeds. Without "
        "controls: of the similarity itself. With: of what training added to it since step 0; and again with decoders "
        "fed by the final encoder, by samples, from the prior, by fixed codes, and towards the end of another seed; "
        "layers in which training added less than 0.05 are then left out. Where layers settle between snapshots that "
        "are g doublings apart, both ends of the interval are min(g^2 / 8, g / 2) farther out."
    )
    threshold: ClassVar[str] = (
        "Above 1 doubling: 'long before' is in less than half the steps. Every control that could be made must say so."
    )
    unit: ClassVar[str] = "doublings"
    figures: ClassVar[tuple[str, ...]] = ("leads", "curves", "controls")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        return verdict(type(self), *lead_readings(evidence, LONG_BEFORE))
