"""How sure the scores of a block are: intervals over examples and permutation nulls, from what is prepared already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from vaescope.progress import Progress
from vaescope.stats.certainty.corrections import adjusted
from vaescope.stats.certainty.intervals import Method
from vaescope.stats.certainty.moments import Invariants, invariants
from vaescope.stats.certainty.null import MOMENTS, null_from_moments
from vaescope.stats.certainty.permutation import permutation_null
from vaescope.stats.certainty.reorder import Again
from vaescope.stats.certainty.resampling import examples_interval
from vaescope.stats.forms.form import Engine, Form
from vaescope.stats.forms.gram import Gram
from vaescope.stats.measure import Measure

DRAWS = 19  # the fewest that can give p = 0.05; with the scores themselves 20 times their cost


@dataclass(frozen=True)
class Certainty:
    """What is asked about the certainty of scores.

    Attributes:
        interval: "jackknife" or "subsample" over the examples, None for no interval.
        level: intended coverage of the interval.
        null: permutations to draw; 0 for exact moments where they are known and `DRAWS` elsewhere; None for no null.
        seed: of blocks, subsamples and permutations.
    """

    interval: Method | None = None
    level: float = 0.95
    null: int | None = None
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of the matrices that `of` gives."""
        interval = ("low", "high") if self.interval else ()
        return interval + (("null_mean", "null_sd", "calibrated", "p", "p_tail") if self.null is not None else ())

    def by_moments(self, measure: Measure[Any], form: type[Form]) -> bool:
        """Whether the null of this measure comes from exact moments."""
        return self.null == 0 and measure.name in MOMENTS and issubclass(form, Gram)

    def of(
        self,
        measure: Measure[Any],
        scores: Float64[np.ndarray, "a b"],
        xs: Sequence[Any],
        ys: Sequence[Any] | None,
        *,
        n: int,
        again: tuple[Sequence[Again], Sequence[Again]],
        known: tuple[Invariants, Invariants] | None,
        engine: Engine,
        progress: Progress,
    ) -> dict[str, Float64[np.ndarray, "a b"]]:
        """The matrices of `names` for a block.

        Args:
            measure: of the scores.
            scores: of the block.
            xs: forms of the rows.
            ys: forms of the columns, None for those of the rows.
            n: examples.
            again: for each row and each column, what prepares some of its examples anew.
            known: invariants of rows and columns where the null is `by_moments`.
            engine: maps pairs.
            progress: checked often.
        """
        found: dict[str, np.ndarray] = {}
        if self.interval:
            interval = examples_interval(
                measure,
                scores,
                xs,
                ys,
                n=n,
                method=self.interval,
                seed=self.seed,
                level=self.level,
                again_x=again[0],
                again_y=again[1],
                engine=engine,
                progress=progress,
            )
            found |= {"low": interval.low, "high": interval.high}
        if self.null is not None:
            if known is not None:
                null = null_from_moments(measure, scores, *known)
                if ys is None:
                    for field in (null.p, null.tail):
                        np.fill_diagonal(field, np.nan)  # a representation with itself is no test
            else:
                draws = self.null or DRAWS
                null = permutation_null(
                    measure,
                    scores,
                    xs,
                    ys,
                    n=n,
                    draws=draws,
                    seed=self.seed,
                    again=again[0 if ys is None else 1],
                    engine=engine,
                    progress=progress,
                )
            found |= {"null_mean": null.mean, "null_sd": null.sd, "calibrated": null.calibrated}
            found |= {"p": null.p, "p_tail": null.tail}
        return found


def joined(parts: Sequence[Invariants]) -> Invariants:
    """Invariants of several groups of representations, one after another."""
    fields = [name for name in Invariants.__dataclass_fields__ if name != "n"]
    return Invariants(parts[0].n, *(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def invariants_of(forms: Sequence[Any], engine: Engine, progress: Progress) -> Invariants:
    """The invariants of all forms, side by side."""
    parts = []
    for part in engine(lambda form: invariants([form]), forms):
        parts.append(part)
        progress.check()
    return joined(parts)


def corrected(p: Float64[np.ndarray, "a b"], once: bool) -> Float64[np.ndarray, "a b"]:
    """p-values corrected for the number of cells by Benjamini and Hochberg's false discovery rate.

    Args:
        p: NaN where there is no test.
        once: whether the matrix is symmetric, so that each pair counts once.
    """
    if not once:
        return adjusted(p)
    upper = np.where(np.triu(np.ones(p.shape, bool), 1), p, np.nan)
    found = adjusted(upper)
    return np.where(np.isnan(found), found.T, found)
