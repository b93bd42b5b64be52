"""What stands on the page: frames in, plain values for the template and columns for its script out. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from vaescope.runs.study import Study
from vaescope.stats.measure import MEASURES
from vaescope.views import charts, method, summary, tables
from vaescope.views.matrix import Packed

MOST_ROWS = 400
"""Rows of the table of runs; a study may have thousands of runs."""

LOSS_ROWS = 40_000
"""Rows of losses on the page: 400 steps of each of a hundred runs, fewer of each where there are more."""

LATENT_ROWS = 60_000
"""Rows of KL per latent, beside those of the snapshots: 60 steps of 10 latents of each of a hundred runs."""


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


def snapshot_steps(frames: Frames, scores: Mapping[str, Packed]) -> dict[str, list[int]]:
    """Run -> steps that have representations in any matrix, ascending."""
    steps: dict[str, set[int]] = {str(run): set() for run in frames.runs["run"]}
    for packed in scores.values():
        for run, rows in zip(packed.data["runs"], packed.data["rows"], strict=True):
            steps.setdefault(run, set()).update(step for step, _ in rows)
    return {run: sorted(found) for run, found in steps.items()}


def specs(frames: Frames, measure: str, scored: bool, highest: float = 1.0) -> dict[str, Any]:
    """The charts of the page as Vega-Lite, without rows; a chart that has nothing to show is left out."""
    order = tables.layer_order(frames.layers)
    made: dict[str, Any] = {}
    if scored:
        cells = pd.DataFrame({"layer_a": [], "step_a": [], "layer_b": [], "step_b": [], "score": []})
        title = "similarity" if highest == 1 else "score"
        chart = charts.heatmap(cells, order, order, title, highest)
        made["heatmap"] = charts.page_spec(chart, container=False)
    if len(frames.curves):
        parts = {p: _layers_of(frames, p) for p in tables.PARTS}
        ticks = tables.step_ticks(list(frames.curves["step"]))
        none = frames.curves.iloc[:0]
        blank = tables.curves_table(none, measure, "", "encoder")
        shown = [layer for part in tables.PARTS for layer in parts[part]]
        made["settling"] = charts.page_spec(
            charts.settling(tables.settling_table(frames.settling[:0], "", {}), shown, ticks)
        )
        made["curves"] = {
            part: charts.page_spec(charts.curves(blank, part, layers, ticks, "similarity to the end"))
            for part, layers in parts.items()
        }
    losses = _losses(frames)
    if len(losses):
        ticks = tables.step_ticks(list(losses["step"]))
        whole = losses.assign(chosen=False, label="")
        named = {"loss": "loss", "reconstruction": "reconstruction", "kl": "KL"}
        made["losses"] = {
            c: charts.page_spec(charts.losses(whole, c, f"{t} (nats)", ticks)) for c, t in named.items()
        }
    latents = tables.latents_table(frames.latents)
    if len(latents):
        names = sorted(latents["latent"].unique(), key=lambda text: (len(text), text))
        ticks = tables.step_ticks(list(latents["step"]))
        made["latents"] = charts.page_spec(charts.latents(latents.iloc[:0], names, ticks, float(latents["kl"].max())))
    return made


def columns(frame: pd.DataFrame, digits: int = 5) -> dict[str, list[Any]]:
    """A frame as JSON columns: NaN and infinity become null, floats keep `digits` significant digits."""
    return {str(name): [_plain(value, digits) for value in frame[name].tolist()] for name in frame.columns}


def data(
    frames: Frames,
    study: Study,
    steps: Mapping[str, list[int]],
    scores: Mapping[str, Packed],
    pictures: Mapping[str, Any],
) -> dict[str, Any]:
    """All that the page's script reads."""
    labels = tables.run_labels(frames.runs)
    states = dict(zip(frames.runs["run"].astype(str), frames.runs["state"].astype(str), strict=True))
    found = [name for name in study.measures if name in scores or (frames.curves["measure"] == name).any()]
    found.sort(key=method.is_distance)  # what the page shows first has curves
    curves = frames.curves[["measure", "run", "layer", "part", "step", "score", "floor", "corrected"]]
    settling = frames.settling[["measure", "run", "layer", "part", "floor", "raw", "corrected"]]
    return {
        "runs": [{"id": r, "label": labels[r], "state": states[r], "steps": steps[r]} for r in labels],
        "measures": [{"name": name, "title": title} for name, title in method.titles(found).items()],
        "layers": tables.layer_order(frames.layers),
        "specs": specs(frames, found[0] if found else "", bool(scores), _highest(scores)),
        "scores": {name: packed.data for name, packed in scores.items()},
        "tables": {
            "curves": columns(curves[curves["part"].isin(tables.PARTS)]),
            "settling": columns(settling[settling["part"].isin(tables.PARTS)]),
            "losses": columns(_losses(frames)),
            "latents": columns(_latents(frames, {s for found in steps.values() for s in found})),
        },
        "pictures": pictures,
    }


def cards(frames: Frames, scores: Mapping[str, Packed], measure: str) -> list[summary.Card]:
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
    pairs = sum(packed.computed for packed in scores.values())
    snapshots = int(frames.runs["snapshots"].sum())
    made.append(
        summary.Card(
            "Snapshots compared", f"{snapshots:,}", f"{pairs:,} layer pairs scored" if pairs else "nothing scored yet"
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
        f"{count} of {len(at)} layers have no floor-corrected mark: they never reach it, or nothing is left to reach."
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


def vega_lite() -> str:
    """The version of Vega-Lite that the charts are written in, e.g. "6.4"."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _losses(frames: Frames) -> pd.DataFrame:
    """The losses the page shows: the more runs, the fewer steps of each."""
    return tables.losses_table(frames.losses, max(20, min(400, LOSS_ROWS // max(1, len(frames.runs)))))


def _latents(frames: Frames, keep: Collection[int]) -> pd.DataFrame:
    """The KL per latent the page shows, at the steps to keep and some others."""
    a_step = len(frames.runs) * max(1, frames.latents["latent"].nunique())
    return tables.latents_table(frames.latents, keep, max(2, min(60, LATENT_ROWS // max(1, a_step))))


def _layers_of(frames: Frames, part: str) -> list[str]:
    mine = set(frames.layers.loc[frames.layers["part"] == part, "layer"].astype(str))
    return [layer for layer in tables.layer_order(frames.layers) if layer in mine]


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


def _highest(measures: Iterable[str]) -> float:
    """The last score of the heatmap's colours: 1, or more where a distance can be."""
    known = [MEASURES[name].bounds[1] for name in measures if name in MEASURES]
    return max([1.0, *(round(high, 2) for high in known if np.isfinite(high))])
