"""How many latents to use: the most that leave none passive, found by doubling and halving. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from vaescope.errors import UsageError

MOST = 1024


@dataclass(frozen=True)
class Trial:
    """One number of latents that was tried.

    Attributes:
        latents: how many.
        difference: intrinsic dimension of the sampled codes less that of the mean codes.
        passed: whether it is within the threshold: no latent is passive.
    """

    latents: int
    difference: float
    passed: bool


@dataclass(frozen=True)
class Choice:
    """The number of latents that was found.

    Attributes:
        latents: the largest tried that passed; 0 where a single latent did not.
        trials: all that were tried, in their order.
        bounded: whether one latent more was tried and did not pass; else the search came to `most`.
    """

    latents: int
    trials: tuple[Trial, ...]
    bounded: bool


def choose_latents(differences: Callable[[int], float], start: int, threshold: float, *, most: int = MOST) -> Choice:
    """The largest number of latents whose mean and sampled codes have about the same intrinsic dimension.

    A passive latent adds nothing to the mean codes and a dimension of noise to the sampled ones. From `start` the
    number is doubled while it passes; then the gap between the largest that passed and the smallest that did not is
    halved until they are neighbours. Each number is tried once. As in the paper, passing is taken to be monotone in the
    number of latents.

    Args:
        differences: number of latents -> IDE(sampled) - IDE(mean) after a short training.
        start: the first number tried, such as the intrinsic dimension of the data.
        threshold: the largest difference that passes.
        most: no more latents are tried.

    Raises:
        UsageError: `start` is not from 1 to `most`, or the threshold is negative.

    References:
        Bonheme & Grzes (2022), FONDUE: an algorithm to find the optimal dimensionality of the latent representations of
            variational autoencoders, algorithm 1. https://arxiv.org/abs/2209.12806

    >>> choose_latents(lambda d: max(0, d - 6), start=4, threshold=0.5).latents
    6
    """
    if not 1 <= start <= most:
        raise UsageError(f"choose_latents: expected a start from 1 to {most}, got {start}.")
    if not threshold >= 0:
        raise UsageError(f"choose_latents: expected a threshold of at least 0, got {threshold}.")
    trials: list[Trial] = []
    passed, failed, pivot = 0, most + 1, start
    while failed - passed > 1:
        difference = float(differences(pivot))
        trials.append(Trial(pivot, difference, difference <= threshold))
        if trials[-1].passed:
            passed = pivot
        else:
            failed = pivot
        pivot = min(2 * passed, most) if failed > most else (passed + failed) // 2
    return Choice(passed, tuple(trials), failed <= most)
