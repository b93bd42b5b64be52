"""The unsupervised disentanglement ranking of the runs of a study, from the codes of their final snapshots."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.stats.census import Census
from vaescope.stats.latents.posterior import kl_per_latent
from vaescope.stats.subject import Subject
from vaescope.stats.udr import udr_table

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.results import Results


def udr_of(results: "Results", **options: Any) -> "pd.DataFrame":
    """UDR of each run that reached its end, among the runs of its setting, on the first 1,000 probe examples at most.

    Args:
        results: what `vaescope.open` gives.
        options: of `vaescope.disentanglement.udr`: relation, smallest, penalty.

    Returns:
        run, setting, runs (how many the setting has), informative (latents), udr; settings with one run are left out.

    Raises:
        CorruptArtifact: a snapshot is damaged.
    """
    census = Census(results.folder)
    codes: dict[str, np.ndarray] = {}
    kl: dict[str, np.ndarray] = {}
    settings: dict[str, str] = {}
    for run in results.folder.runs:
        if not census.finished(run):
            continue
        found: dict[str, np.ndarray] = {}
        walk = Subject(results.folder, run, census=census).representations(run.snapshots[-1])
        for name, value in walk:
            found[name] = value.astype(np.float64)
            if {"mean", "log_var"} <= found.keys():
                break
        walk.close()
        codes[run.id] = found["mean"]
        kl[run.id] = kl_per_latent(found["mean"], found["log_var"])
        settings[run.id] = ", ".join([*results.study.called(run), run.setting])
    return udr_table(codes, settings, kl, **options)
