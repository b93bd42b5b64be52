"""What the runs of a study are fed: their datasets, each loaded once, and the probe sets kept in `probe.json`."""

import json
from functools import lru_cache
from threading import Lock

import numpy as np

from vaescope.data.dataset import DATASETS, Dataset
from vaescope.data.load import Described, described, load_dataset, missing_files
from vaescope.data.official import OfficialFile
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.models.making import unfilled
from vaescope.models.network import NETWORKS
from vaescope.progress import Progress
from vaescope.runs.batches import Order
from vaescope.runs.probe import Probe, choose
from vaescope.runs.store import FORMAT_VERSION, StudyFolder, get_json, put_json
from vaescope.runs.study import Run, Study

_LOADING = Lock()


def probe_key(run: Run) -> str:
    """What the probe set of a run's dataset is filed under in `probe.json`."""
    return json.dumps({"name": run.dataset, **run.dataset_options}, sort_keys=True)


def dataset_of(run: Run, progress: Progress | None = None) -> Dataset:
    """The dataset of a run; loaded once a process, since datasets never change, and downloaded where need be."""
    if given := DATASETS.lent(run.dataset):
        return given()
    with _LOADING:
        return _loaded(probe_key(run), progress)


_DATASETS: dict[str, Dataset] = {}


def _loaded(key: str, progress: Progress | None) -> Dataset:
    if key not in _DATASETS:
        _DATASETS[key] = load_dataset(**json.loads(key), progress=progress)
    return _DATASETS[key]


def described_by(run: Run) -> Described:
    """Shape and number of the images of a run's dataset; official files are not needed for that."""
    if given := DATASETS.lent(run.dataset):
        dataset = given()
        return Described(
            dataset.image_shape, len(dataset), tuple(zip(dataset.factor_names, dataset.factor_sizes, strict=True))
        )
    return _described(probe_key(run))


@lru_cache(maxsize=64)
def _described(key: str) -> Described:
    return described(**json.loads(key))


def image_shape_of(run: Run) -> tuple[int, int, int]:
    """(channels, height, width) of what a run sees."""
    return described_by(run).image_shape


def downloads(study: Study) -> list[OfficialFile]:
    """The official files that running the study would fetch first."""
    runs = {probe_key(run): run for run in study.runs() if not DATASETS.lent(run.dataset)}
    return [file for run in runs.values() for file in missing_files(run.dataset, **run.dataset_options)]


def given_here(study: Study) -> list[str]:
    """The datasets and networks of the study that were passed from Python, which only this process has."""
    chosen = [*((DATASETS, c.name) for c in study.datasets), *((NETWORKS, c.name) for c in study.networks)]
    return [f"{registry.kind} {name!r}" for registry, name in chosen if registry.lent(name)]


def keep_probe(folder: StudyFolder, progress: Progress | None = None) -> None:
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
        probe = choose(dataset_of(run, progress), wanted.n, wanted.seed)
        chosen[key] = {"sha256": probe.sha256, "indices": probe.indices.tolist()}
        if key in there and there[key] != chosen[key]:
            raise CorruptArtifact(
                f"{path}: {run.dataset} gave other probe images when this study was begun. "
                "Use the dataset it was begun with, or choose another --out."
            )
    if there != chosen:
        put_json(path, {"format_version": FORMAT_VERSION, "n": wanted.n, "seed": wanted.seed, "datasets": chosen})


def check_fit(study: Study) -> None:
    """Raise `UsageError` where a run could not begin, so that it is told now and not when its turn comes.

    A dataset with fewer examples than its probe set wants, or than one batch; a network that takes no such images or
    options.
    """
    for run in {(probe_key(r), r.network, str(r.network_options)): r for r in study.runs()}.values():
        known = described_by(run)
        if study.probe.n > known.length:
            raise UsageError(
                f"probe.n: {run.dataset} has {known.length:,} examples, {study.probe.n:,} were asked for. Set a "
                "smaller probe.n."
            )
        Order(run, known.length)
        unfilled(NETWORKS[run.network], known.image_shape, run.latents, run.network_options)


def probe_of(folder: StudyFolder, run: Run) -> Probe:
    """The probe set that the study noted for a run's dataset; of a recorded run, whatever its owner gave.

    Raises:
        CorruptArtifact: `probe.json` is missing or damaged.
    """
    if run.recorded is not None:
        return Probe(np.arange(folder.study.probe.n), run.recorded.probe)
    try:
        entry = get_json(folder.path / "probe.json")["datasets"][probe_key(run)]
    except CorruptArtifact as error:
        raise CorruptArtifact(
            f"{error} Remove it if it is there and give `vaescope train {folder.path}` again: "
            "it chooses the same examples."
        ) from None
    return Probe(np.asarray(entry["indices"], dtype=np.int64), entry["sha256"])
