"""How much objectives differ at the same strength and seed, layer by layer, beside how much seeds differ. Pure."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vaescope.stats.matched import over_layers


@dataclass(frozen=True)
class Compared:
    """Two objectives on one dataset.

    Attributes:
        title: which, for people.
        dataset: its name.
        settings: the strengths both were trained at: the heads of the columns.
        rows: a row a layer: its name, part, a text a setting, and that between seeds.
        words: what they say, in a sentence.
    """

    title: str
    dataset: str
    settings: tuple[str, ...]
    rows: list[dict[str, object]]
    words: str


def objective_tables(objectives: pd.DataFrame, seeds: pd.DataFrame) -> list[Compared]:
    """One table for each two objectives that share strengths and seeds.

    Args:
        objectives: `Results.differing("objective")` of a similarity.
        seeds: `Results.differing("seed")` of the same: what differs without any reason, the ceiling.
    """
    found = []
    means = over_layers(objectives[objectives["part"] != "input"])
    for (dataset, a, b), ours in means.groupby(["dataset", "a", "b"], sort=False):
        if not ours["pairs"].sum():
            continue
        alike = seeds[(seeds["dataset"] == dataset) & seeds["setting"].str.split(" ").str[0].isin([a, b])]
        ceiling = alike.groupby("layer")["score"].mean()
        settings = tuple(str(s) for s in ours["setting"].unique())
        rows: list[dict[str, object]] = []
        for (layer, part), group in ours.groupby(["layer", "part"], sort=False):
            at = {str(row["setting"]): row for row in group.to_dict("records")}
            texts = [_spread(at[s]) if s in at else "–" for s in settings]
            rows.append({"layer": layer, "part": part, "texts": texts, "seeds": _number(ceiling.get(layer, math.nan))})
        found.append(
            Compared(f"{a} and {b} on {dataset}", str(dataset), settings, rows, _words(str(a), str(b), ours, ceiling))
        )
    return found


def _words(a: str, b: str, means: pd.DataFrame, ceiling: pd.Series) -> str:
    """The least alike layer, and the mean over layers against that between seeds, at each end of the strengths."""
    least = means.sort_values("mean").iloc[0]
    told = (
        f"At the same strength and seed, {a} and {b} end most apart in {least['layer']} at {least['setting']}: "
        f"{least['mean']:.2f}"
    )
    between = ceiling.get(least["layer"], math.nan)
    told += f", where two seeds of one setting have {between:.2f}." if math.isfinite(between) else "."
    per = means.groupby("setting", sort=False)["mean"].mean()
    listed = ", ".join(f"{value:.2f} at {setting}" for setting, value in per.items())
    overall = f" Mean over layers: {listed}"
    ours = ceiling[ceiling.index.isin(means["layer"])].mean()
    return told + overall + (f"; between seeds {ours:.2f}." if math.isfinite(ours) else ".")


def _spread(row: Mapping[Hashable, Any]) -> str:
    if not row["pairs"]:
        return "–"
    mean, low, high = (_number(float(row[name])) for name in ("mean", "min", "max"))
    return mean if low == high else f"{mean} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "–"
