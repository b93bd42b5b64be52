"""Score matrices for a page: blocks of run x run, 16 bits a score, within a budget of bytes."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

NOT_COMPUTED = -32768
LARGEST = 30_000
BUDGET = 8_000_000
"""Bytes of scores a page may carry, all measures together, before base64."""


@dataclass(frozen=True)
class Packed:
    """One measure's scores for the page.

    Attributes:
        data: what the page's script reads: scale, rows (run -> [[step, layer], ...]), blocks ("i,j" -> base64).
        computed: number of pairs that have a score, each unordered pair of representations once.
        missing: number of pairs that have none.
        left_out: pairs of runs that were computed but do not fit the budget.
    """

    data: dict[str, Any]
    computed: int
    missing: int
    left_out: int


def pack(index: pd.DataFrame, matrix: np.ndarray, budget: int = BUDGET) -> Packed:
    """Cut a symmetric matrix into blocks of run x run (first <= second) and write each as int16, little-endian.

    Same-run blocks come first, then blocks with the first run, the second, and so on, until the budget is spent. Blocks
    without any score are not written: the page shows pairs it has no block for as not computed, and blocks that were
    left out for size as that.

    Args:
        index: run, step, layer of the R rows, the rows of one run together.
        matrix: (R, R) scores, NaN where not computed.
        budget: bytes before base64.
    """
    runs = list(dict.fromkeys(index["run"].astype(str)))
    rows = {run: np.flatnonzero((index["run"].astype(str) == run).to_numpy()) for run in runs}
    known = np.isfinite(matrix)
    computed = (int(known.sum()) + int(np.diagonal(known).sum())) // 2
    largest = max(1.0, float(np.abs(matrix[known]).max())) if computed else 1.0
    scale = LARGEST / largest
    pairs = [(i, i) for i in range(len(runs))] + [(i, j) for i in range(len(runs)) for j in range(i + 1, len(runs))]
    blocks: dict[str, str] = {}
    left_out: list[str] = []
    spent = 0
    for i, j in pairs:
        block = matrix[np.ix_(rows[runs[i]], rows[runs[j]])]
        if not np.isfinite(block).any():
            continue
        spent += block.size * 2
        if spent > budget and blocks:
            left_out.append(f"{i},{j}")
            continue
        whole = np.where(np.isfinite(block), np.rint(block * scale), NOT_COMPUTED).astype("<i2")
        blocks[f"{i},{j}"] = base64.b64encode(whole.tobytes()).decode("ascii")
    layers = list(dict.fromkeys(index["layer"].astype(str)))
    place = {layer: k for k, layer in enumerate(layers)}
    where = [[[int(index["step"].iloc[r]), place[str(index["layer"].iloc[r])]] for r in rows[run]] for run in runs]
    data = {"scale": scale, "runs": runs, "layers": layers, "rows": where, "blocks": blocks, "leftOut": left_out}
    total = len(matrix) * (len(matrix) + 1) // 2
    return Packed(data, computed, total - computed, len(left_out))
