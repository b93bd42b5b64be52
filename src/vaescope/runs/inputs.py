"""What the runs of a study are fed: their datasets, each loaded once, and the probe sets kept in `probe.json`."""

import json
from functools import lru_cache

import numpy as np

from vaescope.data.dataset import Dataset
from vaescope.data.load import load_dataset
from vaescope.errors import CorruptArtifact
from vaescope.runs.probe import Probe, choose, enough
from vaescope.runs.store import FORMAT_VERSION, StudyFolder, get_json, put_json
from vaescope.runs.study import Run, Study


def probe_key(run: Run) -> str:
    """What the probe set of a run's dataset is filed under in `probe.json`."""
    return json.dumps({"name": run.dataset, **run.dataset_options}, sort_keys=True)


def dataset_of(run: Run) -> Dataset:
    """The dataset of a run; loaded once a process, since datasets never change."""
    return _loaded(probe_key(run))


@lru_cache(maxsize=8)
def _loaded(key: str) -> Dataset:
    return load_dataset(**json.loads(key))


def keep_probe(folder: StudyFolder) -> None:
    """Choose the probe sets once, and check ever after that their images are still the same ones.

    Raises:
        CorruptArtifact: the dataset now gives other images under the same indices.
        UsageError: a dataset has fewer examples than the probe set wants.
    """
    path = folder.path / "probe.json"
    wanted = folder.study.probe
    begun = path.exists() and (folder.path / "runs").exists()
    there = get_json(path)["datasets"] if begun else {}
    chosen = {}
    for run in folder.runs:
        key = probe_key(run)
        if key in chosen:
            continue
        probe = choose(dataset_of(run), wanted.n, wanted.seed)
        chosen[key] = {"sha256": probe.sha256, "indices": probe.indices.tolist()}
        if key in there and there[key] != chosen[key]:
            raise CorruptArtifact(
                f"{path}: {run.dataset} gave other probe images when this study was begun. "
                "Use the dataset it was begun with, or choose another --out."
            )
    if there != chosen:
        put_json(path, {"format_version": FORMAT_VERSION, "n": wanted.n, "seed": wanted.seed, "datasets": chosen})


def check_probe(study: Study) -> None:
    """Raise `UsageError` if any dataset of the study has fewer examples than its probe set wants."""
    for run in {probe_key(r): r for r in study.runs()}.values():
        enough(dataset_of(run), study.probe.n)


def probe_of(folder: StudyFolder, run: Run) -> Probe:
    """The probe set that the study recorded for a run's dataset.

    Raises:
        CorruptArtifact: `probe.json` is missing or damaged.
    """
    try:
        entry = get_json(folder.path / "probe.json")["datasets"][probe_key(run)]
    except CorruptArtifact as error:
        raise CorruptArtifact(
            f"{error} Remove it if it is there and give `vaescope train {folder.path}` again: "
            "it chooses the same examples."
        ) from None
    return Probe(np.asarray(entry["indices"], dtype=np.int64), entry["sha256"])
