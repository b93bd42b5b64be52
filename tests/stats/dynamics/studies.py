"""Studies whose runs are points: squared distances are 2 (1 - score), so what differs is known."""

from itertools import combinations

import numpy as np
import pandas as pd


def grid(objectives: dict[str, list[str]], seeds: int, dataset: str = "shapes") -> pd.DataFrame:
    """`runs` of the evidence: objective -> its strengths."""
    rows = [
        (f"{dataset}-{o}-{s}-{k}", dataset, "conv", o, s, np.nan, f"{dataset}, conv, {o} {s}", k)
        for o, strengths in objectives.items()
        for s in strengths
        for k in range(seeds)
    ]
    names = ["run", "dataset", "network", "objective", "strength", "strength_value", "setting", "seed"]
    return pd.DataFrame(rows, columns=names)


def ends(runs: pd.DataFrame, points: dict[str, np.ndarray]) -> pd.DataFrame:
    """`ends` of the evidence: layer -> a point of each run, (r, d); pairs of the same dataset only."""
    rows = []
    dataset = runs["dataset"].tolist()
    for layer, x in points.items():
        square = ((x[:, None] - x) ** 2).sum(axis=2)
        rows += [
            (runs["run"][i], runs["run"][j], layer, layer.split(".")[0], 1 - square[i, j] / 2, 0.0)
            for i, j in combinations(range(len(runs)), 2)
            if dataset[i] == dataset[j]
        ]
    return pd.DataFrame(rows, columns=["run_a", "run_b", "layer", "part", "score", "floor"])


def effects(runs: pd.DataFrame, rng: np.random.Generator, size: int = 30, **sizes: float) -> np.ndarray:
    """Points (r, size) with an effect for each level of `setting`, `objective` or `seed`, and noise, of these sizes.

    An effect of size a moves by a vector of expected squared length a^2.
    """
    found = rng.normal(size=(len(runs), size)) * sizes.get("noise", 0.0) / size**0.5
    for name in ("objective", "setting", "strength", "seed"):
        if name in sizes:
            codes, levels = pd.factorize(runs[name])
            found = found + (rng.normal(size=(len(levels), size)) * sizes[name] / size**0.5)[codes]
    return found
