"""Which representations a study has, where their scores lie, and which pairs are wanted. Pure counting."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from vaescope.stats.measure import Pairs


@dataclass(frozen=True)
class Column:
    """The representations of one run.

    Attributes:
        run: its id.
        examples: what names the probe set; only runs with the same one can be compared.
        steps: the planned snapshots.
        layers: (name, width) of each distinct layer in order.
    """

    run: str
    examples: str
    steps: tuple[int, ...]
    layers: tuple[tuple[str, int], ...]

    @cached_property
    def slots(self) -> tuple[tuple[int, str], ...]:
        """(step, layer) of each representation, in order: step, then layer."""
        return tuple((step, layer) for step in self.steps for layer, _ in self.layers)


@dataclass(frozen=True)
class Grid:
    """All representations of a study, run after run, each with `width` places, the last of them perhaps unused."""

    columns: tuple[Column, ...]

    @property
    def width(self) -> int:
        """Places of a run: its representations, or those of the run that has most."""
        return max((len(c.slots) for c in self.columns), default=0)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Features of every representation."""
        return tuple(width for c in self.columns for _ in c.steps for _, width in c.layers)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix of scores."""
        return (self.width * len(self.columns), self.width * len(self.columns))

    def blocks(self) -> list[tuple[int, int]]:
        """Pairs of runs, each once: i <= j."""
        return [(i, j) for i in range(len(self.columns)) for j in range(i, len(self.columns))]

    def comparable(self) -> list[tuple[int, int]]:
        """Those of `blocks` whose runs saw the same examples: what there can be scores of."""
        return [(i, j) for i, j in self.blocks() if self.same_examples(i, j)]

    def groups(self) -> list[list[int]]:
        """The runs that saw the same examples, together."""
        found: dict[str, list[int]] = {}
        for i, column in enumerate(self.columns):
            found.setdefault(column.examples, []).append(i)
        return list(found.values())

    def wanted(self, pairs: Pairs, i: int, j: int) -> Bool[np.ndarray, "a b"]:
        """Which pairs of run i (rows) with run j (columns) are wanted; within a run both triangles."""
        a, b = self.columns[i].slots, self.columns[j].slots
        if pairs == "all":
            return np.ones((len(a), len(b)), bool)
        same = np.equal.outer(np.array([layer for _, layer in a]), np.array([layer for _, layer in b]))
        if i != j:
            return same
        steps = np.array([step for step, _ in a])
        return same | np.equal.outer(steps, steps)

    def same_examples(self, i: int, j: int) -> bool:
        """Whether rows of the representations of runs i and j mean the same examples."""
        return self.columns[i].examples == self.columns[j].examples

    def described(self) -> dict[str, object]:
        """Everything that fixes the meaning of a place, as plain data."""
        return {
            "runs": [c.run for c in self.columns],
            "steps": [list(c.steps) for c in self.columns],
            "layers": [[name for name, _ in c.layers] for c in self.columns],
        }


def count_pairs(columns: Sequence[Column], pairs: Pairs) -> Counter[tuple[int, int]]:
    """How many unordered pairs are wanted, self pairs included, by the widths (p, q), p <= q, of the two.

    Runs of the same shape are counted together, so that the cost does not grow with the square of their number.
    """
    kinds = Counter((c.examples, c.steps, c.layers) for c in columns)
    found: Counter[tuple[int, int]] = Counter()
    for number, ((examples, steps, layers), runs) in enumerate(kinds.items()):
        _count_within(found, len(steps), layers, runs, pairs)
        for other, ((examples_b, steps_b, layers_b), runs_b) in enumerate(kinds.items()):
            if examples == examples_b and other >= number:
                times = runs * (runs - 1) // 2 if other == number else runs * runs_b
                _count_between(found, layers, layers_b, times * len(steps) * len(steps_b), pairs)
    return +found


def _count_within(
    found: Counter[tuple[int, int]], steps: int, layers: Sequence[tuple[str, int]], runs: int, pairs: Pairs
) -> None:
    for a, (_, p) in enumerate(layers):
        for b, (_, q) in enumerate(layers[a:], a):
            one_step, more_steps = steps, steps * (steps - 1) // 2
            if pairs == "all":
                times = one_step + more_steps * (1 if a == b else 2)
            else:
                times = one_step + (more_steps if a == b else 0)
            found[min(p, q), max(p, q)] += runs * times


def _count_between(
    found: Counter[tuple[int, int]],
    layers: Sequence[tuple[str, int]],
    others: Sequence[tuple[str, int]],
    times: int,
    pairs: Pairs,
) -> None:
    for a, p in layers:
        for b, q in others:
            if pairs == "all" or a == b:
                found[min(p, q), max(p, q)] += times
