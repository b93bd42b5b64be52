"""All pairs of many representations: each prepared once, on disk if they do not fit, blocks kept as they are done."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.stats.certainty.asked import Certainty
from vaescope.stats.forms.examples import MOST_EXAMPLES, Examples, Precision
from vaescope.stats.forms.form import Form
from vaescope.stats.measure import Measure, Reason
from vaescope.stats.pairs import Pairs
from vaescope.stats.prepared import Prepared, Workers

CHECKED = 36_000_000  # bytes up to which equal ones are looked for: wider ones are hardly ever given twice


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
        extras: what `Certainty` gives, by name.
        ratios: participation ratio of each x and each y, NaN where it is not known.
    """

    matrix: Float64[np.ndarray, "a b"]
    reasons: UInt8[np.ndarray, "a b"]
    n: int
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    seconds: dict[str, float]
    extras: dict[str, Float64[np.ndarray, "a b"]]
    ratios: tuple[Float64[np.ndarray, " a"], Float64[np.ndarray, " b"]]


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
        certainty: intervals and nulls to add.
    """

    measure: Measure[Any]
    xs: Sequence[Source]
    ys: Sequence[Source] | None
    precision: Precision
    budget: int
    workers: Workers
    folder: Path | None
    progress: Progress
    certainty: Certainty = field(default_factory=Certainty)
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
        if len(known) < len(sources) and n > MOST_EXAMPLES:  # which form will do depends on all widths
            known = [s.shape or self._loaded(sources, k).shape for k, s in enumerate(sources)]
        widths = [p for _, p in known] if len(known) == len(sources) else [n]
        plain = self.certainty == Certainty()
        form = self.measure.form_for(n, widths) if plain or n > MOST_EXAMPLES else self.measure.form
        size = sum(form.nbytes(n, s.shape[1] if s.shape else n) for s in sources)
        with self._store(form, size) as prepared:
            sides, twins = self._prepare(prepared, form, sources, n)
            ready = time.perf_counter()
            a = len(self.xs)
            rows, columns = (sorted(set(part)) for part in (twins[:a], twins[a:]))
            kept = [*rows, *columns]
            pairs = Pairs(self, [sources[k] for k in kept], [sides[k] for k in kept], form, prepared, n)
            matrix, reasons, extras = pairs.run(len(rows), self.ys is None)
            ratios = pairs.participation_ratios()
        left = [rows.index(k) for k in twins[:a]]
        right = left if self.ys is None else [columns.index(k) for k in twins[a:]]
        every = np.ix_(left, right)
        widths = [self._shapes[k][1] for k in range(len(sources))]
        seconds = {"preparing": ready - begun, "pairs": time.perf_counter() - ready}
        return Found(
            matrix[every],
            reasons[every],
            n,
            (tuple(widths[:a]), tuple(widths if self.ys is None else widths[a:])),
            seconds,
            {name: values[every] for name, values in extras.items()},
            (ratios[left], ratios[right] if self.ys is None else ratios[len(rows) :][right]),
        )

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

    @property
    def _options(self) -> list[str]:
        """The measure and its options where it has some: they may change what is prepared."""
        options = vars(self.measure)
        return [self.measure.name, repr(sorted(options.items()))] if options else []

    @property
    def widest(self) -> int:
        """Features of the widest representation seen."""
        return max(p for _, p in self._shapes.values())

    def _loaded(self, sources: Sequence[Source], k: int) -> np.ndarray:
        x = sources[k].load()
        self._shapes[k] = (x.shape[0], x.shape[1])
        return x

    def _prepare(
        self, prepared: Prepared | None, form: type[Form], sources: Sequence[Source], n: int
    ) -> "tuple[list[Form | Reason | Path], list[int]]":
        """The form of each source, its file, or the reason why there is none; and which source it is equal to."""
        self.progress.stage("preparing", len(sources))
        paths: list[Path] = []
        if prepared is not None:
            place, options = partial(prepared.file, form, n), self._options
            paths = list(self.workers(lambda s: place([s.content(), self.precision, *options]), sources))
        number: dict[str, int] = {}
        for k, path in enumerate(paths):
            number.setdefault(path.name, k)
        seen: dict[bytes, int] = {}
        lock = Lock()
        merged = self.certainty.null is None  # a null tests equal ones too

        def work(k: int) -> "tuple[Form | Reason | Path, int]":
            self.progress.check()
            path = paths[k] if paths else None
            if merged and path is not None and number[path.name] != k:  # the same content again
                return Reason.NOT_COMPUTED, number[path.name]
            if path is not None and prepared is not None and prepared.has(path):
                twin = prepared.twin(path)
                if not twin or twin in number:
                    self._shapes[k] = prepared.shape(path)
                    other = number[twin] if twin else k
                    return (path, other) if merged or not twin else (paths[other], k)
            x = self._loaded(sources, k)
            if len(x) != n:
                raise RepresentationError(
                    f"{self.measure.name}: all representations must hold the same examples, one a row in the same "
                    f"order; got {n:,} rows of {sources[0].label!r} and {len(x):,} of {sources[k].label!r}. Extract "
                    "all with the same probe set.",
                    "shape_mismatch",
                )
            if merged and x.nbytes <= CHECKED:
                key = fingerprint(x)
                with lock:
                    twin = seen.setdefault(key, k)
                if twin != k:
                    if path is not None and prepared is not None:
                        prepared.write(path, Reason.NOT_COMPUTED, x.shape, paths[twin].name)
                    return Reason.NOT_COMPUTED, twin
            try:
                examples = Examples(x, self.precision)
                made: Form | Reason = self.measure.prepare(examples, form) if self._options else form.of(examples)
            except RepresentationError as error:
                made = Reason[error.reason.upper()]
            if path is None or prepared is None:
                return made, k
            prepared.write(path, made, x.shape)
            return path, k

        found = []
        for made in self.workers(work, range(len(sources))):
            found.append(made)
            self.progress.advance()
        twins = [twin for _, twin in found]
        for k, twin in enumerate(twins):
            twins[k] = twins[twin]  # a twin's twin, if the folder knows it
            self._shapes.setdefault(k, self._shapes[twins[k]])
        return [made for made, _ in found], twins


def fingerprint(x: np.ndarray) -> bytes:
    """Equal for equal arrays only."""
    digest = sha256(f"{x.dtype} {x.shape}".encode())
    digest.update(np.ascontiguousarray(x).data)
    return digest.digest()
