"""Curves of similarity with intervals over seeds and probe draws. Pure functions of tidy tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vaescope.stats.dynamics.hierarchy import estimates
from vaescope.stats.dynamics.settling import keys_of

if TYPE_CHECKING:
    import pandas as pd


def intervals(
    rows: "pd.DataFrame", runs: "pd.DataFrame", by: Sequence[str] = ("setting",), level: float = 0.95
) -> "pd.DataFrame":
    """The mean curve of every layer, with its interval.

    Args:
        rows: `references`, `wiring` or `untrained` of the evidence. Without a column step or draw, all is one step or
            the whole probe set.
        runs: `runs` of the evidence.
        by: columns of `runs` for which curves are kept apart; () for one curve over all runs.
        level: coverage of the intervals, as `hierarchy.estimate` makes them: NaN with fewer than two seeds, and with
            few they may go beyond the bounds of the measure.

    Returns:
        the columns of `by`, measure, control, reference (where present), layer, part, step (where present), score, low,
        high, seeds, runs. Cells without any score have NaN.
    """
    import pandas as pd

    known = runs[["run", "seed", *by]]
    own = [column for column in known.columns[1:] if column in rows.columns]  # `network` numbers the untrained ones
    table = rows.drop(columns=own).merge(known, on="run")
    steps = ["step"] if "step" in table.columns else []
    keys = [*by, *keys_of(table)[1:], "layer", "part", *steps]
    number = table.groupby(keys, sort=False, observed=True, dropna=False).ngroup().to_numpy()
    draw = table["draw"].to_numpy() if "draw" in table.columns else np.full(len(table), -1)
    heads = table.iloc[np.unique(number, return_index=True)[1]][keys].reset_index(drop=True)
    score = table["score"].to_numpy(float)
    run, seed = (pd.factorize(table[c])[0] for c in ("run", "seed"))
    found = estimates(number, run, seed, draw, score, level, cells=len(heads))
    heads["score"], heads["low"], heads["high"] = found.value, found.low, found.high
    heads["seeds"], heads["runs"] = found.seeds, found.runs
    return pd.DataFrame(heads)


def corrected(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The same rows with their score freed of its floor: (score - floor) / (1 - floor).

    The floor is the score at step 0 of the same draw. NaN where there is none, and in all draws where that of the whole
    probe set leaves no more than 0.05.
    """
    from vaescope.stats.convergence import HIGHEST_FLOOR

    draw = ["draw"] if "draw" in rows.columns else []
    keys = [*keys_of(rows), "layer", *draw]
    start = rows.loc[rows["step"] == 0, [*keys, "score"]].rename(columns={"score": "floor"})
    found = rows.merge(start, on=keys, how="left")
    deciding = found["floor"]
    if draw:
        whole = start[start["draw"] == -1].drop(columns="draw").rename(columns={"floor": "deciding"})
        merged = rows.merge(whole, on=[k for k in keys if k != "draw"], how="left")["deciding"]
        deciding = merged.where(merged.notna(), deciding)
    room = (1 - found["floor"]).where(deciding < HIGHEST_FLOOR)
    found["score"] = (found["score"] - found["floor"]) / room
    return found[list(rows.columns)]
