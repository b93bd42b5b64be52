"""When a layer stops changing, and whether the encoder is ahead of the decoder. Pure functions of tidy frames.

A layer's curve is its similarity, at each snapshot, to itself in the run's final snapshot. By construction the curve
ends at 1, so every layer settles at some time, however little it was trained: what settling says is when, not whether
learning was over. Curves also start high where a measure sees the data through random weights; the corrected curve
removes that floor.

References:
    Raghu et al. (2017), SVCCA, section 3.1: layers converge bottom up. https://arxiv.org/abs/1706.05806
    Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# pandas is imported where it is used: finding the measures imports every file of this folder.

SETTLED = 0.9
HIGHEST_FLOOR = 0.95  # above it, what training adds is less than what scores of a few hundred examples are off by
CURVES = ("measure", "run", "layer", "part", "step", "score", "floor", "corrected")
SETTLING = ("measure", "run", "layer", "part", "floor", "raw", "corrected")
LEAD = ("measure", "run", "raw", "corrected")


def curves(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Curves with their floors.

    Args:
        scores: measure, run, layer, part, step, score: the similarity of a layer at a step to itself in the final
            snapshot of the run.

    Returns:
        The same rows and `floor`, the score at step 0 (NaN where there is no snapshot at step 0), and `corrected`,
        (score - floor) / (1 - floor): 0 at step 0, 1 at the end; NaN where the floor is 0.95 or more, since
        what is left is too little to divide by.
    """
    keys = ["measure", "run", "layer", "part"]
    start = scores.loc[scores["step"] == 0, [*keys, "score"]].rename(columns={"score": "floor"})
    found = scores.merge(start, on=keys, how="left")
    room = (1 - found["floor"]).where(found["floor"] < HIGHEST_FLOOR)
    found["corrected"] = (found["score"] - found["floor"]) / room
    return cast("pd.DataFrame", found[list(CURVES)])


def settling_step(steps: Sequence[float], scores: Sequence[float], level: float = SETTLED) -> float:
    """The step at which a curve first reaches `level`.

    Interpolated linearly in log(step + 1) between the two snapshots around the crossing; the first snapshot if the
    curve is there from the start; NaN if it never is. Snapshots without a score are passed over.

    Args:
        steps: ascending.
        scores: one a step.
        level: what is to be reached.

    >>> settling_step([0, 1, 3], [0.2, 0.8, 1.0])  # half way from 1 to 3 in log(step + 1)
    1.8284...
    """
    known = [(math.log1p(step), score) for step, score in zip(steps, scores, strict=True) if not math.isnan(score)]
    for number, (time, score) in enumerate(known):
        if score >= level:
            if number == 0:
                return math.expm1(time)
            before, below = known[number - 1]
            return math.expm1(before + (time - before) * (level - below) / (score - below))
    return math.nan


def settling(found: "pd.DataFrame") -> "pd.DataFrame":
    """When each layer settles.

    Args:
        found: what `curves` gives.

    Returns:
        measure, run, layer, part, floor, and the steps at which the raw and the corrected curve reach 0.9.
    """
    import pandas as pd

    rows = []
    for keys, curve in found.groupby(list(SETTLING[:4]), sort=False, observed=True):
        curve = curve.sort_values("step")
        steps = curve["step"].tolist()
        reached = [settling_step(steps, curve[column].tolist()) for column in ("score", "corrected")]
        rows.append((*cast("tuple[str, ...]", keys), float(curve["floor"].iloc[0]), *reached))
    return pd.DataFrame(rows, columns=list(SETTLING))


def lead(settled: "pd.DataFrame") -> "pd.DataFrame":
    """How far the encoder is ahead of the decoder in each run, in doublings of the step.

    Args:
        settled: what `settling` gives.

    Returns:
        measure, run, and for the raw and the corrected curves: the mean over decoder layers of log2(settling step + 1)
        less that over encoder layers. Positive: the encoder settles first; 1: in half the steps. Layers that have
        no settling step are left out; NaN if an encoder or a decoder has none that has.
    """
    import pandas as pd

    rows = []
    for keys, run in settled.groupby(["measure", "run"], sort=False, observed=True):
        means = {
            column: {
                part: _mean(np.log2(group[column].to_numpy(float) + 1))
                for part, group in run.groupby("part", observed=True)
            }
            for column in ("raw", "corrected")
        }
        differences = [m.get("decoder", math.nan) - m.get("encoder", math.nan) for m in means.values()]
        rows.append((*cast("tuple[str, ...]", keys), *differences))
    return pd.DataFrame(rows, columns=list(LEAD))


def lead_over_seeds(leads: "pd.DataFrame", settings: Mapping[str, str]) -> "pd.DataFrame":
    """The lead of each setting over its seeds.

    Args:
        leads: what `lead` gives.
        settings: run id -> everything but the seed.

    Returns:
        measure, setting, curve ("raw" or "corrected"), n (runs that have a lead), mean, min, max.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    named = leads.assign(setting=[settings[run] for run in leads["run"]])
    for (measure, setting), group in cast(Any, named.groupby(["measure", "setting"], sort=False, observed=True)):
        for curve in ("raw", "corrected"):
            values = group[curve].dropna()
            rows.append((measure, setting, curve, len(values), values.mean(), values.min(), values.max()))
    return pd.DataFrame(rows, columns=["measure", "setting", "curve", "n", "mean", "min", "max"])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
