"""What is true, and what ought to be said of it; and truths that lie exactly at a claim's threshold.

The numbers in `AT_THRESHOLD` were found by `python benchmarks/claims.py --calibrate`: with them the statistic that each
claim is judged by is at its threshold in studies of very many seeds.
"""

from dataclasses import dataclass, replace

from tests.stats.claims.simulated import Truth

LEADS, PAIRS, LATENTS, CHANCE = ("leads",), ("pairs",), ("latents",), ("chance",)
STEADY = {"time_noise": 0.15}
TWO = {"datasets": ("one", "two"), "objectives": ("beta_vae",), "dataset_depends": 1.0}
WIDE = {"actives": (9.0, 6.0, 3.0), "strengths": (1.0, 4.0, 8.0), "objectives": ("beta_vae",)}
GRIDS = {  # snapshots that studies of the lead may have instead of `simulated.STEPS`; in words, how far apart
    "12 snapshots, 1.2": (0, 1, 2, 5, 12, 28, 64, 147, 338, 776, 1783, 4096),
    "2 doublings": (0, 1, 4, 16, 64, 256, 1024, 4096),
    "2, shifted by one": (0, 2, 8, 32, 128, 512, 2048, 4096),
    "3 doublings": (0, 1, 8, 64, 512, 4096),
    "3, shifted by one": (0, 2, 16, 128, 1024, 4096),
    "3, shifted by two": (0, 4, 32, 256, 2048, 4096),
    "4 doublings": (0, 1, 16, 256, 4096),
    "every 1,024 steps": (0, 1024, 2048, 3072, 4096),
}


@dataclass(frozen=True)
class Case:
    """A truth, the claim that is asked about it, and the right answer.

    Attributes:
        claim: its name.
        title: the truth in words.
        truth: of the simulation.
        right: the word; "" at the threshold, where "supported" is the error that is counted.
        plain: what the reading without controls must say, "" if anything.
        of: the tables the claim needs.
    """

    claim: str
    title: str
    truth: Truth
    right: str
    of: tuple[str, ...]
    plain: str = ""


TRAP = Truth(encoder_change=0.15, scale_noise=0.01, decoder_change=1.5, code_change=0.1)
NOTHING = Truth(encoder_change=0.0, code_change=0.0, decoder_change=0.0)
LINEAR = {"networks": ("linear",)}
YES, NO, OPEN = "supported", "not supported", "undecided"

CLEAR = (
    Case("encoder_first", "the encoder settles 3 doublings earlier", Truth(lead=3.0), YES, LEADS, YES),
    Case("encoder_first", "both settle together", Truth(), NO, LEADS),
    Case("encoder_first", "the decoder settles 2.5 doublings earlier", Truth(lead=-2.5), NO, LEADS),
    Case("encoder_first", "together, encoders alike from the start", TRAP, NO, LEADS, YES),
    Case("encoder_first", "nothing is learned", NOTHING, OPEN, LEADS),
    Case("encoder_first_everywhere", "3 doublings in every setting", Truth(lead=3.0), YES, LEADS),
    Case("encoder_first_everywhere", "2.5 later in one setting", Truth(lead=3.0, lead_last=-2.5), NO, LEADS),
    Case("lead_independent", "the same in every setting", Truth(lead=2.0, **STEADY), YES, LEADS),
    Case("lead_independent", "4 doublings more in one", Truth(lead=0.0, lead_last=4.0, **STEADY), NO, LEADS),
    Case("encoders_alike", "strength changes no encoder", Truth(), YES, PAIRS),
    Case("encoders_alike", "strength changes encoder.1", Truth(encoder_depends=2.0), NO, PAIRS),
    Case("mean_variance_differ", "strength changes both", Truth(latent_depends=1.0), YES, PAIRS),
    Case("mean_variance_differ", "strength changes neither", Truth(), NO, PAIRS),
    Case(
        "latents_follow_strength",
        "9 active at the weakest, 3 at the strongest",
        Truth(actives=(9.0, 3.0)),
        YES,
        LATENTS,
    ),
    Case("latents_follow_strength", "3 active, then 9", Truth(actives=(3.0, 9.0)), NO, LATENTS),
    Case("collapse_gauge", "as the closed form says", Truth(**WIDE), YES, LATENTS),
    Case("collapse_gauge", "0.3 above the closed form", Truth(gauge_off=0.3, **WIDE), NO, LATENTS),
    Case("seeds_stable", "seeds share nothing", Truth(), YES, PAIRS),
    Case("seeds_stable", "seeds share encoder.3", Truth(seed_groups=1.0, encoder_change=0.2), NO, PAIRS),
    Case("procrustes_overestimates", "0.4 by chance", Truth(excess=0.4), YES, CHANCE),
    Case("procrustes_overestimates", "nothing by chance", Truth(), NO, CHANCE),
    Case("fully_connected", "3 doublings earlier", Truth(lead=3.0, **LINEAR), YES, LEADS),
    Case("fully_connected", "no such network", Truth(lead=3.0), OPEN, LEADS),
    Case("encoders_generic", "datasets change decoders", Truth(**TWO), YES, PAIRS),
    Case("encoders_generic", "datasets change both", Truth(encoder_dataset=2.0, **TWO), NO, PAIRS),
)

BOUNDARIES = {  # claim -> truth without the number, its name, where to look for it, the reading that is at threshold
    "encoder_first": (Truth(), "lead", (-1.0, 3.0), "floor_corrected", LEADS),
    "encoder_first_everywhere": (Truth(lead=3.0), "lead_last", (-3.0, 2.0), "floor_corrected", LEADS),
    "lead_independent": (Truth(lead=0.0, **STEADY), "lead_last", (0.0, 3.0), "floor_corrected", LEADS),
    "encoders_alike": (Truth(probe=0), "encoder_depends", (0.9, 1.0), "calibrated", PAIRS),
    "mean_variance_differ": (Truth(probe=0), "latent_depends", (0.0, 1.0), "below", PAIRS),
    "latents_follow_strength": (Truth(actives=(5.5, 4.5)), "excess", (0.0, 0.0), "active", LATENTS),
    "collapse_gauge": (Truth(probe=0, **WIDE), "gauge_off", (0.05, 0.15), "gauge", LATENTS),
    "seeds_stable": (Truth(encoder_change=0.2, probe=0), "seed_groups", (0.0, 1.0), "adds", PAIRS),
    "procrustes_overestimates": (Truth(), "excess", (0.0, 0.2), "by_chance", CHANCE),
    "fully_connected": (Truth(**LINEAR), "lead", (-1.0, 3.0), "floor_corrected", LEADS),
    "encoders_generic": (Truth(probe=0, **TWO), "encoder_dataset", (0.0, 4.0), "encoder", PAIRS),
}
AT_THRESHOLD = {
    "encoder_first": 0.722,
    "encoder_first_everywhere": -0.339,
    "lead_independent": 1.003,
    "encoders_alike": 0.949,
    "mean_variance_differ": 0.367,
    "latents_follow_strength": 0.0,
    "collapse_gauge": 0.097,
    "seeds_stable": 0.140,
    "procrustes_overestimates": 0.1,
    "fully_connected": 0.722,
    "encoders_generic": 1.710,
}


def boundary(claim: str, number: float | None = None) -> Case:
    """The case in which a claim is exactly at its threshold; or with another number instead."""
    truth, name, _, reading, of = BOUNDARIES[claim]
    number = AT_THRESHOLD[claim] if number is None else number
    return Case(claim, f"{reading} at its threshold", replace(truth, **{name: number}), "", of)
