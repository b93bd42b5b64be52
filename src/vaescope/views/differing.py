"""How much objectives differ at the same strength and seed, layer by layer, beside how much seeds differ. Pure."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vaescope.stats.matched import over_layers


@dataclass(frozen=True)
class Compared:
    """Two objectives on one dataset with one network.

    Attributes:
        title: which, for people.
        dataset: its name; with the network, where there are several.
        settings: the strengths both were trained at: each the head of three columns.
        rows: a row a layer: its name, part, and three texts a setting: with the same seed, and across seeds with the
            other and with the same objective.
        words: what they say, in a sentence.
    """

    title: str
    dataset: str
    settings: tuple[str, ...]
    rows: list[dict[str, object]]
    words: str


def objective_tables(objectives: pd.DataFrame, across: pd.DataFrame, seeds: pd.DataFrame) -> list[Compared]:
    """One table for each two objectives that share strengths and seeds.

    Args:
        objectives: `Results.differing("objective")` of a similarity.
        across: `Results.differing("objective and seed")` of the same.
        seeds: `Results.differing("seed")` of the same: what differs without any reason.
    """
    found = []
    means = over_layers(objectives[objectives["part"] != "input"])
    networks = means["network"].nunique()
    for (dataset, network, a, b), ours in means.groupby(["dataset", "network", "a", "b"], sort=False):
        if not ours["pairs"].sum():
            continue
        settings = tuple(str(s) for s in ours["setting"].unique())
        alike, apart = (
            frame[(frame["dataset"] == dataset) & (frame["network"] == network)] for frame in (seeds, across)
        )
        apart = apart[apart["a"].isin([a, b]) & apart["b"].isin([a, b])]
        other = {s: apart[apart["setting"] == s].groupby("layer")["score"].mean() for s in settings}
        names = {s: [f"{objective} {s}".removesuffix(" none") for objective in (a, b)] for s in settings}
        same = {s: alike[alike["setting"].isin(names[s])].groupby("layer")["score"].mean() for s in settings}
        rows: list[dict[str, object]] = []
        for (layer, part), group in ours.groupby(["layer", "part"], sort=False):
            at = {str(row["setting"]): row for row in group.to_dict("records")}
            texts: list[str] = []
            for s in settings:
                texts += [_spread(at[s]) if s in at else "–"]
                texts += [_number(means.get(layer, math.nan)) for means in (other[s], same[s])]
            rows.append({"layer": layer, "part": part, "texts": texts})
        place = f"{dataset} with {network}" if networks > 1 else str(dataset)
        words = _words(str(a), str(b), ours, other, same)
        found.append(Compared(f"{a} and {b} on {place}", place, settings, rows, words))
    return found


def _words(a: str, b: str, means: pd.DataFrame, other: Mapping[str, pd.Series], same: Mapping[str, pd.Series]) -> str:
    """Where the two end most apart, the mean over layers at each strength, and what the objective adds to the seed."""
    least = means.sort_values("mean").iloc[0]
    per = means.groupby("setting", sort=False)["mean"].mean()
    listed = ", ".join(f"{value:.2f} at {setting}" for setting, value in per.items())
    told = (
        f"At the same strength and seed, {a} and {b} end most apart in {least['layer']} at {least['setting']}: "
        f"{least['mean']:.2f}. Mean over layers: {listed}."
    )
    at = str(least["setting"])
    across, within = (pairs[at][pairs[at].index.isin(means["layer"])].mean() for pairs in (other, same))
    if math.isfinite(across) and math.isfinite(within):
        told += f" Across seeds at {at}, {across:.2f} with the other objective and {within:.2f} with the same."
    return told


def _spread(row: Mapping[Hashable, Any]) -> str:
    if not row["pairs"]:
        return "–"
    mean, low, high = (_number(float(row[name])) for name in ("mean", "min", "max"))
    return mean if low == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "–"
