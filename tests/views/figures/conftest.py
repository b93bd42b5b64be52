"""One small study for all figures that read scores and snapshots."""

import pytest
from tests.runs.small import small_study

import vaescope
from vaescope.runs.store import StudyFolder
from vaescope.runs.train import train
from vaescope.stats.compare import compare
from vaescope.stats.results import Results


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Results:
    """Two strengths, two seeds, three snapshots; compared, and nothing examined."""
    study = small_study("objectives={beta_vae: {beta: [1, 4]}}", "seeds=2", "probe.n=16", "latents=4")
    folder = StudyFolder.create(tmp_path_factory.mktemp("small") / "study", study)
    train(folder)
    compare(folder)
    return vaescope.open(folder.path)
