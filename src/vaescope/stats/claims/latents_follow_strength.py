"""Claim 4, first half: stronger regularisation leaves fewer latents active."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import missing, reading, verdict
from vaescope.stats.judging.latents_at_end import fall, falls, final_latents, left_out, pressures

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence

FALL = 0.1
NOT_EXAMINED = "No run has a table of its latents: they were not examined, or the models have none."
NAMES = "raw", "active"
TITLES = "Fall of the similarity of mean and sampled codes", "Fall of the share of active latents"


@CLAIMS.register
@final
class LatentsFollowStrength(Claim):
    """From the weakest to the strongest regularisation, latents give up being active.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Bonheme & Grzes (2021), Be more active! https://arxiv.org/abs/2109.12679
    """

    name: ClassVar[str] = "latents_follow_strength"
    number: ClassVar[str] = "4a"
    title: ClassVar[str] = "Latents follow the strength"
    statement: ClassVar[str] = (
        "Latent layers change with the strength of regularisation: the stronger it is, the fewer latents are active."
    )
    statistic: ClassVar[str] = (
        "At the end of training, the share of latents that are active at the weakest regularisation of an objective "
        "less that at the strongest, the mean over objectives and seeds. What is stronger is decided by objective and "
        "option: the capacity c_max of an annealed VAE and the alpha of an InfoVAE count the other way round; "
        "objectives that vary what is no strength (as warmup), or several options, are left out. Without controls: "
        "the same of CKA(mean, sampled)."
    )
    threshold: ClassVar[str] = (
        "Above 0.1, one latent of the paper's ten. Active latents are whole numbers, so no interval is narrower than "
        "their rounding makes it."
    )
    figures: ClassVar[tuple[str, ...]] = ("latents", "layer_pair")

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        ends = final_latents(evidence)
        rows, apart = pressures(ends)
        changed = falls(rows)
        if not len(changed):
            note = "No objective has two strengths with a seed in common."
            note = " ".join(filter(None, [note, left_out(evidence, ends), apart])) if len(ends) else NOT_EXAMINED
            plain, main = (missing(name, title, FALL, note) for name, title in zip(NAMES, TITLES, strict=True))
            return verdict(type(self), plain, main)
        note = " ".join(filter(None, [left_out(evidence, ends), apart]))
        plain = reading("raw", TITLES[0], fall(changed, "mean_sampled", 0.0), FALL, "above", apart)
        grain = 1 / float(ends["latents"].max())
        main = reading("active", TITLES[1], fall(changed, "share", grain), FALL, "above", note)
        return verdict(type(self), plain, main)
