"""Codes of examples with the factors that made them, checked, and the work that several scores share."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vaescope.errors import RepresentationError

T = TypeVar("T")

FEWEST = 10  # examples
TRAINED_ON = 2 / 3  # of the examples, where something is learnt: 10,000 of 15,000 in disentanglement_lib
_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # a latent that moves by no more than this, relatively, is constant


@dataclass(frozen=True)
class Groups:
    """The examples that share a value of one factor; values that only one example has are passed over.

    Attributes:
        rows: the examples that share their value, ordered by value, (m,).
        start: where in `rows` the group of each of these begins, (m,).
        size: how large that group is, (m,), at least 2.
    """

    rows: Int64[np.ndarray, " m"]
    start: Int64[np.ndarray, " m"]
    size: Int64[np.ndarray, " m"]


@dataclass(frozen=True)
class Labelled:
    """Codes and factors of the same examples.

    Attributes:
        codes: (n, d) float64.
        factors: (n, f), each factor's classes numbered from 0 without gaps; factors that never change are left out.
        positions: where the factors stood among those given, (f,).
    """

    codes: Float64[np.ndarray, "n d"]
    factors: Int64[np.ndarray, "n f"]
    positions: tuple[int, ...]
    _kept: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, codes: Any, factors: Any) -> "Labelled":
        """Check and bring into form: codes (n, d) of any real type, factors (n, f) of integers, or text.

        Raises:
            RepresentationError: "shape_mismatch", "too_few" (fewer than 10 examples, or no latent), "non_finite",
                "unsupported_type", or "zero_variance" (no factor changes).
        """
        x, y = np.asarray(codes), np.asarray(factors)
        if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
            raise RepresentationError(
                f"expected codes (n, d) and factors (n, f) of the same n examples, got {x.shape} and {y.shape}. "
                "Examples are rows: transpose arrays whose examples are columns, never reshape them.",
                "shape_mismatch",
            )
        if x.dtype.kind not in "fiub":
            raise RepresentationError(f"codes: expected real numbers, got {x.dtype}.", "unsupported_type")
        if y.dtype.kind not in "iubUS" and not (y.dtype.kind == "f" and np.array_equal(y, np.rint(y))):
            raise RepresentationError(
                f"factors: expected classes, whole numbers or texts, got {y.dtype}. Number the values of continuous "
                "factors first, e.g. with np.digitize.",
                "unsupported_type",
            )
        if len(x) < FEWEST or x.shape[1] < 1 or y.shape[1] < 1:
            raise RepresentationError(
                f"expected at least {FEWEST} examples, 1 latent and 1 factor, got {len(x)}, {x.shape[1]} and "
                f"{y.shape[1]}.",
                "too_few",
            )
        x = x.astype(np.float64)
        if not np.isfinite(x).all():
            raise RepresentationError("codes: some are NaN or infinite. The run may have diverged.", "non_finite")
        classes = [np.unique(column, return_inverse=True)[1] for column in y.T]
        changing = tuple(i for i, column in enumerate(classes) if column.max() > 0)
        if not changing:
            raise RepresentationError(
                "factors: each has the same value for all examples. Take examples that differ.", "zero_variance"
            )
        return cls(x, np.stack([classes[i] for i in changing], axis=1).astype(np.int64), changing)

    @property
    def n(self) -> int:
        """How many examples there are."""
        return len(self.codes)

    @property
    def latents(self) -> int:
        """How many latents there are, d."""
        return self.codes.shape[1]

    @property
    def sizes(self) -> Int64[np.ndarray, " f"]:
        """How many classes each factor has among these examples."""
        return self.factors.max(axis=0) + 1

    @cached_property
    def moving(self) -> Bool[np.ndarray, " d"]:
        """Which latents are more than a constant with float32 rounding."""
        return np.ptp(self.codes, axis=0) > _ROUNDING * np.abs(self.codes).max(axis=0)

    @cached_property
    def standard(self) -> Float64[np.ndarray, "n m"]:
        """The moving latents with mean 0 and variance 1."""
        moving = self.codes[:, self.moving]
        return (moving - moving.mean(axis=0)) / moving.std(axis=0)

    @cached_property
    def groups(self) -> tuple[Groups, ...]:
        """For each factor the examples that share a value of it.

        Raises:
            RepresentationError: "too_few": no two examples share a value of some factor.
        """
        return tuple(self._group(f) for f in range(self.factors.shape[1]))

    def _group(self, f: int) -> Groups:
        classes = self.factors[:, f]
        counts = np.bincount(classes)
        order = np.argsort(classes, kind="stable")
        sizes = counts[classes[order]]
        rows = order[sizes >= 2]
        if not len(rows):
            raise RepresentationError(
                f"no two of the {self.n} examples share a value of factor {self.positions[f]}, so it cannot be held "
                "fixed. Use more examples.",
                "too_few",
            )
        kept = np.where(counts >= 2, counts, 0)
        start = np.cumsum(kept) - kept
        return Groups(rows, start[classes[rows]], counts[classes[rows]])

    def split(self, seed: int) -> tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " h"]]:
        """Two thirds of the examples to learn from and the others to be tested on, the same for all scores.

        Raises:
            RepresentationError: "too_few": a factor has fewer than two examples a value, so that nothing can be learnt.
        """
        order = np.random.default_rng([seed, 1]).permutation(self.n)
        learnt, tested = order[: int(TRAINED_ON * self.n)], order[int(TRAINED_ON * self.n) :]
        for position, classes in zip(self.positions, self.factors[learnt].T, strict=True):
            if 2 * len(np.unique(classes)) > len(learnt):
                raise RepresentationError(
                    f"factor {position} has {len(np.unique(classes))} values among {len(learnt)} examples, too many to "
                    "learn to tell them. Use more examples.",
                    "too_few",
                )
        return learnt, tested

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made at most once for each key."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]
