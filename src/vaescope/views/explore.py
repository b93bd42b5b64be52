"""Everything that the page's script reads: axes, packed arrays, the tables of the first figures. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vaescope.stats.claim import Verdict
from vaescope.views import answers, codes, drill
from vaescope.views.axes import Axes, scattered
from vaescope.views.curvesets import CONTROLS, READINGS, REFERENCES, Curves
from vaescope.views.maps import Maps, Scored, maps
from vaescope.views.opening import Opening
from vaescope.views.packed import Arrays

SETTLING = "settling steps"
ARRAYS_BUDGET = 3_400_000
"""Deflated bytes of all arrays; base64 makes a third more of them."""

SHRUNK = 0.85  # of heatmaps, by deflating
LEAST_ROOM = 700_000


@dataclass(frozen=True)
class Examined:
    """Tables of `vaescope.stats.evidence`, of all measures; without rows where a study was not examined."""

    readings: pd.DataFrame
    shapes: pd.DataFrame
    latents: pd.DataFrame
    posterior: pd.DataFrame
    disentanglement: pd.DataFrame


@dataclass(frozen=True)
class Explored:
    """What can be explored on the page; `arrays` has the numbers to which the rest refers."""

    axes: Axes
    arrays: Arrays
    curves: Curves
    maps: Maps
    parts: Mapping[str, Any]
    curves_left_out: int = 0

    def described(
        self, study: Mapping[str, Any], opening: Opening, verdicts: Sequence[Verdict], pictures: Mapping[str, Any]
    ) -> dict[str, Any]:
        """As plain values for the page's script."""
        found = {"study": dict(study), **self.axes.described()}
        names = {"references": (REFERENCES, 1), "readings": (READINGS, 2), "controls": (CONTROLS, 3)}
        found |= {name: self.curves.present(titles, place) for name, (titles, place) in names.items()}
        place = {run: str(i) for i, run in enumerate(self.axes.runs)}
        shown = {place[run]: pictures[run] for run in pictures}
        figures = {"figures": opening.described(), "verdicts": answers.drawn(verdicts)}
        return found | dict(self.parts) | {"maps": self.maps.described(), "pictures": shown} | figures


def explored(
    axes: Axes,
    made: Curves,
    settling: pd.DataFrame,
    losses: pd.DataFrame,
    logged: pd.DataFrame,
    examined: Examined,
    flagged: pd.DataFrame,
    blocks: Callable[[str], Callable[[int, int], Scored]],
    slots: Callable[[int], Sequence[tuple[int, str]]],
    dense: Mapping[str, bool],
    tick: Callable[[], object] = lambda: None,
) -> Explored:
    """All that can be explored.

    Args:
        axes: of the page.
        made: its curves.
        settling: `Results.settling`.
        losses: `Results.losses`.
        logged: `Results.latents`.
        examined: what else there is.
        flagged: what `vaescope.stats.dynamics.flags.flags` gives.
        blocks: as `vaescope.views.maps.maps` takes it.
        slots: likewise.
        dense: likewise.
        tick: likewise.
    """
    arrays = Arrays()
    lines, without = made.packed(arrays)
    parts = {
        "curves": lines,
        "settling": _settling(axes, settling, arrays),
        "drill": drill.drill(axes, examined.readings, arrays),
        "shapes": drill.shapes(axes, examined.shapes, arrays),
        "flags": drill.flags(axes, flagged, arrays),
        "latents": codes.latents(axes, examined.latents, logged, arrays),
        "posterior": codes.posterior(axes, examined.posterior, arrays),
        "disentanglement": codes.disentanglement(axes, examined.disentanglement, arrays),
        "losses": codes.losses(axes, losses, arrays),
    }
    room = int((ARRAYS_BUDGET - len(arrays.deflated())) / SHRUNK)
    return Explored(
        axes, arrays, made, maps(axes, blocks, slots, dense, arrays, max(room, LEAST_ROOM), tick), parts, without
    )


def _settling(axes: Axes, settling: pd.DataFrame, arrays: Arrays) -> list[dict[str, Any]]:
    """The steps at which layers of runs reach 0.9, raw and corrected."""
    made = []
    shape = (len(axes.runs), len(axes.layers))
    for measure in axes.measures:
        mine = settling[(settling["measure"] == measure).to_numpy(bool)]
        if len(mine):
            places = [axes.place("runs", mine["run"]), axes.place("layers", mine["layer"])]
            found = {name: scattered(shape, places, mine[name]) for name in ("raw", "corrected")}
            packed = {name: arrays.put(values, "u2", "asinh", SETTLING) for name, values in found.items()}
            made.append({"measure": measure, **packed})
    return made
