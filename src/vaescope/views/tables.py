"""The table behind each figure: tidy frames in, tidy frames out, one function a figure. Pure."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

PARTS = ("encoder", "latent", "decoder", "other")
"""The parts of a network that have curves, "other" for models that are no VAEs; the input itself never changes."""


def run_labels(runs: pd.DataFrame) -> dict[str, str]:
    """A short name for each run: what differs between the runs, and always the seed; the id where that is not enough.

    Args:
        runs: `Results.runs`.

    Returns:
        Run id -> label, in the order of the frame.
    """
    fixed = {"run", "seed", "state", "step", "reason", "snapshots"}
    plain = ("dataset", "network", "objective")
    varied = [c for c in runs.columns if c not in fixed and runs[c].nunique(dropna=False) > 1]
    labels = {}
    for row in runs.to_dict("records"):
        words = [_text(row[c]) if c in plain else f"{c} {_text(row[c])}" for c in varied if not _missing(row[c])]
        labels[str(row["run"])] = ", ".join([*words, f"seed {_text(row['seed'])}"])
    unique = len(set(labels.values())) == len(labels)
    return labels if unique else {run: f"{label} ({run})" for run, label in labels.items()}


def layer_order(layers: pd.DataFrame) -> list[str]:
    """Every distinct layer of every network in network order, each once; aliases are left out."""
    distinct = layers[layers["same_as"] == ""]
    return list(dict.fromkeys(distinct.sort_values("order", kind="stable")["layer"].astype(str)))


def heatmap_table(index: pd.DataFrame, matrix: np.ndarray, a: tuple[str, int], b: tuple[str, int]) -> pd.DataFrame:
    """The scores of every layer of one snapshot with every layer of another.

    Args:
        index: run, step, layer of the R rows of the matrix.
        matrix: (R, R) scores; NaN where not computed.
        a: run and step of the snapshot whose layers are the rows.
        b: run and step of the one whose layers are the columns.

    Returns:
        One row a cell: layer_a, step_a, layer_b, step_b, score (NaN where not computed).
    """
    rows, columns = (np.flatnonzero((index["run"] == run) & (index["step"] == step)) for run, step in (a, b))
    names = index["layer"].astype(str).to_numpy()
    return pd.DataFrame(
        {
            "layer_a": np.repeat(names[rows], len(columns)),
            "step_a": a[1],
            "layer_b": np.tile(names[columns], len(rows)),
            "step_b": b[1],
            "score": matrix[np.ix_(rows, columns)].ravel().astype(float),
        }
    )


def curves_table(curves: pd.DataFrame, measure: str, run: str, part: str, corrected: bool = False) -> pd.DataFrame:
    """Similarity of the layers of one part of one run to that run's final snapshot.

    Returns:
        layer, step, value (raw, or floor-corrected), score, floor.
    """
    at = (curves["measure"] == measure) & (curves["run"] == run) & (curves["part"] == part)
    table = curves.loc[at, ["layer", "step", "score", "floor"]].copy()
    table.insert(2, "value", curves.loc[at, "corrected" if corrected else "score"])
    return table.reset_index(drop=True)


def settling_table(settling: pd.DataFrame, measure: str, labels: Mapping[str, str]) -> pd.DataFrame:
    """The step at which each layer of each run reaches 0.9 of its final similarity, raw and floor-corrected.

    Returns:
        layer, part, run (label), floor, kind ("raw" or "floor-corrected"), step; layers that never reach it
        are left out.
    """
    at = (settling["measure"] == measure) & settling["part"].isin(PARTS)
    table = settling.loc[at, ["layer", "part", "run", "floor", "raw", "corrected"]]
    table = table.assign(run=[labels.get(str(run), str(run)) for run in table["run"]])
    table = table.rename(columns={"corrected": "floor-corrected"})
    tidy = table.melt(["layer", "part", "run", "floor"], var_name="kind", value_name="step")
    return tidy.dropna(subset=["step"]).reset_index(drop=True)


def losses_table(losses: pd.DataFrame, at_most: int = 400) -> pd.DataFrame:
    """Loss, reconstruction and KL over steps, thinned to `at_most` rows a run (first and last are kept).

    Returns:
        run, step, loss, reconstruction, kl; rows that are not finite are left out.
    """
    columns = ["run", "step", "loss", "reconstruction", "kl"]
    table = losses[columns].replace([np.inf, -np.inf], np.nan).dropna()
    kept = [_thin(group.sort_values("step"), at_most) for _, group in table.groupby("run", sort=False)]
    return pd.concat(kept, ignore_index=True) if kept else table.reset_index(drop=True)


def latents_table(latents: pd.DataFrame, keep: Collection[int] = (), at_most: int = 60) -> pd.DataFrame:
    """KL of every latent over steps, thinned to `at_most` steps a run and those to `keep`.

    Returns:
        run, step, latent (text), kl; rows that are not finite are left out.
    """
    table = latents[["run", "step", "latent", "kl"]].replace([np.inf, -np.inf], np.nan).dropna()
    kept = []
    for _, group in table.groupby("run", sort=False):
        steps = _thin(group[["step"]].drop_duplicates().sort_values("step"), at_most)["step"]
        kept.append(group[group["step"].isin({*steps, *keep})])
    table = pd.concat(kept, ignore_index=True) if kept else table
    return table.assign(latent=table["latent"].astype(str)).reset_index(drop=True)


def step_ticks(steps: Sequence[int]) -> list[int]:
    """0, the powers of ten and the last step: round places on a logarithmic axis that do not crowd each other."""
    last = max([int(s) for s in steps], default=0)
    ticks = [0] + [10**k for k in range(len(str(last))) if 10**k * 2.5 <= last]
    return [*ticks, last] if last else [0]


def _thin(group: pd.DataFrame, at_most: int) -> pd.DataFrame:
    if len(group) <= at_most:
        return group
    return group.iloc[np.unique(np.linspace(0, len(group) - 1, at_most).round().astype(int))]


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
