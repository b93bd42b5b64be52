"""Some blocks of a comparison at a time: what is read for one serves all, and each is stored by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import CorruptArtifact, RepresentationError
from vaescope.stats.forms.examples import Precision
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.thin import Thin
from vaescope.stats.forms.vector import Vector
from vaescope.stats.inner import inner_products
from vaescope.stats.measure import Measure, ProductMeasure, Reason

if TYPE_CHECKING:
    from vaescope.stats.compare import Comparison
    from vaescope.stats.scores import Block

LEAST_BUFFER = 64 << 20
Pending = dict[tuple[int, int], list[Measure[Any]]]


@dataclass(frozen=True)
class Group:
    """Measures that share prepared forms: one form, one n, one precision."""

    form: type[Form]
    n: int
    precision: Precision
    measures: tuple[Measure[Any], ...]


@dataclass(frozen=True)
class Superblock:
    """Blocks of some runs with some others, to be computed together.

    Attributes:
        of: the comparison they belong to.
        group: the measures.
        blocks: (i, j), i <= j -> the measures that lack it.
    """

    of: "Comparison"
    group: Group
    blocks: Pending

    def fill(self) -> None:
        """Compute and store all blocks."""
        from vaescope.stats.scores import unanswered

        runs = {k for pair in self.blocks for k in pair}
        sides = {k: self._side(k) for k in sorted(runs)}
        products = self._products(sides)
        for (i, j), measures in self.blocks.items():
            self.of.progress.check()
            chosen = self.of.folder.study.measures
            blocks = {m: unanswered(self.of.grid, chosen[m.name].pairs, i, j, Reason.MISSING) for m in measures}
            self._block(i, j, sides, blocks, products)
            for m, block in blocks.items():
                self.of.scores.put(m.name, i, j, block, self.of.origin.digest(m.name, i, j))
            self.of.progress.advance()

    def _side(self, i: int) -> list[Form | Reason]:
        """The form of every representation of a run, or why there is none; on disk those that are read in slabs."""
        in_memory = not issubclass(self.group.form, Vector | Thin)
        found: list[Form | Reason] = []
        for step, layer in self.of.grid.columns[i].slots:
            if step not in self.of.origin.snapshots[i]:
                found.append(Reason.MISSING)
                continue
            path = self.of.file(self.group, i, step, layer)
            if not self.of.prepared.has(path):  # as may be where others prepared it
                raise CorruptArtifact(f"{path} is damaged or gone. Give the same command again: it is made anew.")
            found.append(self.of.prepared.read(path, self.group.form, in_memory))
        return found

    def _products(self, sides: dict[int, list[Form | Reason]]) -> "Products | None":
        """All inner products at once, for forms that have them."""
        if not issubclass(self.group.form, Vector):
            return None
        rows, columns = (sorted({pair[end] for pair in self.blocks}) for end in (0, 1))
        same = bool(set(rows) & set(columns))
        if same:
            rows = columns = sorted({*rows, *columns})
        left, place_left = _joined(sides, rows)
        right, place_right = (left, place_left) if same else _joined(sides, columns)
        if not left or not right:
            return None
        vectors = [x.values for x in left]
        others = vectors if same else [y.values for y in right]
        buffer = max(LEAST_BUFFER, self.of.budget // 4)
        found = inner_products(vectors, others, self.of.workers, self.of.progress, buffer)
        return Products(found, place_left, place_right)

    def _block(
        self,
        i: int,
        j: int,
        sides: dict[int, list[Form | Reason]],
        blocks: "dict[Measure[Any], Block]",
        products: "Products | None",
    ) -> None:
        """Compute the scores of one block's pairs that are wanted and have forms."""
        rows, columns = sides[i], sides[j]
        for m, block in blocks.items():
            a, b = self._reasons(m, rows), self._reasons(m, columns)
            why = np.where(a[:, None] != Reason.OK, a[:, None], b)
            block.reason[:] = np.where(block.reason == Reason.NOT_COMPUTED, Reason.NOT_COMPUTED, why)
        kept = [[k for k, form in enumerate(side) if isinstance(form, Form)] for side in (rows, columns)]
        if not kept[0] or not kept[1]:
            return
        xs: list[Any] = [rows[k] for k in kept[0]]
        ys: list[Any] = xs if i == j else [columns[k] for k in kept[1]]
        places = np.ix_(*kept)
        shared: np.ndarray | None = products.of(i, j) if products is not None else None
        for m, block in blocks.items():
            ok = block.reason[places] == Reason.OK
            if isinstance(m, ProductMeasure) and shared is None:
                wanted = np.logical_or.reduce([b.reason[places] == Reason.OK for b in blocks.values()])
                form: Any = self.group.form
                half = _upper(wanted) if i == j else wanted
                shared = form.products(xs, ys, half, self.of.workers, self.of.progress)
            half = _upper(ok) if i == j and m.symmetric else ok
            forward: np.ndarray | None = None
            if isinstance(m, ProductMeasure) and shared is not None:
                found = m.scores(shared, xs, ys)
            else:
                found = forward = m.block(xs, ys, half, self.of.workers, self.of.progress)
                if not m.symmetric:  # a study keeps one score a pair: the mean of both directions
                    back = forward if i == j else m.block(ys, xs, ok.T, self.of.workers, self.of.progress)
                    found = (forward + back.T) / 2
            if i == j and m.symmetric:
                found = np.where(np.triu(np.ones(found.shape, bool)), found, found.T)
            block.score[places] = np.where(ok, found, np.nan)
            for row, column in np.argwhere(ok & np.isnan(found)):
                pair = xs[row], ys[column]
                if forward is not None and not np.isnan(forward[row, column]):
                    pair = pair[::-1]  # it is the other direction that has none
                why = m.no_score(*pair).reason
                block.reason[kept[0][row], kept[1][column]] = Reason[why.upper()]

    def _reasons(self, measure: Measure[Any], side: Sequence[Form | Reason]) -> np.ndarray:
        found = np.array([form if isinstance(form, Reason) else Reason.OK for form in side], np.uint8)
        for place, form in enumerate(side):
            if not isinstance(form, Reason):
                try:
                    measure.enough(self.group.n)
                    measure.accept(form)
                except RepresentationError as error:
                    found[place] = Reason[error.reason.upper()]
        return found


@dataclass(frozen=True)
class Products:
    """Products of the forms of several runs, and where each run's lie."""

    values: np.ndarray
    rows: dict[int, slice]
    columns: dict[int, slice]

    def of(self, i: int, j: int) -> np.ndarray:
        """Those of the forms of run i with the forms of run j."""
        return self.values[self.rows[i], self.columns[j]]


def balanced(count: int, most: int) -> list[range]:
    """0 to count - 1 in as few ranges of at most `most` as there can be, nearly equal."""
    parts = max(1, -(-count // most))
    edges = [count * k // parts for k in range(parts + 1)]
    return [range(a, b) for a, b in pairwise(edges)]


def _joined(sides: dict[int, list[Form | Reason]], runs: Sequence[int]) -> tuple[list[Any], dict[int, slice]]:
    """The forms of some runs one after another, and where each run's are."""
    found: list[Form] = []
    place: dict[int, slice] = {}
    for k in runs:
        there = [form for form in sides[k] if isinstance(form, Form)]
        place[k] = slice(len(found), len(found) + len(there))
        found += there
    return found, place


def _upper(mask: np.ndarray) -> np.ndarray:
    return np.triu(mask)
