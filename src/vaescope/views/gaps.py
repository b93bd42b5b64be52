"""What a study does not have yet, and which command makes it. Pure."""

from collections.abc import Collection, Mapping

import pandas as pd

from vaescope.stats.evidence import Evidence
from vaescope.stats.examination import EXAMINATIONS
from vaescope.views import lacking
from vaescope.views.leads import counted

SHOWN_BY = {
    "references": "intervals over examples, and curves to the start, the snapshot before, another seed",
    "wiring": "whether the decoder only waits for its encoder",
    "untrained": "what networks never trained score",
    "readings": "what chance alone scores",
    "shapes": "participation ratios and dead layers",
    "latents": "which latents are active, mixed or passive",
    "posterior": "mutual information, and mean against sampled codes",
    "disentanglement": "disentanglement over training",
}
OF_LATENTS = ("latents", "posterior")


def gaps(
    runs: pd.DataFrame,
    evidence: Evidence,
    computed: Collection[str],
    asked: Collection[str],
    folder: str,
    recorded: bool = False,
    layers: pd.DataFrame | None = None,
) -> list[dict[str, str]]:
    """What is missing from the page: what, why, and how to have it ("" where no command helps).

    Args:
        runs: `Results.runs`.
        evidence: of the study.
        computed: measures that have scores.
        asked: measures that the study asks for.
        folder: of the study, for the commands.
        recorded: whether somebody else trained the runs: then nothing is expected that needs their network.
        layers: `Results.layers`; of recorded runs, nothing is expected of latents or parts that their models lack.
    """
    found = []
    ended = int((runs["state"] == "done").sum())
    left = int((~runs["state"].isin(["done", "diverged"])).sum())
    if left:
        why = f"{counted(left, 'run')} of {len(runs):,} not finished"
        if recorded:
            why = f"{counted(left, 'run')} of {len(runs):,} still recorded when this page was made"
        found.append({"what": "Runs", "why": why, "how": f"vaescope {'report' if recorded else 'train'} {folder}"})
    without = [name for name in asked if name not in computed]
    if without and runs["snapshots"].sum():
        why = f"not computed: {', '.join(without)}"
        found.append({"what": "Similarities", "why": why, "how": f"vaescope compare {folder}"})
    expected = [name for name in SHOWN_BY if not (recorded and EXAMINATIONS[name].asks_network)]
    latentless = recorded and layers is not None and lacking.latentless(layers)
    if latentless:
        expected = [name for name in expected if name not in OF_LATENTS]
    tables: Mapping[str, pd.DataFrame] = {name: getattr(evidence, name) for name in expected}
    empty = [name for name, table in tables.items() if not len(table)]
    if ended and len(empty) == len(tables):
        why = "the study has not been examined, so verdicts lack their controls"
        found.append({"what": "Controls", "why": why, "how": f"vaescope examine {folder}"})
    elif ended:
        for name in empty:
            known = ", or the dataset has no factors" if name == "disentanglement" else ""
            why = f"no table “{name}” of any run: not examined yet{known}"
            found.append({"what": SHOWN_BY[name].capitalize(), "why": why, "how": f"vaescope examine {folder}"})
        if few := unexamined(runs, evidence):
            why = f"{few} not examined yet"
            found.append({"what": "Some runs", "why": why, "how": f"vaescope examine {folder}"})
    if recorded and layers is not None and lacking.unnamed(layers):
        found.append({"what": "Parts", "why": lacking.UNNAMED.removesuffix("."), "how": ""})
    elif latentless:
        found.append({"what": "Latents", "why": lacking.NO_LATENTS, "how": ""})
    if recorded:
        why = "a recorded run has no network here: no controls that need one, no pictures, no disentanglement"
        found.append({"what": "Recorded runs", "why": why, "how": ""})
    seeds = runs["seed"].nunique()
    if seeds < 2:
        found.append({"what": "Intervals", "why": "one seed has none; give the study more seeds", "how": ""})
    return found


def unexamined(runs: pd.DataFrame, evidence: Evidence) -> str:
    """How many finished runs lack a table that others have, as "2 runs of 9"; "" if none, or if no run has any."""
    ended = int((runs["state"] == "done").sum())
    names = [name for name in SHOWN_BY if name != "disentanglement"]  # which only runs on datasets with factors have
    tables = [table for name in names if len(table := getattr(evidence, name))]
    most = max((ended - table["run"].nunique() for table in tables), default=0)
    return f"{counted(most, 'run')} of {ended:,}" if most > 0 else ""
