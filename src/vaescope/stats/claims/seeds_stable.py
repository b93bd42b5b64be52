"""Claim 5: results are stable over seeds: runs do not group by seed."""

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import largest, missing, reading, verdict
from vaescope.stats.judging.seed_pairs import OTHER, SAME_SEED, SAME_SETTING, Means, pairs_of

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

ADDS = 0.05
TITLES = "What sharing the setting adds, less what sharing the seed does", "Largest addition of a shared seed"


@CLAIMS.register
@final
class SeedsStable(Claim):
    """Runs that share a seed are no more alike than runs that share nothing.

    The paper shows t-SNE maps in which runs group by strength and not by seed; a map has no threshold, so the claim is
    put in similarities: a seed that groups runs makes those of one seed and different settings more alike.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "seeds_stable"
    number: ClassVar[str] = "5"
    title: ClassVar[str] = "Runs do not group by seed"
    statement: ClassVar[str] = "Results are stable over seeds: runs group by regularisation, not by seed."
    statistic: ClassVar[str] = (
        "The similarity of final layers of runs with one seed and different settings, less that of runs of the same "
        "two settings that differ in the seed as well, in the layer where it is largest. Without controls: the "
        "similarity of runs that share the setting less that of runs that share the seed, the mean over layers."
    )
    threshold: ClassVar[str] = (
        "Below 0.05 of similarity in every layer: half of what claim 3 calls a difference. Without controls above 0: "
        "settings group runs more than seeds do."
    )
    figures: ClassVar[tuple[str, ...]] = ("decomposition", "tsne")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        pairs = pairs_of(evidence)
        if not pairs.has(SAME_SEED, OTHER):
            few = evidence.runs["seed"].nunique() < 2
            note = f"Two {'seeds' if few else 'settings'} of one network and dataset are needed."
            return verdict(type(self), missing("raw", TITLES[0], 0.0, note), missing("adds", TITLES[1], ADDS, note))
        there = np.flatnonzero(np.isfinite(pairs.means().more(SAME_SEED, OTHER)))
        gone = ", ".join(name for k, name in enumerate(pairs.layers) if k not in there)
        if not len(there):
            note = "No pairs of settings have been compared both with one seed and with two."
            return verdict(type(self), missing("raw", TITLES[0], 0.0, note), missing("adds", TITLES[1], ADDS, note))
        adds = pairs.estimates(lambda m: m.more(SAME_SEED, OTHER)[there])
        most = pairs.layers[there[int(np.argmax([e(0.95).value for e in adds]))]]
        note = f"Largest in {most}." + (f" Left out, since no pairs have scores there: {gone}." if gone else "")
        main = reading("adds", TITLES[1], largest(adds), ADDS, "below", note)
        if not pairs.has(SAME_SETTING):
            return verdict(type(self), missing("raw", TITLES[0], 0.0, "No two runs share their setting."), main)
        both = np.flatnonzero(np.isfinite(_grouping(pairs.means())))
        mean = pairs.estimates(lambda m: np.array([_grouping(m)[both].mean() if len(both) else np.nan]))
        return verdict(type(self), reading("raw", TITLES[0], mean[0](0.95), 0.0), main)


def _grouping(means: Means) -> np.ndarray:
    score, ceiling = means.ceiling(SAME_SEED)
    return ceiling - score
