"""Centring without losing digits, and without a second copy of a wide representation."""

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError

FLUSHED = 65_536  # columns
BLOCK, FAST_BLOCK = 1_000_000, 8_000_000  # values: what stays in cache; what makes sums of tiles rare
TILE = 250  # rows
ROUNDING_STEPS = 32.0  # a spread below so many rounding errors of the mean is not information: errors beyond 1e-4


def upper_gram(x: np.ndarray, work: type[np.floating], fast: bool = False) -> np.ndarray:
    """Upper triangle, diagonal included, of the Gram matrix of the centred rows of `x`, up to a power of 4.

    Columns are taken in blocks that stay in cache, centred twice (the second time removes the rounding of the first),
    and added to the triangle by a symmetric rank-k update in the precision `work`. Where squares could overflow or
    vanish, all values are scaled by one power of two first, so any finite `x` will do.

    Args:
        x: (n, p), float32 or float64.
        work: float32 or float64.
        fast: multiply in bfloat16.

    Returns:
        (n, n) of the dtype `work`; what is below the diagonal means nothing.

    Raises:
        RepresentationError: "non_finite"; "zero_variance" if the examples differ by no more than the rounding of `x`.
    """
    total, means, exponent = scaled_gram(x, work, fast)
    refuse_constant(x, means, float(total.trace(dtype=np.float64)), exponent)
    return total


def scaled_gram(x: np.ndarray, work: type[np.floating], fast: bool = False) -> tuple[np.ndarray, np.ndarray, int]:
    """As `upper_gram`, but what hardly varies is not refused; the column means, and k where the unit is 4 ** k."""
    exponent = 0
    found = _summed(x, work, None, fast)
    if found is None:
        refuse_non_finite(x)
        exponent = _exponent(x)
        found = _summed(x, work, exponent, fast)
    if found is None:
        raise RepresentationError(f"the values of {x.dtype} overflow when their mean is taken.", "ill_conditioned")
    return *found, exponent


def _summed(
    x: np.ndarray, work: type[np.floating], exponent: int | None, fast: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """The triangle, in units of 4 ** exponent, and the column means of `x` (0 where they do not matter).

    None if some squares need an exponent.
    """
    n, p = x.shape
    kind = np.finfo(work)
    low, high = float(kind.tiny) ** 0.3, float(kind.max) ** 0.4
    total: np.ndarray | None = None
    part = np.zeros((n, n), work)
    means = np.zeros(p)
    average = np.full(n, 1 / n, work)
    since = 0
    for columns in _blocks(n, p, FAST_BLOCK if fast else BLOCK):
        block, live = _without_constant(x[:, columns])
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            scaled = block if exponent is None else np.ldexp(block.astype(np.float64), -exponent)
            values = np.array(scaled, work, order="C", copy=None if live is not None else True)
            first = average @ values
            values -= first
            second = average @ values
            values -= second
            means[columns if live is None else columns.start + live] = np.ldexp(
                first.astype(np.float64) + second, exponent or 0
            )
            size = max(float(values.max(initial=0)), -float(values.min(initial=0)))
        if size and not (size < high and (exponent is not None or low < size)):
            return None
        if size:
            _update(part, values, fast)
        since += values.shape[1]
        if since >= FLUSHED and columns.stop < p:  # sums of very many products go on in float64
            total = part.astype(np.float64) if total is None else total + part
            part[:] = 0
            since = 0
    return (part if total is None else (total + part).astype(work)), means


def _without_constant(block: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The columns that vary, copied, and where they are; the block itself and None where few columns are constant.

    A third of a trained convolutional layer can be constant: always 0 after its ReLU.
    """
    largest = block.max(axis=0)
    constant = (largest == block.min(axis=0)) & np.isfinite(largest)  # a column of infinities is to be refused
    if constant.sum() * 8 < block.shape[1]:
        return block, None
    live = np.flatnonzero(~constant)
    return np.take(block, live, axis=1), live


def _update(total: np.ndarray, values: np.ndarray, fast: bool) -> None:
    """Add values @ values.T to the upper triangle of `total`."""
    if fast:
        _update_in_bfloat16(total, values)
        return
    from scipy.linalg import get_blas_funcs

    syrk = get_blas_funcs("syrk", dtype=total.dtype)
    syrk(1.0, values.T, beta=1.0, c=total.T, trans=1, lower=1, overwrite_c=1)


def _update_in_bfloat16(total: np.ndarray, values: np.ndarray) -> None:
    """As `_update`, in tiles; each tile's sum is rounded to bfloat16 before it is added."""
    import torch

    with torch.inference_mode():
        rounded = torch.from_numpy(values).bfloat16()
        for top in range(0, len(values), TILE):
            rows = rounded[top : top + TILE]
            total[top : top + TILE, top:] += (rows @ rounded[top:].T).float().numpy()


def _exponent(x: np.ndarray) -> int:
    """The power of two of the largest deviation from a column's mean."""
    n, p = x.shape
    largest = int(np.frexp(float(max(abs(float(x.max())), abs(float(x.min())))))[1])
    found: list[int] = []
    for columns in _blocks(n, p):
        values = np.ldexp(x[:, columns].astype(np.float64), -largest)
        values -= values.mean(axis=0)
        if size := float(np.abs(values).max()):
            found.append(largest + int(np.frexp(size)[1]))
    return max(found, default=largest)


def full(upper: np.ndarray) -> Float64[np.ndarray, "n n"]:
    """The whole symmetric matrix of an upper triangle, its rows adding to zero and its trace 1."""
    total = np.triu(upper).astype(np.float64, copy=False)
    total += np.triu(total, 1).T
    rows = total.mean(axis=1)
    total -= rows[:, None]
    total -= rows
    total += rows.mean()
    total /= float(total.trace())
    return total


def centred(x: np.ndarray) -> Float64[np.ndarray, "n p"]:
    """`x` less its column means, divided by its Frobenius norm, in float64. For few columns.

    Raises:
        RepresentationError: as `upper_gram`.
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


def _blocks(n: int, p: int, size: int = BLOCK) -> list[slice]:
    """Column ranges of about `size` values: fixed by n alone, so that results do not depend on memory or cores."""
    width = min(max(size // n // 256 * 256, 512), 8192)
    return [slice(start, min(start + width, p)) for start in range(0, p, width)]
