"""Two models without a study: positions of layers, with intervals over the choice of examples."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.stats.certainty.intervals import subsampling
from vaescope.stats.halves import Halved, halved
from vaescope.stats.judging.seed_pairs import LEAST_ROOM
from vaescope.stats.stitching.splice import HELD, LEARNED, Splice
from vaescope.stats.transfer.advice import NO_ENDS, Advice, Limits, advised, word_of
from vaescope.stats.transfer.seeds import TABLE

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from vaescope.models.grafting import Site


def compared(
    models: "Mapping[str, nn.Module]",
    sites: "Mapping[str, Sequence[Site]]",
    parts: Mapping[str, str],
    work: Splice,
    measure: str,
    limits: Limits,
    level: float,
    halves: int,
) -> "tuple[pd.DataFrame, tuple[Advice, ...]]":
    """The table of layers and the advice on each part, as `vaescope.stats.transfer.seeds.over_seeds` gives them.

    Args:
        models: "a" and "b", and where there are such, "ceiling" and "floor"; all in evaluation mode.
        sites: the same layers of each, in the same order.
        parts: of the layers.
        work: the examples.
        measure: of similarity.
        limits: of the words.
        level: coverage of the intervals.
        halves: how many halves of the examples intervals are from.
    """
    import pandas as pd

    measured = halved(measure, work.n, halves)
    made = {name: _layers(model, sites[name], work, measured) for name, model in models.items()}
    rows, positions = [], {}
    for layer, part in parts.items():
        own = made["b"][layer]
        found = {k: measured.scores(made[k][layer], own) for k in ("a", "ceiling", "floor") if k in made}
        ceiling = found.get("ceiling", np.ones(1 + measured.halves))
        floor = found.get("floor", np.zeros(1 + measured.halves))
        room = ceiling - floor
        ends = NO_ENDS
        if room[0] > LEAST_ROOM:
            positions[layer] = (found["a"] - floor) / np.where(room > 0, room, np.nan)
            ends = _ends(positions[layer], measured.examples, level)
        word, leaning = word_of(*ends, limits)
        told = word if word != "undecided" or not leaning else f"undecided ({leaning})"
        rows.append((layer, part, found["a"][0], ceiling[0], floor[0], *ends, told, 1))
    advice = []
    for part in dict.fromkeys(parts.values()):
        kept = [positions[layer] for layer, its in parts.items() if its == part and layer in positions]
        ends = _ends(np.mean(kept, axis=0), measured.examples, level) if kept else NO_ENDS
        why = "" if kept else f"Training adds less than {LEAST_ROOM} to what an untrained network has in its layers."
        units = f"halves of {measured.examples:,} examples, not trainings"
        advice.append(advised(part, *ends, len(kept), units, limits, level, why))
    return pd.DataFrame(rows, columns=list(TABLE)), tuple(advice)


def _layers(model: "nn.Module", sites: "Sequence[Site]", work: Splice, measured: Halved[Any]) -> dict[str, Any]:
    found = {}
    for site in sites:
        values = [work.caught(model, [site], which)[site.name].flatten(1).numpy() for which in (LEARNED, HELD)]
        found[site.name] = measured.prepare(measured.examples_of(np.concatenate(values)))
    return found


def _ends(draws: np.ndarray, n: int, level: float) -> tuple[float, float, float]:
    value, rest = float(draws[0]), draws[1:]
    if len(rest) < 2 or not np.isfinite(draws).all():
        return value, np.nan, np.nan
    found = subsampling(value, rest, n, n // 2, level)
    return value, float(found.low), float(found.high)
