"""What stands on the page: frames in, plain values for the template and columns for its script out. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from textwrap import dedent
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from vaescope.runs.study import Study
from vaescope.views import figures, summary, tables
from vaescope.views.matrix import Packed

MOST_ROWS = 400
"""Rows of the table of runs; a study may have thousands of runs."""


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


def titles(measures: Sequence[str]) -> dict[str, str]:
    """Measure -> what its axis is called."""
    known = {"cka": "CKA (debiased)", "cka_biased": "CKA (biased)", "procrustes": "Procrustes similarity"}
    return {name: known.get(name, name) for name in measures}


def snapshot_steps(frames: Frames, scores: Mapping[str, Packed]) -> dict[str, list[int]]:
    """Run -> steps that have representations in any matrix, ascending."""
    steps: dict[str, set[int]] = {str(run): set() for run in frames.runs["run"]}
    for packed in scores.values():
        for run, rows in zip(packed.data["runs"], packed.data["rows"], strict=True):
            steps.setdefault(run, set()).update(step for step, _ in rows)
    return {run: sorted(found) for run, found in steps.items()}


def specs(frames: Frames, measure: str, scored: bool) -> dict[str, Any]:
    """The charts of the page as Vega-Lite, without rows; a chart that has nothing to show is left out."""
    order = tables.layer_order(frames.layers)
    made: dict[str, Any] = {}
    if scored:
        cells = pd.DataFrame({"layer_a": [], "step_a": [], "layer_b": [], "step_b": [], "score": []})
        made["heatmap"] = figures.page_spec(figures.heatmap(cells, order, order, "similarity"), container=False)
    if len(frames.curves):
        parts = {p: _layers_of(frames, p) for p in tables.PARTS}
        ticks = tables.step_ticks(list(frames.curves["step"]))
        none = frames.curves.iloc[:0]
        blank = tables.curves_table(none, measure, "", "encoder")
        shown = [layer for part in tables.PARTS for layer in parts[part]]
        made["settling"] = figures.page_spec(
            figures.settling(tables.settling_table(frames.settling[:0], "", {}), shown, ticks)
        )
        made["curves"] = {
            part: figures.page_spec(figures.curves(blank, part, layers, ticks, "similarity to the end"))
            for part, layers in parts.items()
        }
    losses = tables.losses_table(frames.losses)
    if len(losses):
        ticks = tables.step_ticks(list(losses["step"]))
        whole = losses.assign(chosen=False, label="")
        named = {"loss": "loss", "reconstruction": "reconstruction", "kl": "KL"}
        made["losses"] = {
            c: figures.page_spec(figures.losses(whole, c, f"{t} (nats)", ticks)) for c, t in named.items()
        }
    latents = tables.latents_table(frames.latents)
    if len(latents):
        names = sorted(latents["latent"].unique(), key=lambda text: (len(text), text))
        ticks = tables.step_ticks(list(latents["step"]))
        made["latents"] = figures.page_spec(figures.latents(latents.iloc[:0], names, ticks, float(latents["kl"].max())))
    return made


def columns(frame: pd.DataFrame, digits: int = 5) -> dict[str, list[Any]]:
    """A frame as JSON columns: NaN and infinity become null, floats keep `digits` significant digits."""
    return {str(name): [_plain(value, digits) for value in frame[name].tolist()] for name in frame.columns}


def data(frames: Frames, study: Study, scores: Mapping[str, Packed], pictures: Mapping[str, Any]) -> dict[str, Any]:
    """All that the page's script reads."""
    labels = tables.run_labels(frames.runs)
    steps = snapshot_steps(frames, scores)
    states = dict(zip(frames.runs["run"].astype(str), frames.runs["state"].astype(str), strict=True))
    found = [name for name in study.measures if name in scores or (frames.curves["measure"] == name).any()]
    curves = frames.curves[["measure", "run", "layer", "part", "step", "score", "floor", "corrected"]]
    settling = frames.settling[["measure", "run", "layer", "part", "floor", "raw", "corrected"]]
    return {
        "runs": [{"id": r, "label": labels[r], "state": states[r], "steps": steps.get(r, [])} for r in labels],
        "measures": [{"name": name, "title": title} for name, title in titles(found).items()],
        "layers": tables.layer_order(frames.layers),
        "specs": specs(frames, found[0] if found else "", bool(scores)),
        "scores": {name: packed.data for name, packed in scores.items()},
        "tables": {
            "curves": columns(curves[curves["part"].isin(tables.PARTS)]),
            "settling": columns(settling[settling["part"].isin(tables.PARTS)]),
            "losses": columns(tables.losses_table(frames.losses)),
            "latents": columns(tables.latents_table(frames.latents)),
        },
        "pictures": pictures,
    }


def cards(frames: Frames, scores: Mapping[str, Packed], measure: str) -> list[summary.Card]:
    """The headline figures."""
    raw, corrected = (summary.lead(frames.lead, measure, c) for c in ("raw", "corrected"))
    floor = summary.floors(frames.settling, measure)
    made = [_lead_card("floor-corrected", corrected), _lead_card("raw", raw)]
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
    names = titles([str(m) for m in settling["measure"].unique()])
    made: list[tuple[str, list[dict[str, str]]]] = []
    for measure, ours in settling.groupby("measure", sort=False):
        rows = [
            {"layer": str(layer), "part": str(part), "floor": number(group["floor"].mean(), 3)}
            | {column: _spread(group[column]) for column in ("raw", "corrected")}
            for (layer, part), group in ours.groupby(["layer", "part"], sort=False)
        ]
        made.append((names[str(measure)], rows))
    return made


def never(frames: Frames, measure: str) -> str:
    """How many layers have no settling step."""
    at = frames.settling[(frames.settling["measure"] == measure) & frames.settling["part"].isin(tables.PARTS)]
    count = int(at["corrected"].isna().sum())
    return (
        f"{count} of {len(at)} layers have no floor-corrected mark: they never reach it, or nothing is left to reach."
        if count
        else ""
    )


def method(
    study: Study, scores: Mapping[str, Packed], docs: Mapping[str, str | None], versions: str
) -> list[tuple[str, list[str]]]:
    """How everything was computed: titled paragraphs."""
    seeds = ", ".join(str(s) for s in study.seed_list[:12]) + (" …" if len(study.seed_list) > 12 else "")
    optimiser = ", ".join(f"{k} {v}" for k, v in study.optimiser.model_dump().items() if k != "name")
    told: list[tuple[str, list[str]]] = [
        (
            "Training",
            [
                f"{study.steps:,} steps of {study.batch_size} examples, {study.latents} latents, {study.optimiser.name} ({optimiser}); seeds {seeds}.",
                f"Snapshots at steps {', '.join(f'{s:,}' for s in some_steps(study.snapshot_steps))}.",
            ],
        ),
        (
            "Representations",
            [
                f"Each layer on the same {study.probe.n:,} probe examples of its dataset, drawn without replacement by seed {study.probe.seed}.",
                "The decoder is fed from the posterior mean; the sampled representation uses one fixed draw of noise. Layers that only reshape another are left out.",
            ],
        ),
    ]
    for name, choice in study.measures.items():
        told.append(
            (
                titles([name])[name],
                [*_measure_lines(docs.get(name)), _extent(name, choice.pairs, choice.n or study.probe.n, scores)],
            )
        )
    told.append(
        (
            "Limits",
            [
                "Settling steps are those of snapshots: a layer settled somewhere between that snapshot and the one before it.",
                "A high score at step 0 says that random weights already keep the information the measure looks at. Read the lead with the floor taken off.",
                "Scores on this page have four digits; the study's folder keeps them in full.",
            ],
        )
    )
    return [*told, ("Made with", [versions])]


def some_steps(steps: Sequence[int], most: int = 14) -> list[int]:
    """The steps, or evenly spaced ones where there are many."""
    return list(steps) if len(steps) <= most else [steps[int(i)] for i in np.linspace(0, len(steps) - 1, most).round()]


def number(value: object, digits: int) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if not isinstance(value, int | float | np.number) or not math.isfinite(float(value)):
        return "–"
    return f"{float(value):,.{digits}f}".replace("-", "−")


def vega_lite() -> str:
    """The version of Vega-Lite that the charts are written in, e.g. "6.4"."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _layers_of(frames: Frames, part: str) -> list[str]:
    mine = set(frames.layers.loc[frames.layers["part"] == part, "layer"].astype(str))
    return [layer for layer in tables.layer_order(frames.layers) if layer in mine]


def _lead_card(kind: str, lead: summary.Lead) -> summary.Card:
    if not lead.runs:
        return summary.Card(f"Lead of the encoder, {kind}", "–", "no run gives an answer")
    note = f"as many steps for the decoder; {summary.counted(lead.runs, 'run')}, {summary.times(lead.low)} to {summary.times(lead.high)}"
    return summary.Card(f"Lead of the encoder, {kind}", summary.times(lead.mean), note)


def _measure_lines(doc: str | None) -> list[str]:
    """The paragraphs of a docstring; each of its references is one of its own."""
    if not doc:
        return []
    body, _, references = cleandoc(doc).partition("References:\n")
    lines = [" ".join(part.split()) for part in body.split("\n\n")]
    for line in dedent(references).splitlines():
        if line.startswith(" ") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return [line for line in lines if line]


def _extent(name: str, pairs: str, n: int, scores: Mapping[str, Packed]) -> str:
    wanted = (
        "every pair of layers, snapshots and runs"
        if pairs == "all"
        else "all layers within a snapshot, and each layer across steps and runs"
    )
    if name not in scores:
        return f"Asked for {wanted}, on {n:,} examples; not computed yet."
    packed = scores[name]
    text = (
        f"Computed for {wanted}, on {n:,} examples: {packed.computed:,} scores; {packed.missing:,} pairs not computed."
    )
    if packed.left_out:
        text += f" {packed.left_out:,} pairs of runs are left out of this page for its size."
    return text


def _spread(steps: pd.Series) -> str:
    found = steps.dropna()
    if not len(found):
        return "never"
    low, mid, high = (f"{v:,.0f}" for v in (found.min(), found.median(), found.max()))
    missed = f", never in {len(steps) - len(found)}" if len(found) < len(steps) else ""
    return (mid if low == high else f"{mid} ({low} to {high})") + missed


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value
