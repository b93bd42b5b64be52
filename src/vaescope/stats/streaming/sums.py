"""What a stream keeps of its batches: sums of float64, of a size that no number of batches changes."""

from collections.abc import Mapping

import numpy as np

from vaescope.stats.streaming.batch import BatchProducts

Sums = Mapping[str, np.ndarray]

SHAPES = {
    "xy": "ab",
    "xx": "a",
    "yy": "b",
    "xy_xy": "ab",
    "xy_xx": "ab",
    "xy_yy": "ab",
    "xx_yy": "ab",
    "xx_xx": "a",
    "yy_yy": "b",
    "non_finite_x": "a",
    "non_finite_y": "b",
    "ill_conditioned_x": "a",
    "ill_conditioned_y": "b",
    "batches": "",
    "examples": "",
}
"""Name to axes, a layers of x and b of y. xy, xx, yy: n (n - 3) / 2 HSIC_1 of a batch, summed over batches; xy_xx and
so on: the sums of the products of two of them; the others are counts, of batches or examples."""


def no_sums(a: int, b: int) -> dict[str, np.ndarray]:
    """The sums over no batch, of `a` layers against `b`."""
    lengths = {"a": a, "b": b}
    return {name: np.zeros([lengths[axis] for axis in axes]) for name, axes in SHAPES.items()}


def batch_sums(batch: BatchProducts, a: int, b: int, n: int) -> dict[str, np.ndarray]:
    """The sums over one batch of `n` examples: the first `a` layers against the last `b`, which may be the same."""
    found, faults = batch.products, np.array(batch.faults)
    first, last = slice(0, a), slice(len(found) - b, None)
    xy, xx, yy = found[first, last], found.diagonal()[first], found.diagonal()[last]
    sums = {"xy": xy, "xx": xx, "yy": yy, "xy_xy": xy**2, "xy_xx": xy * xx[:, None], "xy_yy": xy * yy}
    sums |= {"xx_yy": np.outer(xx, yy), "xx_xx": xx**2, "yy_yy": yy**2}
    for fault in ("non_finite", "ill_conditioned"):
        met = (faults == fault).astype(np.float64)
        sums |= {f"{fault}_x": met[first], f"{fault}_y": met[last]}
    return sums | {"batches": np.array(1.0), "examples": np.array(float(n))}


def added(one: Sums, other: Sums) -> dict[str, np.ndarray]:
    """Both together. Which comes first changes nothing; how three are bracketed may change the last bit."""
    return {name: np.asarray(one[name] + other[name]) for name in SHAPES}


def scores(sums: Sums) -> np.ndarray:
    """Nguyen's ratio of sums, (a, b); NaN where a layer has none (see `reasons`)."""
    norms = np.sqrt(np.outer(sums["xx"], sums["yy"]))
    defined = reasons(sums) == "ok"
    found = np.divide(sums["xy"], norms, out=np.full(norms.shape, np.nan), where=defined)
    return np.clip(found, -1.0, 1.0)  # the cosine of two long vectors; beyond 1 only by rounding


def standard_errors(sums: Sums) -> np.ndarray:
    """The infinitesimal jackknife over batches, (a, b); NaN where there is no score, or fewer than two batches.

    With B batches, D = sqrt(xx yy) and the ratio t, batch i moves the ratio by
    I_i = (xy_i - t / 2 (xx_i sqrt(yy / xx) + yy_i sqrt(xx / yy))) / D, and these add to zero. The variance
    B / (B - 1) sum I_i^2 is that of the delete-one-batch jackknife up to terms of order 1 / B, and needs no batch,
    only sums of products.

    References:
        Efron (1982), The jackknife, the bootstrap and other resampling plans, chapter 6.
            https://doi.org/10.1137/1.9781611970319.ch6
    """
    batches, ratio = float(sums["batches"]), scores(sums)
    if batches < 2:
        return np.full(ratio.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        tilt = np.sqrt(sums["yy"] / sums["xx"][:, None])
        square = sums["xy_xy"] - ratio * (tilt * sums["xy_xx"] + sums["xy_yy"] / tilt)
        square += ratio**2 / 4 * (tilt**2 * sums["xx_xx"][:, None] + 2 * sums["xx_yy"] + sums["yy_yy"] / tilt**2)
        variance = square / np.outer(sums["xx"], sums["yy"]) * batches / (batches - 1)
    return np.sqrt(np.maximum(variance, 0, where=~np.isnan(ratio), out=np.full(ratio.shape, np.nan)))


def reasons(sums: Sums) -> np.ndarray:
    """Why each pair has a score or not, (a, b) words, as `StreamingResult.reasons`."""
    if not sums["batches"]:
        return np.full(sums["xy"].shape, "too_few", "<U15")
    found = np.full(sums["xy"].shape, "ok", "<U15")
    for word, x, y in (
        ("zero_variance", sums["xx"] == 0, sums["yy"] == 0),
        ("ill_conditioned", sums["ill_conditioned_x"] > 0, sums["ill_conditioned_y"] > 0),
        ("non_finite", sums["non_finite_x"] > 0, sums["non_finite_y"] > 0),
    ):
        found[x[:, None] | y] = word
    return found
