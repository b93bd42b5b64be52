"""Claim 3, its exception: the mean and variance layers do change with hyperparameters and objectives."""

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import largest, least, missing, reading, verdict
from vaescope.stats.judging.seed_pairs import OTHER, SAME_SETTING, Means, pairs_of

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

SHORTFALL = 0.1
LIKE = 0.8
LAYERS = ("mean", "log_var")
TITLES = "Largest similarity of mean and variance layers", "Least shortfall from seeds"


@CLAIMS.register
@final
class MeanVarianceDiffer(Claim):
    """Mean and variance layers of different settings are less alike than those of different seeds.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "mean_variance_differ"
    number: ClassVar[str] = "3b"
    title: ClassVar[str] = "Mean and variance layers differ"
    statement: ClassVar[str] = (
        "The mean and variance layers are the exception: they differ across hyperparameters and learning objectives."
    )
    statistic: ClassVar[str] = (
        "The similarity of final layers of runs that differ in the seed alone, less that of runs of the same settings "
        "that differ in seed and setting, in the layer mean or log_var, whichever it is less in. Without controls: "
        "the larger similarity of both."
    )
    threshold: ClassVar[str] = (
        "Above 0.1 of similarity in both layers, one step of a heatmap's scale, beyond what another seed does. "
        "Without controls below 0.8, which claim 3 calls similar."
    )
    figures: ClassVar[tuple[str, ...]] = ("sensitivity", "heatmap")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        pairs = pairs_of(evidence)
        layers = np.array([k for k, name in enumerate(pairs.layers) if name.split(", ")[-1] in LAYERS], dtype=int)
        there = np.isfinite(pairs.means()[OTHER][layers])
        if not there.any():
            note = "No two runs of one network and dataset differ in seed and setting."
            return verdict(
                type(self), missing("raw", TITLES[0], LIKE, note), missing("below", TITLES[1], SHORTFALL, note)
            )
        gone = ", ".join(pairs.layers[k] for k in layers[~there])
        note, layers = f"Left out, since no pairs have scores there: {gone}." if gone else "", layers[there]
        raw = pairs.estimates(lambda m: m[OTHER][layers])
        plain = reading("raw", TITLES[0], largest(raw), LIKE, "below", note)
        if not pairs.has(SAME_SETTING):
            note = "No two runs differ in the seed alone: there is no ceiling."
            return verdict(type(self), plain, missing("below", TITLES[1], SHORTFALL, note))
        held = np.isfinite(_shortfall(pairs.means())[layers])
        if not held.any():
            return verdict(
                type(self), plain, missing("below", TITLES[1], SHORTFALL, "Settings that are compared have no ceiling.")
            )
        if not held.all():
            note = f"{note} Without a ceiling: {', '.join(pairs.layers[k] for k in layers[~held])}.".strip()
        short = pairs.estimates(lambda m: _shortfall(m)[layers[held]])
        return verdict(type(self), plain, reading("below", TITLES[1], least(short), SHORTFALL, "above", note))


def _shortfall(means: Means) -> np.ndarray:
    score, ceiling = means.ceiling(OTHER)
    return ceiling - score
