"""How far the encoder is ahead of the decoder, run by run, and over seeds. Pure functions of tidy tables.

The lead of a run is a paired difference: what a seed, a learning rate or a dataset does to all layers at once cancels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vaescope.stats.certainty.corrections import Correction, adjusted
from vaescope.stats.dynamics.hierarchy import estimate
from vaescope.stats.dynamics.settling import keys_of

if TYPE_CHECKING:
    import pandas as pd

ESTIMATE = ("low", "high", "p", "p_adjusted", "runs", "seeds")


def leads(settled: "pd.DataFrame") -> "pd.DataFrame":
    """The lead of each run and draw, in doublings of the step.

    Args:
        settled: what `settling_steps` gives.

    Returns:
        run, measure, control, reference (where present), draw
        lead: the mean over decoder layers of log2(step + 1) less that over encoder layers: positive where the encoder
            settles first, and 1 where it needs half the steps. Layers that have no settling step are left out; NaN if a
            part has none that has.
        censored: whether some layer of either part does not reach the level, so that its part settles later than this.
    """
    import pandas as pd

    keys = [*keys_of(settled), "draw"]
    if not len(settled):
        return pd.DataFrame({key: settled[key] for key in keys} | {"lead": [], "censored": []})
    grouped = settled.groupby(keys, sort=False, observed=True)
    number = grouped.ngroup().to_numpy()
    heads = settled.iloc[np.unique(number, return_index=True)[1]][keys].reset_index(drop=True)
    part, step = settled["part"].to_numpy(), settled["step"].to_numpy(float)
    time = np.log2(step + 1)
    means = {}
    for name in ("encoder", "decoder"):
        rows = (part == name) & ~np.isnan(time)
        count = np.bincount(number[rows], minlength=len(heads))
        with np.errstate(divide="ignore", invalid="ignore"):
            means[name] = np.bincount(number[rows], time[rows], len(heads)) / count
    late = settled["censored"].to_numpy(bool) & ((part == "encoder") | (part == "decoder"))
    heads["lead"] = means["decoder"] - means["encoder"]
    heads["censored"] = np.bincount(number[late], minlength=len(heads)) > 0
    return pd.DataFrame(heads)


def lead_table(
    leads: "pd.DataFrame",
    runs: "pd.DataFrame",
    by: Sequence[str] = ("dataset", "objective", "strength"),
    level: float = 0.95,
    correction: Correction = "holm",
) -> "pd.DataFrame":
    """The lead over seeds, for each objective, strength and dataset, corrected for there being many.

    With s seeds the sign-flip test cannot give less than 2 / 2^s: 0.25 for 3, 0.0625 for 5.

    Args:
        leads: what `leads` gives, with measure, control and reference kept apart where present.
        runs: `runs` of the evidence.
        by: columns of `runs`; () for one row over all.
        level: coverage of the intervals.
        correction: of p-values over all rows; "benjamini_hochberg" bounds false discoveries instead.

    Returns:
        measure, control, reference (where present), the columns of `by`, lead, low, high, p, p_adjusted, runs, seeds.
    """
    import pandas as pd

    kinds = keys_of(leads)[1:]
    keys = [*kinds, *by]
    joined = leads.merge(runs[["run", "seed", *by]], on="run").rename(columns={"lead": "value"})
    rows = []
    if len(joined):
        parts = joined.groupby(keys, sort=False, observed=True, dropna=False) if keys else [((), joined)]
        for key, part in parts:
            found = estimate(part, level)
            rows.append((*key, found.value, found.low, found.high, found.p, found.runs, found.seeds))
    table = pd.DataFrame(rows, columns=[*keys, "lead", "low", "high", "p", "runs", "seeds"])
    table.insert(len(keys) + 4, "p_adjusted", adjusted(table["p"].to_numpy(float), correction))
    return table
