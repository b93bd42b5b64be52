"""Claim 8, of a later paper: encoders are generic, decoders specific to their dataset."""

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import missing, reading, verdict
from vaescope.stats.judging.seed_pairs import ABROAD, FLOOR, SAME_SETTING, left_out, pairs_of, roomy

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

HALF = 0.5
MORE = 0.2
TITLES = (
    "Similarity of encoders less that of decoders",
    "Share of what seeds share, encoder layers",
    "The same, less that of decoder layers",
)


@CLAIMS.register
@final
class EncodersGeneric(Claim):
    """Encoders trained on another dataset do much of what one's own does; decoders do not.

    References:
        Bonheme & Grzes (2023), How good are variational autoencoders at transfer learning? https://arxiv.org/abs/2304.10767
    """

    name: ClassVar[str] = "encoders_generic"
    number: ClassVar[str] = "8"
    title: ClassVar[str] = "Encoders generic, decoders specific"
    statement: ClassVar[str] = "Encoders' representations are generic, decoders' are specific to their dataset."
    statistic: ClassVar[str] = (
        "The final layers of runs that differ in the dataset alone, on the same examples: where their similarity "
        "stands between untrained layers (0) and runs of the examples' own dataset and the same setting that differ "
        "in the seed alone (1), the mean over encoder layers; and that less the mean over decoder layers. Layers "
        "whose ceiling is within 0.05 of their floor are left out. Without controls: the similarity of encoder layers "
        "less that of decoder layers."
    )
    threshold: ClassVar[str] = (
        "Above 0.5: most of what training adds to an encoder comes from any dataset; and 0.2 above decoders. Without "
        "controls above 0.2. The runs share their seed, so their first weights, which makes them more alike."
    )
    figures: ClassVar[tuple[str, ...]] = ("transfer",)

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        pairs = pairs_of(evidence)
        encoder, decoder = (np.flatnonzero(pairs.parts == part) for part in ("encoder", "decoder"))
        if not pairs.has(ABROAD):
            note = "No two runs differ in the dataset alone: two datasets needed."
            return verdict(type(self), missing("raw", TITLES[0], MORE, note), missing("encoder", TITLES[1], HALF, note))
        part = {"encoder": encoder, "decoder": decoder}
        there = {name: layers[np.isfinite(pairs.means()[ABROAD][layers])] for name, layers in part.items()}
        plain = missing(
            "raw", TITLES[0], MORE, "No two runs that differ in the dataset alone have scores in both parts."
        )
        if all(len(layers) for layers in there.values()):
            raw = pairs.estimates(lambda m: _mean(m[ABROAD], there["encoder"]) - _mean(m[ABROAD], there["decoder"]))
            plain = reading("raw", TITLES[0], raw[0](0.95), MORE)
        if not pairs.has(SAME_SETTING, FLOOR):
            note = "A second seed and a snapshot at step 0 are needed."
            return verdict(type(self), plain, missing("encoder", TITLES[1], HALF, note))
        told = {name: layers[roomy(pairs, ABROAD, layers)] for name, layers in part.items()}
        notes = {name: left_out(pairs, ABROAD, layers) for name, layers in part.items()}
        if not len(told["encoder"]):
            return verdict(type(self), plain, missing("encoder", TITLES[1], HALF, notes["encoder"]))
        share = pairs.estimates(lambda m: _mean(m.position(ABROAD), told["encoder"]))
        main = reading("encoder", TITLES[1], share[0](0.95), HALF, "above", notes["encoder"])
        if not len(told["decoder"]):
            return verdict(type(self), plain, main, [missing("decoder", TITLES[2], MORE, notes["decoder"])])
        more = pairs.estimates(
            lambda m: _mean(m.position(ABROAD), told["encoder"]) - _mean(m.position(ABROAD), told["decoder"])
        )
        control = reading("decoder", TITLES[2], more[0](0.95), MORE, "above", notes["decoder"])
        return verdict(type(self), plain, main, [control])


def _mean(scores: np.ndarray, layers: np.ndarray) -> np.ndarray:
    return np.array([scores[layers].mean()])
