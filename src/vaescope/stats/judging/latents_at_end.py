"""What latents do at the end of training, over strengths and runs. Pure."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vaescope.stats.certainty.intervals import jackknife
from vaescope.stats.dynamics.hierarchy import Estimate
from vaescope.stats.judging.deciding import At, at

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

CAPACITIES = frozenset({"annealed_vae"})  # objectives whose strength is what the posterior is let have
HIGHEST = 0.9999  # of a correlation, for which Fisher's z is finite


def final_latents(evidence: "Evidence") -> "pd.DataFrame":
    """The last snapshot of each run.

    Returns:
        The columns of `evidence.RUNS`, active, mixed, passive, latents, share (active / latents), mean_sampled, gauge.
    """
    table = evidence.posterior.astype({"run": str})
    last = table.sort_values("step").groupby("run", as_index=False).tail(1)
    last = last.assign(latents=last["active"] + last["mixed"] + last["passive"])
    last = last.assign(share=last["active"] / last["latents"])
    columns = ["run", "active", "mixed", "passive", "latents", "share", "mean_sampled", "gauge"]
    return evidence.runs.astype({"run": str}).merge(last[columns], on="run").reset_index(drop=True)


def falls(ends: "pd.DataFrame") -> "pd.DataFrame":
    """How share and mean_sampled fall from the weakest to the strongest regularisation of an objective.

    Args:
        ends: what `final_latents` gives.

    Returns:
        dataset, network, objective, seed, share, mean_sampled; no rows for objectives without two strengths.
    """
    import pandas as pd

    rows = []
    keys = ["dataset", "network", "objective"]
    for key, group in cast(Any, ends.dropna(subset=["strength_value"]).groupby(keys, observed=True)):
        weakest, strongest = group["strength_value"].min(), group["strength_value"].max()
        if weakest == strongest:
            continue
        if key[2] in CAPACITIES:
            weakest, strongest = strongest, weakest
        weak, strong = (group[group["strength_value"] == s].set_index("seed") for s in (weakest, strongest))
        for seed in sorted(set(weak.index) & set(strong.index)):
            change = [float(weak.loc[seed, c]) - float(strong.loc[seed, c]) for c in ("share", "mean_sampled")]
            rows.append((*key, seed, *change))
    return pd.DataFrame(rows, columns=[*keys, "seed", "share", "mean_sampled"])


def fall(changed: "pd.DataFrame", column: str, grain: float) -> Estimate:
    """The mean fall over seeds.

    Args:
        changed: what `falls` gives.
        column: share or mean_sampled.
        grain: what it is counted in; the interval is at least that of a difference of two numbers rounded to it, of
            standard deviation grain / sqrt(6).
    """
    from scipy.special import stdtrit

    values = changed.assign(run=changed["objective"] + changed["seed"].astype(str), draw=-1, value=changed[column])
    found = at(values)(0.95)
    if np.isnan(found.low):
        return found
    reach = float(stdtrit(found.seeds - 1, 0.975)) * grain / np.sqrt(6 * len(values.dropna(subset=["value"])))
    low, high = min(found.low, found.value - reach), max(found.high, found.value + reach)
    return Estimate(found.value, low, high, found.level, found.p, found.seeds, found.runs)


def rank_correlation(ends: "pd.DataFrame") -> At:
    """Spearman's correlation of share and mean_sampled over runs, by Fisher's z with the jackknife over seeds."""
    seeds = sorted(set(ends["seed"]))
    value = _spearman(ends)
    left_out = np.arctanh(np.clip([_spearman(ends[ends["seed"] != s]) for s in seeds], -HIGHEST, HIGHEST))

    def estimate(level: float) -> Estimate:
        if len(seeds) < 2 or np.isnan(left_out).any():
            return Estimate(value, np.nan, np.nan, level, np.nan, len(seeds), len(ends))
        found = jackknife(float(np.arctanh(np.clip(value, -HIGHEST, HIGHEST))), left_out, level)
        low, high = float(np.tanh(found.low)), float(np.tanh(found.high))
        return Estimate(value, low, high, level, np.nan, len(seeds), len(ends))

    return estimate


def _spearman(ends: "pd.DataFrame") -> float:
    ranks = ends[["share", "mean_sampled"]].rank().to_numpy(float)
    if len(ranks) < 3 or (np.ptp(ranks, axis=0) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks.T)[0, 1])
