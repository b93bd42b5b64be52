"""What a stream says of the layers it has seen: scores with names, errors and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Float64, Shaped

from vaescope.errors import UsageError
from vaescope.stats.streaming import sums as streaming_sums
from vaescope.stats.streaming.sums import Sums

if TYPE_CHECKING:
    import pandas as pd

FEW_BATCHES = 10


@final
@dataclass(frozen=True, eq=False)
class StreamingResult:
    """Minibatch CKA of every layer of x with every layer of y.

    Attributes:
        x_layers: a names.
        y_layers: b names.
        scores: (a, b), in [-1, 1]; NaN where `reasons` is not "ok".
        standard_errors: (a, b), how far the scores would differ between streams of as many batches of other examples.
            NaN from fewer than two batches. Batches that saw the same examples twice make it too small.
        reasons: (a, b) words: "ok", "too_few" (no batch), "zero_variance" (a dead layer), "non_finite",
            "ill_conditioned" (values so large or small that squares of their squares are no float64).
        batches: how many were added.
        examples: how many were in them.
        left_out: examples that wait for more, being fewer than four; they are in none of the figures.
        warnings: what to know before the scores are believed, each a sentence.
    """

    x_layers: tuple[str, ...]
    y_layers: tuple[str, ...]
    scores: Float64[np.ndarray, "a b"]
    standard_errors: Float64[np.ndarray, "a b"]
    reasons: Shaped[np.ndarray, "a b"]
    batches: int
    examples: int
    left_out: int
    warnings: tuple[str, ...]

    @property
    def score(self) -> float:
        """The score, where x and y are one layer each.

        Raises:
            UsageError: there are more.
        """
        if self.scores.size != 1:
            raise UsageError(
                f"expected one pair of layers, got {len(self.x_layers)} x {len(self.y_layers)}. Use `.scores` or "
                "`.to_pandas()`."
            )
        return float(self.scores[0, 0])

    def interval(self, confidence: float = 0.95) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
        """Lower and upper ends, (a, b) each: the score and Student's t times its standard error, cut at -1 and 1.

        Raises:
            UsageError: `confidence` is not between 0 and 1.
        """
        if not 0 < confidence < 1:
            raise UsageError(f"expected a confidence between 0 and 1, got {confidence}. Usual is 0.95.")
        reach = student_t(0.5 + confidence / 2, self.batches - 1) * self.standard_errors
        return np.clip(self.scores - reach, -1, 1), np.clip(self.scores + reach, -1, 1)

    def to_pandas(self, confidence: float = 0.95) -> "pd.DataFrame":
        """One row a pair: x, y, score, standard_error, lower, upper, reason."""
        import pandas as pd

        lower, upper = self.interval(confidence)
        columns = {
            "x": np.repeat(self.x_layers, len(self.y_layers)),
            "y": np.tile(self.y_layers, len(self.x_layers)),
            "score": self.scores.ravel(),
            "standard_error": self.standard_errors.ravel(),
            "lower": lower.ravel(),
            "upper": upper.ravel(),
            "reason": self.reasons.ravel(),
        }
        return pd.DataFrame(columns)


def result_of(sums: Sums, x_layers: Sequence[str], y_layers: Sequence[str], left_out: int) -> StreamingResult:
    """The result of `sums`, with its warnings."""
    batches, examples = int(sums["batches"]), int(sums["examples"])
    warnings = []
    if left_out:
        are = "example is" if left_out == 1 else "examples are"
        warnings.append(f"{left_out} {are} not in the scores: a batch needs at least 4.")
    if 0 < batches < FEW_BATCHES:
        what = "there is no standard error" if batches == 1 else "standard errors are themselves uncertain"
        warnings.append(f"With {batches} batch{'es' if batches > 1 else ''}, {what}; {FEW_BATCHES} or more are better.")
    for side, layers in {"x": x_layers, "y": y_layers}.items():
        if side == "y" and x_layers is y_layers:
            continue
        for i, name in enumerate(layers):
            bad, beyond = int(sums[f"non_finite_{side}"][i]), int(sums[f"ill_conditioned_{side}"][i])
            if bad:
                warnings.append(f"{side}, layer {name!r}: NaN or infinite values in {bad:,} of {batches:,} batches.")
            elif beyond:
                warnings.append(
                    f"{side}, layer {name!r}: in {beyond:,} of {batches:,} batches the values spread so much or so "
                    "little that squares of their squares are no float64. Multiply this layer by a constant first."
                )
            elif batches and not sums[side * 2][i]:
                warnings.append(
                    f"{side}, layer {name!r}: the same for all examples of a batch, or collapsed to rounding."
                )
    return StreamingResult(
        tuple(x_layers),
        tuple(y_layers),
        streaming_sums.scores(sums),
        streaming_sums.standard_errors(sums),
        streaming_sums.reasons(sums),
        batches,
        examples,
        left_out,
        tuple(warnings),
    )


def student_t(probability: float, freedom: int) -> float:
    """The quantile of Student's t, within 1% for probabilities up to 0.975 (2% up to 0.995); NaN without freedom.

    Exact for one and two degrees of freedom, else the expansion in 1 / freedom of Abramowitz & Stegun, 26.7.5:
    https://personal.math.ubc.ca/~cbm/aands/page_949.htm
    """
    if freedom < 1:
        return float("nan")
    if freedom == 1:
        return float(np.tan(np.pi * (probability - 0.5)))
    if freedom == 2:
        return (2 * probability - 1) / float(np.sqrt(2 * probability * (1 - probability)))
    z, v = NormalDist().inv_cdf(probability), freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / v ** (i + 1) for i, term in enumerate(terms))
