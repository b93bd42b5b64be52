"""Whether two models have weights in common: equal ones, or ones that began at the same place."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOST = 200_000  # numbers looked at of each tensor
FEWEST = 256  # numbers below which a correlation says little
KIN = 0.1  # correlation of weights; those of different first weights differ from 0 by about 1 / sqrt(numbers)


@dataclass(frozen=True)
class Kinship:
    """What the weights of two models have in common.

    Attributes:
        shared: weights of the same name and shape that are not the same number all over.
        equal: names of those among them that are equal, bit for bit.
        correlation: the median, over weight matrices of at least 256 numbers that are not equal, of the correlation of
            their entries; NaN where there is none. About 0 for two models whose first weights were drawn apart.
        matrices: how many of those there are.
    """

    shared: int
    equal: tuple[str, ...]
    correlation: float
    matrices: int

    @property
    def kin(self) -> bool:
        """Whether the weights that differ began at the same place, or those of one model at the other's."""
        return self.matrices > 0 and self.correlation > KIN


def kinship(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Kinship:
    """Compare weights of the same name, as two state dicts have them.

    Two models trained from the same first weights, or one from the other, keep them in part: the entries of their
    matrices stay correlated, long after the function has changed. Matrices drawn apart are not: features of hidden
    layers have no order that training would bring about.
    """
    equal: list[str] = []
    correlations: list[float] = []
    shared = 0
    for name, mine in a.items():
        other = b.get(name)
        if other is None or other.shape != mine.shape or not (mine.is_floating_point() and other.is_floating_point()):
            continue
        x, y = _some(mine), _some(other)
        if not x.size or bool((x == x[0]).all() and (y == y[0]).all()):  # biases of 0, scales of 1: nothing was drawn
            continue
        shared += 1
        if torch.equal(mine.detach().cpu(), other.detach().to("cpu", mine.dtype)):
            equal.append(name)
        elif mine.dim() >= 2 and x.size >= FEWEST:
            found = _correlation(x, y)
            if np.isfinite(found):
                correlations.append(found)
    middle = float(np.median(correlations)) if correlations else float("nan")
    return Kinship(shared, tuple(equal), middle, len(correlations))


def _some(w: Tensor) -> np.ndarray:
    """At most `MOST` entries, evenly spread, as float64."""
    flat = w.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // MOST)].to("cpu", torch.float64).numpy()


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(x @ y / np.sqrt((x @ x) * (y @ y)))
