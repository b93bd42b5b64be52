"""What the latents of a page's runs do over training: kinds, KL, aggregate posterior, disentanglement, losses. Pure."""

from typing import Any

import numpy as np
import pandas as pd

from vaescope.stats.code_score import CODE_SCORES
from vaescope.views.axes import Axes, scattered
from vaescope.views.packed import Arrays
from vaescope.views.seeds import over_seeds
from vaescope.views.tiles import spread

KINDS = ("passive", "mixed", "active")
MOST_LATENTS = 600_000
"""Runs x latents x snapshots: beyond, only some latents of each run are on the page."""

MOST_LOSSES = 40_000
POSTERIOR = {
    "active": ("active latents", ""),
    "mixed": ("mixed latents", ""),
    "passive": ("passive latents", ""),
    "active_units": ("active units", ""),
    "kl": ("KL to the prior", "nats"),
    "mutual_information": ("mutual information of image and code", "nats"),
    "marginal_kl": ("KL of the aggregate posterior to the prior", "nats"),
    "total_correlation": ("total correlation of the aggregate posterior", "nats"),
    "mean_sampled": ("CKA of mean and sampled codes", ""),
    "expected_mean_sampled": ("the same, as the latents' variances have it", ""),
    "gauge": ("√(active / latents): the same in short", ""),
}
OF_LATENTS, OF_CODES, OF_LOSSES = "latents", "posterior and disentanglement", "losses"


def latents(axes: Axes, examined: pd.DataFrame, logged: pd.DataFrame, arrays: Arrays) -> dict[str, Any] | None:
    """KL, kind and variance of each latent at each snapshot; None where nothing is known of any.

    Args:
        axes: of the page.
        examined: `latents` of `vaescope.stats.evidence`.
        logged: `Results.latents`, the KL of the training batches, for studies that have not been examined.
        arrays: takes the numbers.
    """
    table = examined if len(examined) else logged
    if not len(table) or not axes.steps:
        return None
    count = int(table["latent"].max()) + 1
    shape = (len(axes.runs), min(count, max(1, MOST_LATENTS // (len(axes.runs) * len(axes.steps)))), len(axes.steps))
    table = table[table["latent"] < shape[1]]
    places = [axes.place("runs", table["run"]), table["latent"].to_numpy(int), axes.place("steps", table["step"])]

    def of(values: Any) -> np.ndarray:
        return scattered(shape, places, values)

    runs: dict[str, Any] = {
        "kl": arrays.put(of(table["kl"]), "u2", "asinh", OF_LATENTS),
        "kind": None,
        "variance": None,
    }
    if len(examined):
        kind = of(pd.Index(KINDS).get_indexer(pd.Index(table["kind"].astype(str))))
        runs["kind"] = arrays.codes(np.where(np.isfinite(kind) & (kind >= 0), kind, 255), section=OF_LATENTS)
        runs["variance"] = arrays.put(of(table["variance"]), "u1", section=OF_LATENTS)
    return {"names": [str(i) for i in range(shape[1])], "kinds": list(KINDS), "runs": runs}


def posterior(axes: Axes, table: pd.DataFrame, arrays: Arrays) -> list[dict[str, Any]]:
    """What the latents of a run do together, over training.

    Args:
        axes: of the page.
        table: `posterior` of `vaescope.stats.evidence`.
        arrays: takes the numbers.
    """
    made = []
    for name, (title, unit) in POSTERIOR.items() if len(table) else ():
        values = axes.over_steps(table, name)
        if np.isfinite(values).any():
            made.append({"name": name, "title": title, "unit": unit, **_over_training(axes, values, axes.kind, arrays)})
    return made


def disentanglement(axes: Axes, table: pd.DataFrame, arrays: Arrays) -> list[dict[str, Any]]:
    """Each score on mean and sampled codes, over training.

    Args:
        axes: of the page.
        table: `disentanglement` of `vaescope.stats.evidence`.
        arrays: takes the numbers.
    """
    made = []
    groups = table.groupby(["score", "codes"], sort=False, observed=True) if len(table) else ()
    for (score, codes), mine in groups:
        values = axes.over_steps(mine, "value")
        if np.isfinite(values).any():
            known = CODE_SCORES.get(str(score))
            title = known.title if known else str(score).replace("_", " ")
            head = {"score": str(score), "title": title, "codes": str(codes)}
            made.append(head | _over_training(axes, values, "u1", arrays))
    return made


def losses(axes: Axes, table: pd.DataFrame, arrays: Arrays) -> dict[str, Any] | None:
    """Loss, reconstruction and KL in nats: the more runs, the fewer steps of each; None where nothing was logged.

    Args:
        axes: of the page.
        table: `Results.losses`.
        arrays: takes the numbers.
    """
    every = sorted(table["step"].unique().tolist())
    if not every:
        return None
    steps = pd.Index(spread(every, max(20, min(400, MOST_LOSSES // max(1, len(axes.runs))))))
    places = [axes.place("runs", table["run"]), steps.get_indexer(pd.Index(table["step"]))]
    shape = (len(axes.runs), len(steps))
    return {"steps": [int(step) for step in steps]} | {
        name: arrays.put(scattered(shape, places, table[name]), "u2", "asinh", OF_LOSSES)
        for name in ("loss", "reconstruction", "kl")
    }


def _over_training(axes: Axes, values: np.ndarray, kind: Any, arrays: Arrays) -> dict[str, Any]:
    found = over_seeds(values, axes.of, len(axes.settings))
    settings = {name: arrays.put(getattr(found, name), axes.kind, section=OF_CODES) for name in found._fields}
    return {"settings": settings, "runs": arrays.put(values, kind, section=OF_CODES)}
