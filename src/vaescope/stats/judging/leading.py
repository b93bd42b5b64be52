"""How far the encoder is ahead of the decoder, read with and without controls. Pure.

Each control takes away one way in which an encoder can seem to be learned first. Untrained layers near the pixels are
already like trained ones: the floor at step 0 is taken off. Decoders see codes that still move: they are fed by the
final encoder, by fixed codes, by samples of the prior. Codes are means or samples. And the end of the same run may be
the accident of one seed: the end is another seed's. Layers that training hardly moved settle anywhere: with the floor
taken off they are left out. What lies between two snapshots is not known: intervals are wider for it (`spacing`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from vaescope.stats.claim import Reading
from vaescope.stats.dynamics.leads import leads
from vaescope.stats.dynamics.settling import settling_steps
from vaescope.stats.judging.deciding import At, missing
from vaescope.stats.judging.kept import kept
from vaescope.stats.judging.spacing import off_by, spaced, spaced_reading, spacing, spacing_note

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

SETTLED = 0.9
LEAST_ROOM = 0.05  # of a layer's similarity to its end, that training must have added
CURVE = ("run", "layer", "part", "step", "draw", "score")


@dataclass(frozen=True)
class LeadReading:
    """One way to read the lead.

    Attributes:
        name: an identifier.
        title: for people.
        wiring: the control that feeds the decoder, "" where each snapshot's own encoder does.
        reference: what curves are similarities to.
        corrected: whether what is there at step 0 is taken off.
    """

    name: str
    title: str
    wiring: str = ""
    reference: Literal["final", "other"] = "final"
    corrected: bool = True


RAW = LeadReading("raw", "Lead, raw curves", corrected=False)
CORRECTED = LeadReading("floor_corrected", "Lead, without what was there at step 0")
FED = LeadReading("final_encoder", "Lead, decoders fed by the final encoder", wiring="final_encoder")
CONTROLS = (
    FED,
    LeadReading("sampled", "Lead, decoders fed with samples", wiring="sampled"),
    LeadReading("prior", "Lead, decoders fed from the prior", wiring="prior"),
    LeadReading("fixed_code", "Lead, decoders fed with fixed codes", wiring="fixed_code"),
    LeadReading("other", "Lead, towards another seed's end", reference="other"),
)


def lead_values(evidence: "Evidence", how: LeadReading) -> "pd.DataFrame":
    """The lead of every run: the columns of `evidence.RUNS`, draw, value, apart, off, idle.

    With a wiring the encoder's curves are those of the plain controlled reading, the decoder's those of the wiring.
    Towards another seed's end, curves are relative to where they end. Unless curves are raw, layers in which training
    added less than 0.05 are left out of all draws: `idle` names them. `apart` and `off` are what `spacing` says.
    Without rows where the study has not what it takes.
    """
    return kept(evidence, ("lead", how), lambda: _lead_values(evidence, how))


def _lead_values(evidence: "Evidence", how: LeadReading) -> "pd.DataFrame":
    import pandas as pd

    runs = evidence.runs.astype({"run": str})
    table, which = evidence.references, "corrected" if how.corrected else "raw"
    curves = table.loc[(table["reference"] == how.reference) & table["run"].isin(set(runs["run"])), [*CURVE]]
    if how.wiring:
        wiring = evidence.wiring
        fed = wiring.loc[(wiring["control"] == how.wiring) & (wiring["part"] == "decoder"), [*CURVE]]
        own = curves[(curves["part"] == "encoder") & curves["run"].isin(set(fed["run"]))]
        curves = pd.concat([own, fed], ignore_index=True).astype({key: str for key in ("run", "layer", "part")})
    learned = _learned(curves) if how.corrected else pd.Series(True, curves.index)
    used = cast("pd.DataFrame", curves[learned])
    settled = settling_steps(used, SETTLED, which, relative=how.reference == "other")
    found = leads(settled).rename(columns={"lead": "value"})[["run", "draw", "value"]].astype({"run": str})
    joined = found.merge(runs, on="run").merge(spacing(used, settled), on="run", how="left")
    idle = _idle(cast("pd.DataFrame", curves[~learned]))
    joined["idle"] = pd.Series([idle.get(run, "") for run in joined["run"]], joined.index, dtype=str)
    return joined.dropna(subset=["value"]).reset_index(drop=True)


def lead_reading(evidence: "Evidence", how: LeadReading, threshold: float) -> Reading:
    """The mean lead over seeds, which must be above a threshold."""
    values = lead_values(evidence, how)
    if not len(values):
        return missing(how.name, how.title, threshold, why_missing(evidence, how))
    notes = lead_notes(evidence, values)
    return spaced_reading((how.name, how.title), spaced(values)(0.95), threshold, "above", notes, off_by(values))


def lead_readings(evidence: "Evidence", threshold: float) -> tuple[Reading, Reading, tuple[Reading, ...]]:
    """Plain, with the floor taken off, and all controls."""
    plain, main = (lead_reading(evidence, how, threshold) for how in (RAW, CORRECTED))
    return plain, main, tuple(lead_reading(evidence, how, threshold) for how in CONTROLS)


def by_setting(values: "pd.DataFrame") -> dict[str, At]:
    """The mean lead over seeds of each setting, its interval as wide as its snapshots are apart."""
    return {str(name): spaced(cast("pd.DataFrame", group)) for name, group in values.groupby("setting", observed=True)}


def lead_notes(evidence: "Evidence", values: "pd.DataFrame", off: float | None = None) -> list[str]:
    """What must be known of leads: runs and layers left out, and what the spacing of snapshots costs (`off`)."""
    without = len(evidence.runs) - values["run"].nunique()
    notes = [f"{without} of {len(evidence.runs)} runs have no such lead."] if without else []
    idle = values.drop_duplicates("run")["idle"].str.split(", ").explode()
    names = idle[idle != ""].value_counts(sort=False)
    if len(names):
        runs = values["run"].nunique()
        told = ", ".join(n if names[n] == runs else f"{n} ({names[n]} of {runs} runs)" for n in sorted(names.index))
        notes.append(f"Left out, since training adds less than {LEAST_ROOM} to their similarity: {told}.")
    return [*notes, spacing_note(values, off_by(values) if off is None else off)]


def without_lead(evidence: "Evidence", values: "pd.DataFrame") -> list[str]:
    """The settings of the study of which no run has a lead."""
    there = set(values.loc[values["draw"] == -1, "setting"].astype(str))
    return sorted(set(evidence.runs["setting"].astype(str)) - there)


def why_missing(evidence: "Evidence", how: LeadReading) -> str:
    """What a study lacks for a reading of the lead."""
    table = evidence.references
    if not len(evidence.runs):
        return "No run has reached its last snapshot: all diverged, failed, or have not ended."
    if not evidence.measure:
        return "The study measures distances only: add a similarity, such as cka, to its measures."
    if not len(table):
        return "The snapshots have not been examined: `vaescope examine`."
    if how.corrected and not (table["step"] == 0).any():
        return "There is no snapshot at step 0, so what was there before training is not known."
    if how.wiring and not (evidence.wiring["control"] == how.wiring).any():
        why = "recorded runs have no network here" if evidence.last else "`vaescope examine`"
        return f"Decoders have not been fed this way ({how.wiring}): {why}."
    if how.reference == "other" and not (table["reference"] == "other").any():
        return "There is no second seed to compare with."
    if not {"encoder", "decoder"} <= set(table["part"].astype(str)):
        return "The networks have no layers of their own in the encoder or in the decoder."
    if not table["score"].notna().any():
        return "No snapshot has a score."
    return (
        f"Nothing was learned: in the encoder or in the decoder training added less than {LEAST_ROOM} to every layer."
    )


def _learned(curves: "pd.DataFrame") -> "pd.Series":
    """Which rows are of layers to whose end training added more than next to nothing, on the whole probe set."""
    import numpy as np
    import pandas as pd

    number = curves.groupby(["run", "layer"], observed=True, sort=False).ngroup().to_numpy()
    whole = np.flatnonzero((curves["draw"] == -1).to_numpy() & curves["score"].notna().to_numpy())
    whole = whole[np.argsort(curves["step"].to_numpy()[whole], kind="stable")]
    score = curves["score"].to_numpy(float)[whole]
    first, last = (np.full(int(number.max(initial=-1)) + 1, np.nan) for _ in range(2))
    last[number[whole]] = score  # of a place written twice the last stays
    first[number[whole[::-1]]] = score[::-1]
    return pd.Series((last - first > LEAST_ROOM)[number], curves.index)


def _idle(curves: "pd.DataFrame") -> "dict[str, str]":
    """Run -> the layers of encoder and decoder in such rows, by name."""
    layers = curves[curves["part"].isin(["encoder", "decoder"])][["run", "layer"]].astype(str).drop_duplicates()
    return {str(run): ", ".join(sorted(group)) for run, group in layers.groupby("run")["layer"]}
