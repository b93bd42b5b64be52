"""All pairs of many representations: each prepared once, on disk if they do not fit, blocks kept as they are done."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from jaxtyping import Float64, UInt8

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.stats.examples import Examples, Precision
from vaescope.stats.form import Form
from vaescope.stats.inner import inner_products
from vaescope.stats.measure import Measure, ProductMeasure, Reason
from vaescope.stats.prepared import Prepared, Workers
from vaescope.stats.superblock import balanced
from vaescope.stats.vector import Vector

LEAST_SIDE = 64  # representations of a block, at least
MACS_AT_ONCE = 1.5e12  # multiply-adds of pairs between two savings: a quarter of a minute on two cores


@dataclass(frozen=True)
class Source:
    """Where one representation comes from.

    Attributes:
        label: for people.
        load: gives it, (n, p) float32 or float64.
        shape: (n, p) where that is known without loading.
        content: a digest of its values where it is in memory, else whatever stands for them.
    """

    label: str
    load: Callable[[], np.ndarray]
    shape: tuple[int, int] | None
    content: Callable[[], str]


@dataclass
class Found:
    """What `AllPairs.run` gives.

    Attributes:
        matrix: scores, (a, b), NaN where there is none.
        reasons: why each is there or not, as `Reason`.
        n: the number of examples.
        widths: features of each x and of each y.
        seconds: "preparing" and "pairs".
    """

    matrix: Float64[np.ndarray, "a b"]
    reasons: UInt8[np.ndarray, "a b"]
    n: int
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    seconds: dict[str, float]


@dataclass
class AllPairs:
    """All pairs of one measure.

    Args:
        measure: of similarity.
        xs: the rows.
        ys: the columns; None for those of `xs`, each unordered pair then once if the measure is symmetric.
        precision: see `Examples`.
        budget: bytes to hold at once.
        workers: the engine.
        folder: where prepared representations and finished blocks are kept for another call; None for a temporary one.
        progress: told of each representation and block.
    """

    measure: Measure[Any]
    xs: Sequence[Source]
    ys: Sequence[Source] | None
    precision: Precision
    budget: int
    workers: Workers
    folder: Path | None
    progress: Progress
    _shapes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def run(self) -> Found:
        """Prepare what is not prepared, compute what is not computed.

        Raises:
            RepresentationError: "shape_mismatch" where representations do not hold the same examples.
            ResourceError: the disk is full.
            Interrupted: a stop was asked for; with a `folder` the same call continues.
        """
        begun = time.perf_counter()
        sources = [*self.xs, *(self.ys or ())]
        known = [s.shape for s in sources if s.shape is not None]
        first = known[0] if known else self._loaded(sources, 0).shape
        n = first[0]
        self.measure.enough(n)
        form = self.measure.form_for(n, [p for _, p in known] if len(known) == len(sources) else [n])
        size = sum(form.nbytes(n, s.shape[1] if s.shape else n) for s in sources)
        with self._store(form, size) as prepared:
            sides = self._prepare(prepared, form, sources, n)
            ready = time.perf_counter()
            a = len(self.xs)
            matrix, reasons = self._pairs(sides[:a], sides[a:] if self.ys is not None else None, form, prepared)
        widths = tuple(self._shapes[k][1] for k in range(len(sources)))
        seconds = {"preparing": ready - begun, "pairs": time.perf_counter() - ready}
        return Found(matrix, reasons, n, (widths[:a], widths[a:] if self.ys is not None else widths), seconds)

    @contextmanager
    def _store(self, form: type[Form], size: int) -> Iterator[Prepared | None]:
        """Where forms are kept: nowhere but in memory if they fit and nobody wants them later."""
        if self.folder is not None:
            yield Prepared(self.folder / "prepared")
        elif size <= self.budget // 2:
            yield None
        else:
            with tempfile.TemporaryDirectory(prefix="vaescope-") as path:
                yield Prepared(Path(path))

    def _loaded(self, sources: Sequence[Source], k: int) -> np.ndarray:
        x = sources[k].load()
        self._shapes[k] = (x.shape[0], x.shape[1])
        return x

    def _prepare(
        self, prepared: Prepared | None, form: type[Form], sources: Sequence[Source], n: int
    ) -> "list[Form | Reason | Path]":
        """The form of each source, the file it lies in, or the reason why there is none."""
        self.progress.stage("preparing", len(sources))

        def work(k: int) -> "Form | Reason | Path":
            self.progress.check()
            path = None
            if prepared is not None:
                path = prepared.file(form, n, [sources[k].content(), self.precision])
                shape = sources[k].shape
                if shape is not None and prepared.has(path):
                    self._shapes[k] = shape
                    return path
            x = self._loaded(sources, k)
            if len(x) != n:
                raise RepresentationError(
                    f"{self.measure.name}: all representations must hold the same examples, one a row in the same "
                    f"order; got {n:,} rows of {sources[0].label!r} and {len(x):,} of {sources[k].label!r}. Extract "
                    "all with the same probe set.",
                    "shape_mismatch",
                )
            if path is not None and prepared is not None and prepared.has(path):
                return path
            try:
                made: Form | Reason = form.of(Examples(x, self.precision))
            except RepresentationError as error:
                made = Reason[error.reason.upper()]
            if path is None or prepared is None:
                return made
            prepared.write(path, made)
            return path

        found = []
        for made in self.workers(work, range(len(sources))):
            found.append(made)
            self.progress.advance()
        return found

    def _pairs(
        self,
        xs: "list[Form | Reason | Path]",
        ys: "list[Form | Reason | Path] | None",
        form: type[Form],
        prepared: Prepared | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        half = ys is None and self.measure.symmetric
        columns = xs if ys is None else ys
        matrix = np.full((len(xs), len(columns)), np.nan)
        reasons = np.full(matrix.shape, Reason.NOT_COMPUTED, np.uint8)
        side = self._side(form, max(len(xs), len(columns)))
        rows = balanced(len(xs), side)
        parts = [(r, c) for r in rows for c in balanced(len(columns), side) if not half or c.start >= r.start]
        self.progress.stage("comparing", sum(len(r) * len(c) for r, c in parts))
        for r, c in parts:
            self.progress.check()
            same = ys is None and r == c
            left = xs[r.start : r.stop]
            scores, why = self._kept(prepared, left, left if same else columns[c.start : c.stop], form, same)
            matrix[r.start : r.stop, c.start : c.stop] = scores
            reasons[r.start : r.stop, c.start : c.stop] = why
            if half and not same:
                matrix[c.start : c.stop, r.start : r.stop] = scores.T
                reasons[c.start : c.stop, r.start : r.stop] = why.T
            self.progress.advance(len(r) * len(c))
        return matrix, reasons

    def _side(self, form: type[Form], count: int) -> int:
        """Representations of a block's side: as the budget allows, and some seconds of work where blocks are kept."""
        n, widest = (max(shape[axis] for shape in self._shapes.values()) for axis in (0, 1))
        if issubclass(form, Vector):
            most = int((self.budget / 32) ** 0.5)
            if self.folder is not None:
                most = min(most, int((MACS_AT_ONCE / (n * n / 2)) ** 0.5))
        else:
            most = self.budget // (4 * max(1, form.nbytes(n, widest)))
        return max(LEAST_SIDE, min(count, most))

    def _kept(
        self, prepared: Prepared | None, left: list[Any], right: list[Any], form: type[Form], same: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """A block, from the folder if it is there."""
        if self.folder is None or prepared is None:
            return self._block(prepared, left, right, form, same)
        names = [
            f"{type(self.measure).__name__} {self.measure!r}",
            *(p.name for p in left),
            "x",
            *(p.name for p in right),
        ]
        path = self.folder / "blocks" / sha256("\n".join(names).encode()).hexdigest()[:32]
        found = _read(path)
        if found is None:
            found = self._block(prepared, left, right, form, same)
            _write(path, *found)
        return found

    def _block(
        self, prepared: Prepared | None, left: list[Any], right: list[Any], form: type[Form], same: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        in_memory = not issubclass(form, Vector)

        def opened(side: list[Any]) -> list[Form | Reason]:
            return [
                prepared.read(f, form, in_memory) if prepared is not None and isinstance(f, Path) else f for f in side
            ]

        rows = opened(left)
        columns = rows if same else opened(right)
        why_rows, why_columns = (np.array([self._reason(f) for f in side], np.uint8) for side in (rows, columns))
        reasons = np.where(why_rows[:, None] != Reason.OK, why_rows[:, None], why_columns).astype(np.uint8)
        scores = np.full(reasons.shape, np.nan)
        xs: list[Any] = [f for f, why in zip(rows, why_rows, strict=True) if why == Reason.OK]
        ys: list[Any] = xs if same else [f for f, why in zip(columns, why_columns, strict=True) if why == Reason.OK]
        if xs and ys:
            places = np.ix_(why_rows == Reason.OK, why_columns == Reason.OK)
            scores[places] = self._scores(xs, ys, form, same)
        return scores, np.where((reasons == Reason.OK) & np.isnan(scores), Reason.ILL_CONDITIONED, reasons)

    def _scores(self, xs: list[Any], ys: list[Any], form: type[Form], same: bool) -> np.ndarray:
        if issubclass(form, Vector) and isinstance(self.measure, ProductMeasure):
            vectors = [x.values for x in xs]
            others = vectors if same else [y.values for y in ys]
            buffer = max(64 << 20, self.budget // 4)
            return self.measure.scores(inner_products(vectors, others, self.workers, self.progress, buffer), xs, ys)
        wanted = np.ones((len(xs), len(ys)), bool)
        mirrored = same and self.measure.symmetric
        found = self.measure.block(xs, ys, np.triu(wanted) if mirrored else wanted, self.workers, self.progress)
        return np.where(np.triu(wanted), found, found.T) if mirrored else found

    def _reason(self, made: Form | Reason) -> Reason:
        if isinstance(made, Reason):
            return made
        try:
            self.measure.accept(made)
        except RepresentationError as error:
            return Reason[error.reason.upper()]
        return Reason.OK


def _write(path: Path, scores: np.ndarray, reasons: np.ndarray) -> None:
    from vaescope.runs.store import put

    data = safetensors.numpy.save({"scores": np.ascontiguousarray(scores), "reasons": np.ascontiguousarray(reasons)})
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, data + sha256(data).digest())


def _read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """What `_write` wrote, None if it is not there or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if sha256(data[:-32]).digest() != data[-32:]:
        return None
    found = safetensors.numpy.load(data[:-32])
    return found["scores"], found["reasons"]
