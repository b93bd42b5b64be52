"""The noise ceiling: how similar a layer is to itself in another seed. No other layer need be more similar than that.

References:
    Nili et al. (2014), A toolbox for representational similarity analysis, "noise ceiling".
        https://doi.org/10.1371/journal.pcbi.1003553
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.certainty.intervals import over_seed_pairs

if TYPE_CHECKING:
    import pandas as pd

CEILING = ("layer", "ceiling", "low", "high", "error", "seeds")


def noise_ceiling(scores: "pd.DataFrame", level: float = 0.95) -> "pd.DataFrame":
    """The ceiling of each layer, from scores between seeds.

    Args:
        scores: columns layer, seed_a, seed_b, score: a layer of one seed against the same layer of another; a seed with
            itself is not looked at, (a, b) and (b, a) are averaged. Each layer needs every pair of its seeds.
        level: coverage of the interval.

    Returns:
        layer, ceiling (mean over pairs of seeds), low, high, error (jackknife over seeds; NaN for two seeds), seeds.

    Raises:
        UsageError: columns or pairs are missing, or a layer has one seed only.
    """
    import pandas as pd

    if not isinstance(scores, pd.DataFrame):
        raise UsageError(f"expected a DataFrame, got {type(scores).__name__}.")
    missing = {"layer", "seed_a", "seed_b", "score"} - set(scores.columns)
    if missing:
        raise UsageError(f"expected columns layer, seed_a, seed_b, score; missing: {', '.join(sorted(missing))}.")
    rows = []
    for layer, group in scores.groupby("layer", sort=False, observed=True):
        seeds = sorted({*group["seed_a"], *group["seed_b"]})
        if len(seeds) < 2:
            raise UsageError(f"layer {layer}: expected scores between at least 2 seeds, got {len(seeds)}.")
        place = {seed: k for k, seed in enumerate(seeds)}
        total, count = np.zeros((2, len(seeds), len(seeds)))
        for a, b, score in zip(group["seed_a"], group["seed_b"], group["score"], strict=True):
            i, j = place[a], place[b]
            for cell in ((i, j), (j, i)):
                total[cell] += score
                count[cell] += 1
        np.fill_diagonal(count, 1)
        if (count == 0).any():
            a, b = np.argwhere(count == 0)[0]
            raise UsageError(f"layer {layer}: no score between seeds {seeds[a]} and {seeds[b]}.")
        rows.append((layer, *_ceiling(total / count, level), len(seeds)))
    return pd.DataFrame(rows, columns=list(CEILING))


def _ceiling(matrix: Float64[np.ndarray, "s s"], level: float) -> tuple[float, float, float, float]:
    if len(matrix) == 2:
        return float(matrix[0, 1]), np.nan, np.nan, np.nan
    found = over_seed_pairs(matrix, level)
    return float(found.value), float(found.low), float(found.high), float(found.error)


def ceiling_between(a: Float64[np.ndarray, " r"], b: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, "r s"]:
    """The ceiling of a score between different layers, sqrt(ceiling_a ceiling_b), as a correlation is attenuated.

    What two layers could reach at most if the noise of each seed were all that kept them apart. NaN below 0.

    References:
        Spearman (1904), The proof and measurement of association between two things. https://doi.org/10.2307/1412159
    """
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.outer(np.where(a < 0, np.nan, a), np.where(b < 0, np.nan, b)))


def between_floor_and_ceiling(
    scores: Float64[np.ndarray, "*d"],
    floor: Float64[np.ndarray, "*d"] | float,
    ceiling: Float64[np.ndarray, "*d"] | float,
) -> Float64[np.ndarray, "*d"]:
    """(score - floor) / (ceiling - floor): 0 as by chance (or at step 0), 1 as another seed of the same layer.

    NaN where the ceiling is less than 1e-6 above the floor (below it, for distances: there the ceiling is the smaller).
    """
    room = np.asarray(ceiling, float) - np.asarray(floor, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.abs(room) >= 1e-6, (scores - floor) / room, np.nan)
