"""Means over seeds with intervals, for every cell of a figure at once. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vaescope.stats.dynamics.hierarchy import estimates
from vaescope.stats.evidence import Evidence
from vaescope.views import marks, wording

if TYPE_CHECKING:
    from vaescope.stats.results import Results

LEAST_SEEDS = 3
"""Fewer have an interval in the table, but none is drawn as a band: Student's quantile makes it as high as the axis."""

SETTING = ["dataset", "network", "objective", "strength", "strength_value"]


def runs_of(results: "Results") -> pd.DataFrame:
    """The finished runs as `Evidence.runs` describes them, without reading the rest of the evidence."""
    from vaescope.stats.gathering import runs_of as found

    return found(results)


def main_measure(results: "Results", measure: str | None = None) -> str:
    """The measure asked for, else the study's main similarity, else its first distance.

    Raises:
        UsageError: the study has no such measure.
    """
    from vaescope.stats.gathering import main_similarity
    from vaescope.stats.selection import must_know

    if measure is None:
        return main_similarity(results.study) or next(iter(results.study.measures))
    must_know("measure", measure, list(results.study.measures))
    return measure


def over_seeds(values: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The mean over seeds of each cell, with its 95 % interval.

    Args:
        values: the columns of `by`, run, seed, value, and draw where there are halves of the probe set.
        by: what names a cell.

    Returns:
        The columns of `by`, value, low, high, runs, seeds; cells in order of their first row, those without a value
        left out.
    """
    rows = values if "draw" in values else values.assign(draw=-1)
    rows = rows[rows["value"].notna()].reset_index(drop=True)
    grouped = rows.groupby(list(by), sort=False, observed=True, dropna=False)
    cell = grouped.ngroup().to_numpy(np.int64)
    heads = rows.iloc[np.unique(cell, return_index=True)[1]][list(by)].reset_index(drop=True)
    found = estimates(
        cell,
        rows["run"].astype(str).to_numpy(object),
        rows["seed"].to_numpy(),
        rows["draw"].to_numpy(),
        rows["value"].to_numpy(float),
        cells=len(heads),
    )
    table = heads.assign(value=found.value, low=found.low, high=found.high, runs=found.runs, seeds=found.seeds)
    return table[table["value"].notna()].reset_index(drop=True)


def drawn(table: pd.DataFrame, lowest: float = 0.0, highest: float = 1.0) -> pd.DataFrame:
    """The table as bands are drawn: between the ends of the axis, and none over fewer seeds than `LEAST_SEEDS`."""
    few = table["seeds"] < LEAST_SEEDS
    low, high = (table[end].mask(few, table["value"]).clip(lowest, highest) for end in ("low", "high"))
    return table.assign(low=low, high=high)


def about_seeds(table: pd.DataFrame) -> str:
    """What the reader must know of the bands."""
    if not len(table):
        return ""
    least, most = int(table["seeds"].min()), int(table["seeds"].max())
    seeds = wording.counted(most, "seed") if least == most else f"{least} to {most} seeds"
    if most < LEAST_SEEDS:
        return f"Means over {seeds}: too few for a band; the intervals are in the data table."
    return f"Means over {seeds}, bands: 95 % intervals."


def described(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """A table of runs with what `runs` says of them; rows of runs that are not there are left out."""
    kept = table.assign(run=table["run"].astype(str))
    return kept.merge(runs.astype({"run": str})[["run", *SETTING, "seed"]], on="run", how="inner")


def own_references(evidence: Evidence, results: "Results") -> pd.DataFrame:
    """`Evidence.references`, or where nothing was examined the study's own curves to the final snapshot."""
    if len(evidence.references) or not evidence.measure:
        return evidence.references
    curves = results.curves
    curves = curves[curves["measure"] == evidence.measure]
    return curves[["run", "measure", "layer", "part", "step", "score"]].assign(reference="final", against="", draw=-1)


def noted(table: pd.DataFrame) -> str:
    """What a figure of one dataset and network says of its seeds, its runs, and the datasets that it does not draw."""
    kinds = marks.in_order(table["dataset"] + ", " + table["network"])
    more = f" Drawn: {kinds[0]}; in the data table as well: {wording.listed(kinds[1:])}." if len(kinds) > 1 else ""
    return f"{about_seeds(table)} Runs: {int(table['runs'].max()):,}.{more}"


def one_kind(table: pd.DataFrame, dataset: str | None = None) -> pd.DataFrame:
    """The rows of one dataset, the first if none is named, with its first network."""
    here = table[table["dataset"] == (dataset or table["dataset"].iloc[0])]
    return here[here["network"] == here["network"].iloc[0]]
