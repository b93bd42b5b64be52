"""Whether a latent is active, mixed or passive, from its posterior variances alone."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from vaescope.errors import UsageError
from vaescope.stats.latents.posterior import variances

Kind = Literal["active", "mixed", "passive"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Thresholds:
    """Where the kinds end. The defaults are those of the authors' code.

    Attributes:
        spread: the variance of σ² over examples must be below it, or the latent is mixed.
        active: the mean of σ² of an active latent is at most this.
        passive: the mean of σ² of a passive latent is at most so far from 1, the prior's variance.

    Raises:
        UsageError: a threshold is not positive, or a latent could be active and passive at once.
    """

    spread: float = 0.1
    active: float = 0.1
    passive: float = 0.1

    def __post_init__(self) -> None:
        if not (self.spread > 0 and self.active > 0 and self.passive > 0 and self.active + self.passive < 1):
            raise UsageError(
                "Thresholds: expected positive numbers, active below 1 - passive (else a latent could be both), got "
                f"spread={self.spread}, active={self.active}, passive={self.passive}."
            )


USUAL = Thresholds()


def kinds(log_var: Float[np.ndarray, "n d"], thresholds: Thresholds = USUAL) -> tuple[Kind, ...]:
    """The kind of each latent.

    With v the mean over examples of σ² and s its variance: active where s < 0.1 and v <= 0.1, passive where s < 0.1 and
    0.9 <= v <= 1.1, else mixed. The rule looks at σ² alone: it takes for granted that the KL term holds the aggregate
    posterior near N(0, 1). A latent of σ² = 1 whose means spread wide is called passive though it tells examples
    apart; `active_units` looks at the means.

    Args:
        log_var: natural-log posterior variances of n examples; the rule is on σ² = exp(log_var), nothing else.
        thresholds: where the kinds end.

    Returns:
        "active", "mixed" or "passive" for each of the d latents.

    References:
        Bonheme & Grzes (2021), Be more active! Understanding the differences between mean and sampled representations
            of variational autoencoders. https://arxiv.org/abs/2109.12679
        Rolinek, Zietlow & Martius (2019), Variational autoencoders pursue PCA directions (by accident), on the
            polarised regime. https://arxiv.org/abs/1812.06775

    >>> kinds(np.log(np.array([[0.01, 1.0, 0.01], [0.02, 1.0, 1.0]])))
    ('active', 'passive', 'mixed')
    """
    found = variances(log_var)
    with np.errstate(over="ignore", invalid="ignore"):  # σ² beyond 1e154 has an infinite spread: mixed
        level, spread = found.mean(axis=0), found.var(axis=0)
    return tuple(_kind(v, s, thresholds) for v, s in zip(level.tolist(), spread.tolist(), strict=True))


def _kind(level: float, spread: float, at: Thresholds) -> Kind:
    if not spread < at.spread:
        return "mixed"
    if level <= at.active:
        return "active"
    return "passive" if 1 - at.passive <= level <= 1 + at.passive else "mixed"
