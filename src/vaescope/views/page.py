"""The words and tables of the page: frames in, plain texts for its template out. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaescope.views import method, summary, tables
from vaescope.views.maps import Extent

MOST_ROWS = 400
"""Rows of the table of runs; a study may have thousands of runs."""

MOST_SETTINGS = 100
"""Rows of the tables of settings."""


@dataclass(frozen=True)
class Frames:
    """The tidy frames of `Results` that the page reads, each read once."""

    runs: pd.DataFrame
    layers: pd.DataFrame
    losses: pd.DataFrame
    latents: pd.DataFrame
    curves: pd.DataFrame
    settling: pd.DataFrame
    lead: pd.DataFrame
    over_seeds: pd.DataFrame


def columns(frame: pd.DataFrame, digits: int = 5) -> dict[str, list[Any]]:
    """A frame as JSON columns: NaN and infinity become null, floats keep `digits` significant digits."""
    return {str(name): [_plain(value, digits) for value in frame[name].tolist()] for name in frame.columns}


def cards(frames: Frames, extents: Mapping[str, Extent], measure: str) -> list[summary.Card]:
    """The headline figures."""
    raw, corrected = (summary.lead(frames.lead, measure, c, frames.runs) for c in ("raw", "corrected"))
    start = summary.floors(frames.settling, measure)
    floor = start.floor
    without = "no run gives an answer" if start.known else "no snapshot at step 0, so no floor"
    made = [_lead_card("floor-corrected", corrected, without), _lead_card("raw", raw, "no run gives an answer")]
    if "encoder" in floor and "decoder" in floor:
        value = f"{floor['encoder']:.2f} | {floor['decoder']:.2f}"
        made.append(
            summary.Card(
                "Floor at step 0: encoder | decoder", value, "similarity of random layers to their trained selves"
            )
        )
    pairs = sum(extent.computed for extent in extents.values())
    some = any(extent.left_out for extent in extents.values())
    snapshots = int(frames.runs["snapshots"].sum())
    made.append(
        summary.Card(
            "Snapshots compared",
            f"{snapshots:,}",
            f"{pairs:,} layer pairs {'read for this page' if some else 'scored'}" if pairs else "nothing scored yet",
        )
    )
    return made


def run_rows(frames: Frames, measure: str) -> list[dict[str, str]]:
    """The table of runs, as text."""
    labels = tables.run_labels(frames.runs)
    last = summary.last_losses(frames.losses)
    leads = frames.lead[frames.lead["measure"] == measure].set_index("run")
    made = []
    for row in frames.runs.head(MOST_ROWS).to_dict("records"):
        run = str(row["run"])
        text = {"id": run, "label": labels[run], "state": str(row["state"])}
        text |= {"step": f"{int(row['step']):,}", "snapshots": str(int(row["snapshots"]))}
        for name, digits in (("loss", 1), ("reconstruction", 1), ("kl", 2)):
            text[name] = number(last[name].get(run, math.nan), digits)
        for name in ("raw", "corrected"):
            text[name] = summary.times(float(2.0 ** leads[name].get(run, math.nan)))
        made.append(text)
    return made


def settling_rows(frames: Frames) -> list[tuple[str, list[dict[str, str]]]]:
    """Per measure a table: each layer over the runs, mean floor, and median and range of the settling steps."""
    settling = frames.settling[frames.settling["part"].isin(tables.PARTS)]
    names = method.titles([str(m) for m in settling["measure"].unique()])
    made: list[tuple[str, list[dict[str, str]]]] = []
    for measure, ours in settling.groupby("measure", sort=False):
        rows = [
            {"layer": str(layer), "part": str(part), "floor": number(group["floor"].mean(), 3)}
            | {"raw": _spread(group["raw"])}
            | {"corrected": _spread(group["corrected"]) if group["floor"].notna().any() else "–"}
            for (layer, part), group in ours.groupby(["layer", "part"], sort=False)
        ]
        made.append((names[str(measure)], rows))
    return made


def over_seeds_rows(frames: Frames, measure: str) -> list[dict[str, str]]:
    """The lead of each setting over its seeds, as text; nothing where no setting has two runs with an answer."""
    ours = frames.over_seeds[frames.over_seeds["measure"] == measure]
    made: dict[str, dict[str, str]] = {}
    for row in ours.to_dict("records"):
        factors = [summary.times(float(2.0 ** row[name])) for name in ("mean", "min", "max")]
        text = "–" if not row["n"] else factors[0] if row["n"] == 1 else f"{factors[0]} ({factors[1]} to {factors[2]})"
        setting = made.setdefault(str(row["setting"]), {"setting": str(row["setting"])})
        setting |= {str(row["curve"]): text, "runs": str(row["n"])}
    return list(made.values()) if (ours["n"] > 1).any() else []


def never(frames: Frames, measure: str) -> str:
    """How many layers have no settling step."""
    if not summary.floors(frames.settling, measure).known:
        return summary.NO_START
    at = frames.settling[(frames.settling["measure"] == measure) & frames.settling["part"].isin(tables.PARTS)]
    count = int(at["corrected"].isna().sum())
    return (
        f"{count} of {len(at)} layers have no floor-corrected mark: never reached, or a floor of 0.95 and more."
        if count
        else ""
    )


def relapses(frames: Frames) -> list[str]:
    """How many curves fall below the line again, by measure and reading."""
    curves = frames.curves[frames.curves["part"].isin(tables.PARTS)]
    return summary.relapses(curves, method.titles([str(m) for m in curves["measure"].unique()]))


def number(value: object, digits: int) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if not isinstance(value, int | float | np.number) or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):,.{digits}f}".replace("-", "−")


def step_text(value: float) -> str:
    """A settling step: it lies between snapshots, so small ones have a decimal."""
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _lead_card(kind: str, lead: summary.Lead, without: str) -> summary.Card:
    if not lead.runs:
        return summary.Card(f"Lead of the encoder, {kind}", "–", without)
    spread = f"{summary.times(lead.low)} to {summary.times(lead.high)}"
    note = f"as many steps for the decoder; {lead.counted}, {spread}"
    return summary.Card(f"Lead of the encoder, {kind}", summary.times(lead.mean), note)


def _spread(steps: pd.Series) -> str:
    found = steps.dropna()
    if not len(found):
        return "never"
    low, mid, high = (step_text(float(v)) for v in (found.min(), found.median(), found.max()))
    missed = f", never in {len(steps) - len(found)}" if len(found) < len(steps) else ""
    return (mid if low == high else f"{mid} ({low} to {high})") + missed


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value
