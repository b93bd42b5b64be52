"""A measure under check: what it declares, representations it takes, and its scores through the public interface."""

from collections.abc import Callable
from typing import Any, final
from zlib import crc32

import numpy as np

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.measure import MEASURES, Measure, Reason
from vaescope.stats.similarity import similarity

Reference = Callable[[np.ndarray, np.ndarray], float]
REASONS = frozenset(reason.label for reason in Reason)
TRANSFORMS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "orthogonal": lambda x, rng: x @ np.linalg.qr(rng.standard_normal((x.shape[1], x.shape[1])))[0],
    "scaling": lambda x, rng: x * np.exp(rng.uniform(-4, 4)),
    "translation": lambda x, rng: x + 2 * x.std() * rng.standard_normal(x.shape[1]),
    "permutation": lambda x, rng: x[:, rng.permutation(x.shape[1])],
    "linear": lambda x, rng: (x * np.geomspace(1, 20, x.shape[1])) @ _rotation(x, rng),
}


def _rotation(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((x.shape[1], x.shape[1])))[0]


@final
class Subject:
    """A measure under check.

    Args:
        measure: a measure, its class, or the name of a registered one.
        seed: of every draw.
        examples: how many random cases a property is tried on.
        reference: a slow definition in float64, (x, y) -> score.

    Attributes:
        measure: an instance.
        seed: as given.
        examples: as given.
        reference: as given.
        structured: whether not every matrix is a representation to it: it has an `example` of its own.

    Raises:
        UsageError: `measure` is none.
    """

    def __init__(
        self,
        measure: Measure | type | str,
        seed: int = 0,
        examples: int = 25,
        reference: Reference | None = None,
    ) -> None:
        made = MEASURES[measure]() if isinstance(measure, str) else measure() if isinstance(measure, type) else measure
        if not isinstance(made, Measure):
            raise UsageError(f"expected a measure, its class or its name, got {measure!r}. See vaescope.stats.measure.")
        self.measure: Measure[Any] = made
        self.seed = seed
        self.examples = examples
        self.reference = reference
        self.structured = type(made).example is not Measure.example

    @property
    def name(self) -> str:
        """The measure's name, or that of its class where it has none."""
        return getattr(self.measure, "name", type(self.measure).__name__)

    @property
    def best(self) -> float:
        """The bound that says "the same"."""
        low, high = self.measure.bounds
        return high if self.measure.larger_is_more_similar else low

    def rng(self, *key: str | int) -> np.random.Generator:
        """A generator of its own for every purpose."""
        return np.random.default_rng([self.seed, *(crc32(k.encode()) if isinstance(k, str) else k for k in key)])

    def enough(self, n: int) -> int:
        """`n`, or more where the measure needs more to say something; fewer of costly rows with a structure."""
        return max(min(n, 16) if self.structured and n < 100 else n, 2 * self.measure.minimum_n + 4)

    def pair(
        self, rng: np.random.Generator, n: int = 40, p: int = 6, q: int = 5, noise: float = 1.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Related representations (n, p) and (n, q), float64: neither aligned nor independent, with uneven spectra.

        Those of a measure with an `example` of its own have the width it gives.
        """
        if self.structured:
            x, other = self.alone(rng, n, p), self.alone(rng, n, p)
            weight = 0.5 * noise / (1 + noise)
            return x, (1 - weight) * x + weight * other  # a mean of valid rows is taken to be valid
        shared = rng.standard_normal((n, 3))
        x = shared @ rng.standard_normal((3, p)) + noise * rng.standard_normal((n, p))
        y = shared @ rng.standard_normal((3, q)) + noise * rng.standard_normal((n, q))
        return x + rng.standard_normal(p), y * np.geomspace(1, 3, q)

    def alone(self, rng: np.random.Generator, n: int = 40, p: int = 6) -> np.ndarray:
        """One representation, (n, p), float64; two of them are independent."""
        if self.structured:
            return np.asarray(self.measure.example(rng, n, p), np.float64)
        return rng.standard_normal((n, p)) * np.geomspace(1, 2, p) + rng.standard_normal(p)

    def transformed(self, x: np.ndarray, transform: str, rng: np.random.Generator) -> np.ndarray | None:
        """`x` after a random transform of its features; None where it cannot be said what that is."""
        own = getattr(self.measure, "transformed", None)
        if own is not None:
            return own(x, transform, rng)
        return None if self.structured else TRANSFORMS[transform](x, rng)

    def score(self, x: object, y: object) -> float:
        """The score as users get it, whether the measure is registered or not."""
        return similarity(x, y, self.measure)

    def score_or_refusal(self, x: object, y: object) -> float | RepresentationError:
        """The score, or the typed refusal (whose reason is one the store keeps); other errors go on."""
        try:
            return self.score(x, y)
        except RepresentationError as error:
            if error.reason not in REASONS:
                raise AssertionError(
                    f"expected a refusal for one of the reasons {', '.join(sorted(REASONS))}; got {error.reason!r}"
                ) from error
            return error
