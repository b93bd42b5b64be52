"""Centred kernel matrices of kernels of the distance: Gaussian, Laplace, and the distance itself."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64

from vaescope.errors import RepresentationError
from vaescope.stats.forms import centring
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.gram import Gram
from vaescope.stats.forms.vector import packed


@final
@dataclass(frozen=True, eq=False)
class GaussianGram(Gram):
    """exp(-d^2 / (2 w^2)), where w is the median of the Euclidean distances d between different examples."""

    name: ClassVar[str] = "gram_gaussian"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "GaussianGram":
        kernel = x.squared_distances * (-0.5 / median_distance(x.squared_distances) ** 2)
        np.exp(kernel, out=kernel)
        return cls.packed(centring.full(kernel), x.x.dtype)


@final
@dataclass(frozen=True, eq=False)
class LaplaceGram(Gram):
    """exp(-d / w), where w is the median of the Euclidean distances d between different examples."""

    name: ClassVar[str] = "gram_laplace"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "LaplaceGram":
        kernel = np.sqrt(x.squared_distances)
        kernel *= -1 / median_distance(x.squared_distances)
        np.exp(kernel, out=kernel)
        return cls.packed(centring.full(kernel), x.x.dtype)


@final
@dataclass(frozen=True, eq=False)
class DistanceGram(Gram):
    """The Euclidean distances themselves, with the sign changed: centred, they are a kernel matrix.

    References:
        Sejdinovic, Sriperumbudur, Gretton & Fukumizu (2013), Equivalence of distance-based and RKHS-based statistics in
            hypothesis testing. https://arxiv.org/abs/1207.6076
    """

    name: ClassVar[str] = "gram_distance"
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, x: Examples) -> "DistanceGram":
        kernel = np.sqrt(x.squared_distances)
        np.negative(kernel, out=kernel)
        return cls.packed(centring.full(kernel), x.x.dtype)


def median_distance(squared: Float64[np.ndarray, "n n"]) -> float:
    """The median of the distances between different examples; the mean of the middle two if they are even in number.

    Args:
        squared: distances; their upper triangle is used.

    Raises:
        RepresentationError: "zero_variance" if it is zero.
    """
    upper = packed(squared, np.float64)
    middle = [(len(upper) - 1) // 2, len(upper) // 2]
    found = float(np.sqrt(np.partition(upper, middle)[middle]).mean())
    if found == 0:
        raise RepresentationError(
            f"the median distance between examples is zero: at least half of the {len(upper):,} pairs are equal, so no "
            "kernel width follows from it. Use more examples that differ, or linear CKA.",
            "zero_variance",
        )
    return found
