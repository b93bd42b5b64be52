"""Claim 4, second half: the similarity of mean and sampled codes tells how many latents have collapsed."""

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import at, missing, reading, verdict
from vaescope.stats.judging.latents_at_end import final_latents, rank_correlation

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

CORRELATION = 0.8
OFF = 0.1
FEWEST_SHARES = 3
TITLES = "Rank correlation with the share of active latents", "Mean distance from sqrt(active / latents)"


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
        "(Spearman) of CKA(mean, sampled) and active / latents, which must hold as well."
    )
    threshold: ClassVar[str] = (
        "Below 0.1: off by one active latent of ten, about half-way, is 0.07. The rank correlation above 0.8: four "
        "fifths of a perfect order."
    )
    figures: ClassVar[tuple[str, ...]] = ("gauge", "layer_pair")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        ends = final_latents(evidence).dropna(subset=["mean_sampled", "share"])
        if not len(ends):
            note = "Latents have not been examined."
            plain, main = missing("raw", TITLES[0], CORRELATION, note), missing("gauge", TITLES[1], OFF, note)
            return verdict(type(self), plain, main)
        if ends["share"].nunique() < FEWEST_SHARES:
            note = "The runs have too few different numbers of active latents to rank: three needed. Vary the strength."
            plain = missing("raw", TITLES[0], CORRELATION, note)
        else:
            plain = reading("raw", TITLES[0], rank_correlation(ends)(0.95), CORRELATION)
        off = ends.assign(value=np.abs(ends["mean_sampled"] - ends["gauge"]), draw=-1)
        main = reading("gauge", TITLES[1], at(off)(0.95), OFF, "below")
        return verdict(type(self), plain, main, [plain])
