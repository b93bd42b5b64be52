"""When disentanglement appears, against when layers settle. Pure functions of tidy tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.errors import UsageError
from vaescope.stats.certainty.corrections import Correction, adjusted
from vaescope.stats.dynamics.hierarchy import WHOLE, Estimate, estimate
from vaescope.stats.dynamics.settling import Which, settling_steps

if TYPE_CHECKING:
    import pandas as pd

LEAST_GAIN = 0.05  # of a score between 0 and 1: less does not count as appearing
FEWEST = 3  # runs or steps for a rank correlation
PARTS = ("encoder", "decoder")
ESTIMATE = ("rho", "low", "high", "p", "runs", "seeds")


def appearance(
    disentanglement: "pd.DataFrame",
    references: "pd.DataFrame",
    runs: "pd.DataFrame",
    level: float = 0.9,
    reading: Which = "corrected",
    least: float = LEAST_GAIN,
) -> "pd.DataFrame":
    """When each score of each run is where it ends, beside when encoder and decoder have settled.

    Args:
        disentanglement: of the evidence.
        references: of the evidence, by one measure.
        runs: of the evidence.
        level: the share of the way from the first value to the final one; also that at which layers are settled.
        reading: of the layers' curves, see `settling_steps`.
        least: a score that ends less than this above its start does not appear.

    Returns:
        run, setting, seed, codes, score, start, end
        step: at which the score first reached that share, interpolated in log(step + 1); NaN if it did not appear.
        encoder, decoder: the step at which that part settles, the geometric mean over its layers (of step + 1).
        after_encoder, after_decoder: how many doublings of the step later than the part the score appears.

    Raises:
        UsageError: references by several measures.
    """
    curves = disentanglement.rename(columns={"score": "layer", "codes": "part", "value": "score"})
    found = settling_steps(curves, level, "corrected", relative=True, least=1e-6).rename(
        columns={"layer": "score", "part": "codes"}
    )
    keys = ["run", "codes", "score"]
    known = disentanglement.dropna(subset="value").sort_values("step")
    grouped = known.groupby(keys, sort=False, observed=True)["value"]
    found = found.merge(grouped.agg(start="first", end="last").reset_index(), on=keys, how="left")
    found["step"] = found["step"].where(found["end"] - found["start"] >= least)
    settled = settling_steps(_final(references), level, reading)
    time = settled.assign(time=np.log2(settled["step"].to_numpy(float) + 1))
    for part in PARTS:
        mean = time[time["part"] == part].groupby("run", sort=False, observed=True)["time"].mean()
        at = found["run"].map(mean).astype(float)
        found[part], found[f"after_{part}"] = np.exp2(at) - 1, np.log2(found["step"].to_numpy(float) + 1) - at
    found = found.merge(runs[["run", "setting", "seed"]], on="run")
    after = [f"after_{part}" for part in PARTS]
    return found[["run", "setting", "seed", "codes", "score", "start", "end", "step", *PARTS, *after]]


def over_runs(appeared: "pd.DataFrame", level: float = 0.95, correction: Correction = "holm") -> "pd.DataFrame":
    """Do scores appear later in runs whose layers settle later?

    Spearman's correlation over the runs of each seed, which differ in their settings, averaged over seeds.

    Args:
        appeared: what `appearance` gives.
        level: coverage of the intervals.
        correction: of p over all rows.

    Returns:
        codes, score, part, rho, low, high, p (sign flips over seeds), p_adjusted, runs, seeds, and after: the median
        over runs of how many doublings later than the part the score appears. Seeds with fewer than three runs in
        which the score appears are left out.
    """
    import pandas as pd

    rows = []
    for key, group in appeared.groupby(["codes", "score"], sort=False, observed=True):
        for part in PARTS:
            there = group.dropna(subset=["step", part])
            values = [
                (
                    seed,
                    seed,
                    WHOLE,
                    float(spearman(own[["step"]].to_numpy(float).T, own[part].to_numpy(float))[0]),
                    len(own),
                )
                for seed, own in there.groupby("seed", sort=False)
                if len(own) >= FEWEST
            ]
            table = pd.DataFrame(values, columns=["run", "seed", "draw", "value", "count"]).astype({"value": float})
            rho, low, high, p, _, seeds = _within(estimate(table, level))
            count = int(table.loc[table["value"].notna(), "count"].sum())
            after = float(there[f"after_{part}"].median()) if len(there) else np.nan
            rows.append((*key, part, rho, low, high, p, count, seeds, after))
    return _with_adjusted(rows, ["codes", "score", "part", *ESTIMATE, "after"], correction)


def over_steps(
    disentanglement: "pd.DataFrame",
    references: "pd.DataFrame",
    runs: "pd.DataFrame",
    changes: bool = False,
    level: float = 0.95,
    correction: Correction = "holm",
) -> "pd.DataFrame":
    """Does a score rise while a layer draws near its final self?

    Spearman's correlation over the snapshots of a run, averaged over runs and seeds. The last snapshot, in which the
    layer is held against itself, is left out. Whatever rises with training is correlated with all else that does;
    `changes` asks whether the two move between the same snapshots.

    Args:
        disentanglement: of the evidence.
        references: of the evidence, by one measure.
        runs: of the evidence.
        changes: take what changes from one snapshot to the next.
        level: coverage of the intervals.
        correction: of p over all rows.

    Returns:
        codes, score, layer, part, rho, low, high, p (sign flips over seeds), p_adjusted, runs, seeds.

    Raises:
        UsageError: references by several measures.
    """
    seed = dict(zip(runs["run"], runs["seed"], strict=True))
    final = _final(references)
    order = final[["layer", "part"]].drop_duplicates()
    parts = dict(zip(order["layer"], order["part"], strict=True))
    layers = {run: table for run, table in final.groupby("run", sort=False, observed=True)}
    found: dict[tuple[str, str, str], list[tuple[object, ...]]] = {}
    for run, table in disentanglement.groupby("run", sort=False, observed=True):
        if run not in layers or run not in seed:
            continue
        scores = table.pivot(index=["codes", "score"], columns="step", values="value")
        curves = layers[run].pivot(index="layer", columns="step", values="score")
        steps = sorted(set(scores.columns) & set(curves.columns[:-1]))
        ys, xs = scores[steps].to_numpy(float), curves[steps].to_numpy(float)
        if changes:
            ys, xs = np.diff(ys), np.diff(xs)
        for layer, x in zip(curves.index, xs, strict=True):
            for (codes, score), rho in zip(scores.index, spearman(ys, x).tolist(), strict=True):
                found.setdefault((codes, score, layer), []).append((run, seed[run], WHOLE, rho))
    return _with_adjusted(
        [
            (codes, score, layer, part, *_ends(found[codes, score, layer], level))
            for codes, score in dict.fromkeys(key[:2] for key in found)
            for layer, part in parts.items()
            if (codes, score, layer) in found
        ],
        ["codes", "score", "layer", "part", *ESTIMATE],
        correction,
    )


def spearman(ys: Float64[np.ndarray, "k t"], x: Float64[np.ndarray, " t"]) -> Float64[np.ndarray, " k"]:
    """The rank correlation of each row with `x` over what is known of both; NaN where either is constant or t < 3.

    References:
        Spearman (1904), The proof and measurement of association between two things. https://doi.org/10.2307/1412159
    """
    from scipy.stats import rankdata

    found = np.full(len(ys), np.nan)
    known = ~np.isnan(ys) & ~np.isnan(x)
    for pattern in np.unique(known, axis=0):
        rows = (known == pattern).all(axis=1)
        if pattern.sum() < FEWEST:
            continue
        a, b = rankdata(ys[rows][:, pattern], axis=1), rankdata(x[pattern])
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean()
        with np.errstate(divide="ignore", invalid="ignore"):
            found[rows] = a @ b / np.sqrt((a**2).sum(axis=1) * (b @ b))
    return found


def _final(references: "pd.DataFrame") -> "pd.DataFrame":
    if "measure" in references.columns and references["measure"].nunique() > 1:
        names = ", ".join(map(str, references["measure"].unique()))
        raise UsageError(f"expected references by one measure, got {names}. Select one.")
    return references[(references["reference"] == "final") & (references["draw"] == WHOLE)]


def _ends(values: Sequence[tuple[object, ...]], level: float) -> tuple[float | int, ...]:
    import pandas as pd

    return _within(estimate(pd.DataFrame(list(values), columns=["run", "seed", "draw", "value"]), level))


def _within(found: Estimate) -> tuple[float, float, float, float, int, int]:
    """Rho, low, high, p, runs, seeds, with ends that a correlation can have."""
    low, high = (float(np.clip(end, -1, 1)) for end in (found.low, found.high))
    return found.value, low, high, found.p, found.runs, found.seeds


def _with_adjusted(rows: list[tuple[object, ...]], columns: list[str], correction: Correction) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame(rows, columns=columns)
    table.insert(columns.index("p") + 1, "p_adjusted", adjusted(table["p"].to_numpy(float), correction))
    return table
