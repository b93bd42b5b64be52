"""The similarity of every representation with every other, labelled: for people at a prompt and for other libraries."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, UInt8

from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.stats.certainty.intervals import Method
from vaescope.stats.forms.examples import Precision
from vaescope.stats.measure import Measure, Reason
from vaescope.stats.similarity import checked_precision, chosen, matrix

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from vaescope.stats.allpairs import Found, Source

MOST_CELLS = 40_000
ENOUGH = 10  # examples a dimension (participation ratio): measures.md and Murphy et al. (2024)

# Torch, pandas and altair are loaded where they are used: importing this package is cheap.


@dataclass(frozen=True)
class SimilarityMatrix:
    """Scores of all pairs, with their labels.

    Attributes:
        measure: of similarity.
        rows: labels of the first representation of each pair.
        columns: labels of the second.
        matrix: scores, (rows, columns), float64; NaN where there is none.
        reasons: why each score is there or not, as `vaescope.stats.measure.Reason`.
        n: the number of examples.
        widths: features of each row and of each column.
        warnings: what one should know before believing the scores.
        seconds: "preparing" and "pairs".
        extras: further matrices, by name: "low" and "high" of an interval; "null_mean", "null_sd", "calibrated",
            "p", "p_tail", "p_adjusted" of a null.
    """

    measure: Measure[Any]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: Float64[np.ndarray, "a b"]
    reasons: UInt8[np.ndarray, "a b"]
    n: int
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    extras: Mapping[str, Float64[np.ndarray, "a b"]] = field(default_factory=dict)

    def __repr__(self) -> str:
        there = f" and {', '.join(self.extras)}" if self.extras else ""
        return (
            f"SimilarityMatrix({self.measure.name}, {len(self.rows):,} x {len(self.columns):,}, n={self.n:,}{there}, "
            f"{len(self.warnings)} warning(s))"
        )

    def _repr_html_(self) -> str:
        from vaescope.views.notebook import matrix_html

        return matrix_html(self)

    def __getitem__(self, pair: tuple[str, str]) -> float:
        """The score of two labels."""
        found = []
        for label, known in zip(pair, (self.rows, self.columns), strict=True):
            if label not in known:
                from vaescope.registry import suggestion

                raise UsageError(f"no representation is called {label!r}.{suggestion(str(label), list(known))}")
            found.append(known.index(label))
        return float(self.matrix[found[0], found[1]])

    def to_pandas(self, tidy: bool = False) -> "pd.DataFrame":
        """The scores as a frame.

        Args:
            tidy: False gives the square of scores, labels along both sides. True gives a row a pair: x, y, score,
                reason, and a column for each of `extras`.
        """
        import pandas as pd

        if not tidy:
            return pd.DataFrame(self.matrix, index=list(self.rows), columns=list(self.columns))
        a, b = self.matrix.shape
        words = np.array([r.label for r in Reason])[_places(self.reasons.ravel())]
        columns = {"x": np.repeat(self.rows, b), "y": np.tile(self.columns, a), "score": self.matrix.ravel()}
        extras = {name: values.ravel() for name, values in self.extras.items()}
        return pd.DataFrame({**columns, **extras, "reason": words})

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """A heatmap of the scores: an Altair chart; `chart.save("figure.svg")` keeps it."""
        return self._heatmap()

    def _heatmap(
        self, sides: tuple[str, str] | None = None, marked: Sequence[tuple[str, str]] = ()
    ) -> "alt.LayerChart | alt.FacetChart":
        """See `views.square.square`."""
        from vaescope.views.square import square

        if self.matrix.size > MOST_CELLS:
            raise UsageError(
                f"plot: {self.matrix.size:,} cells are more than a chart can show ({MOST_CELLS:,}); select some with "
                "to_pandas(), or compare fewer representations."
            )
        low, high = self.measure.bounds
        if not np.isfinite(high):
            high = float(np.nanmax(self.matrix, initial=1.0))
        domain = (max(low, 0.0), high)
        title = f"{self.measure.name}, n = {self.n:,}"
        return square(self.to_pandas(tidy=True), self.rows, self.columns, title, domain, sides, marked)


def similarity_matrix(
    reps: Mapping[str, object] | Sequence[object],
    other: Mapping[str, object] | Sequence[object] | None = None,
    measure: str | Measure[Any] = "cka",
    *,
    interval: Method | None = None,
    level: float = 0.95,
    null: bool | int = False,
    seed: int = 0,
    precision: Precision = "exact",
    memory_budget: int | None = None,
    workers: int | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> SimilarityMatrix:
    """The similarity of every representation with every other.

    Each is prepared once; pairs are then matrix products, or small decompositions. What does not fit `memory_budget`
    lies on disk meanwhile. Scores are the same, bit for bit, whatever the budget, the workers and the interruptions.

    Args:
        reps: label -> representation, or a list of them: arrays or tensors (n, ...), examples first; or functions
            without arguments that load one, called when it is its turn and perhaps in another thread.
        other: compared with `reps`; None compares `reps` with one another.
        measure: a name that `vaescope list measures` shows, or a `Measure`.
        interval: adds "low" and "high" of every score, over the choice of examples: "jackknife" (delete a block of 20;
            for CKA without preparing again) or "subsample" (half of the examples, 100 times).
        level: intended coverage of the interval.
        null: True adds what chance alone would give, by permuting the examples of one side: "null_mean", "null_sd",
            "calibrated" ((score - null_mean) / (best - null_mean)), "p", "p_tail" and "p_adjusted" (for the number of
            cells, Benjamini-Hochberg; `vaescope.adjusted` has other corrections). From exact moments for CKA, else
            from 19 permutations; a number asks for so many permutations, whatever the measure.
        seed: of blocks, subsamples and permutations.
        precision: "fast" multiplies in bfloat16 where linear CKA is computed from Gram matrices.
        memory_budget: bytes to hold at once, beside the result; a quarter of the machine's memory if None.
        workers: threads; one a core if None.
        folder: keeps what is done, so that the same call continues after an interruption. A loading function is known
            by its label there: take another folder when what it loads changes.
        progress: told how far it is.

    Raises:
        RepresentationError: "shape_mismatch" where examples differ in number; "unsupported_type". A representation
            that has no score (constant, not finite, ...) does not raise: its scores are NaN, `reasons` and `warnings`
            say why.
        UsageError: there is nothing to compare, or no such measure.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((100, 20))
    >>> found = similarity_matrix({"x": x, "turned": 2 * x[:, ::-1], "noise": rng.standard_normal((100, 9))})
    >>> found.to_pandas().round(2).abs()
              x  turned  noise
    x      1.00    1.00   0.01
    turned 1.00    1.00   0.01
    noise  0.01    0.01   1.00
    """
    from vaescope.runs.machine import memory_budget as quarter
    from vaescope.runs.machine import threads_kept
    from vaescope.stats.allpairs import AllPairs
    from vaescope.stats.certainty.asked import Certainty, corrected
    from vaescope.stats.prepared import Workers

    measured = chosen(measure)
    _must_make_sense(level=level, null=null, seed=seed, memory_budget=memory_budget, workers=workers)
    draws = None if not null else 0 if null is True or isinstance(null, np.bool_) else int(null)
    certainty = Certainty(interval=interval, level=level, null=draws, seed=seed)
    xs, ys = _sources(reps, folder is not None), None if other is None else _sources(other, folder is not None)
    with _one_thread(precision, threads_kept), Workers(workers) as engine:
        work = AllPairs(
            measured,
            xs,
            ys,
            checked_precision(precision),
            memory_budget or quarter(),
            engine,
            None if folder is None else Path(folder),
            progress or Progress(),
            certainty,
        )
        found = work.run()
    if draws is not None:
        found.extras["p_adjusted"] = corrected(found.extras["p"], ys is None and measured.symmetric)
    rows, columns = (tuple(s.label for s in side) for side in (xs, xs if ys is None else ys))
    return SimilarityMatrix(
        measured,
        rows,
        columns,
        found.matrix,
        found.reasons,
        found.n,
        found.widths,
        _warnings(measured, rows, columns, found),
        found.seconds,
        found.extras,
    )


def _must_make_sense(**options: object) -> None:
    """Raise `UsageError` for numbers that are none, or not of the kind that is needed."""
    level, null, seed = options["level"], options["null"], options["seed"]
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise UsageError(f"level: expected a share between 0 and 1, e.g. 0.95, got {level!r}.")
    if not isinstance(null, int | np.bool_) or null < 0:
        raise UsageError(f"null: expected True, False or a number of permutations, got {null!r}.")
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed: expected a whole number of at least 0, got {seed!r}.")
    for name, unit in (("memory_budget", "bytes, e.g. 6_000_000_000"), ("workers", "threads")):
        value = options[name]
        if value is not None and (not isinstance(value, int) or value < 1):
            raise UsageError(f"{name}: expected a number of {unit}, at least 1, or None, got {value!r}.")


def _one_thread(precision: str, kept: Callable[[], AbstractContextManager[None]]) -> AbstractContextManager[Any]:
    return kept() if precision == "fast" else nullcontext()


def _sources(reps: Mapping[str, object] | Sequence[object], keyed: bool) -> "list[Source]":
    """Labelled sources; their content is looked at only where a folder is to recognise it."""
    from vaescope.stats.allpairs import Source

    if hasattr(reps, "shape") and hasattr(reps, "dtype"):
        raise UsageError(
            "similarity_matrix: expected a dict or a list of representations, got one array or tensor. Wrap it: "
            "{'x': x, 'y': y} or [x, y]."
        )
    named = dict(reps) if isinstance(reps, Mapping) else {str(k): x for k, x in enumerate(reps)}
    if not named:
        raise UsageError("similarity_matrix: expected at least one representation, got none.")
    if len({str(label) for label in named}) < len(named):
        raise UsageError(f"similarity_matrix: labels must differ as texts, got {list(named)}.")

    def source(label: str, x: object) -> "Source":
        shape = getattr(x, "shape", None)
        if callable(x) and shape is None:
            return Source(label, lambda: matrix(x(), label, finite=False), None, lambda: f"label {label}")
        flat = (int(shape[0]), int(np.prod(shape[1:], dtype=np.int64))) if shape else None

        def load() -> np.ndarray:
            return matrix(x, label, finite=False)

        return Source(label, load, flat, lambda: _digest(load()) if keyed else label)

    return [source(str(label), x) for label, x in named.items()]


def _digest(x: np.ndarray) -> str:
    return sha256(np.ascontiguousarray(x).data).hexdigest() + f" {x.dtype} {x.shape}"


def _places(codes: np.ndarray) -> np.ndarray:
    table = np.zeros(256, np.int64)
    for place, reason in enumerate(Reason):
        table[reason] = place
    return table[codes]


def _warnings(measure: Measure[Any], rows: Sequence[str], columns: Sequence[str], found: "Found") -> tuple[str, ...]:
    """What one should know before believing the scores."""
    unscored: dict[str, dict[str, None]] = {}
    for axis, labels in ((1, rows), (0, columns)):
        for k in np.flatnonzero((found.reasons != Reason.OK).all(axis=axis)):
            why = found.reasons[k, :] if axis else found.reasons[:, k]
            code = Reason(int(np.bincount(why).argmax()))
            unscored.setdefault(code.label, {})[labels[int(k)]] = None
    lines = {f"{_first(labels)}: no score ({code}).": None for code, labels in unscored.items()}
    flagged: dict[str, None] = {}
    for labels, ratios, widths in zip((rows, columns), found.ratios, found.widths, strict=True):
        for label, ratio, width in zip(labels, ratios, widths, strict=True):
            if ratio * ENOUGH > found.n or (np.isnan(ratio) and width > found.n):
                flagged[label] = None
    if flagged and not measure.debiased:
        lines[
            f"n = {found.n:,} examples are few for the dimensions of {_first(flagged)}: {measure.name} is then biased "
            "by chance alone. Use more examples, the debiased cka, or null=True and its calibrated scores."
        ] = None
    return tuple(lines)


def _first(labels: Mapping[str, None]) -> str:
    """The first five labels, and how many more there are."""
    return ", ".join([*labels][:5]) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else "")
