"""Every score as it is, freed of its bias, and calibrated against chance, side by side. Pure functions of tables."""

from typing import TYPE_CHECKING

from vaescope.stats.measure import MEASURES

if TYPE_CHECKING:
    import pandas as pd

TWINS = {"cka": "cka_biased"}  # debiased -> the same without
KEYS = ("run", "layer", "part", "step")
COLUMNS = (*KEYS, "measure", "n", "raw", "debiased", "chance", "calibrated", "p")


def table(readings: "pd.DataFrame") -> "pd.DataFrame":
    """The readings of each layer, snapshot and measure.

    Debiased and biased CKA, where there are both, share a row, with chance, calibrated and p of the debiased one.

    Args:
        readings: of the evidence.

    Returns:
        run, layer, part, step, measure, n
        raw: the score of a measure that has a bias, of biased CKA beside debiased CKA; NaN where it was not read.
        debiased: the score of a measure that has none; NaN for measures of which no such form is known.
        chance: what the score is on average when examples of one side are shuffled.
        calibrated: (score - chance) / (1 - chance).
        p: one-sided, that chance alone gives such a score; NaN where it was not tested.
    """
    free = {name: is_debiased(name) for name in readings["measure"].unique()}
    found = readings.rename(columns={"null_mean": "chance"})
    is_free = found["measure"].map(free).astype(bool)
    found["raw"], found["debiased"] = found["score"].where(~is_free), found["score"].where(is_free)
    for name, twin in TWINS.items():
        if {name, twin} <= set(free):
            other = found.loc[found["measure"] == twin, [*KEYS, "score"]].rename(columns={"score": "twin"})
            found = found[found["measure"] != twin].merge(other, on=list(KEYS), how="left")
            found["raw"] = found["raw"].where(found["measure"] != name, found["twin"])
    return found[list(COLUMNS)].reset_index(drop=True)


def is_debiased(measure: str) -> bool:
    """Whether a measure is 0 on average where two representations have nothing to do with one another."""
    return measure in MEASURES and MEASURES[measure].debiased and MEASURES[measure].bounds[0] < 0
