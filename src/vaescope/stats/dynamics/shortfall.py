"""What runs that differ in one thing lack to the seed-to-seed ceiling, by pair of seeds and under permutation. Pure."""

import math
from dataclasses import dataclass
from itertools import permutations, product
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vaescope.stats.dynamics.blocks import Block

Factor = Literal["strength", "objective", "seed"]
AT_ONCE = 4_000_000  # scores gathered at a time


@dataclass(frozen=True, eq=False)
class Shortfall:
    """Of one layer in one block.

    Attributes:
        score: mean score of runs that differ, for each pair of seeds; NaN where there are none, and on the diagonal.
        ceiling: the same of runs of one setting; 1 where seeds are what differs.
        found: mean of ceiling - score over pairs of seeds.
        permuted: the same with settings that change places within each seed; none where seeds are what differs.
        pairs: pairs of runs that differ.
    """

    score: Float64[np.ndarray, "s s"]
    ceiling: Float64[np.ndarray, "s s"]
    found: float
    permuted: Float64[np.ndarray, " b"]
    pairs: int


def shortfalls(
    block: Block,
    factor: Factor,
    seed: Int64[np.ndarray, " r"],
    seeds: int,
    draws: int,
    rng: np.random.Generator,
    alone: bool = False,
) -> list[Shortfall]:
    """One a layer; none at all where no runs differ so.

    Args:
        block: scores of some layers.
        factor: what differs.
        seed: the number of each run's seed, below `seeds`.
        seeds: how many there are in the study.
        draws: permutations.
        rng: draws them.
        alone: whether the layers have no other block; then all permutations but that which changes nothing are taken
            where there are no more of them than `draws`.
    """
    setting, other = block.codes("setting"), seed[:, None] != seed
    same = (setting[:, None] == setting) & other
    differ = same if factor == "seed" else differing(block, factor) & other
    if not differ.any() or not same.any():
        return []
    linked = np.zeros((setting.max() + 1, setting.max() + 1), bool)
    linked[setting[:, None].repeat(len(setting), 1)[differ], setting[None].repeat(len(setting), 0)[differ]] = True
    often = linked.sum(axis=1)[setting].astype(float)  # a setting counts in the ceiling as often as it is compared
    of = np.eye(seeds)[seed]
    below, above = differ.astype(float), same * often
    both = (of.T @ below @ of > 0) & (of.T @ above @ of > 0)
    if not both.any():
        return []
    below, above = (_shares(weights, of, both) for weights in (below, above))
    score, ceiling = (_by_seeds(block.scores, weights, of, both) for weights in (below, above))
    weights, pairs = (above - below) / both.sum(), int(differ.sum()) // 2
    if factor == "seed":
        ceiling, permuted = np.where(both, 1.0, np.nan) + 0 * score, np.empty((len(score), 0))
    else:
        stratum = np.unique(np.stack([seed, _units(linked)[setting]]), axis=1, return_inverse=True)[1].reshape(-1)
        permuted = _permuted(block.scores, weights, _orders(stratum, draws, rng, alone))
    found = np.nanmean(ceiling - score, axis=(1, 2))
    return [Shortfall(*each, pairs=pairs) for each in zip(score, ceiling, found.tolist(), permuted, strict=True)]


def differing(block: Block, factor: Factor) -> Bool[np.ndarray, "r r"]:
    """Which runs differ in the strength of one objective, or in the objective.

    Objectives are compared at the strengths they have in common, and at all of theirs if they have none.
    """
    objective, strength = block.codes("objective"), block.codes("strength")
    equal = strength[:, None] == strength
    if factor == "strength":
        return (objective[:, None] == objective) & ~equal
    has = np.zeros((objective.max() + 1, strength.max() + 1))
    has[objective, strength] = 1
    common = (has @ has.T > 0)[np.ix_(objective, objective)]
    return (objective[:, None] != objective) & (equal | ~common)


def _units(linked: Bool[np.ndarray, "k k"]) -> Int64[np.ndarray, " k"]:
    """A number for each setting that is the same for settings that are compared, directly or through others."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(linked, directed=False)[1].astype(np.int64)


def _shares(weights: np.ndarray, of: np.ndarray, both: np.ndarray) -> Float64[np.ndarray, "r r"]:
    """Weights that sum to 1 within each pair of seeds, 0 for pairs that lack one side."""
    total = of.T @ weights @ of
    scale = np.where(both, 1 / np.where(both, total, 1), 0)
    return weights * (of @ scale @ of.T)


def _by_seeds(scores: np.ndarray, weights: np.ndarray, of: np.ndarray, both: np.ndarray) -> np.ndarray:
    return np.where(both, of.T @ (scores * weights) @ of, np.nan)


def _orders(stratum: np.ndarray, draws: int, rng: np.random.Generator, alone: bool) -> Int64[np.ndarray, "b r"]:
    """Runs that change places with those of the same stratum.

    Where all such orders are taken, that which changes nothing is left out: the test counts it.
    """
    members = [np.flatnonzero(stratum == k) for k in range(stratum.max() + 1)]
    count = math.prod(math.factorial(len(own)) for own in members)
    if alone and count <= draws + 1:
        every = np.empty((count, len(stratum)), np.int64)
        for order, chosen in zip(every, product(*(permutations(own.tolist()) for own in members)), strict=True):
            for own, new in zip(members, chosen, strict=True):
                order[own] = new
        return every[1:]
    place = np.argsort(stratum, kind="stable")
    order = np.empty((draws, len(place)), np.int64)
    drawn = rng.random((draws, len(place))) + stratum[place]  # strata stay in order, runs within them do not
    order[:, place] = place[np.argsort(drawn, axis=1)]
    return order


def _permuted(
    scores: Float64[np.ndarray, "l r r"], weights: Float64[np.ndarray, "r r"], orders: Int64[np.ndarray, "b r"]
) -> Float64[np.ndarray, "l b"]:
    """The weighted sum of the scores in each order of the runs."""
    i, j = np.nonzero(np.triu(weights != 0))
    weight = 2 * weights[i, j]
    found = np.empty((len(scores), len(orders)))
    batch = max(1, AT_ONCE // max(1, len(i) * len(scores)))
    for start in range(0, len(orders), batch):
        some = orders[start : start + batch]
        found[:, start : start + batch] = scores[:, some[:, i], some[:, j]] @ weight
    return found
