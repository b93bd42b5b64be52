"""A study small enough for tests: the paper's network on dSprites, a few steps of four images."""

from vaescope.runs.read import read_study
from vaescope.runs.store import StudyFolder
from vaescope.runs.study import Study

SMALL = [
    "objectives={vae: {}, beta_vae: {beta: 4}}",
    "seeds=1",
    "steps=6",
    "batch_size=4",
    "snapshots=[0, 2, 6]",
    "log_every=3",
    "probe.n=20",
    "measures={cka: {}, procrustes: {pairs: needed, n: 12}}",
]


def small_study(*changes: str) -> Study:
    return read_study("quickstart", [*SMALL, *changes])


def small_folder(path, *changes: str) -> StudyFolder:
    return StudyFolder.create(path, small_study(*changes))
