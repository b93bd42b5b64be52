"""What the study found, in words and numbers. Pure: frames in, plain text out; escaping is the page's business."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

ENOUGH = 6  # runs that agree by chance with probability 2 / 2**6 < 0.05; with 5 it is above


@dataclass(frozen=True)
class Card:
    """One headline figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Lead:
    """How many times later, in training steps, decoder layers settle than encoder layers; over the runs of a measure.

    Attributes:
        mean, low, high: factors (geometric mean and range); above 1 the encoder is first, NaN without runs.
        runs: how many runs have an answer.
        encoder_first: in how many of them the encoder is first.
    """

    mean: float
    low: float
    high: float
    runs: int
    encoder_first: int

    @property
    def few(self) -> bool:
        """Whether there are so few runs that even if all agree a sign test at 5 % could not tell them from chance."""
        return self.runs < ENOUGH

    @property
    def unclear(self) -> bool:
        """Whether runs fall on both sides, so that nothing can be said of which comes first."""
        return self.runs > 1 and self.low < 1 < self.high


def lead(frame: pd.DataFrame, measure: str, column: str) -> Lead:
    """The lead of the encoder over the runs.

    Args:
        frame: `Results.lead`: raw and corrected are differences of mean log2 steps, decoder minus encoder.
        measure: which measure.
        column: "raw" or "corrected".
    """
    values = frame.loc[frame["measure"] == measure, column].to_numpy(float)
    values = values[np.isfinite(values)]
    if not len(values):
        return Lead(math.nan, math.nan, math.nan, 0, 0)
    mean, low, high = (float(2.0**v) for v in (values.mean(), values.min(), values.max()))
    return Lead(mean, low, high, len(values), int((values > 0).sum()))


def floors(settling: pd.DataFrame, measure: str) -> dict[str, float]:
    """Mean similarity at step 0 to the final snapshot, by part: what a random network already scores."""
    at = settling[settling["measure"] == measure]
    return {str(part): float(value) for part, value in at.groupby("part")["floor"].mean().items()}


def times(factor: float) -> str:
    """A factor for people: 3.2×, 48×; "–" where there is none."""
    if not math.isfinite(factor):
        return "–"
    return f"{factor:.2g}×" if factor < 10 else f"{factor:,.0f}×"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 run`, `4 runs`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def setting(runs: pd.DataFrame, steps: int) -> str:
    """What was trained, in one sentence."""
    seeds = runs["seed"].nunique()
    return (
        f"{counted(len(runs), 'run')} of up to {counted(steps, 'step')} each: {_listed(runs['dataset'])} "
        f"with {_listed(runs['network'])}, {_listed(runs['objective'])}{_strengths(runs)}, {counted(seeds, 'seed')}."
    )


def headline(raw: Lead, corrected: Lead) -> str:
    """The finding in one sentence, floor-corrected where there is such a reading."""
    best, how = (corrected, "floor-corrected") if corrected.runs else (raw, "raw, with the floor left in")
    if not best.runs:
        return "There is no finding yet."
    besides = f"; raw, {times(raw.mean)}" if corrected.runs and raw.runs else ""
    if best.unclear:
        return (
            f"Neither encoder nor decoder clearly settles first: decoder layers take {times(best.mean)} as many steps "
            f"({how}; {times(best.low)} to {times(best.high)} over {counted(best.runs, 'run')}{besides})."
        )
    first, later = ("encoder", "decoder") if best.mean >= 1 else ("decoder", "encoder")
    factor = max(best.mean, 1 / best.mean)
    besides = besides and f"; raw, {later} layers take {times(raw.mean if best.mean >= 1 else 1 / raw.mean)}"
    few = "One run is too few" if best.runs == 1 else f"{best.runs} runs, all on one side, are still too few"
    few = f" {few} to be sure." if best.few else ""
    return f"The {first} settles first: {later} layers take {times(factor)} as many steps ({how}{besides}).{few}"


def finding(raw: Lead, corrected: Lead, floor: Mapping[str, float], measure: str) -> list[str]:
    """The finding in sentences: corrected, raw, floors, and whether raw and corrected agree."""
    if not raw.runs and not corrected.runs:
        return [
            "No finding yet: it takes at least one finished run with its similarities computed, "
            "in which layers of both encoder and decoder reach 0.9."
        ]
    told = [_lead_sentence(corrected, f"By {measure} and floor-corrected,"), _lead_sentence(raw, "Raw,")]
    if "encoder" in floor and "decoder" in floor:
        told.append(
            f"At step 0, before any training, a layer's similarity to its own trained state is already "
            f"{floor['encoder']:.2f} in the encoder and {floor['decoder']:.2f} in the decoder (mean over layers and "
            "runs): that is the floor."
        )
    if raw.runs and corrected.runs:
        told.append(_agreement(raw, corrected))
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


def _lead_sentence(found: Lead, how: str) -> str:
    if not found.runs:
        return f"{how} no run gives an answer: layers never reach 0.9, or are there from the start."
    flip = found.mean < 1
    first, later = ("decoder", "encoder") if flip else ("encoder", "decoder")
    mean, low, high = (1 / found.mean, 1 / found.high, 1 / found.low) if flip else (found.mean, found.low, found.high)
    agree = found.runs - found.encoder_first if flip else found.encoder_first
    spread = f", geometric mean; {times(low)} to {times(high)}" if found.runs > 1 else ""
    return (
        f"{how} {later} layers take {times(mean)} as many steps as {first} layers to reach 0.9 of their final "
        f"similarity ({counted(found.runs, 'run')}{spread}). The {first} is first in {agree}\u00a0of\u00a0{found.runs}."
    )


def _agreement(raw: Lead, corrected: Lead) -> str:
    a, b = math.log2(raw.mean), math.log2(corrected.mean)
    if corrected.unclear and not raw.unclear:
        first = "encoder" if a > 0 else "decoder"
        return (
            f"The two readings disagree: raw, the {first} leads by {times(2 ** abs(a))}; with the floor taken off the "
            f"runs fall on both sides ({times(corrected.low)} to {times(corrected.high)}). The raw lead is then mostly "
            "what random layers already share with trained ones, and no evidence of earlier learning."
        )
    if a * b < 0:
        return (
            "Raw and floor-corrected readings disagree on which comes first. The raw lead is then no evidence of "
            "earlier learning: it says which part a random network already resembles."
        )
    if abs(a - b) >= 1:
        more = "shrinks" if abs(b) < abs(a) else "grows"
        return (
            f"The two readings agree on the order but not on its size: the lead {more} from {times(2 ** abs(a))} to "
            f"{times(2 ** abs(b))} when the floor is taken off. The rest "
            "is what random layers already share with trained ones."
        )
    return "Raw and floor-corrected readings agree on the order and, within a factor of two, on its size."


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
