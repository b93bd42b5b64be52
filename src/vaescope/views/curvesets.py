"""Curves of similarity over training for a page: towards each reference, in each reading, under each control. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vaescope.stats.convergence import HIGHEST_FLOOR
from vaescope.views.axes import Axes, scattered
from vaescope.views.packed import Arrays
from vaescope.views.seeds import over_seeds

REFERENCES = {
    "final": "its own end",
    "previous": "the snapshot before",
    "start": "its own start",
    "other": "another seed's end",
}
READINGS = {"raw": "raw", "corrected": "floor-corrected", "calibrated": "calibrated against chance"}
CONTROLS = {
    "": "as trained",
    "final_encoder": "decoder fed by the final encoder",
    "moving_encoder": "final decoder, fed by the encoder of the step",
    "fixed_code": "decoder fed fixed codes",
    "prior": "decoder fed samples of the prior",
    "sampled": "decoder fed sampled codes",
}
LEAST = -1.0
"""Corrected and calibrated scores below are shown as this: a floor near 1 leaves almost nothing to divide by."""

SETTINGS_BUDGET = 1_300_000
RUNS_BUDGET = 400_000
"""Bytes of curves of settings, and of single runs beside those towards their own end, which are always there."""

SECTION, OF_RUNS = "curves of settings", "curves of runs"


@dataclass
class Curves:
    """The curves of a study as arrays (run, layer, step), by (measure, reference, reading, control)."""

    axes: Axes
    known: dict[tuple[str, str, str, str], np.ndarray] = field(default_factory=dict)
    draws: dict[tuple[str, str, str, str], np.ndarray] = field(default_factory=dict)

    def add(self, key: tuple[str, str, str], values: np.ndarray, draws: np.ndarray | None = None) -> None:
        """A raw curve under (measure, reference, control); its corrected one as well where it is towards the end."""
        measure, reference, control = key
        if not np.isfinite(values).any():
            return
        self.known[measure, reference, "raw", control] = values
        if draws is not None:
            self.draws[measure, reference, "raw", control] = draws
        if reference == "final" and 0 in self.axes.steps:
            made = corrected(values, self.axes.steps.index(0))
            if np.isfinite(made).any():
                self.known[measure, reference, "corrected", control] = made
            if draws is not None:
                self.draws[measure, reference, "corrected", control] = corrected(draws, self.axes.steps.index(0))

    def present(self, names: Mapping[str, str], place: int) -> list[dict[str, str]]:
        """Those of the names that occur at a place of the keys, with their titles."""
        there = {key[place] for key in self.known}
        return [{"name": name, "title": title} for name, title in names.items() if name in there]

    def packed(self, arrays: Arrays) -> tuple[list[dict[str, Any]], int]:
        """For the page's script, the most telling first, while there is room; and how many were left out."""
        made: list[dict[str, Any]] = []
        spent = {"settings": 0, "runs": 0}
        for key in sorted(self.known, key=self._place):
            measure, reference, reading, control = key
            values = self.known[key]
            spent["settings"] += len(self.axes.settings) * values[0].size * (4 if self.axes.kind == "u2" else 3)
            if spent["settings"] > SETTINGS_BUDGET and made:
                continue
            own = (reference, reading, control) == ("final", "raw", "")
            spent["runs"] += 0 if own else values.size
            runs = None
            if own or spent["runs"] <= RUNS_BUDGET:
                runs = arrays.put(values, self.axes.kind if own else "u1", section=OF_RUNS)
            found = over_seeds(values, self.axes.of, len(self.axes.settings), self.draws.get(key))
            ends = {"low": np.maximum(found.low, LEAST), "high": np.minimum(found.high, np.maximum(1.0, found.mean))}
            settings = {"mean": arrays.put(found.mean, self.axes.kind, section=SECTION)}
            settings |= {name: arrays.put(end, "u1", section=SECTION) for name, end in ends.items()}
            head = {"measure": measure, "reference": reference, "reading": reading, "control": control}
            made.append(head | {"settings": settings, "runs": runs})
        return made, len(self.known) - len(made)

    def _place(self, key: tuple[str, str, str, str]) -> tuple[bool, bool, int, int, int]:
        """Towards the end as trained comes first, then the main measure, then what answers more."""
        measure, reference, reading, control = key
        rank = self.axes.measures.index(measure)
        plain = reference == "final" and not control
        order = ["final", "other", "previous", "start"].index(reference)
        return (not plain, rank > 0, rank, order + list(CONTROLS).index(control), [*READINGS].index(reading))


def curves(
    axes: Axes, own: pd.DataFrame, references: pd.DataFrame, wiring: pd.DataFrame, readings: pd.DataFrame
) -> Curves:
    """All curves there are.

    Args:
        axes: of the page.
        own: `Results.curves`.
        references: of `vaescope.stats.evidence`, but of all measures.
        wiring: likewise.
        readings: likewise.
    """
    made = Curves(axes)
    for measure in axes.measures:
        towards = {r: _chosen(references, measure=measure, reference=r) for r in REFERENCES}
        mine = _chosen(own, measure=measure)
        for reference, table in towards.items():
            values, draws = _split(axes, table)
            if reference == "final" and len(mine):
                values = axes.filled(mine, "score")
            made.add((measure, reference, ""), values, draws)
        of_measure = _chosen(readings, measure=measure)
        if len(of_measure):
            made.known[measure, "final", "calibrated", ""] = np.clip(axes.filled(of_measure, "calibrated"), LEAST, None)
        for control in CONTROLS:
            if control:
                made.add((measure, "final", control), *_split(axes, _chosen(wiring, measure=measure, control=control)))
    return made


def corrected(values: np.ndarray, start: int) -> np.ndarray:
    """(s - s0) / (1 - s0) along the last axis, s0 at `start`, not below `LEAST`; NaN where the floor leaves nothing."""
    floor = values[..., start, None]
    room = np.where(floor < HIGHEST_FLOOR, 1 - floor, np.nan)
    return np.clip((values - floor) / room, LEAST, None)


def _split(axes: Axes, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
    """The scores on the whole probe set, and those on its halves: (draw, run, layer, step)."""
    draw = table["draw"].to_numpy(int) if len(table) else np.zeros(0, int)
    whole = axes.filled(table[draw < 0], "score")
    if not (draw >= 0).any():
        return whole, None
    halves = table[draw >= 0]
    shape = (int(draw.max()) + 1, *whole.shape)
    places = [axes.place(f"{a}s", halves[a]) for a in ("run", "layer", "step")]
    return whole, scattered(shape, [draw[draw >= 0], *places], halves["score"]).astype(np.float32)


def _chosen(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    keep: Any = np.ones(len(table), bool)
    for name, value in values.items():
        keep &= (table[name] == value).to_numpy(bool)
    return table[keep]
