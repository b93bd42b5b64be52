"""How strengths grow over the steps of a training, as a share of their last value."""


def linear(step: int, steps: int) -> float:
    """min(1, step / steps): 0 at step 0, 1 from step `steps` on; always 1 where `steps` is 0.

    References:
        Bowman et al. (2016), KL cost annealing. https://arxiv.org/abs/1511.06349

    >>> linear(25, 100), linear(100, 100), linear(200, 100)
    (0.25, 1.0, 1.0)
    """
    return min(1.0, step / steps) if steps else 1.0


def cyclical(step: int, steps: int, cycles: int, ratio: float) -> float:
    """`cycles` times from 0 to 1 within `steps` steps, and 1 from then on.

    Each cycle takes steps / cycles steps: a straight rise over the share `ratio` of them, then 1.

    Args:
        step: optimiser steps done so far.
        steps: T, of all cycles together, at least 1.
        cycles: M, at least 1.
        ratio: R, above 0 and at most 1.

    References:
        Fu et al. (2019), the cyclical schedule, whose t counts from 1. https://arxiv.org/abs/1903.10145

    >>> [cyclical(step, 100, 2, 0.5) for step in (0, 10, 25, 49, 50, 60, 100)]
    [0.0, 0.4, 1.0, 1.0, 0.0, 0.4, 1.0]
    """
    if step >= steps:
        return 1.0
    done = (step * cycles % steps) / steps
    return min(1.0, done / ratio)
