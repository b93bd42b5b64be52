"""The pairs of prepared representations, a block at a time."""

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from jaxtyping import Float64, UInt8

from vaescope.errors import RepresentationError
from vaescope.stats.certainty.asked import invariants_of
from vaescope.stats.certainty.moments import Invariants
from vaescope.stats.certainty.participation import participation_ratios
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.factor import Factor
from vaescope.stats.forms.features import Features
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.gram import LinearGram
from vaescope.stats.forms.thin import Thin
from vaescope.stats.forms.vector import Vector
from vaescope.stats.inner import inner_products
from vaescope.stats.measure import Measure, ProductMeasure, Reason
from vaescope.stats.superblock import balanced

if TYPE_CHECKING:
    from vaescope.stats.allpairs import AllPairs, Source
    from vaescope.stats.prepared import Prepared

PROBES = 32
LEAST_SIDE = 64  # representations of a block, at least
MACS_AT_ONCE = 1.5e12  # multiply-adds of pairs between two savings: a quarter of a minute on two cores
Block = dict[str, np.ndarray]


class Pairs:
    """All pairs of prepared representations.

    Args:
        of: what is asked.
        sources: of all representations: rows, then columns if they are others.
        sides: the form of each, the file it lies in, or the reason why there is none.
        form: of all.
        prepared: where forms lie, None if in memory.
        n: examples.
    """

    def __init__(
        self,
        of: "AllPairs",
        sources: "Sequence[Source]",
        sides: "list[Form | Reason | Path]",
        form: type[Form],
        prepared: "Prepared | None",
        n: int,
    ) -> None:
        self._of, self._sources, self._sides = of, sources, sides
        self._form, self._prepared, self._n = form, prepared, n

    def run(
        self, rows: int, same: bool
    ) -> tuple[Float64[np.ndarray, "a b"], UInt8[np.ndarray, "a b"], dict[str, Float64[np.ndarray, "a b"]]]:
        """Scores, reasons and what `Certainty` adds, of the first `rows` with all (`same`) or with the others."""
        first = 0 if same else rows
        columns = len(self._sides) - first
        half = same and self._of.measure.symmetric
        shape = (rows, columns)
        found: Block = {name: np.full(shape, np.nan) for name in ("scores", *self._of.certainty.names)}
        found["reasons"] = np.full(shape, Reason.NOT_COMPUTED, np.uint8)
        side = self._side(max(shape))
        parts = [
            (r, c) for r in balanced(rows, side) for c in balanced(columns, side) if not half or c.start >= r.start
        ]
        self._of.progress.stage("comparing", sum(len(r) * len(c) for r, c in parts))
        for r, c in parts:
            self._of.progress.check()
            block = self._kept(r, range(first + c.start, first + c.stop), same and r == c)
            for name, values in block.items():
                found[name][r.start : r.stop, c.start : c.stop] = values
                if half and r != c:
                    found[name][c.start : c.stop, r.start : r.stop] = values.T
            self._of.progress.advance(len(r) * len(c))
        return found.pop("scores"), found.pop("reasons"), found

    def participation_ratios(self) -> Float64[np.ndarray, " r"]:
        """Of each representation; NaN where the form does not tell."""
        found = np.full(len(self._sides), np.nan)
        if issubclass(self._form, Factor):
            probes = np.random.default_rng([PROBES]).standard_normal((self._n, PROBES))
            for k in range(len(self._sides)):
                form = self._opened(k)
                if isinstance(form, Factor):  # |K z|^2 of random z is |K|^2 in the mean, and its trace is 1
                    found[k] = PROBES / np.square(form.values @ (form.values.T @ probes)).sum()
        if issubclass(self._form, Features | LinearGram) and self._n >= 4:
            for k in range(len(self._sides)):
                form = self._opened(k)
                if not isinstance(form, Reason):
                    found[k] = participation_ratios([form])[0]  # type: ignore[list-item]
        return found

    def _side(self, count: int) -> int:
        """Representations of a block's side: as the budget allows, and some seconds of work where blocks are kept."""
        if issubclass(self._form, Vector | Thin) and not self._of.certainty.names:  # read in parts, when needed
            most = int((self._of.budget / 32) ** 0.5)
            if self._of.folder is not None:
                flops = self._of.measure.pair_flops(self._n, self._of.widest, self._of.widest)
                most = min(most, int((MACS_AT_ONCE / max(1.0, flops / 2)) ** 0.5))
        else:
            # both sides, and what is being computed from them
            most = max(1, self._of.budget // (4 * max(1, self._form.nbytes(self._n, self._of.widest))))
            return min(count, most, LEAST_SIDE if self._of.folder is not None else most)
        return max(LEAST_SIDE, min(count, most))

    def _opened(self, k: int) -> Form | Reason:
        made = self._sides[k]
        if isinstance(made, Path):
            assert self._prepared is not None  # noqa: S101
            return self._prepared.read(made, self._form, in_memory=not issubclass(self._form, Vector | Thin))
        return made

    def _kept(self, rows: range, columns: range, same: bool) -> Block:
        """A block, from the folder if it is there."""
        if self._of.folder is None:
            return self._block(rows, columns, same)
        measure = self._of.measure
        names = [measure.name, repr(sorted(vars(measure).items())), repr(self._of.certainty)]
        names += [Path(str(self._sides[k])).name for side in (rows, columns) for k in side]
        names += [str(len(rows)), str(same)]
        path = self._of.folder / "blocks" / sha256("\n".join(names).encode()).hexdigest()[:32]
        found = _read(path)
        if found is None:
            found = self._block(rows, columns, same)
            _write(path, found)
        return found

    def _block(self, rows: range, columns: range, same: bool) -> Block:
        left = [self._opened(k) for k in rows]
        right = left if same else [self._opened(k) for k in columns]
        why = [np.array([self._reason(form) for form in side], np.uint8) for side in (left, right)]
        ok = [codes == Reason.OK for codes in why]
        reasons = np.where(~ok[0][:, None], why[0][:, None], why[1]).astype(np.uint8)
        found: Block = {name: np.full(reasons.shape, np.nan) for name in ("scores", *self._of.certainty.names)}
        if ok[0].any() and ok[1].any():
            xs: list[Any] = [form for form, good in zip(left, ok[0], strict=True) if good]
            ys: list[Any] = xs if same else [form for form, good in zip(right, ok[1], strict=True) if good]
            scores = self._scores(xs, ys, same)
            found["scores"][np.ix_(*ok)] = scores
            reasons[np.ix_(*ok)] = why_none(self._of.measure, scores, xs, ys)
            if self._of.certainty.names:
                kept = [
                    [k for k, good in zip(side, mask, strict=True) if good]
                    for side, mask in zip((rows, columns), ok, strict=True)
                ]
                for name, values in self._certainty(scores, xs, None if same else ys, kept).items():
                    found[name][np.ix_(*ok)] = values
        found["reasons"] = reasons
        return found

    def _certainty(
        self, scores: np.ndarray, xs: list[Any], ys: list[Any] | None, places: list[list[int]]
    ) -> dict[str, np.ndarray]:
        of = self._of
        known = None
        if of.certainty.by_moments(of.measure, self._form):
            known = (self._invariants(places[0]), self._invariants(places[1]))
        again = [[self._again(k) for k in side] for side in places]
        return of.certainty.of(
            of.measure,
            scores,
            xs,
            ys,
            n=self._n,
            again=(again[0], again[1]),
            known=known,
            engine=of.workers,
            progress=of.progress,
        )

    def _again(self, k: int):
        """What prepares some examples of a representation anew."""
        return lambda rows: self._of.measure.prepare(
            Examples(np.ascontiguousarray(self._sources[k].load()[rows])), self._form
        )

    def _invariants(self, places: list[int]) -> Invariants:
        known, where = self._all_invariants
        kept = [where[k] for k in places]
        fields = [name for name in Invariants.__dataclass_fields__ if name != "n"]
        return Invariants(known.n, *(getattr(known, name)[kept] for name in fields))

    @cached_property
    def _all_invariants(self) -> tuple[Invariants, dict[int, int]]:
        good = [k for k in range(len(self._sides)) if self._reason(self._opened(k)) == Reason.OK]
        found = invariants_of([self._opened(k) for k in good], self._of.workers, self._of.progress)
        return found, {k: place for place, k in enumerate(good)}

    def _scores(self, xs: list[Any], ys: list[Any], same: bool) -> np.ndarray:
        of = self._of
        if issubclass(self._form, Vector) and isinstance(of.measure, ProductMeasure):
            vectors = [x.values for x in xs]
            others = vectors if same else [y.values for y in ys]
            buffer = max(64 << 20, of.budget // 4)
            return of.measure.scores(inner_products(vectors, others, of.workers, of.progress, buffer), xs, ys)
        wanted = np.ones((len(xs), len(ys)), bool)
        mirrored = same and of.measure.symmetric
        found = of.measure.block(xs, ys, np.triu(wanted) if mirrored else wanted, of.workers, of.progress)
        return np.where(np.triu(wanted), found, found.T) if mirrored else found

    def _reason(self, made: Form | Reason) -> Reason:
        if isinstance(made, Reason):
            return made
        try:
            self._of.measure.accept(made)
        except RepresentationError as error:
            return Reason[error.reason.upper()]
        return Reason.OK


def why_none(measure: Measure[Any], scores: np.ndarray, xs: Sequence[Any], ys: Sequence[Any]) -> np.ndarray:
    """For each score of accepted representations, `Reason.OK` or why it is NaN."""
    found = np.full(scores.shape, Reason.OK, np.uint8)
    for i, j in np.argwhere(np.isnan(scores)):
        found[i, j] = Reason[measure.no_score(xs[i], ys[j]).reason.upper()]
    return found


def _write(path: Path, block: Block) -> None:
    from vaescope.runs.store import put

    data = safetensors.numpy.save({name: np.ascontiguousarray(values) for name, values in block.items()})
    put(path, data + sha256(data).digest())


def _read(path: Path) -> Block | None:
    """What `_write` wrote, None if it is not there or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if sha256(data[:-32]).digest() != data[-32:]:
        return None
    return safetensors.numpy.load(data[:-32])
