"""Centring without losing digits, and without a second copy of a wide representation."""

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.measure import Engine

ROUNDING_STEPS = 32.0  # a spread below so many rounding errors of the mean is not information: errors beyond 1e-4


def summed_gram(x: np.ndarray, work: type[np.floating], engine: Engine = map) -> Float64[np.ndarray, "n n"]:
    """The Gram matrix of the centred rows of `x`, up to a factor, still to be passed through `centred_gram`.

    Columns are taken in blocks that stay in cache; each is centred by its mean and multiplied by itself (SYRK) in the
    precision `work`, and blocks are added in float64. Blocks whose products would overflow or vanish are scaled by a
    power of two first, so any finite `x` will do.

    Args:
        x: (n, p), float32 or float64.
        work: float32 or float64.
        engine: maps blocks.

    Raises:
        RepresentationError: "non_finite"; "zero_variance" if the examples differ by no more than the rounding of `x`.
    """
    n, p = x.shape
    total = np.zeros((n, n))
    means = np.empty(p)
    exponent: int | None = None  # `total` is in units of 4 ** exponent
    parts = _blocks(n, p)
    for columns, (gram, centre, power) in zip(parts, engine(lambda c: _block_gram(x, c, work), parts), strict=True):
        means[columns] = centre
        if power is None:
            continue
        if exponent is None or power > exponent:
            if exponent is not None:
                total *= 4.0 ** (exponent - power)
            exponent = power
        total += gram if power == exponent else gram * 4.0 ** (power - exponent)
    refuse_constant(x, means, float(total.trace() - total.sum() / n), exponent)
    return total


def centred_gram(total: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    """`total` itself, changed so that its rows add to zero and its trace is 1.

    Centring the sum once more removes what the rounding of the means has left.
    """
    rows = total.mean(axis=1)
    total -= rows[:, None]
    total -= rows
    total += rows.mean()
    total /= float(total.trace())
    return total


def centred(x: np.ndarray) -> Float64[np.ndarray, "n p"]:
    """`x` less its column means, divided by its Frobenius norm, in float64. For few columns.

    Raises:
        RepresentationError: as `summed_gram`.
    """
    refuse_non_finite(x)
    largest = float(np.abs(x).max(initial=0))
    exponent = int(np.frexp(largest)[1]) if largest else 0
    scaled = np.ldexp(x.astype(np.float64), -exponent)
    means = scaled.mean(axis=0)
    scaled -= means
    scaled -= scaled.mean(axis=0)
    square = float(np.vdot(scaled, scaled))
    spread = int(np.frexp(np.abs(scaled).max(initial=0))[1])
    if square < 1e-200 and spread:  # the values differ by so little of their size that squares vanish
        scaled = np.ldexp(scaled, -spread)
        square, exponent, means = float(np.vdot(scaled, scaled)), exponent + spread, np.ldexp(means, -spread)
    refuse_constant(x, np.ldexp(means, exponent), square, exponent)
    return scaled / np.sqrt(square)


def refuse_non_finite(x: np.ndarray) -> None:
    """Raise `RepresentationError` that says how many values are NaN or infinite, and where the first one is."""
    bad = ~np.isfinite(x)
    if bad.any():
        first = ", ".join(str(int(i)) for i in np.unravel_index(int(bad.argmax()), x.shape))
        count = int(bad.sum())
        raise RepresentationError(
            f"expected finite values, got {count:,} of {x.size:,} that {'is' if count == 1 else 'are'} NaN or "
            f"infinite, the first at [{first}]. Find out where they come from, or leave these examples out of both.",
            "non_finite",
        )


def refuse_constant(x: np.ndarray, means: np.ndarray, square: float, exponent: int | None) -> None:
    """Raise `RepresentationError` if `x` varies by no more than the rounding of its own values.

    Args:
        x: (n, p).
        means: of the columns.
        square: the sum of squares of the centred `x`, in units of 4 ** exponent.
        exponent: None where all blocks were constant.
    """
    kind = np.finfo(x.dtype)
    with np.errstate(over="ignore"):
        step = np.ldexp(np.maximum(np.abs(means) * kind.eps, float(kind.smallest_subnormal)), -(exponent or 0))
        noise = (ROUNDING_STEPS * step) ** 2 * len(x)
        if square > noise.sum():
            return
        varying = (x != x[0]).any(axis=0)  # a constant column has no rounding errors
        limit = float(noise[varying].sum())
    if not varying.any() or exponent is None:
        raise RepresentationError(
            f"expected examples that differ, got {len(x):,} equal rows of {x.shape[1]:,} features: a constant "
            "(collapsed) representation is similar to nothing. Leave it out.",
            "zero_variance",
        )
    if square <= limit:
        raise RepresentationError(
            f"the examples differ by no more than the rounding of {x.dtype} around their mean (largest mean "
            f"{float(np.abs(means).max()):.3g}): what is left would be noise. Subtract the mean in a higher precision "
            "before rounding, or leave this representation out.",
            "zero_variance",
        )


def _blocks(n: int, p: int) -> list[slice]:
    """Column ranges of about 16 MB of float32: fixed by n alone, so that results do not depend on memory or cores."""
    width = min(max(4_000_000 // n // 256 * 256, 1024), 8192)
    return [slice(start, min(start + width, p)) for start in range(0, p, width)]


def _block_gram(x: np.ndarray, columns: slice, work: type[np.floating]) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Gram of a centred block in units of 4 ** power, the block's column means, and power (None if it is all zero)."""
    block = x[:, columns]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        values = block.astype(work, copy=False)
        means = np.full(len(x), 1 / len(x), work) @ values
        values = values - means
        gram = values @ values.T
        size = float(gram.diagonal().max(initial=0))
    if 1e-20 < size < 1e30:
        return gram, means.astype(np.float64), 0
    refuse_non_finite(x)
    largest = float(np.abs(block).max(initial=0))
    if not largest:
        return gram, means.astype(np.float64), None
    power = int(np.frexp(largest)[1])
    shrunk = np.ldexp(block.astype(np.float64), -power)
    means = shrunk.mean(axis=0)
    shrunk -= means
    rest = float(np.abs(shrunk).max())
    if not rest:
        return gram, np.ldexp(means, power), None
    power_of_rest = int(np.frexp(rest)[1])
    values = np.ldexp(shrunk, -power_of_rest).astype(work)
    return values @ values.T, np.ldexp(means, power), power + power_of_rest
