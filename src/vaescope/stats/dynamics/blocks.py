"""Pairs of final snapshots as square matrices: a block for each dataset and network, a matrix for each layer. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float64, Int64

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Block:
    """Some layers of the runs of one dataset and network that have scores in all of them.

    Attributes:
        runs: their rows of `runs` of the evidence, numbered from 0.
        layers: name and part of each layer.
        scores: (l, r, r), symmetric, 1 on the diagonal, without NaN.
    """

    runs: "pd.DataFrame"
    layers: tuple[tuple[str, str], ...]
    scores: Float64[np.ndarray, "l r r"]

    def codes(self, *columns: str) -> Int64[np.ndarray, " r"]:
        """A number for each run that is the same for runs that agree in these columns."""
        return self.runs.groupby(list(columns), sort=False, dropna=False, observed=True).ngroup().to_numpy(np.int64)


def blocks(ends: "pd.DataFrame", runs: "pd.DataFrame") -> Iterator[Block]:
    """The blocks of a study.

    A run without a score in some layer, because it is dead there, is left out of that layer, which then has a block of
    its own; so is every run without which no score is missing, the one that lacks most first.

    Args:
        ends: run_a, run_b, layer, part, score: each pair of runs on the same dataset with the same network once.
        runs: run, dataset, network, objective, strength, setting, seed.
    """
    there = runs[runs["run"].isin({*ends["run_a"], *ends["run_b"]})]
    for _, group in there.groupby(["dataset", "network"], sort=False, dropna=False, observed=True):
        group = group.reset_index(drop=True)
        place = {run: number for number, run in enumerate(group["run"])}
        rows = ends[ends["run_a"].isin(place) & ends["run_b"].isin(place)]
        found: dict[bytes, tuple[np.ndarray, list[tuple[str, str]], list[np.ndarray]]] = {}
        for layer, pairs in rows.groupby(["layer", "part"], sort=False, observed=True):
            matrix = np.full((len(group), len(group)), np.nan)
            a, b = (pairs[side].map(place).to_numpy(int) for side in ("run_a", "run_b"))
            matrix[a, b] = matrix[b, a] = pairs["score"].to_numpy(float)
            np.fill_diagonal(matrix, 1.0)
            kept = complete(matrix)
            _, layers, matrices = found.setdefault(kept.tobytes(), (kept, [], []))
            layers.append(cast("tuple[str, str]", layer))
            matrices.append(matrix[np.ix_(kept, kept)])
        for kept, layers, matrices in found.values():
            if len(kept) > 1:
                yield Block(group.iloc[kept].reset_index(drop=True), tuple(layers), np.stack(matrices))


def complete(matrix: Float64[np.ndarray, "r r"]) -> Int64[np.ndarray, " k"]:
    """The runs that are left when, one by one, the run that lacks most scores is left out until none lacks any."""
    kept = np.arange(len(matrix))
    while len(kept):
        lacking = np.isnan(matrix[np.ix_(kept, kept)]).sum(axis=0)
        if not lacking.any():
            break
        kept = np.delete(kept, lacking.argmax())
    return kept


def order_of(ends: "pd.DataFrame") -> list[tuple[str, str]]:
    """The layers and their parts, in the order in which they are met."""
    met = ends[["layer", "part"]].drop_duplicates()
    return list(met.itertuples(index=False, name=None))
