"""Claim 2, second half: how far the encoder is ahead does not depend on the objective, its strength or the dataset."""

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, cast, final

from vaescope.stats.claim import CLAIMS, Claim, Reading, Verdict
from vaescope.stats.judging.deciding import largest, missing, sized, verdict
from vaescope.stats.judging.leading import (
    CORRECTED,
    FED,
    RAW,
    LeadReading,
    lead_notes,
    lead_values,
    why_missing,
    without_lead,
)
from vaescope.stats.judging.spacing import off_by, spaced, spaced_reading

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

MARGIN = 1.0  # doublings
FACTORS = {"dataset": (), "network": (), "objective": (), "strength": ("objective",)}


@CLAIMS.register
@final
class LeadIndependent(Claim):
    """The lead is the same, within a margin, whatever the hyperparameters, objective and dataset: an equivalence.

    References:
        Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach.
            https://doi.org/10.1007/BF01068419
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "lead_independent"
    number: ClassVar[str] = "2b"
    title: ClassVar[str] = "The lead is the same everywhere"
    statement: ClassVar[str] = (
        "How far the encoder is ahead is independent of hyperparameters, learning objectives and datasets."
    )
    statistic: ClassVar[str] = (
        "The largest difference of the lead (as in claim 1) between two levels of one factor: dataset, network, "
        "objective, or strength within an objective; each the mean over what both levels have of the other factors, "
        "seed by seed. Control: with decoders fed by the final encoder. What the spacing of snapshots leaves open of "
        "both levels adds up."
    )
    threshold: ClassVar[str] = (
        "Below 1 doubling, the lead that claim 1 calls long: a difference as large as that would undo it. All "
        "intervals must lie within; no difference found is not enough."
    )
    unit: ClassVar[str] = "doublings"
    figures: ClassVar[tuple[str, ...]] = ("leads",)

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        plain, main, fed = (_reading(evidence, how) for how in (RAW, CORRECTED, FED))
        return verdict(type(self), plain, main, [fed])


def _reading(evidence: "Evidence", how: LeadReading) -> Reading:
    title = f"Largest difference of the {how.title[0].lower()}{how.title[1:]}"
    values = lead_values(evidence, how)
    if not len(values):
        return missing(how.name, title, MARGIN, why_missing(evidence, how))
    found = dict(differences(values))
    if not found:
        note = "Nothing varies but the seed: two strengths, objectives or datasets needed."
        return missing(how.name, title, MARGIN, note)
    sizes = {name: sized(spaced(table)) for name, table in found.items()}
    most = max(sizes, key=lambda name: sizes[name](0.95).value)
    off, gone = off_by(found[most]), without_lead(evidence, values)
    notes = [f"Largest of {len(sizes)} between {most}.", *lead_notes(evidence, values, off)]
    if gone:
        notes.insert(0, f"{len(gone)} settings have no lead at all: {'; '.join(gone)}.")
    return spaced_reading((how.name, title), largest(list(sizes.values())), MARGIN, "below", notes, off)


def differences(values: "pd.DataFrame") -> "Iterator[tuple[str, pd.DataFrame]]":
    """For each two levels of a factor: which, and their difference seed by seed (run, seed, draw, value, off).

    Args:
        values: what `lead_values` gives. What the spacing of snapshots leaves open (`off`) of both levels adds up.
    """
    for factor, within in FACTORS.items():
        others = [f for f in FACTORS if f != factor and not (factor == "objective" and f == "strength")]
        groups = values.groupby(list(within), observed=True) if within else [((), values)]
        for key, group in cast(Any, groups):
            means = group.groupby([factor, *others, "seed", "draw"], observed=True)[["value", "off"]].mean()
            cells, off = means["value"].unstack(factor), means["off"].unstack(factor)
            for a, b in combinations(cells.columns, 2):
                both = (cells[a] - cells[b]).to_frame("value").assign(off=off[a] + off[b])
                gap = both.dropna(subset=["value"]).reset_index()
                if len(gap):
                    name = f"{a} and {b}" + (f" of {key[0]}" if within else "")
                    run = gap[others].astype(str).agg(" ".join, axis=1) + " " + gap["seed"].astype(str)
                    yield name, gap.assign(run=run)
