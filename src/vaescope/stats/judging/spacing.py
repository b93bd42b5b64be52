"""What the spacing of snapshots leaves open of a lead: an error that all seeds share, so that no spread shows it. Pure.

Where a curve reaches its level is interpolated between two snapshots, a straight line in log2(step + 1). A curve that
bends on its way from one to the other crosses elsewhere, earlier as a rule, and on one grid it does so in every run.
For curves as smooth as one doubling the error grows with the square of the gap, g^2 / 8 (the error of linear
interpolation, h^2 / 8 of the second derivative); in wider gaps all of the rise may lie anywhere, and half the gap
is what a rise in its middle would cost. Since the errors of both parts have the same sign, the lead is off by no more
than the larger one. How often that is enough is measured: docs/claims.md.

References:
    Davis (1975), Interpolation and approximation, theorem 3.1.1 (the error of linear interpolation).
        https://store.doverpublications.com/products/9780486624952
"""

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, cast

import numpy as np

from vaescope.stats.claim import Reading
from vaescope.stats.dynamics.hierarchy import Estimate
from vaescope.stats.judging.deciding import At, Side, at, reading, seeds_needed

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9  # a crossing this close to a snapshot, in log(step + 1), is at it
WORTH_SAYING = 0.005  # doublings: what two decimals show


def error_of(gap: "np.ndarray") -> "np.ndarray":
    """By how many doublings a settling step may be off that was interpolated in a gap of so many.

    >>> error_of(np.array([0.0, 1.0, 2.0, 4.0, 10.0])).tolist()
    [0.0, 0.125, 0.5, 2.0, 5.0]
    """
    return np.minimum(gap**2 / 8, gap / 2)


def spacing(curves: "pd.DataFrame", settled: "pd.DataFrame") -> "pd.DataFrame":
    """How far apart snapshots are where the layers of each run settle, on the whole probe set.

    Args:
        curves: run, layer, part, step, draw, score: those that settled.
        settled: what `settling_steps` gives of them.

    Returns:
        run
        apart: the widest gap between snapshots in which a layer of the encoder or decoder settles, doublings of
            step + 1. A layer that is there at its first snapshot may have settled at any step before that.
        off: by how much the lead may be off for it: the mean of `error_of` over the layers of a part, of the two parts
            the larger.
    """
    import pandas as pd

    found = settled[(settled["draw"] == -1) & settled["step"].notna() & settled["part"].isin(["encoder", "decoder"])]
    found = found[["run", "layer", "part"]].assign(reached=np.log1p(found["step"]), start=found["from_start"])
    known = curves[(curves["draw"] == -1) & curves["score"].notna()]
    steps = known[["run", "layer", "part"]].assign(time=np.log1p(known["step"].astype(float)))
    keys = ["run", "layer", "part"]
    plain = {key: str for key in keys}
    both = found.astype(plain).merge(steps.astype(plain), on=keys)
    after = both["time"] >= both["reached"] - SAME
    both["before"], both["after"] = both["time"].where(~after), both["time"].where(after)
    layers = both.groupby([*keys, "reached", "start"], sort=False)[["before", "after"]]
    gaps = layers.agg({"before": "max", "after": "min"}).reset_index()
    wide = gaps["after"] - gaps["before"].fillna(0.0)
    gaps["apart"] = np.where(gaps["start"], gaps["reached"], wide) / np.log(2)
    gaps["off"] = error_of(gaps["apart"].to_numpy(float))
    parts = gaps.groupby(["run", "part"], sort=False).agg({"apart": "max", "off": "mean"}).reset_index()
    return cast(pd.DataFrame, parts.groupby("run", sort=False)[["apart", "off"]].max().reset_index())


def off_by(values: "pd.DataFrame") -> float:
    """By how much the mean of a table with the column off, a row a run and draw, may be off; 0 without any."""
    whole = values.loc[values["draw"] == -1, "off"]
    return float(whole.mean()) if whole.notna().any() else 0.0


def spaced(values: "pd.DataFrame") -> At:
    """The mean over seeds of a table of run, seed, draw, value, off: its interval is wider by `off` at both ends."""
    inner, off = at(values), off_by(values)

    def wider(level: float) -> Estimate:
        e = inner(level)
        return replace(e, low=e.low - off, high=e.high + off)

    return wider


def spacing_note(values: "pd.DataFrame", off: float) -> str:
    """How much wider intervals are for the spacing of snapshots, and why; "" where it is next to nothing."""
    if off < WORTH_SAYING:
        return ""
    apart = values["apart"].max()
    return (
        f"Snapshots are up to {apart:.1f} doublings apart where layers settle: the interval is {off:.2f} wider at both "
        "ends."
    )


def spaced_reading(
    how: tuple[str, str], estimate: Estimate, threshold: float, side: Side, notes: list[str], off: float
) -> Reading:
    """A reading whose interval is in part the spacing of snapshots, which more seeds do not narrow.

    Args:
        how: name and title.
        estimate: with the wider interval.
        threshold: what it is held against.
        side: where it must lie for the claim.
        notes: what else must be known; "" is passed over.
        off: the part of either half of the interval that is spacing.
    """
    told = " ".join(filter(None, notes))
    made = reading(*how, estimate, threshold, side, told)
    if made.word != "undecided" or not off or np.isnan([estimate.value, estimate.low, estimate.high]).any():
        return made
    above = estimate.value >= threshold
    nearest = threshold + off if above else threshold - off
    if above != (estimate.value > nearest):
        would = "The threshold is nearer than the spacing of snapshots can tell: take more of them."
    else:
        inner = replace(estimate, low=estimate.low + off, high=estimate.high - off, p=nan)
        needed = seeds_needed(inner, nearest)
        would = (
            f"The interval holds the threshold; if the spread stays, about {needed} seeds would decide, or fewer with "
            "snapshots closer together."
            if needed is not None and needed > estimate.seeds
            else "The interval holds the threshold, and more seeds alone may not tell them apart."
        )
    return replace(made, note=" ".join(filter(None, [told, would])))
