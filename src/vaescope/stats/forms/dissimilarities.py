"""Dissimilarity matrices for representational similarity analysis, as they are and as ranks.

The dissimilarity of two examples is the squared Euclidean distance of their rows: it adds over features, and -1/2
times the doubly centred matrix is the Gram matrix of linear CKA, so that RSA and CKA differ in centring alone.
Kriegeskorte et al. took 1 - correlation of the rows, which heeds neither the mean nor the length of a row and changes
under translations and rotations of the features.

References:
    Kriegeskorte, Mur & Bandettini (2008), Representational similarity analysis: connecting the branches of systems
        neuroscience. https://doi.org/10.3389/neuro.06.004.2008
    Williams (2024), Equivalence between representational similarity analysis, centered kernel alignment, and canonical
        correlations analysis. https://neurips.cc/virtual/2024/102624
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.stats.forms.direction import Direction
from vaescope.stats.forms.distances import TIE, refuse_equidistant
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.vector import packed


@final
@dataclass(frozen=True, eq=False)
class Dissimilarities(Direction):
    """The squared distances between different examples over their mean, less 1: (n (n - 1) / 2,)."""

    name: ClassVar[str] = "dissimilarities"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "Dissimilarities":
        values = packed(x.squared_distances, np.float64)
        values /= values.mean()
        values -= 1
        return cls.along(values.astype(x.x.dtype))

    @property
    def spread(self) -> float:
        """The standard deviation of the squared distances over their mean."""
        return float(np.sqrt(self.square / self.values.shape[0]))


@final
@dataclass(frozen=True, eq=False)
class DissimilarityRanks(Direction):
    """The ranks of the squared distances, tied ones at the mean of their ranks, scaled to -1/2 to 1/2."""

    name: ClassVar[str] = "dissimilarity_ranks"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "DissimilarityRanks":
        values = packed(x.squared_distances, np.float64)
        refuse_equidistant(float(values.std() / values.mean()), float(np.finfo(x.x.dtype).eps))
        return cls.along(centred_ranks(values).astype(x.x.dtype))


def centred_ranks(values: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Ranks of values that are not negative, less their mean and divided by m; equal up to rounding is equal."""
    order = np.argsort(values)
    ascending = values[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ascending) > TIE * ascending[1:]]))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends - len(values)) / (2 * len(values)), ends - starts)
    return ranks
