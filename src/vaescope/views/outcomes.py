"""Tables of what became of runs and layers, as text: collapse, and what the variance between runs is due to. Pure."""

import math

from vaescope.stats.evidence import Evidence
from vaescope.views.axes import Axes
from vaescope.views.leads import counted
from vaescope.views.page import MOST_ROWS, number

FACTORS = ("objective", "strength", "seed", "residual")
MOST_RUNS = 150
"""Beyond, the variance is not decomposed for a page: its permutations take minutes."""


def collapse_rows(axes: Axes, evidence: Evidence) -> list[dict[str, str]]:
    """The collapse verdict of each run, and the gauge beside what is measured at its end."""
    from vaescope.stats.latents.collapse import over_runs

    if not len(evidence.latents):
        return []
    last = evidence.posterior.sort_values("step").drop_duplicates("run", keep="last")
    ends = {str(row["run"]): (float(row["gauge"]), float(row["mean_sampled"])) for row in last.to_dict("records")}
    rows = []
    shown = evidence.latents[evidence.latents["run"].isin(axes.runs[:MOST_ROWS])]
    for row in over_runs(shown.assign(run=shown["run"].astype(str))).to_dict("records"):
        run = str(row["run"])
        gauge, measured = ends.get(run, (math.nan, math.nan))
        step = float(row["step"])
        rows.append(
            {"run": axes.labels.get(run, run), "verdict": str(row["verdict"])}
            | {"step": f"{step:,.0f}" if math.isfinite(step) else "–"}
            | {"in_use": f"{int(row['in_use'])} of {int(row['latents'])}"}
            | {"gauge": f"{number(gauge, 2)} (CKA {number(measured, 2)})" if math.isfinite(gauge) else "–"}
        )
    return rows


def decomposition_rows(evidence: Evidence) -> list[dict[str, str]]:
    """What share of the variance of each layer's end is due to objective, strength and seed."""
    from vaescope.stats.dynamics.decomposition import decomposition

    if not len(evidence.ends) or not 4 <= len(evidence.runs) <= MOST_RUNS:
        return []
    found = decomposition(evidence.ends, evidence.runs)
    rows = []
    for (layer, part), mine in found.groupby(["layer", "part"], sort=False):
        shares = dict(zip(mine["factor"].astype(str), mine["share"].astype(float), strict=True))
        if part != "input" and any(math.isfinite(share) for share in shares.values()):
            texts = {name: _percent(shares.get(name, math.nan)) for name in FACTORS}
            rows.append({"layer": str(layer), "part": str(part), **texts})
    return rows


def left_out(axes: Axes, pairs: int, curves: int) -> list[str]:
    """What is not on the page because it must stay small, and where it is."""
    told = []
    if axes.left_out:
        total = sum(len(steps) for steps in axes.snapshots.values())
        told.append(
            f"{axes.left_out:,} of {total:,} snapshots: the steps shown are evenly spaced. Their scores are in "
            "similarity.parquet beside this file."
        )
    if pairs:
        told.append(
            f"Heatmaps of {counted(pairs, 'pair')} of runs: all settings are here, single runs and pairs evenly "
            "chosen. Their scores are in similarity.parquet beside this file."
        )
    if curves:
        told.append(
            f"{counted(curves, 'family', 'families')} of curves, of controls and further measures: "
            "vaescope.open(…).examined(…) has them."
        )
    return told


def _percent(share: float) -> str:
    return f"{number(100 * share, 0)} %" if math.isfinite(share) else "–"
