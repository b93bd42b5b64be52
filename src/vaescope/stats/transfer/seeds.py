"""Scores of runs of two datasets, as positions between floor and ceiling with intervals over seeds. Pure."""

from typing import TYPE_CHECKING

import numpy as np

from vaescope.stats.judging.seed_pairs import ABROAD, FLOOR, LEAST_ROOM, SAME_SETTING, SeedPairs
from vaescope.stats.transfer.advice import NO_ENDS, Advice, Limits, advised, word_of

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("kind", "layer", "part", "setting_a", "setting_b", "seed_a", "seed_b", "score")
TABLE = ("layer", "part", "score", "ceiling", "floor", "position", "low", "high", "word", "seeds")
ONE_SEED = "Runs share their seed, so their first weights, which makes them more alike than they are."
FEW_SEEDS = "There is no interval over fewer than 3 seeds."


def over_seeds(
    scores: "pd.DataFrame", runs: int, limits: Limits, level: float, note: str
) -> "tuple[pd.DataFrame, tuple[Advice, ...]]":
    """The table of layers and the advice on each part.

    Args:
        scores: columns `SCORES`, kinds "abroad" (a run of the source, a run of the target), "ceiling" (two of the
            target), "floor" (a network never trained, a run of the target). Settings are numbers, those of the target.
        runs: how many runs.
        limits: of the words.
        level: coverage of the intervals.
        note: what is to be said with each piece of advice.

    Returns:
        layer, part, score, ceiling, floor (means over the pairs), position, low, high (NaN for fewer than three seeds),
        word, seeds. Positions of layers in which training adds no more than 0.05 to what an untrained network has are
        NaN: they can say nothing.
    """
    import pandas as pd

    pairs = SeedPairs(scores, runs)
    count, full = len(pairs.seeds), pairs.has(ABROAD, SAME_SETTING, FLOOR)
    nothing = np.full(len(pairs.layers), np.nan)
    means = pairs.means()
    score, ceiling, floor = (means[kind] if pairs.has(kind) else nothing for kind in (ABROAD, SAME_SETTING, FLOOR))
    usable = np.zeros(len(nothing), bool)
    if full:
        with np.errstate(invalid="ignore"):
            usable = means.room(ABROAD) > LEAST_ROOM
    rows = []
    for k, (layer, part) in enumerate(zip(pairs.layers, pairs.parts, strict=True)):
        found = _position(pairs, np.array([k]), level) if usable[k] else NO_ENDS
        word, leaning = word_of(*found, limits)
        told = word if word != "undecided" or not leaning else f"undecided ({leaning})"
        rows.append((layer, str(part), score[k], ceiling[k], floor[k], *found, told, count))
    table = pd.DataFrame(rows, columns=list(TABLE))
    advice = []
    for part in dict.fromkeys(str(part) for part in pairs.parts):
        layers = np.flatnonzero((pairs.parts == part) & usable)
        why = [note] if note else []
        if not full:
            why = ["It takes a second seed of the target and untrained networks to tell."]
        elif not len(layers):
            why = [f"Training adds less than {LEAST_ROOM} to what an untrained network has in all of its layers."]
        elif count < 3:
            why.append(FEW_SEEDS)
        found = _position(pairs, layers, level) if len(layers) else NO_ENDS
        advice.append(advised(part, *found, len(layers), f"{count} seeds", limits, level, " ".join(why)))
    return table, tuple(advice)


def _position(pairs: SeedPairs, layers: np.ndarray, level: float) -> tuple[float, float, float]:
    found = pairs.estimates(lambda means: np.array([means.position(ABROAD)[layers].mean()]))[0](level)
    return found.value, found.low, found.high
