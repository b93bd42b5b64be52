"""A study small enough for tests: the paper's network on dSprites, a few steps of four images; and a way to stop it."""

import threading

from vaescope.errors import Interrupted
from vaescope.progress import Progress
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
    "examinations=[]",
]


class StopAfter(Progress):
    """Asks to stop at the k-th time a run asks whether to; how often the coordinator asks depends on the clock."""

    def __init__(self, checks):
        self.left = checks

    def check(self):
        if threading.current_thread() is not threading.main_thread():  # the coordinator asks by the clock
            self.left -= 1
        if self.left < 0:
            raise Interrupted


def small_study(*changes: str) -> Study:
    return read_study("quickstart", [*SMALL, *changes])


def small_folder(path, *changes: str) -> StudyFolder:
    return StudyFolder.create(path, small_study(*changes))
