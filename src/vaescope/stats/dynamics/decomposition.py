"""How much of the differences between runs goes with the objective, the strength, and the seed: variance by distances.

Squared distances between two runs are 2 (1 - score), so that the scores, centred, are inner products of what the runs
learned, and sums of squares are those of an analysis of variance on them, though nobody ever saw the points.

References:
    Anderson (2001), A new method for non-parametric multivariate analysis of variance.
        https://doi.org/10.1111/j.1442-9993.2001.01070.pp.x
    McArdle & Anderson (2001), Fitting multivariate models to community data, equations 3 to 5.
        https://doi.org/10.1890/0012-9658(2001)082[0290:FMMTCD]2.0.CO;2
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.stats.certainty.corrections import Correction, adjusted
from vaescope.stats.dynamics.blocks import Block, blocks, order_of

if TYPE_CHECKING:
    import pandas as pd

FACTORS = ("objective", "strength", "seed")
RESIDUAL = "residual"
COLUMNS = ("layer", "part", "factor", "share", "unadjusted", "freedom", "p")
PERMUTATIONS = 499
AT_ONCE = 4_000_000  # scores gathered at a time
NOTHING = 1e-9  # a total sum of squares of no more than this, per run, is none


def decomposition(
    ends: "pd.DataFrame",
    runs: "pd.DataFrame",
    draws: int = PERMUTATIONS,
    seed: int = 0,
    correction: Correction = "holm",
) -> "pd.DataFrame":
    """The shares of the variance of each layer's final representations over runs.

    The terms are taken in order: the objective; the strength within it; the seed, which runs of all settings share
    (first weights, order of batches); what is left is the residual. In a full grid the order makes no difference. Sums
    of squares of several datasets and networks are added up.

    Args:
        ends: of the evidence.
        runs: of the evidence.
        draws: permutations.
        seed: of the permutations.
        correction: of p over all layers and factors.

    Returns:
        layer, part
        factor: "objective", "strength", "seed" or "residual".
        share: (SS - freedom MS_residual) / SS_total, which is 0 on average for what does not matter and so may be
            negative; that of the residual is (runs - blocks) MS_residual / SS_total: the four sum to 1. NaN where the
            factor is not varied, where no freedom is left for the residual, or where nothing varies.
        unadjusted: SS / SS_total.
        freedom: degrees of freedom.
        p: of pseudo-F under permutation of residuals of the model without the factor (Freedman & Lane).
        p_adjusted

    References:
        Anderson & ter Braak (2003), Permutation tests for multi-factorial analysis of variance.
            https://doi.org/10.1080/00949650215733
    """
    import pandas as pd

    found: dict[tuple[str, str], list[_Squares]] = defaultdict(list)
    for number, block in enumerate(blocks(ends, runs)):
        for layer, squares in zip(block.layers, _squares(block, draws, (seed, number)), strict=True):
            found[layer].append(squares)
    rows = [(*layer, *row) for layer in order_of(ends) if layer in found for row in _rows(found[layer])]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["p_adjusted"] = adjusted(table["p"].to_numpy(float), correction)
    return table


@dataclass(frozen=True, eq=False)
class _Squares:
    """Of one layer in one block: sums of squares and freedom of the factors and, last, the residual.

    `permuted` is, for each factor, the sums of squares of the factor and of the residual in each draw; as they are
    where there is nothing to be permuted.
    """

    sums: Float64[np.ndarray, " 4"]
    freedom: Float64[np.ndarray, " 4"]
    permuted: Float64[np.ndarray, "3 b 2"]


def projections(block: Block) -> Float64[np.ndarray, "4 r r"]:
    """Projections onto what each factor adds to those before it, and onto what is left; they sum to the centring."""
    size = len(block.runs)
    designs = [np.zeros(size, np.int64), block.codes("objective"), block.codes("objective", "strength")]
    columns = [np.eye(codes.max() + 1)[codes] for codes in [*designs, block.codes("seed")]]
    hats = [_hat(columns[0]), _hat(columns[1]), _hat(columns[2]), _hat(np.hstack(columns[2:])), np.eye(size)]
    return np.diff(np.stack(hats), axis=0)


def _hat(design: Float64[np.ndarray, "r k"]) -> Float64[np.ndarray, "r r"]:
    u, size, _ = np.linalg.svd(design, full_matrices=False)
    basis = u[:, size > 1e-9 * size[0]]
    return basis @ basis.T


def _squares(block: Block, draws: int, key: tuple[int, int]) -> list[_Squares]:
    terms = projections(block)
    freedom = np.trace(terms, axis1=1, axis2=2).round()
    sums = np.einsum("tij,lij->lt", terms, block.scores)
    permuted = np.empty((len(block.layers), len(FACTORS), draws, 2))
    permuted[:] = np.stack([sums[:, :-1], np.repeat(sums[:, -1:], len(FACTORS), axis=1)], axis=-1)[:, :, None]
    for place in range(len(FACTORS)):
        if freedom[place] and freedom[-1]:
            left = terms[place] + terms[-1]
            rng = np.random.default_rng([*key, place])
            drawn = _permuted(left @ block.scores @ left, terms[[place, -1]], draws, rng)
            permuted[:, place] = _scaled(drawn, sums[:, [place, -1]])
    return [_Squares(s, freedom, p) for s, p in zip(sums, permuted, strict=True)]


def _permuted(
    residuals: Float64[np.ndarray, "l r r"], terms: Float64[np.ndarray, "2 r r"], draws: int, rng: np.random.Generator
) -> Float64[np.ndarray, "l b 2"]:
    """Sums of squares of the terms when the runs' residuals change places."""
    count, size = residuals.shape[:2]
    flat = terms.reshape(2, -1).T
    found = np.empty((count, draws, 2))
    batch = max(1, AT_ONCE // (count * size * size))
    for start in range(0, draws, batch):
        order = np.argsort(rng.random((min(batch, draws - start), size)), axis=1)
        drawn = residuals[:, order[:, :, None], order[:, None, :]]
        found[:, start : start + len(order)] = drawn.reshape(count, len(order), -1) @ flat
    return found


def _scaled(drawn: Float64[np.ndarray, "l b 2"], sums: Float64[np.ndarray, "l 2"]) -> Float64[np.ndarray, "l b 2"]:
    """Drawn sums of squares with the total of those found.

    Permuted residuals leave some of their squares to the factors that were taken off. Within a block that changes no
    ratio; beside the sums of other blocks it would.
    """
    total = drawn.sum(axis=2, keepdims=True)
    wanted = sums.sum(axis=1)[:, None, None]
    return drawn * np.where(total > NOTHING * np.abs(wanted), wanted / np.where(total > 0, total, 1), 1.0)


def _rows(parts: list[_Squares]) -> list[tuple[str, float, float, int, float]]:
    """Factor, share, unadjusted, freedom, p of one layer."""
    sums, freedom = np.sum([x.sums for x in parts], axis=0), np.sum([x.freedom for x in parts], axis=0)
    permuted = np.sum([x.permuted for x in parts], axis=0)
    total, rest = sums.sum(), freedom[-1]
    there = total > NOTHING * (freedom.sum() + 1)
    noise = sums[-1] / rest if rest else np.nan
    rows = []
    for place, factor in enumerate(FACTORS):
        share, unadjusted, p = np.nan, np.nan, np.nan
        if there and freedom[place]:
            share = (sums[place] - freedom[place] * noise) / total
            unadjusted = sums[place] / total
            if rest:
                drawn = permuted[place, :, 0] * sums[-1] >= sums[place] * permuted[place, :, 1] * (1 - 1e-9)
                p = (1 + drawn.sum()) / (1 + len(drawn))
        rows.append((factor, float(share), float(unadjusted), int(freedom[place]), float(p)))
    left = (float(freedom.sum() * noise / total), float(sums[-1] / total)) if there else (np.nan, np.nan)
    return [*rows, (RESIDUAL, *left, int(rest), np.nan)]
