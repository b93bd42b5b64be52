"""What latents do at the end of training, over strengths and runs. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vaescope.stats.certainty.intervals import jackknife
from vaescope.stats.dynamics.hierarchy import Estimate
from vaescope.stats.judging.deciding import At, at

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

WEAKER_WHEN_LARGER = frozenset({("annealed_vae", "c_max"), ("info_vae", "alpha")})
"""Options that take regularisation away: the KL that is let pass, and the share of it that is left out."""
NO_STRENGTHS = frozenset({"warmup", "steps", "cycles", "ratio", "shape", "kernel", "bandwidth", "estimator"})
HIGHEST = 0.9999  # of a correlation, for which Fisher's z is finite


def final_latents(evidence: "Evidence") -> "pd.DataFrame":
    """The last step of each run, its own; runs whose latents were not examined at it are left out.

    Returns:
        The columns of `evidence.RUNS`, active, mixed, passive, latents, share (active / latents), mean_sampled, gauge,
        expected_mean_sampled.
    """
    table = evidence.posterior.astype({"run": str})
    ends = table["run"].map(lambda run: evidence.last.get(str(run), evidence.steps)).astype(int)
    last = table[table["step"] == ends].drop_duplicates("run", keep="last")
    last = last.assign(latents=last["active"] + last["mixed"] + last["passive"])
    last = last[last["latents"] > 0]
    last = last.assign(share=last["active"] / last["latents"])
    columns = ["run", "active", "mixed", "passive", "latents", "share", "mean_sampled", "gauge"]
    last = last.reindex(columns=[*columns, "expected_mean_sampled"])
    return evidence.runs.astype({"run": str}).merge(last, on="run").reset_index(drop=True)


def left_out(evidence: "Evidence", ends: "pd.DataFrame") -> str:
    """How many runs have no latents to judge by, and why; "" if all have some.

    Args:
        evidence: of the study.
        ends: what `final_latents` gives.
    """
    without = set(evidence.runs["run"].astype(str)) - set(ends["run"].astype(str))
    if not without:
        return ""
    table, all_ = evidence.posterior, len(evidence.runs)
    some = table[table[["active", "mixed", "passive"]].sum(axis=1) > 0]
    early = len(without & set(some["run"].astype(str)))
    reasons = [(early, "latents examined, but not at their last step"), (len(without) - early, "no latents examined")]
    return " ".join(f"Left out: {count} of {all_} runs, with {why}." for count, why in reasons if count)


def pressures(ends: "pd.DataFrame") -> tuple["pd.DataFrame", str]:
    """How strongly the option that an objective varies regularises, larger being stronger.

    Args:
        ends: what `final_latents` gives.

    Returns:
        The rows of objectives that vary one such option, with the column pressure; and which were left out, and why.
    """
    import pandas as pd

    kept, notes = [ends.iloc[:0].assign(pressure=np.nan)], []
    for objective, group in cast(Any, ends.groupby("objective", observed=True, sort=False)):
        option, numbers = _varied(group["strength"].astype(str).unique()), group["strength_value"]
        if len(option) > 1:
            notes.append(f"{objective}, which varies {' and '.join(option)} at once")
        elif option and option[0] in NO_STRENGTHS:
            notes.append(f"{objective}, whose {option[0]} is no strength")
        else:
            sign = -1 if option and (objective, option[0]) in WEAKER_WHEN_LARGER else 1
            kept.append(group.assign(pressure=sign * numbers.astype(float)).dropna(subset=["pressure"]))
    return pd.concat([k for k in kept if len(k)] or kept[:1]), f"Left out: {'; '.join(notes)}." if notes else ""


def _varied(strengths: Iterable[str]) -> list[str]:
    """The options that differ between texts such as "c_max=5 warmup=1000"."""
    options = [
        {name: value for name, _, value in (token.partition("=") for token in text.split()) if value}
        for text in strengths
    ]
    names = dict.fromkeys(name for own in options for name in own)
    return [name for name in names if len({own.get(name) for own in options}) > 1]


def falls(ends: "pd.DataFrame") -> "pd.DataFrame":
    """How share and mean_sampled fall from the weakest to the strongest regularisation of an objective.

    Args:
        ends: the rows that `pressures` gives; several of one strength and seed are averaged.

    Returns:
        dataset, network, objective, seed, share, mean_sampled; no rows for objectives without two strengths.
    """
    import pandas as pd

    rows = []
    keys, columns = ["dataset", "network", "objective"], ["share", "mean_sampled"]
    for key, group in cast(Any, ends.groupby(keys, observed=True)):
        weakest, strongest = group["pressure"].min(), group["pressure"].max()
        if weakest == strongest:
            continue
        weak, strong = (group[group["pressure"] == p].groupby("seed")[columns].mean() for p in (weakest, strongest))
        change = (weak - strong).loc[sorted(set(weak.index) & set(strong.index))]
        rows += [(*key, seed, *change.loc[seed].astype(float)) for seed in change.index]
    return pd.DataFrame(rows, columns=[*keys, "seed", *columns])


def fall(changed: "pd.DataFrame", column: str, grain: float) -> Estimate:
    """The mean fall over seeds.

    Args:
        changed: what `falls` gives.
        column: share or mean_sampled.
        grain: what it is counted in; the interval is at least that of a difference of two numbers rounded to it, of
            standard deviation grain / sqrt(6).
    """
    from scipy.special import stdtrit

    names = changed[["dataset", "network", "objective", "seed"]].astype(str)
    values = changed.assign(run=names.agg(", ".join, axis=1), draw=-1, value=changed[column])
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
