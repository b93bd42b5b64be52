"""Claim 4, second half: the similarity of mean and sampled codes tells how many latents have collapsed."""

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Reading, Verdict
from vaescope.stats.judging.deciding import absent, at, missing, reading, verdict
from vaescope.stats.judging.latents_at_end import final_latents, left_out, rank_correlation

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

CORRELATION = 0.8
OFF = 0.1
FEWEST_SHARES = 3
MOST_LEFT_OUT = 0.1
NOT_EXAMINED = "No run has a table of its latents: they were not examined, or the models have none."
TITLES = (
    "Rank correlation with the share of active latents",
    "Mean distance from sqrt(active / latents)",
    "Mean distance from what the variances of the posterior lead one to expect",
)


@CLAIMS.register
@final
class CollapseGauge(Claim):
    """CKA(mean, sampled) follows the share of active latents, and is close to its closed form.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "collapse_gauge"
    number: ClassVar[str] = "4b"
    title: ClassVar[str] = "CKA gauges collapse"
    statement: ClassVar[str] = "Linear CKA of mean and sampled codes tracks posterior collapse."
    statistic: ClassVar[str] = (
        "At the end of training, over runs: the mean distance of CKA(mean, sampled) from sqrt(active / latents), what "
        "it would be if latents were either of unit scale or pure noise. Without controls: the rank correlation "
        "(Spearman) of CKA(mean, sampled) and active / latents, which must hold as well; without three different "
        "shares it cannot. Control: the mean distance from what the variances of each posterior lead one to expect of "
        "it."
    )
    threshold: ClassVar[str] = (
        "Below 0.1: off by one active latent of ten, about half-way, is 0.07. The rank correlation above 0.8: four "
        "fifths of a perfect order. With more than a tenth of the runs left out, since the CKA of fully collapsed "
        "codes has no value, it is not called supported."
    )
    figures: ClassVar[tuple[str, ...]] = ("gauge", "layer_pair")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        ends = final_latents(evidence).dropna(subset=["share"])
        valued = ends.dropna(subset=["mean_sampled"])
        if not len(valued):
            note = "CKA(mean, sampled) has no value in any run." if len(ends) else NOT_EXAMINED
            plain, main = missing("raw", TITLES[0], CORRELATION, note), missing("gauge", TITLES[1], OFF, note)
            return verdict(type(self), plain, main)
        if valued["share"].nunique() < FEWEST_SHARES:
            note = "The runs have too few different numbers of active latents to rank: three needed. Vary the strength."
            plain = missing("raw", TITLES[0], CORRELATION, note)
        else:
            plain = reading("raw", TITLES[0], rank_correlation(valued)(0.95), CORRELATION)
        main = _distance(valued, "gauge", TITLES[1])
        unvalued = " ".join(filter(None, [left_out(evidence, ends), _unvalued(evidence, ends, len(valued))]))
        stops = [plain.note] if absent(plain) else []
        if len(evidence.runs) - len(valued) > MOST_LEFT_OUT * len(evidence.runs):
            stops.append("That is more than a tenth.")
        note = " ".join(filter(None, [main.note, unvalued, *reversed(stops)]))
        main = replace(main, note=note, word="undecided" if stops and main.word == "supported" else main.word)
        if valued["expected_mean_sampled"].notna().any():
            expected = _distance(valued, "expected_mean_sampled", TITLES[2])
        else:
            expected = missing("expected_mean_sampled", TITLES[2], OFF, "The expected CKA has not been computed.")
        return verdict(type(self), plain, main, [plain, expected])


def _distance(ends: "pd.DataFrame", column: str, title: str) -> Reading:
    off = ends.assign(value=np.abs(ends["mean_sampled"] - ends[column].astype(float)), draw=-1)
    return reading(column, title, at(off.dropna(subset=["value"]))(0.95), OFF, "below")


def _unvalued(evidence: "Evidence", ends: "pd.DataFrame", valued: int) -> str:
    """How many runs with latents have no value, and how many of these no active latent; "" if all have one."""
    lost = len(ends) - valued
    if not lost:
        return ""
    collapsed = int((ends["mean_sampled"].isna() & (ends["active"] == 0)).sum())
    also = f", {collapsed} of them without an active latent, for which the closed form is 0" if collapsed else ""
    return f"Left out: {lost} of {len(evidence.runs)} runs, in which CKA(mean, sampled) has no value at the end{also}."
