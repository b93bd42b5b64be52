"""Layer by layer: heatmaps of every setting, and of single runs as far as the page has room. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isqrt
from typing import Any, Protocol

import numpy as np

from vaescope.views.axes import Axes
from vaescope.views.packed import Arrays, Kind
from vaescope.views.seeds import spread_of
from vaescope.views.tiles import spread

MOST_ROOM = 3_600_000
SHARES = {"settings": 0.45, "alone": 0.2, "pairs": 0.35}
"""Of the room on the page: of settings, of runs with themselves, and with others; a byte each, or two if all fit."""

FEWEST = 4
MAPS = "heatmaps of settings"
MOST_PAIRS = 3_000


class Scored(Protocol):
    """The scores of one run with another, as `vaescope.stats.scores.Block` has them."""

    @property
    def score(self) -> np.ndarray: ...


@dataclass
class Extent:
    """How much of a measure a page was made from.

    Attributes:
        computed: pairs of representations that have a score.
        missing: those that have none.
        left_out: pairs of runs that were not looked at, because the page must stay small.
    """

    computed: int = 0
    missing: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class Maps:
    """The heatmaps of a page: what its script reads, and by measure what they were made from."""

    settings: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    extents: Mapping[str, Extent]

    def described(self) -> dict[str, Any]:
        """As plain values for the page's script."""
        left_out = {name: extent.left_out for name, extent in self.extents.items() if extent.left_out}
        return {"settings": self.settings, "runs": self.runs, "leftOut": left_out}


def maps(
    axes: Axes,
    blocks: Callable[[str], Callable[[int, int], Scored]],
    slots: Callable[[int], Sequence[tuple[int, str]]],
    dense: Mapping[str, bool],
    arrays: Arrays,
    room: int = MOST_ROOM,
    tick: Callable[[], object] = lambda: None,
) -> Maps:
    """The heatmaps of a study; in memory are the scores of two runs at a time, and those that go onto the page.

    Args:
        axes: of the page.
        blocks: measure -> reader of the scores of runs i <= j.
        slots: run -> (step, layer) of each of its rows.
        dense: measure -> whether all pairs of layers are computed, not only each layer with itself.
        arrays: takes the numbers.
        room: bytes there are for them; never more than `MOST_ROOM` are taken.
        tick: called for each block that is read.
    """
    if not axes.steps or not axes.measures:
        return Maps([], [], {})
    plan = _plan(
        axes, sum(1.0 if dense[name] else 2 / len(axes.layers) for name in axes.measures), min(room, MOST_ROOM)
    )
    of_settings: list[dict[str, Any]] = []
    of_runs: list[dict[str, Any]] = []
    extents: dict[str, Extent] = {}
    for name in axes.measures:
        reader = _Reader(axes, blocks(name), slots, Extent(left_out=plan.left_out), tick)
        alone: dict[int, np.ndarray] = {}
        means, halves, same = [], [], []
        for setting in axes.settings:
            ends, within = [], []
            for run in setting.runs:
                found = reader(run, run)
                ends.append(found[plan.steps, axes.end(run)])
                within.append(found[plan.steps, plan.steps])
                if run in plan.alone:
                    alone[run] = found[np.ix_(plan.alone_steps, plan.alone_steps)].astype(np.float32)
            mean, half = spread_of(np.array(ends))
            means.append(mean)
            halves.append(half)
            same.append(spread_of(np.array(within))[0])
        of_settings.append(
            {
                "measure": name,
                "against": "end",
                "steps": plan.steps,
                "mean": arrays.put(np.array(means), "u1", section=MAPS),
            }
            | {"half": arrays.put(np.array(halves), "u1", section=MAPS)}
        )
        within_mean = arrays.put(np.array(same), "u1", section=MAPS)
        of_settings.append({"measure": name, "against": "same", "steps": plan.steps, "mean": within_mean, "half": None})
        own = np.array([alone[run] for run in plan.alone])
        of_runs.append(_of_runs(name, [(run, run) for run in plan.alone], plan.alone_steps, own, plan.kind, arrays))
        if plan.pairs:
            at = np.ix_(plan.pair_steps, plan.pair_steps)
            others = np.array([reader(i, j)[at].astype(np.float32) for i, j in plan.pairs])
            of_runs.append(_of_runs(name, plan.pairs, plan.pair_steps, others, plan.kind, arrays))
        extents[name] = reader.extent
    return Maps(of_settings, of_runs, extents)


def _of_runs(
    name: str, pairs: Sequence[tuple[int, int]], steps: Sequence[int], scores: np.ndarray, kind: Kind, arrays: Arrays
) -> dict[str, Any]:
    packed = arrays.put(scores, kind, section="heatmaps of runs")
    return {"measure": name, "pairs": [list(pair) for pair in pairs], "steps": list(steps), "scores": packed}


class _Reader:
    """Scores of two runs along the axes of the page: (step, step, layer, layer), NaN where there are none."""

    def __init__(
        self,
        axes: Axes,
        read: Callable[[int, int], Scored],
        slots: Callable[[int], Sequence[tuple[int, str]]],
        extent: Extent,
        tick: Callable[[], object],
    ) -> None:
        self.axes, self.read, self.slots, self.extent, self.tick = axes, read, slots, extent, tick
        self._known: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def __call__(self, i: int, j: int) -> np.ndarray:
        self.tick()
        score = np.asarray(self.read(i, j).score, np.float32)
        if i == j:
            score = np.triu(score) + np.triu(score, 1).T
        (rows, step_a, layer_a), (columns, step_b, layer_b) = self._places(i), self._places(j)
        there = score[np.ix_(rows, columns)]
        known = np.isfinite(there)
        pairs = known.size if i != j else (known.size + len(rows)) // 2
        computed = int(known.sum()) if i != j else int(np.triu(known).sum())
        self.extent.computed += computed
        self.extent.missing += pairs - computed
        steps, layers = len(self.axes.steps), len(self.axes.layers)
        found = np.full((steps, steps, layers, layers), np.nan, np.float32)
        shown_a, shown_b = step_a >= 0, step_b >= 0
        at = (
            step_a[shown_a][:, None],
            step_b[shown_b][None],
            layer_a[shown_a][:, None],
            layer_b[shown_b][None],
        )
        found[at] = there[np.ix_(shown_a, shown_b)]
        return found

    def _places(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows whose snapshot is there, and their places among the steps (-1: not shown) and layers of the page."""
        if i not in self._known:
            slots, there = self.slots(i), self.axes.snapshots[self.axes.runs[i]]
            rows = np.array([k for k, (step, _) in enumerate(slots) if step in there], int)
            step = self.axes.place("steps", [slots[k][0] for k in rows])
            layer = self.axes.place("layers", [slots[k][1] for k in rows])
            self._known[i] = rows, step, layer
        return self._known[i]


@dataclass(frozen=True)
class _Plan:
    """Which heatmaps the page has room for; steps are places on its axis.

    Attributes:
        steps: of settings.
        alone, alone_steps: runs that are shown by themselves, and at which steps.
        pairs, pair_steps: pairs of runs that are shown, and at which steps.
        left_out: comparable pairs of runs, those of a run with itself among them, that are not.
        kind: of the numbers of runs.
    """

    steps: list[int]
    alone: list[int]
    alone_steps: list[int]
    pairs: list[tuple[int, int]]
    pair_steps: list[int]
    left_out: int
    kind: Kind


def _plan(axes: Axes, share: float, room: int) -> _Plan:
    """What fits, given how many numbers a pair of snapshots has, as a share of layers x layers."""
    runs, steps = len(axes.runs), len(axes.steps)
    a_map = max(1.0, len(axes.layers) ** 2 * share)
    of_settings, of_alone, of_pairs = (room * SHARES[name] for name in ("settings", "alone", "pairs"))
    for_settings = int(of_settings // (3 * a_map * max(1, len(axes.settings))))
    alone_steps = min(steps, max(FEWEST, isqrt(int(of_alone / (a_map * max(1, runs))))))
    alone = spread(range(runs), max(1, int(of_alone / (a_map * max(1, alone_steps) ** 2))))
    every = _comparable(axes)
    pair_steps = min(steps, isqrt(int(of_pairs / (a_map * max(1, every)))))
    if pair_steps >= min(2, steps) and every <= MOST_PAIRS:
        some = range(runs)
    else:
        pair_steps = min(steps, 2)
        some = spread(range(runs), max(2, isqrt(int(2 * min(MOST_PAIRS, of_pairs / (a_map * 4))))))
    pairs = [(i, j) for i, j in combinations(some, 2) if _alike(axes, i, j)] if pair_steps else []
    size = a_map * (len(alone) * alone_steps**2 + len(pairs) * pair_steps**2)
    return _Plan(
        steps=spread(range(steps), max(FEWEST, for_settings)),
        alone=list(alone),
        alone_steps=spread(range(steps), alone_steps),
        pairs=pairs,
        pair_steps=spread(range(steps), pair_steps) if pair_steps else [],
        left_out=every - len(pairs) + runs - len(alone),
        kind="u2" if 2 * size <= of_alone + of_pairs else "u1",
    )


def _comparable(axes: Axes) -> int:
    """Pairs of different runs on one dataset."""
    counts: dict[str, int] = {}
    for setting in axes.settings:
        counts[setting.dataset] = counts.get(setting.dataset, 0) + len(setting.runs)
    return sum(count * (count - 1) // 2 for count in counts.values())


def _alike(axes: Axes, i: int, j: int) -> bool:
    return axes.settings[axes.of[i]].dataset == axes.settings[axes.of[j]].dataset
