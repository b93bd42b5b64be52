"""Claim 3: encoder representations are similar across hyperparameters and learning objectives."""

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Reading, Verdict
from vaescope.stats.judging import seed_pairs
from vaescope.stats.judging.deciding import At, least, missing, reading, verdict
from vaescope.stats.judging.seed_pairs import SeedPairs, pairs_of

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

SHARE = 0.9
LIKE = 0.8
KINDS = {seed_pairs.STRENGTH: "strengths", seed_pairs.OBJECTIVE: "objectives"}


@CLAIMS.register
@final
class EncodersAlike(Claim):
    """Encoders of different settings are as alike as those of different seeds, beyond what random layers share.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "encoders_alike"
    number: ClassVar[str] = "3"
    title: ClassVar[str] = "Encoders are alike across settings"
    statement: ClassVar[str] = (
        "Encoder representations in all but the mean and variance layers are similar across hyperparameters and "
        "learning objectives."
    )
    statistic: ClassVar[str] = (
        "The final layers of runs of different seeds that differ in strength or in objective as well: where their "
        "similarity s stands between untrained layers and seeds, (s - floor) / (ceiling - floor), in the encoder "
        "layer where it is least. Ceiling: runs of the same settings that differ in the seed alone; floor: the "
        "untrained layer of the one and the final one of the other. Objectives are compared at the strengths they "
        "have in common, at all of theirs if they have none. Without controls: s itself."
    )
    threshold: ClassVar[str] = (
        "Above 0.9 in every encoder layer: settings cost less than a tenth of what training makes seeds share. Layers "
        "whose ceiling is within 0.05 of their floor can say nothing and are left out. Without controls above 0.8, "
        "the upper fifth of the scale on which heatmaps are drawn; the paper gives no number."
    )
    figures: ClassVar[tuple[str, ...]] = ("sensitivity", "heatmap")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        pairs = pairs_of(evidence)
        layers = np.flatnonzero(pairs.parts == "encoder")
        kinds = [kind for kind in KINDS if pairs.has(kind) and np.isfinite(pairs.means()[kind][layers]).any()]
        titles = "Least similarity of encoder layers", "Least share of what seeds share"
        if not kinds:
            note = _why_missing(evidence, pairs)
            return verdict(
                type(self), missing("raw", titles[0], LIKE, note), missing("calibrated", titles[1], SHARE, note)
            )
        there = {kind: layers[np.isfinite(pairs.means()[kind][layers])] for kind in kinds}
        raw = [e for kind in kinds for e in pairs.estimates(lambda m, kind=kind: m[kind][there[kind]])]
        plain = reading("raw", titles[0], least(raw), LIKE)
        main = _calibrated(pairs, kinds, layers, "calibrated", titles[1])
        controls = [
            _calibrated(pairs, [kind], layers, kind, f"{titles[1]}, between {KINDS[kind]}")
            for kind in kinds
            if len(kinds) > 1
        ]
        return verdict(type(self), plain, main, controls)


def _calibrated(pairs: SeedPairs, kinds: list[str], layers: np.ndarray, name: str, title: str) -> Reading:
    if not pairs.has(seed_pairs.SAME_SETTING):
        return missing(name, title, SHARE, "No two runs differ in the seed alone: there is no ceiling.")
    if not pairs.has(seed_pairs.FLOOR):
        return missing(name, title, SHARE, "There is no snapshot at step 0: there is no floor.")
    estimates: list[At] = []
    found: list[tuple[str, str]] = []
    for kind in kinds:
        told = layers[seed_pairs.roomy(pairs, kind, layers)]
        estimates += pairs.estimates(lambda m, kind=kind, told=told: m.position(kind)[told])
        found += [(kind, pairs.layers[k]) for k in told]
    left_out = _left_out(pairs, kinds, layers)
    if not estimates:
        return missing(name, title, SHARE, left_out)
    kind, layer = found[int(np.argmin([e(0.95).value for e in estimates]))]
    note = [f"Least in {layer} between {KINDS[kind]}.", left_out]
    if seed_pairs.OBJECTIVE in kinds and pairs.apart:
        note.append(f"No strength in common, so compared at all of theirs: {'; '.join(pairs.apart)}.")
    return reading(name, title, least(estimates), SHARE, "above", " ".join(filter(None, note)))


def _left_out(pairs: SeedPairs, kinds: list[str], layers: np.ndarray) -> str:
    """Which layers say nothing of pairs of these kinds, and why."""
    said = {kind: seed_pairs.left_out(pairs, kind, layers) for kind in kinds}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return " ".join(f"Between {KINDS[kind]}: {text}" for kind, text in said.items() if text)


def _why_missing(evidence: "Evidence", pairs: SeedPairs) -> str:
    if not len(evidence.runs):
        return "No run has ended."
    if evidence.runs["setting"].nunique() < 2:
        return "Nothing varies but the seed: two strengths or objectives needed."
    if evidence.runs["seed"].nunique() < 2:
        return "There is one seed: without a second one there is no ceiling to hold similarities against."
    return "No two runs of one network and dataset that differ in strength or objective have been compared."
