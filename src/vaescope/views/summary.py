"""What the study found, in words and numbers. Pure: frames in, plain text out; escaping is the page's business."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from vaescope.views.leads import Lead, Start, counted, fallen, floors, lead, times

__all__ = ["Card", "Lead", "Start", "caveats", "counted", "finding", "floors", "headline", "last_losses", "lead"]
__all__ += ["relapses", "setting", "times"]

NO_START = "There is no snapshot at step 0, so no floor and no corrected reading."


@dataclass(frozen=True)
class Card:
    """One headline figure."""

    label: str
    value: str
    note: str = ""


def setting(runs: pd.DataFrame, steps: int) -> str:
    """What was trained, in one sentence."""
    seeds = runs["seed"].nunique()
    return (
        f"{counted(len(runs), 'run')} of up to {counted(steps, 'step')} each: {_listed(runs['dataset'])} "
        f"with {_listed(runs['network'])}, {_listed(runs['objective'])}{_strengths(runs)}, {counted(seeds, 'seed')}."
    )


def headline(raw: Lead, corrected: Lead) -> str:
    """The finding in one sentence, floor-corrected where there is such a reading; and whether it can be sure."""
    best, how = (corrected, "floor-corrected") if corrected.runs else (raw, "raw, with the floor left in")
    verdict = best.verdict
    if verdict == "none":
        return "There is no finding yet."
    besides = corrected.runs and raw.runs
    if verdict in ("unclear", "together"):
        spread = f"; {times(best.low)} to {times(best.high)} over {best.counted}" if best.runs > 1 else ""
        first = (
            "Encoder and decoder settle together"
            if verdict == "together"
            else "Neither encoder nor decoder clearly settles first"
        )
        told = (
            f"{first}: decoder layers take {times(best.mean)} as many steps "
            f"({how}{spread}{f'; raw, {times(raw.mean)}' if besides else ''})."
        )
        return told + (_too_few(best, "") if verdict == "together" else "")
    later = "decoder" if verdict == "encoder" else "encoder"
    factor, other = (best.mean, raw.mean) if verdict == "encoder" else (1 / best.mean, 1 / raw.mean)
    compared = f"; raw, {later} layers take {times(other)}" if besides else ""
    told = f"The {verdict} settles first: {later} layers take {times(factor)} as many steps ({how}{compared})."
    return told + _too_few(best, ", all on one side,")


def finding(raw: Lead, corrected: Lead, start: Start, measure: str) -> list[str]:
    """The finding in sentences: corrected, raw, floors, and whether raw and corrected agree."""
    missing = [] if start.known else [NO_START]
    if not raw.runs and not corrected.runs:
        return [
            "No finding yet: it takes at least one finished run with its similarities computed, "
            "in which layers of both encoder and decoder reach 0.9.",
            *missing,
        ]
    told = missing or [_lead_sentence(corrected, f"Floor-corrected ({measure}),")]
    told = [*told, _lead_sentence(raw, "Raw," if start.known else f"Raw ({measure}),", start)]
    floor = start.floor
    if "encoder" in floor and "decoder" in floor:
        told.append(
            f"At step 0, before any training, a layer's similarity to its own trained state is already "
            f"{floor['encoder']:.2f} in the encoder and {floor['decoder']:.2f} in the decoder (mean over layers and "
            "runs): that is the floor."
        )
    if raw.runs and corrected.runs:
        told.append(_agreement(raw, corrected))
    return told


def relapses(curves: pd.DataFrame, titles: Mapping[str, str]) -> list[str]:
    """For each measure and reading, how many curves fall below 0.9 after they first reached it.

    Args:
        curves: `Results.curves`, of the parts that count.
        titles: measure -> what the page calls it.
    """
    told = []
    for measure, title in titles.items():
        for column, reading in (("score", "raw"), ("corrected", "floor-corrected")):
            again, reached = fallen(curves, measure, column)
            verb = "falls" if again == 1 else "fall"
            if reached:
                told.append(
                    f"{title}, {reading}: {again:,} of {counted(reached, 'curve')} {verb} below 0.9 again later"
                    + ("; the first crossing is counted." if again else ".")
                )
    return told


def caveats(runs: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """What the reader must know about the runs: diverged, unfinished or not started."""
    told = []
    for row in runs[runs["state"] == "diverged"].to_dict("records"):
        why = f" ({row['reason']})" if row["reason"] else ""
        told.append(
            f"Run {labels[str(row['run'])]} diverged at step {int(row['step']):,}{why}; it is left out of the finding."
        )
    unfinished = runs[~runs["state"].isin(["done", "diverged"])]
    if len(unfinished):
        told.append(f"{counted(len(unfinished), 'run')} of {len(runs)} not finished yet: what follows will change.")
    return told


def last_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """The last logged losses of each run, indexed by run."""
    return losses.sort_values("step", kind="stable").groupby("run", sort=False).last()


def _too_few(found: Lead, agreeing: str) -> str:
    if not found.few:
        return ""
    return (
        " One run is too few to be sure." if found.runs == 1 else f" {found.counted}{agreeing} are too few to be sure."
    )


def _lead_sentence(found: Lead, how: str, start: Start | None = None) -> str:
    """One reading; the raw one, which is given `start`, hangs on where steps are counted from, and says so."""
    if not found.runs:
        return f"{how} no run gives an answer: layers never reach 0.9, or are there from the start."
    flip = found.mean < 1 and found.verdict != "together"
    first, later = ("decoder", "encoder") if flip else ("encoder", "decoder")
    mean, low, high = (1 / found.mean, 1 / found.high, 1 / found.low) if flip else (found.mean, found.low, found.high)
    spread = f", geometric mean; {times(low)} to {times(high)}" if found.runs > 1 else ""
    origin = " (counted from 1)" if start else ""
    there, of = start.there.get(first, (0, 0)) if start else (0, 0)
    begun = f"; {there} of {of} {first} layers, over the runs, are there at step 0" if of else ""
    told = (
        f"{how} {later} layers take {times(mean)} as many steps{origin} as {first} layers to reach 0.9 of their final "
        f"similarity ({found.counted}{spread}){begun}."
    )
    if found.verdict == "together":
        return f"{told} That is within 7 % of 1: they settle together."
    agree = found.runs - found.encoder_first if flip else found.encoder_first
    return f"{told} The {first} is first in {agree}\u00a0of\u00a0{found.runs}."


def _agreement(raw: Lead, corrected: Lead) -> str:
    a, b = raw.verdict, corrected.verdict
    if a == b == "together":
        return "Raw and floor-corrected readings agree: encoder and decoder settle together."
    if a == b == "unclear":
        return "In both readings the runs fall on both sides."
    if {a, b} == {"encoder", "decoder"}:
        return (
            "Raw and floor-corrected readings disagree on which comes first. The raw lead is then no evidence of "
            "earlier learning: it says which part a random network already resembles."
        )
    if a != b:
        told = f"The two readings disagree: raw, {_in_short(raw)}; with the floor taken off, {_in_short(corrected)}."
        if a not in ("encoder", "decoder"):
            return told
        return (
            f"{told} The raw lead is then mostly what random layers already share with trained ones, and no evidence "
            "of earlier learning."
        )
    before, after = abs(math.log2(raw.mean)), abs(math.log2(corrected.mean))
    if abs(before - after) >= 1:
        more = "shrinks" if after < before else "grows"
        return (
            f"The two readings agree on the order but not on its size: the lead {more} from {times(2**before)} to "
            f"{times(2**after)} when the floor is taken off. The rest "
            "is what random layers already share with trained ones."
        )
    return "Raw and floor-corrected readings agree on the order and, within a factor of two, on its size."


def _in_short(found: Lead) -> str:
    if found.verdict == "unclear":
        return f"the runs fall on both sides ({times(found.low)} to {times(found.high)})"
    if found.verdict == "together":
        return f"both settle together ({times(found.mean)})"
    return f"the {found.verdict} leads by {times(2 ** abs(math.log2(found.mean)))}"


def _listed(values: Iterable[object]) -> str:
    unique = list(dict.fromkeys(str(v) for v in values))
    return ", ".join(unique[:6]) + (f" and {len(unique) - 6} more" if len(unique) > 6 else "")


def _strengths(runs: pd.DataFrame) -> str:
    known = {"run", "dataset", "network", "objective", "seed", "state", "step", "reason", "snapshots"}
    told = [
        f"{c} = {', '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in dict.fromkeys(runs[c].dropna()))}"
        for c in runs.columns
        if c not in known
    ]
    return f" ({'; '.join(told)})" if told else ""
