"""Claim 6: Procrustes over-estimates similarity where examples are few against dimensions."""

from typing import TYPE_CHECKING, ClassVar, final

from vaescope.stats.claim import CLAIMS, Claim, Verdict
from vaescope.stats.judging.deciding import At, at, missing, reading, verdict

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

EXCESS = 0.1
ENOUGH = 10  # examples for each effective dimension
TITLES = (
    "Procrustes less CKA, as measured",
    "Procrustes less CKA by chance alone, where examples are few",
    "The same, less that where examples are many",
)
NAMES = ("raw", "by_chance", "by_examples")


@CLAIMS.register
@final
class ProcrustesOverestimates(Claim):
    """Procrustes finds similarity by chance where there are few examples for the effective dimensions of a layer.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Williams et al. (2021), Generalized shape metrics on neural representations. https://arxiv.org/abs/2110.14739
    """

    name: ClassVar[str] = "procrustes_overestimates"
    number: ClassVar[str] = "6"
    title: ClassVar[str] = "Procrustes over-estimates"
    statement: ClassVar[str] = (
        "Procrustes over-estimates similarity where the number of examples is small against the number of dimensions."
    )
    statistic: ClassVar[str] = (
        "What Procrustes gives when examples are shuffled, so that nothing is shared, less what debiased CKA gives "
        "then: the mean over layers and snapshots with fewer than 10 examples for each effective dimension "
        "(participation ratio). Control: that, less the same where there are 10 or more. Without controls: "
        "the difference of the scores themselves, over all layers."
    )
    threshold: ClassVar[str] = "Above 0.1, one step of a heatmap's scale, for nothing. The control above 0."
    figures: ClassVar[tuple[str, ...]] = ("metric_limits",)

    def judge(self, evidence: "Evidence") -> Verdict:
        """The verdict."""
        both = _both(evidence)
        if not len(both):
            note = "Procrustes and CKA have not both been read: have both among the study's measures, and examine it."
            plain, main = (
                missing(name, title, EXCESS, note) for name, title in zip(NAMES[:2], TITLES[:2], strict=True)
            )
            return verdict(type(self), plain, main)
        plain = reading(NAMES[0], TITLES[0], _over_runs(both, "score")(0.95), EXCESS)
        shuffled = both.dropna(subset=["null"])
        few = shuffled[shuffled["n"] < ENOUGH * shuffled["participation"]]
        if not len(few):
            note = f"Every layer has {ENOUGH} examples or more for each effective dimension: read fewer examples."
            return verdict(type(self), plain, missing(NAMES[1], TITLES[1], EXCESS, note))
        main = reading(NAMES[1], TITLES[1], _over_runs(few, "null")(0.95), EXCESS)
        many = shuffled[shuffled["n"] >= ENOUGH * shuffled["participation"]]
        gap = _mean(few, "null").merge(_mean(many, "null"), on=["run", "seed"], suffixes=("", "_many"))
        if not len(gap):
            control = missing(NAMES[2], TITLES[2], 0.0, "No layer has enough examples.")
        else:
            gap = gap.assign(value=gap["value"] - gap["value_many"], draw=-1)
            control = reading(NAMES[2], TITLES[2], at(gap)(0.95), 0.0)
        return verdict(type(self), plain, main, [control])


def _both(evidence: "Evidence") -> "pd.DataFrame":
    """Both measures side by side: run, layer, step, n, participation, seed; score and null, their differences."""
    keys = ["run", "layer", "step"]
    table = evidence.readings.astype({"run": str, "layer": str, "measure": str})
    table = table[table["part"].astype(str) != "input"]
    sides = [table.loc[table["measure"] == m, [*keys, "n", "score", "null_mean"]] for m in ("procrustes", "cka")]
    both = sides[0].merge(sides[1], on=keys, suffixes=("", "_cka"))  # debiased: chance gives 0 whatever the n
    shapes = evidence.shapes.astype({"run": str, "layer": str})[["run", "layer", "step", "participation"]]
    both = both.merge(shapes.drop_duplicates(["run", "layer", "step"]), on=["run", "layer", "step"])
    both = both.merge(evidence.runs.astype({"run": str})[["run", "seed"]], on="run")
    end = both.groupby("run", observed=True)["step"].transform("max")
    both = both[both["step"] < end]  # the end is like itself by any measure
    return both.assign(score=both["score"] - both["score_cka"], null=both["null_mean"] - both["null_mean_cka"])


def _mean(table: "pd.DataFrame", column: str) -> "pd.DataFrame":
    return table.groupby(["run", "seed"], observed=True)[column].mean().rename("value").reset_index()


def _over_runs(table: "pd.DataFrame", column: str) -> At:
    return at(_mean(table, column).assign(draw=-1))
