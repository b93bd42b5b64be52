"""The three figures with which a page opens, as tables, and the same as rows of text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaescope.stats.evidence import Evidence
from vaescope.views import lacking
from vaescope.views.curvesets import Curves
from vaescope.views.leads import times
from vaescope.views.page import columns, number
from vaescope.views.seeds import by_seed

MOST_LEADS = 24
"""Settings in the figure of leads; of more, the objectives of each dataset stand there, and all in its table."""

LEADS = {
    "raw": "raw",
    "corrected": "floor-corrected",
    "final_encoder": "floor-corrected, decoder fed by the final encoder",
}
DIFFER = {"seed": "seed", "strength": "strength", "objective": "objective", "dataset": "dataset"}


@dataclass(frozen=True)
class Opening:
    """The tables behind the three figures.

    Attributes:
        parts: part, reading, step, mean, low, high, runs, seeds: similarity to the end, the mean over layers.
        layers: part, layer, reading, step, mean.
        leads: setting, dataset, objective, strength, reading, title, lead, low, high, p, runs, seeds: in doublings.
        shown_leads: those in the figure.
        across: differ_in, layer, part, score, low, high, ceiling, floor, p, pairs.
    """

    parts: pd.DataFrame
    layers: pd.DataFrame
    leads: pd.DataFrame
    shown_leads: pd.DataFrame
    across: pd.DataFrame

    def described(self) -> dict[str, Any]:
        """As plain columns for the page's script."""
        return {
            "curves": {"parts": columns(self.parts, 4), "layers": columns(self.layers, 4)},
            "leads": columns(self.shown_leads, 4),
            "across": columns(self.across, 4),
        }

    def figures(self, measure: str, layers: pd.DataFrame) -> list[dict[str, str]]:
        """Title, caption, and what is missing, of each.

        Args:
            measure: in words.
            layers: `Results.layers`: without an encoder and a decoder among them there is no lead to ask for.
        """
        partless = lacking.partless(layers)
        title, whose = "Does the encoder settle first, once the floor is taken off?", "encoder and decoder layers"
        no_lead = "No lead yet: no layers of both parts have settled."
        if partless:
            title, whose = "When do layers settle, once the floor is taken off?", "layers"
            no_lead = f"No lead: {lacking.NO_PARTS}."
        grouped = len(self.shown_leads) and not self.shown_leads["strength"].any() and self.leads["strength"].any()
        few = "" if not len(self.shown_leads) or self.shown_leads["low"].notna().any() else " One seed has no interval."
        return [
            {
                "id": "figure-curves",
                "title": title,
                "caption": f"Similarity of {whose} to the end of their run ({measure}), mean over "
                "layers and runs with its 95 % interval over seeds; thin lines are single layers. Raw on the left; "
                "on the right with each layer's score at step 0 taken off.",
                "empty": "" if len(self.parts) else "No curves yet: they need a finished run and its similarities.",
            },
            {
                "id": "figure-leads",
                "title": "How far ahead is the encoder?",
                "caption": "How many times as many steps decoder layers take as encoder layers to reach 0.9 of the way "
                f"to their end, with 95 % intervals over seeds; 1× is no lead.{few}"
                + (" Strengths are taken together; the table below has each." if grouped else ""),
                "empty": "" if len(self.leads) else no_lead,
            },
            {
                "id": "figure-across",
                "title": "Which layers depend on the setting?",
                "caption": "Similarity at the end between runs that differ in strength, objective or dataset, and in "
                "the seed, with 95 % intervals, against the ceiling (runs that differ in the seed alone) and the floor "
                "(an untrained layer and a trained one).",
                "empty": ""
                if len(self.across)
                else "It needs finished runs that differ in something, and their scores.",
            },
        ]

    def lead_rows(self) -> list[dict[str, str]]:
        """The table of leads as text."""
        rows = []
        for row in self.leads.to_dict("records"):
            lead, low, high = (2.0 ** float(row[name]) for name in ("lead", "low", "high"))
            rows.append(
                {"setting": str(row["setting"]), "reading": str(row["title"]), "lead": times(lead)}
                | {"interval": f"{times(low)} to {times(high)}" if np.isfinite(low) else "–"}
                | {"p": number(row["p"], 3), "runs": str(row["runs"]), "seeds": str(row["seeds"])}
            )
        return rows

    def across_rows(self) -> list[dict[str, str]]:
        """The table of similarities between runs as text."""
        rows = []
        for row in self.across.to_dict("records"):
            texts = {name: number(row[name], 2) for name in ("score", "ceiling", "floor")}
            if row["differ_in"] == "seed":
                texts["ceiling"] = "–"  # they are the other seeds themselves
            known = np.isfinite(row["low"]) and np.isfinite(row["high"])
            interval = f"{number(row['low'], 2)} to {number(row['high'], 2)}" if known else "–"
            rows.append(
                {"differ_in": DIFFER.get(str(row["differ_in"]), str(row["differ_in"])), "layer": str(row["layer"])}
                | {"part": str(row["part"]), **texts, "interval": interval, "pairs": f"{int(row['pairs']):,}"}
            )
        return rows


def opening(curves: Curves, measure: str, evidence: Evidence) -> Opening:
    """The tables behind the three figures.

    Args:
        curves: of the page.
        measure: the main one.
        evidence: of the study; tables that it lacks leave their part of the figures out.
    """
    parts, layers = part_curves(curves, measure)
    own = own_curves(curves, measure, evidence)
    found = lead_table(evidence, own)
    shown = found
    if found["setting"].nunique() > MOST_LEADS:
        shown = lead_table(evidence, own, ("dataset", "network", "objective"))
    return Opening(parts, layers, found, shown, across(evidence))


def part_curves(curves: Curves, measure: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean curves of parts, with intervals over seeds, and of layers."""
    axes, seeds = curves.axes, np.array(curves.axes.seeds)
    parts, layers = [], []
    for reading in ("raw", "corrected"):
        values = curves.known.get((measure, "final", reading, ""), np.full((len(seeds), len(axes.layers), 0), np.nan))
        for part in ("encoder", "decoder", "other") if values.size else ():
            mine = axes.of_part(part)
            known = np.isfinite(values[:, mine])
            count = known.sum(1)
            mean = np.where(count > 0, np.where(known, values[:, mine], 0).sum(1) / np.maximum(count, 1), np.nan)
            middle, half, found = by_seed(mean, seeds)
            runs = int(np.isfinite(mean).any(1).sum())
            for k, step in enumerate(axes.steps):
                if np.isfinite(middle[k]):
                    ends = (middle[k], middle[k] - half[k], min(middle[k] + half[k], 1.0))
                    parts.append((part, reading, step, *ends, runs, found))
            over = by_seed(values[:, mine], seeds)[0]
            layers += [
                (part, axes.layers[layer], reading, step, over[i, k])
                for i, layer in enumerate(mine)
                for k, step in enumerate(axes.steps)
                if np.isfinite(over[i, k])
            ]
    names = ["part", "reading", "step", "mean", "low", "high", "runs", "seeds"]
    return pd.DataFrame(parts, columns=names), pd.DataFrame(layers, columns=["part", "layer", *names[1:4]])


def own_curves(curves: Curves, measure: str, evidence: Evidence) -> pd.DataFrame:
    """Curves to the run's end: with the halves of the probe set for runs that were examined, without for the others."""
    axes, found = curves.axes, evidence.references
    keys = ["run", "layer", "part", "step", "draw", "score"]
    if len(found):
        found = found.loc[(found["reference"] == "final").to_numpy(bool), keys]
        found = found.assign(**{name: found[name].astype(str) for name in ("run", "layer", "part")})
    values = curves.known.get((measure, "final", "raw", ""), np.zeros((0, 0, 0))).copy()
    values[[run in set(found["run"].unique()) for run in axes.runs][: len(values)]] = np.nan
    at = np.nonzero(np.isfinite(values))
    names = [np.array(axis, object)[place] for axis, place in zip((axes.runs, axes.layers), at[:2], strict=True)]
    made = pd.DataFrame({"run": names[0], "layer": names[1], "step": np.array(axes.steps, int)[at[2]]})
    made = made.assign(part=made["layer"].map(dict(axes.parts)), draw=-1, score=values[at])[keys]
    return pd.concat([frame for frame in (found, made) if len(frame)], ignore_index=True) if len(found) else made


def lead_table(
    evidence: Evidence, own: pd.DataFrame, by: Sequence[str] = ("dataset", "network", "objective", "strength")
) -> pd.DataFrame:
    """The lead of the encoder over seeds: raw, corrected, and with the decoder fed by the final encoder."""
    from vaescope.stats.dynamics.leads import lead_table as over_seeds
    from vaescope.stats.dynamics.leads import leads
    from vaescope.stats.dynamics.settling import settling_steps

    fed = evidence.wiring
    fed = fed[(fed["control"] == "final_encoder").to_numpy(bool)][list(own)] if len(fed) else own[:0]
    encoder, decoder = (frame[frame["part"] == part] for frame, part in ((own, "encoder"), (fed, "decoder")))
    crossed = encoder[encoder["run"].isin(decoder["run"])]
    tables = []
    for reading, curves in (("raw", own), ("corrected", own), ("final_encoder", pd.concat([crossed, decoder]))):
        if len(curves):
            settled = settling_steps(curves, reading="raw" if reading == "raw" else "corrected")
            found = over_seeds(leads(settled), evidence.runs, by=by)
            tables.append(found.assign(reading=reading, title=LEADS[reading]))
    names = ["setting", "dataset", "network", "objective", "strength", "reading", "title"]
    names += ["lead", "low", "high", "p", "runs", "seeds"]
    if not tables:
        return pd.DataFrame(columns=names)
    table = pd.concat(tables, ignore_index=True)
    table = table.drop(columns="p").rename(columns={"p_adjusted": "p"})
    if "strength" not in table:
        table["strength"] = ""
    several = [name for name in ("dataset", "network") if evidence.runs[name].nunique() > 1]
    heads = zip(*(table[name].astype(str) for name in [*several, "objective", "strength"]), strict=True)
    table["setting"] = [" ".join(word for word in head if word not in ("", "none")) for head in heads]
    return table.loc[table["lead"].notna(), names].reset_index(drop=True)


def across(evidence: Evidence) -> pd.DataFrame:
    """How alike layers are between runs that differ in one thing, beside the ceiling and the floor."""
    from vaescope.stats.dynamics.sensitivity import abroad, sensitivity

    names = ["differ_in", "layer", "part", "score", "low", "high", "ceiling", "floor", "p", "pairs"]
    tables = []
    if len(evidence.ends):
        tables.append(sensitivity(evidence.ends, evidence.runs))
    if len(evidence.ends) and len(evidence.abroad):
        tables.append(abroad(evidence.abroad, evidence.ends, evidence.runs).assign(differ_in="dataset"))
    if not tables:
        return pd.DataFrame(columns=names)
    found = pd.concat([table.assign(p=table["p_adjusted"]) for table in tables], ignore_index=True)
    found = found[found["part"] != "input"]
    floors = evidence.ends.groupby("layer", observed=True)["floor"].mean()
    found["floor"] = found["layer"].map(floors)
    short = {name: found[name] for name in ("low", "high")}
    found["low"], found["high"] = found["ceiling"] - short["high"], (found["ceiling"] - short["low"]).clip(upper=1)
    return found.loc[found["score"].notna(), names].reset_index(drop=True)
