"""Corrections of p-values for there being many cells. Pure functions; a NaN is no test and stays NaN."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from vaescope.errors import UsageError

Correction = Literal["benjamini_hochberg", "benjamini_yekutieli", "holm", "bonferroni"]


def adjusted(
    p: Float64[np.ndarray, "*d"], method: Correction = "benjamini_hochberg", cells: Bool[np.ndarray, "*d"] | None = None
) -> Float64[np.ndarray, "*d"]:
    """Adjusted p-values: rejecting those at most alpha bounds the error at alpha.

    "benjamini_hochberg" bounds the expected share of false discoveries if tests are independent or positively
    dependent; "benjamini_yekutieli" however they depend; "holm" and "bonferroni" the chance of even one, however they
    depend. The cells of a similarity matrix share representations, so they are not independent: `max_t`, which uses
    their joint distribution, is sharper than "holm".

    Args:
        p: any shape.
        method: which.
        cells: which of them are tests of their own, e.g. one triangle of a symmetric matrix; the others become NaN.

    Raises:
        UsageError: a p-value outside [0, 1], or no such method.

    References:
        Benjamini & Hochberg (1995). https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
        Benjamini & Yekutieli (2001). https://doi.org/10.1214/aos/1013699998
        Holm (1979). https://www.jstor.org/stable/4615733

    >>> adjusted(np.array([0.01, 0.04, 0.03, np.nan])).tolist()
    [0.03, 0.04, 0.04, nan]
    """
    known = ~np.isnan(p) if cells is None else ~np.isnan(p) & cells
    values = p[known]
    if ((values < 0) | (values > 1)).any():
        raise UsageError(f"expected p-values within [0, 1], got {values.min()} to {values.max()}.")
    found = np.full(p.shape, np.nan)
    order = np.argsort(values, kind="stable")
    rising, m = values[order], len(values)
    rank = np.arange(1, m + 1)
    if method in ("benjamini_hochberg", "benjamini_yekutieli"):
        factor = float((1 / rank).sum()) if method == "benjamini_yekutieli" else 1.0
        steps = np.minimum.accumulate((rising * m * factor / rank)[::-1])[::-1]
    elif method == "holm":
        steps = np.maximum.accumulate(rising * (m + 1 - rank)) if m else rising
    elif method == "bonferroni":
        steps = rising * m
    else:
        raise UsageError(
            f"expected benjamini_hochberg, benjamini_yekutieli, holm or bonferroni as correction, got {method!r}."
        )
    back = np.empty(m)
    back[order] = np.minimum(steps, 1)
    found[known] = back
    return found


def max_t(z: Float64[np.ndarray, "*d"], maxima: Float64[np.ndarray, " b"]) -> Float64[np.ndarray, "*d"]:
    """p-values that bound the chance of even one false discovery, from the joint permutation draws of all cells.

    (1 + number of draws whose largest z is at least this z) / (1 + draws). z must be standardised as the draws were,
    the observed score counting as one of them (`permutation_null` does so), so that draws and score are exchangeable.

    Args:
        z: of the scores.
        maxima: the largest z over all cells in each draw.

    References:
        Nichols & Holmes (2002), Nonparametric permutation tests for functional neuroimaging, single-step test.
            https://doi.org/10.1002/hbm.1058
    """
    rising = np.sort(maxima)
    reached = len(rising) - np.searchsorted(rising, z - 1e-12, side="left")
    return np.where(np.isnan(z), np.nan, (1 + reached) / (1 + len(rising)))
