"""Similarity of the layers of one snapshot to one another, for all runs of a study."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vaescope.stats.measure import Reason

if TYPE_CHECKING:
    from vaescope.stats.results import Results


def within(results: "Results", measure: str) -> pd.DataFrame:
    """Each pair of different layers of every snapshot of the runs that reached their last one.

    Returns:
        run, step, layer_a, layer_b (later in the network than layer_a), score; NaN where it was not computed, runs
        without any score left out.
    """
    read, there = results.blocks(measure), results.snapshot_steps
    parts = []
    for number, run in enumerate(results.folder.runs):
        if run.snapshots[-1] not in there[run.id]:
            continue
        block = read(number, number)
        score = np.where(block.reason == Reason.OK, block.score, np.nan)
        if np.isnan(score).all():
            continue
        layers = np.array(list(results.parts_of(run.id)), dtype=object)
        places = {slot: k for k, slot in enumerate(results.slots_of(number))}
        a, b = np.triu_indices(len(layers), 1)
        for step in there[run.id]:
            k = np.array([places[step, layer] for layer in layers])
            values = score[k[a], k[b]].astype(float)
            parts.append(pd.DataFrame({"run": run.id, "step": step, "layer_a": layers[a], "layer_b": layers[b]}))
            parts[-1]["score"] = values
    if not parts:
        return pd.DataFrame(columns=["run", "step", "layer_a", "layer_b", "score"]).astype({"score": float})
    return pd.concat(parts, ignore_index=True)
