"""How much a layer depends on strength, objective, seed and dataset: what is missing to the seed-to-seed ceiling.

Two runs that differ in strength differ in seed as well if they are to be compared with the ceiling, which is the
similarity of runs that differ in seed alone: runs of one seed share their first weights and the order of their batches,
which makes them alike for another reason. With d^2 = 2 (1 - score), the mean shortfall of two settings is half the
squared distance between what they have in common over seeds: 0 if the setting changes nothing, however noisy the layer.

References:
    Nili et al. (2014), A toolbox for representational similarity analysis, "noise ceiling".
        https://doi.org/10.1371/journal.pcbi.1003553
    Szekely & Rizzo (2013), Energy statistics: a class of statistics based on distances, section 3.
        https://doi.org/10.1016/j.jspi.2013.03.018
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vaescope.stats.certainty.corrections import Correction, adjusted
from vaescope.stats.dynamics.blocks import blocks, order_of
from vaescope.stats.dynamics.hierarchy import estimate
from vaescope.stats.dynamics.shortfall import Factor, Shortfall, shortfalls

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 999
FACTORS: tuple[Factor, ...] = ("strength", "objective", "seed")
COLUMNS = ("differ_in", "layer", "part", "score", "ceiling", "shortfall", "low", "high", "p", "pairs", "seeds")


def sensitivity(
    ends: "pd.DataFrame",
    runs: "pd.DataFrame",
    level: float = 0.95,
    draws: int = PERMUTATIONS,
    seed: int = 0,
    correction: Correction = "holm",
) -> "pd.DataFrame":
    """What each layer loses against the ceiling when one thing differs.

    Args:
        ends: of the evidence.
        runs: of the evidence.
        level: coverage of the intervals.
        draws: permutations of the labels; all are taken where there are no more than that, in one dataset and network.
        seed: of the permutations.
        correction: of p over all rows.

    Returns:
        differ_in: "strength": the same objective with another strength; "objective": another objective, with the same
            strength where the two have one in common, otherwise with all of theirs (then what the strength changes is
            in it); "seed": the same setting. Always of another seed, on the same dataset with the same network.
        layer, part
        score: mean similarity of such runs, over pairs of settings and of seeds.
        ceiling: of the same settings with another seed; for "seed", 1: a run and itself.
        shortfall: ceiling - score.
        low, high: its interval, from the jackknife that leaves out a seed in all settings at once; NaN with fewer
            than three seeds. Where nothing differs it is too wide rather than too narrow.
        p: the share of permutations with a shortfall at least so large, in each of which settings that are compared
            change places within each seed; NaN for "seed". With s seeds and k settings k!^(s - 1) of them differ.
        p_adjusted
        pairs: pairs of runs that differ so.
        seeds: seeds among them.

    References:
        Arvesen (1969), Jackknifing U-statistics. https://doi.org/10.1214/aoms/1177697287
    """
    import pandas as pd

    found: dict[tuple[str, str, str], list[Shortfall]] = defaultdict(list)
    number_of = {label: number for number, label in enumerate(sorted(set(runs["seed"])))}
    alone = len(runs.drop_duplicates(["dataset", "network"])) == 1
    for number, block in enumerate(blocks(ends, runs)):
        seeds = block.runs["seed"].map(number_of).to_numpy(np.int64)
        for place, factor in enumerate(FACTORS):
            rng = np.random.default_rng([seed, number, place])
            parts = shortfalls(block, factor, seeds, len(number_of), draws, rng, alone)
            for layer, part in zip(block.layers, parts, strict=False):
                found[(factor, *layer)].append(part)
    rows = [
        (factor, *layer, *_row(parts, level, factor == "seed"))
        for factor in FACTORS
        for layer in order_of(ends)
        if (parts := found.get((factor, *layer)))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.insert(9, "p_adjusted", adjusted(table["p"].to_numpy(float), correction))
    return table


def abroad(
    abroad: "pd.DataFrame",
    ends: "pd.DataFrame",
    runs: "pd.DataFrame",
    level: float = 0.95,
    correction: Correction = "holm",
) -> "pd.DataFrame":
    """What each layer loses against the ceiling when it was trained on another dataset.

    Both runs see the examples of the dataset of the first. They have the same seed, so the same first weights: the
    score is, if anything, too high, the shortfall too small.

    Args:
        abroad: of the evidence.
        ends: of the evidence: where the ceiling is from, the mean score of a run and those of its setting.
        runs: of the evidence.
        level: coverage of the intervals.
        correction: of p over all rows.

    Returns:
        dataset, dataset_b, layer, part, score, ceiling, shortfall, low, high, p (of sign flips, by seed), p_adjusted,
        pairs, seeds. Shortfall and ceiling are NaN without a second seed.
    """
    import pandas as pd

    setting = dict(zip(runs["run"], runs["setting"], strict=True))
    same = ends[ends["run_a"].map(setting) == ends["run_b"].map(setting)]
    sides = [same[[side, "layer", "score"]].rename(columns={side: "run"}) for side in ("run_a", "run_b")]
    ceilings = pd.concat(sides).groupby(["run", "layer"], sort=False)["score"].mean().rename("ceiling").reset_index()
    joined = abroad.merge(ceilings, on=["run", "layer"], how="left").merge(runs[["run", "dataset", "seed"]], on="run")
    joined["draw"] = -1
    keys, rows = ["dataset", "dataset_b", "layer", "part"], []
    for key, group in joined.groupby(keys, sort=False, observed=True):
        score, ceiling, shortfall = (
            estimate(group.assign(value=value), level)
            for value in (group["score"], group["ceiling"], group["ceiling"] - group["score"])
        )
        ends_of = (score.value, ceiling.value, shortfall.value, shortfall.low, shortfall.high, shortfall.p)
        rows.append((*key, *ends_of, score.runs, score.seeds))  # type: ignore[misc]
    table = pd.DataFrame(rows, columns=[*keys, *COLUMNS[3:]])
    table.insert(len(table.columns) - 2, "p_adjusted", adjusted(table["p"].to_numpy(float), correction))
    return table


def _row(parts: Sequence[Shortfall], level: float, seeds_differ: bool) -> tuple[float | int, ...]:
    """Score, ceiling, shortfall, low, high, p, pairs, seeds: blocks count alike."""
    from scipy.special import stdtrit

    score, ceiling = (_mean(np.stack(side), 0) for side in ([x.score for x in parts], [x.ceiling for x in parts]))
    room = ceiling - score
    known = ~np.isnan(room)
    value, count = float(_mean(room, None)), int(known.any(axis=0).sum())
    reach = np.nan
    if count > 2:
        without = np.array(
            [_mean(room[np.ix_(rest, rest)], None) for rest in _all_but_one(np.asarray(known.any(axis=0)))]
        )
        left = without[~np.isnan(without)]
        if len(left) > 1:
            error = np.sqrt((len(left) - 1) * left.var())
            reach = float(stdtrit(len(left) - 1, (1 + level) / 2) * error)
    p = np.nan
    if not seeds_differ:
        permuted, found = np.mean([x.permuted for x in parts], axis=0), np.mean([x.found for x in parts])
        p = float((1 + (permuted >= found - 1e-9).sum()) / (1 + len(permuted)))
    ends = (float(_mean(score, None)), float(_mean(ceiling, None)), value, value - reach, value + reach, p)
    return (*ends, sum(x.pairs for x in parts), count)


def _all_but_one(there: Bool[np.ndarray, " s"]) -> Iterator[Int64[np.ndarray, " t"]]:
    places = np.flatnonzero(there)
    return (np.delete(places, k) for k in range(len(places)))


def _mean(values: Float64[np.ndarray, "*d"], axis: int | None) -> Float64[np.ndarray, "*e"]:
    """The mean of what is known; NaN without any."""
    known = ~np.isnan(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=axis) / known.sum(axis=axis))
