"""Networks passed from Python, with layers that draw random numbers and keep running averages."""

import hashlib

import numpy as np
import pytest
from tests.runs.small import StopAfter, small_folder
from torch import nn

from vaescope.errors import Interrupted, UsageError
from vaescope.pipeline import lent
from vaescope.runs.executors import executor_of
from vaescope.runs.train import train

CHANGES = ("datasets=[grey]", "networks=[mine]", "objectives={factor_vae: {gamma: 2}, vae: {}}", "probe.n=12")


def restless(image_shape, latents):
    encoder = nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=4),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64, 2 * latents),
    )
    return encoder, nn.Sequential(nn.Linear(latents, 256), nn.Unflatten(1, image_shape))


@pytest.fixture
def images():
    with lent(
        datasets={"grey": np.random.default_rng(0).random((40, 16, 16), np.float32)}, networks={"mine": restless}
    ):
        yield


def left_behind(folder):
    files = sorted(p for p in (folder.path / "runs").rglob("*") if p.is_file())
    return {str(p.relative_to(folder.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("checks", [1, 3, 5, 9])
def test_dropout_and_batch_norm_are_continued_exactly(images, tmp_path, checks):
    whole, stopped = small_folder(tmp_path / "a", *CHANGES), small_folder(tmp_path / "b", *CHANGES)
    train(whole)
    with pytest.raises(Interrupted):
        train(stopped, StopAfter(checks))
    train(stopped)
    assert left_behind(stopped) == left_behind(whole)


def test_running_averages_are_kept_with_the_weights(images, tmp_path):
    folder = small_folder(tmp_path / "a", *CHANGES)
    train(folder)
    first, last = (folder.run(folder.runs[-1].id).snapshot(step) for step in (0, 6))
    moved = [name for name in last if name.endswith("running_mean")]
    assert len(moved) == 1
    assert float(first[moved[0]].abs().sum()) == 0
    assert float(last[moved[0]].abs().sum()) > 0


def test_what_only_this_process_has_is_not_sent_to_others(images, tmp_path):
    folder = small_folder(tmp_path / "a", *CHANGES)
    with (
        executor_of(workers=1) as pool,
        pytest.raises(UsageError, match=r"dataset 'grey', network 'mine': passed from"),
    ):
        train(folder, executor=pool)
