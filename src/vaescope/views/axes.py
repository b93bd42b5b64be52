"""What the arrays of a page are counted along: settings, runs, layers, snapshots, latents. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vaescope.runs.study import Run, Study
from vaescope.stats import matched
from vaescope.views import method, tables
from vaescope.views.packed import Kind
from vaescope.views.tiles import spread

MOST_CELLS = 450_000
"""Runs x layers x snapshots x measures on a page: beyond, there are fewer snapshots of each run."""

MOST_OF_TWO_BYTES = 60_000
FEWEST_STEPS = 5


@dataclass(frozen=True)
class Setting:
    """Everything but the seed; `runs` are places among the runs."""

    label: str
    dataset: str
    network: str
    objective: str
    strength: str
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Axes:
    """The axes of a page.

    Attributes:
        runs: ids.
        labels: run -> a short name.
        states: run -> "done", "diverged", ….
        seeds: of the runs.
        settings: in the order of the study.
        of: the setting of each run.
        layers: distinct layers of all networks, in order.
        parts: layer -> part.
        features: layer -> how many, of the first network that has it.
        steps: snapshots, ascending; of large studies fewer than there are.
        there: run -> its snapshots among them.
        snapshots: run -> all it has.
        measures: those that were computed, similarities first.
        ends: run -> its last snapshot: that of the study; of a recorded run, its own.
    """

    runs: tuple[str, ...]
    labels: Mapping[str, str]
    states: Mapping[str, str]
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    of: np.ndarray
    layers: tuple[str, ...]
    parts: Mapping[str, str]
    features: Mapping[str, int]
    steps: tuple[int, ...]
    there: Mapping[str, tuple[int, ...]]
    snapshots: Mapping[str, frozenset[int]]
    measures: tuple[str, ...] = ()
    ends: Mapping[str, int] = field(default_factory=dict)
    _places: dict[str, pd.Index] = field(default_factory=dict, repr=False)

    def place(self, axis: str, values: Any) -> np.ndarray:
        """Where values lie on an axis ("runs", "layers", "steps"), -1 where they do not."""
        if axis not in self._places:
            self._places[axis] = pd.Index(list(getattr(self, axis)))
        if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
            codes = np.append(self._places[axis].get_indexer(values.cat.categories), -1)
            return codes[values.cat.codes.to_numpy()]
        return self._places[axis].get_indexer(pd.Index(values))

    @property
    def left_out(self) -> int:
        """Snapshots that are there and not on the page."""
        return sum(len(self.snapshots[run]) - len(self.there[run]) for run in self.runs)

    @property
    def kind(self) -> Kind:
        """Bytes of a number that there is for every run, layer and snapshot: one where there are many."""
        return "u1" if len(self.runs) * len(self.layers) * len(self.steps) > MOST_OF_TWO_BYTES else "u2"

    def of_part(self, part: str) -> np.ndarray:
        """Places of the layers of a part."""
        return np.array([i for i, name in enumerate(self.layers) if self.parts[name] == part], int)

    def filled(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """A column of a table with run, layer and step as an array (run, layer, step), NaN where there is no row."""
        shape = (len(self.runs), len(self.layers), len(self.steps))
        return scattered(shape, [self.place(f"{a}s", frame[a]) for a in ("run", "layer", "step")], frame[column])

    def end(self, run: int) -> int:
        """The place among the steps of a run's last snapshot; the last of all where nothing else is known."""
        last = self.ends.get(self.runs[run])
        return len(self.steps) - 1 if last is None or last not in self.steps else self.steps.index(last)

    def over_steps(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """A column of a table with run and step as an array (run, step)."""
        shape = (len(self.runs), len(self.steps))
        return scattered(shape, [self.place(f"{a}s", frame[a]) for a in ("run", "step")], frame[column])

    def described(self) -> dict[str, Any]:
        """As plain values for the page's script."""
        places = {step: i for i, step in enumerate(self.steps)}
        return {
            "layers": [{"name": x, "part": self.parts[x], "features": self.features[x]} for x in self.layers],
            "steps": list(self.steps),
            "measures": [
                {"name": name, "title": title, "similarity": not method.is_distance(name)}
                for name, title in method.titles(self.measures).items()
            ],
            "settings": [
                {"label": s.label, "dataset": s.dataset, "network": s.network, "objective": s.objective}
                | {"strength": s.strength, "runs": list(s.runs)}
                for s in self.settings
            ],
            "runs": [
                {"id": run, "label": self.labels[run], "setting": int(self.of[i]), "seed": self.seeds[i]}
                | {"state": self.states[run], "steps": [places[s] for s in self.there[run]]}
                for i, run in enumerate(self.runs)
            ],
        }


def axes(
    study: Study,
    runs: Sequence[Run],
    frame: pd.DataFrame,
    layers: pd.DataFrame,
    there: Mapping[str, Sequence[int]],
    measures: Sequence[str],
) -> Axes:
    """The axes of a study.

    Args:
        study: the study.
        runs: its runs.
        frame: `Results.runs`.
        layers: `Results.layers`.
        there: run -> its snapshots.
        measures: those that were computed.
    """
    named = [
        (study.setting_of(run), dataset, network, run.objective, matched.value(run, "strength"))
        for run in runs
        for dataset, network in [study.called(run)]
    ]
    rows = layers[layers["same_as"] == ""].drop_duplicates("layer").to_dict("records")
    distinct = {str(row["layer"]): row for row in rows}
    order = tables.layer_order(layers)
    members: dict[tuple[str, str, str, str, str], list[int]] = {}
    for i, name in enumerate(named):
        members.setdefault(name, []).append(i)
    places = {name: i for i, name in enumerate(members)}
    every = sorted({step for steps in there.values() for step in steps})
    room = MOST_CELLS // max(1, len(runs) * len(order) * max(1, len(measures)))
    steps = spread(every, max(FEWEST_STEPS, room))
    kept = set(steps)
    return Axes(
        runs=tuple(run.id for run in runs),
        labels=tables.run_labels(frame),
        states=dict(zip(frame["run"].astype(str), frame["state"].astype(str), strict=True)),
        seeds=tuple(run.seed for run in runs),
        settings=tuple(Setting(*name, tuple(found)) for name, found in members.items()),
        of=np.array([places[name] for name in named], int),
        layers=tuple(order),
        parts={name: str(distinct[name]["part"]) for name in order},
        features={name: int(distinct[name]["features"]) for name in order},
        steps=tuple(steps),
        there={run.id: tuple(step for step in there.get(run.id, ()) if step in kept) for run in runs},
        snapshots={run.id: frozenset(there.get(run.id, ())) for run in runs},
        measures=tuple(sorted(measures, key=method.is_distance)),
        ends={
            run.id: max((step for step in there.get(run.id, ()) if step in kept), default=0)
            for run in runs
            if run.recorded is not None
        },
    )


def scattered(shape: tuple[int, ...], places: Sequence[np.ndarray], values: Any) -> np.ndarray:
    """Values put where they belong; those with a negative place are left out, all other places are NaN."""
    found = np.full(shape, np.nan)
    known = np.logical_and.reduce([place >= 0 for place in places])
    found[tuple(place[known] for place in places)] = np.asarray(values, float)[known]
    return found
