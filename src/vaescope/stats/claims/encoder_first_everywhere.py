"""Claim 2, first half: the encoder is ahead whatever the objective, its strength and the dataset."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Reading, Verdict
from vaescope.stats.judging.deciding import least, missing, verdict
from vaescope.stats.judging.leading import (
    CORRECTED,
    FED,
    RAW,
    LeadReading,
    by_setting,
    lead_notes,
    lead_values,
    why_missing,
    without_lead,
)
from vaescope.stats.judging.spacing import off_by, spaced_reading

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

AHEAD = 0.0  # doublings


@CLAIMS.register
@final
class EncoderFirstEverywhere(Claim):
    """In every setting of the study the encoder is ahead of the decoder.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "encoder_first_everywhere"
    number: ClassVar[str] = "2a"
    title: ClassVar[str] = "The encoder learns first everywhere"
    statement: ClassVar[str] = (
        "The encoder is learned before the decoder whatever the hyperparameters, learning objective and dataset."
    )
    statistic: ClassVar[str] = (
        "The least lead (as in claim 1) over the settings of the study: dataset, network, objective and strength. "
        "Control: with decoders fed by the final encoder."
    )
    threshold: ClassVar[str] = (
        "Above 0 doublings in every setting: how long before is for claim 1. One setting decisively below 0, after "
        "correction for their number, is enough against it. Undecided where a setting has no lead at all."
    )
    unit: ClassVar[str] = "doublings"
    figures: ClassVar[tuple[str, ...]] = ("leads",)

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        plain, main, fed = (_reading(evidence, how) for how in (RAW, CORRECTED, FED))
        return verdict(type(self), plain, main, [fed])


def _reading(evidence: "Evidence", how: LeadReading) -> Reading:
    title = f"Least {how.title[0].lower()}{how.title[1:]}"
    values = lead_values(evidence, how)
    if not len(values):
        return missing(how.name, title, AHEAD, why_missing(evidence, how))
    settings = by_setting(values)
    if len(settings) < 2:
        return missing(
            how.name, title, AHEAD, "There is one setting only: two strengths, objectives or datasets needed."
        )
    lowest = min(settings, key=lambda name: settings[name](0.95).value)
    own = values[values["setting"].astype(str) == lowest]
    off = off_by(own)
    notes = [f"Least of {len(settings)} settings in {lowest}.", *lead_notes(evidence, values, off)]
    made = spaced_reading((how.name, title), least(list(settings.values())), AHEAD, "above", notes, off)
    gone = without_lead(evidence, values)
    if not gone:
        return made
    told = f"{len(gone)} of {len(settings) + len(gone)} settings have no lead at all: {'; '.join(gone)}."
    word = made.word if made.word == "not supported" else "undecided"
    return replace(made, word=word, note=f"{told} {made.note}")
