"""Intervals over examples for a whole matrix of scores, from forms that are prepared already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.stats.certainty.block_jackknife import left_out_cka
from vaescope.stats.certainty.intervals import Interval, Method, blocks, complements, jackknife, subsamples, subsampling
from vaescope.stats.certainty.reorder import Again, kept
from vaescope.stats.forms.form import Engine, Form
from vaescope.stats.forms.gram import Gram
from vaescope.stats.measure import Measure

CKA = {"cka": False, "cka_rbf": False, "cka_laplace": False, "cka_biased": True, "rv": True}  # whether biased


def examples_interval(
    measure: Measure[Any],
    scores: Float64[np.ndarray, "r s"],
    xs: Sequence[Form],
    ys: Sequence[Form] | None = None,
    *,
    n: int,
    method: Method = "jackknife",
    count: int | None = None,
    size: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    again_x: Sequence[Again] | None = None,
    again_y: Sequence[Again] | None = None,
    engine: Engine = map,
    progress: Progress | None = None,
) -> Interval:
    """An interval for every score of a matrix, over the choice of examples.

    The jackknife of CKA from Gram forms costs 3 to 6 times the pairs of the matrix, a third of the preparing; that of
    other measures `count` times the pairs, as subsampling does for all.

    Args:
        measure: compares the forms.
        scores: what it gave, (r, s).
        xs: the forms of the rows.
        ys: of the columns; those of the rows if None.
        n: examples.
        method: "jackknife" or "subsample".
        count: blocks (default 20, or as many as leave each at least one example) or subsamples (default 100).
        size: examples of a subsample, n // 2 if None.
        seed: of the partition or of the subsamples.
        level: intended coverage.
        again_x: for each row a function that prepares some of its examples anew; needed where forms cannot be cut.
        again_y: for each column.
        engine: maps pairs.
        progress: checked between blocks.

    Raises:
        UsageError: an unknown method; too few examples; forms that cannot be cut and no `again_x`, `again_y`.
    """
    if method == "jackknife":
        parts = blocks(n, count or min(20, n), seed)
        rows = complements(n, parts)
    elif method == "subsample":
        parts = []
        size = size or n // 2
        rows = subsamples(n, size, count or 100, seed)
    else:
        raise UsageError(f"expected jackknife or subsample as method, got {method!r}.")
    measure.enough(min(len(some) for some in rows))
    columns = xs if ys is None else ys
    if method == "jackknife" and measure.name in CKA and all(isinstance(form, Gram) for form in (*xs, *columns)):
        rows_of: Any = xs
        columns_of: Any = ys
        found = left_out_cka(rows_of, columns_of, parts, CKA[measure.name], progress)
    else:
        wanted = np.triu(np.ones(scores.shape, bool)) if ys is None and measure.symmetric else None
        found = np.empty((len(rows), *scores.shape))
        for k, some in enumerate(rows):
            left = [_one(x, some, again_x, i) for i, x in enumerate(xs)]
            right = left if ys is None else [_one(y, some, again_y, j) for j, y in enumerate(ys)]
            found[k] = measure.block(left, right, wanted, engine, progress)
            if wanted is not None:
                found[k] = np.where(wanted, found[k], found[k].T)
    if method == "jackknife":
        return jackknife(scores, found, level).clipped(measure.bounds)
    return subsampling(scores, found, n, len(rows[0]), level).clipped(measure.bounds)


def _one(form: Form, rows: np.ndarray, again: Sequence[Again] | None, place: int) -> Form:
    return kept(form, [rows], None if again is None else again[place])[0]
