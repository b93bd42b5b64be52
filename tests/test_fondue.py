"""FONDUE with real, very short trainings."""

import pandas as pd
import pytest

from tests.runs.small import small_study
from vaescope.errors import Interrupted, UsageError
from vaescope.fondue import COLUMNS, fondue
from vaescope.progress import Progress
from vaescope.runs.train import train
from vaescope.stats.latents.dimension import intrinsic_dimension

ONE = ["objectives={vae: {}}", "seeds=2", "steps=3", "snapshots=[3]", "probe.n=60"]


class Counted:
    """Trains, and notes with how many latents; stops like a user before the k-th."""

    def __init__(self, stop_at=99):
        self.latents, self.stop_at = [], stop_at

    def __call__(self, folder, progress):
        if len(self.latents) + 1 == self.stop_at:
            raise Interrupted
        self.latents.append(folder.study.latents)
        train(folder, progress)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Three steps leave all latents noise: 3 or 4 more dimensions in sampled codes are what passes."""
    counted = Counted()
    study = small_study(*ONE)
    return fondue(study, tmp_path_factory.mktemp("whole") / "f", start=2, threshold=1.0, most=8, train=counted), counted


def test_the_choice_follows_from_what_was_tried(found):
    result, counted = found
    assert tuple(result.tried.columns) == COLUMNS
    assert len(result.tried) == 2 * len(counted.latents)  # two seeds each
    means = result.tried.groupby("latents")["difference"].mean()
    assert [*result.tried["latents"].drop_duplicates()] == counted.latents
    assert result.latents == max([d for d, value in means.items() if value <= 1.0], default=0)
    assert result.bounded == bool((means > 1.0).any())
    assert result.threshold == 1.0
    assert (result.tried["difference"] == result.tried["sampled"] - result.tried["mean"]).all()
    assert (result.tried[["active", "mixed", "passive"]].sum(axis=1) == result.tried["latents"]).all()
    assert (result.tried["passive"] == result.tried["latents"]).all()  # after three steps
    assert "nothing was learned in 3 steps" in result.notes[0]


def test_it_continues_where_it_was_stopped_without_training_again(found, tmp_path):
    whole, _ = found
    options = {"start": 2, "threshold": 1.0, "most": 8}
    with pytest.raises(Interrupted):
        fondue(small_study(*ONE), tmp_path / "f", **options, train=Counted(stop_at=2))
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.safetensors")}
    assert files
    again = fondue(small_study(*ONE), tmp_path / "f", Progress(), **options)
    assert {p: p.stat().st_mtime_ns for p in files} == files
    pd.testing.assert_frame_equal(again.tried, whole.tried)
    assert again.latents == whole.latents


def test_it_begins_at_the_dimension_of_the_images_and_allows_a_fifth_of_it(tmp_path):
    from vaescope.runs.inputs import dataset_of
    from vaescope.runs.probe import choose

    study = small_study(*ONE, "seeds=1", "steps=1", "snapshots=[1]")
    result = fondue(study, tmp_path / "f", most=2)
    dataset = dataset_of(study.runs()[0])
    images = dataset.images(choose(dataset, 60, 0).indices).reshape(60, -1)
    assert result.data == pytest.approx(intrinsic_dimension(images))
    assert result.threshold == pytest.approx(0.2 * result.data)
    assert result.tried["latents"].iloc[0] == min(round(result.data), 2)


def test_a_study_of_several_settings_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"one setting, .* has 2: vae; beta_vae beta=4"):
        fondue(small_study(), tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_a_folder_of_other_trainings_is_refused(tmp_path):
    options = {"start": 1, "threshold": 9.0, "most": 1}
    fondue(small_study(*ONE, "seeds=1"), tmp_path / "f", **options)
    with pytest.raises(UsageError, match="another study"):
        fondue(small_study(*ONE, "seeds=1", "steps=4"), tmp_path / "f", **options)
