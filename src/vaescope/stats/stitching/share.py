"""How much of the loss a stitch recovers, with an interval over the examples that were held out. Pure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from vaescope.errors import UsageError

DRAWS = 2_000
NO_ROOM = 1e-9  # of the losses: a layer whose values change them by no more does not matter


@dataclass(frozen=True)
class Share:
    """A recovered share.

    Attributes:
        value: (baseline - stitched) / (baseline - own): 1 as the network itself, 0 as a constant in place of the layer,
            less than 0 worse than that. NaN where a constant does as well as the layer.
        low: lower end.
        high: upper end.
        level: intended coverage.
    """

    value: float
    low: float
    high: float
    level: float


def share(
    own: Float[np.ndarray, " n"],
    stitched: Float[np.ndarray, " n"],
    baseline: Float[np.ndarray, " n"],
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Share:
    """The recovered share and the percentile interval of the bootstrap over examples.

    Each draw takes the means of the three losses over the same examples, n with replacement. The map is the one that
    was learned: how much another choice of examples to learn from would change is not in the interval.

    Args:
        own: loss of each held-out example by the network itself.
        stitched: with the mapped representation in place of its layer.
        baseline: with the layer's mean in place.
        level: intended coverage.
        draws: bootstrap samples.
        seed: of the draws.

    Raises:
        UsageError: the level is no share.

    References:
        Efron & Tibshirani (1993), An introduction to the bootstrap, section 13.3.
            https://doi.org/10.1007/978-1-4899-4541-9
    """
    if not 0 < level < 1:
        raise UsageError(f"level: expected a share between 0 and 1, e.g. 0.95, got {level!r}.")
    losses = np.stack([own, stitched, baseline]).astype(np.float64)
    n = losses.shape[1]
    value = float(_ratio(losses.mean(axis=1)[:, None])[0])
    if not np.isfinite(value):
        return Share(value, np.nan, np.nan, level)
    rng = np.random.default_rng([seed, n, draws])
    times = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    found = _ratio(losses @ times.T / n)
    if np.isnan(found).mean() > (1 - level) / 2:  # without some examples the layer does not matter
        return Share(np.nan, np.nan, np.nan, level)
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Share(value, float(low), float(high), level)


def _ratio(means: Float64[np.ndarray, "3 d"]) -> Float64[np.ndarray, " d"]:
    own, stitched, baseline = means
    room = baseline - own
    some = room > NO_ROOM * np.maximum(np.abs(own), np.abs(baseline))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(some, (baseline - stitched) / np.where(some, room, 1.0), np.nan)
