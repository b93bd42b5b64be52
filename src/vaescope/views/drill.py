"""What stands behind a score on a page: chance, participation ratios, dead layers, flags with their reasons. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaescope.views.axes import Axes
from vaescope.views.packed import Arrays
from vaescope.views.seeds import over_seeds

OF_CHANCE = ("null_mean", "null_sd", "p", "calibrated")
OF_SHAPES = ("participation", "variance", "top_share", "dead")
MOST_OF_RUNS = 60_000
"""Runs x layers x snapshots: beyond, only settings have these numbers on the page."""

MOST_REASONS = 1_500
SECTION = "behind the scores"


def drill(axes: Axes, readings: pd.DataFrame, arrays: Arrays) -> list[dict[str, Any]]:
    """What chance alone would give: for each measure the examples, and by setting and run null, p and calibrated score.

    Args:
        axes: of the page.
        readings: of `vaescope.stats.evidence`; p of a setting is the largest over its seeds.
        arrays: takes the numbers.
    """
    made = []
    for measure in axes.measures:
        mine = readings[(readings["measure"] == measure).to_numpy(bool)]
        if len(mine):
            found = {name: axes.filled(mine, name) for name in OF_CHANCE}
            made.append({"measure": measure, "n": int(mine["n"].max()), **_both(axes, found, arrays)})
    return made


def shapes(axes: Axes, table: pd.DataFrame, arrays: Arrays) -> dict[str, Any] | None:
    """Participation ratio, variance, share of the heaviest examples, and whether a layer is dead; None without rows.

    Args:
        axes: of the page.
        table: `shapes` of `vaescope.stats.evidence`; `dead` of a setting is the share of its runs.
        arrays: takes the numbers.
    """
    return _both(axes, {name: axes.filled(table, name) for name in OF_SHAPES}, arrays) if len(table) else None


def flags(axes: Axes, table: pd.DataFrame, arrays: Arrays) -> dict[str, Any] | None:
    """Where a score is to be read with care; None where nothing is flagged.

    Args:
        axes: of the page.
        table: run, layer, step, measure ("" or NaN: whatever the measure), flag, reason.
        arrays: takes the masks.

    Returns:
        words; for each measure a mask (setting, layer, step) whose bit i says that some run has the i-th; the reason of
        one run for as many as there is room for, and how many runs have it.
    """
    places = [axes.place(f"{a}s", table[a]) for a in ("run", "layer", "step")]
    known = np.logical_and.reduce([place >= 0 for place in places]) if len(table) else np.zeros(0, bool)
    if not known.any():
        return None
    shown = pd.DataFrame(
        {"setting": axes.of[places[0][known]], "layer": places[1][known], "step": places[2][known]}
        | {name: table[name].astype(object).where(table[name].notna(), "").to_numpy()[known] for name in COLUMNS}
    )
    words = [str(word) for word in shown["flag"].unique()][:15]
    keys = ["measure", "setting", "layer", "step", "flag"]
    grouped = shown.groupby(keys, sort=False, observed=True)["reason"].agg(["first", "size"]).reset_index()
    reasons: dict[str, list[list[object]]] = {}
    for row in grouped.iloc[_some(len(grouped))].to_dict("records"):
        key = ",".join(str(row[name]) for name in keys[:-1])
        reasons.setdefault(key, []).append([str(row["flag"]), str(row["first"]), int(row["size"])])
    return {
        "words": words,
        "meaning": {word: str(shown.loc[shown["flag"] == word, "reason"].iloc[0]) for word in words},
        "settings": [
            {"measure": str(measure), "mask": arrays.codes(_mask(axes, mine, words), "u2", SECTION)}
            for measure, mine in grouped.groupby("measure", sort=False)
        ],
        "reasons": reasons,
    }


COLUMNS = ("measure", "flag", "reason")


def _mask(axes: Axes, table: pd.DataFrame, words: Sequence[str]) -> np.ndarray:
    mask = np.zeros((len(axes.settings), len(axes.layers), len(axes.steps)), np.uint16)
    for bit, word in enumerate(words):
        mine = table[table["flag"] == word]
        mask[tuple(mine[name].to_numpy(int) for name in ("setting", "layer", "step"))] |= 1 << bit
    return mask


def _some(count: int) -> np.ndarray:
    """Evenly spread places, so that no setting is without reasons while another has all."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_REASONS)).round().astype(int))


def _both(axes: Axes, found: dict[str, np.ndarray], arrays: Arrays) -> dict[str, Any]:
    """Arrays of settings, and of runs where there are few enough."""
    of_settings = {name: _over(axes, name, values) for name, values in found.items()}
    few = next(iter(found.values())).size <= MOST_OF_RUNS
    return {
        "settings": {name: _put(name, values, arrays) for name, values in of_settings.items()},
        "runs": {name: _put(name, values, arrays) for name, values in found.items()} if few else None,
    }


def _over(axes: Axes, name: str, values: np.ndarray) -> np.ndarray:
    if name != "p":
        return over_seeds(values, axes.of, len(axes.settings)).mean
    most = np.full((len(axes.settings), *values.shape[1:]), -np.inf)
    np.maximum.at(most, axes.of, np.where(np.isfinite(values), values, -np.inf))
    return np.where(np.isfinite(most), most, np.nan)


def _put(name: str, values: np.ndarray, arrays: Arrays) -> dict[str, Any]:
    if name in ("participation", "variance"):
        return arrays.put(values, "u2", "asinh", SECTION)
    if name == "calibrated":
        return arrays.put(np.clip(values, -1, None), "u2", section=SECTION)
    return arrays.put(values, "u2" if name == "p" else "u1", section=SECTION)
