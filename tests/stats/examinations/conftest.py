"""Finished studies of very small images: an own network and a linear one, two seeds, two datasets they can share."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
from tests.runs.small import small_folder
from torch import nn

from vaescope.pipeline import lent
from vaescope.runs.train import train
from vaescope.stats.subject import Subject


def own(image_shape, latents):
    """Convolution, running averages, dropout, and a decoder that is no `nn.Sequential`."""
    encoder = nn.Sequential(
        nn.Conv2d(image_shape[0], 4, 4, stride=4),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64, 2 * latents),
    )
    return encoder, Decoder(image_shape, latents)


class Decoder(nn.Module):
    def __init__(self, image_shape, latents):
        super().__init__()
        self.first = nn.Linear(latents, 20)
        self.last = nn.Linear(20, int(np.prod(image_shape)))
        self.shape = image_shape

    def forward(self, codes):
        return self.last(self.first(codes).relu()).reshape(-1, *self.shape)


def plain(image_shape, latents):
    """Two children a part, by name."""
    size = int(np.prod(image_shape))
    encoder = OrderedDict(flat=nn.Flatten(), a=nn.Linear(size, 12), act=nn.Tanh(), b=nn.Linear(12, 2 * latents))
    decoder = OrderedDict(
        a=nn.Linear(latents, 12), act=nn.Tanh(), b=nn.Linear(12, size), out=nn.Unflatten(1, image_shape)
    )
    return nn.Sequential(encoder), nn.Sequential(decoder)


def pictures(seed, *shape):
    rng = np.random.default_rng(seed)
    tilt = np.linspace(0, 1, shape[-1])
    return np.clip(0.3 * rng.random(shape) + 0.7 * rng.random((shape[0], *[1] * (len(shape) - 1))) * tilt, 0, 1)


@pytest.fixture(scope="module")
def given():
    """Datasets and networks that only this process has."""
    datasets = {
        "grey": pictures(0, 60, 16, 16).astype(np.float32),
        "dark": (0.5 * pictures(1, 60, 16, 16)).astype(np.float32),
        "coloured": pictures(2, 60, 3, 16, 16).astype(np.float32),
    }
    with lent(datasets=datasets, networks={"own": own, "plain": plain}):
        yield


def trained(path, *changes):
    folder = small_folder(
        path,
        *("datasets=[grey]", "networks=[own]", "objectives={vae: {}}", "seeds=2", "latents=3", "probe.n=40"),
        *("optimiser={name: adam, lr: 0.01}", "measures={cka: {}, procrustes: {pairs: needed, n: 30}}"),
        *changes,
    )
    train(folder)
    return folder


@pytest.fixture(scope="module")
def folder(given, tmp_path_factory):
    """Two seeds of the own network."""
    return trained(tmp_path_factory.mktemp("own") / "s")


@pytest.fixture(scope="module")
def stopped(given, tmp_path_factory):
    """Two seeds; the first run diverged before its last snapshot."""
    folder = trained(tmp_path_factory.mktemp("stopped") / "s")
    run = folder.run(folder.runs[0].id)
    manifest = run.manifest()
    kept = {step: artifact for step, artifact in manifest.snapshots.items() if step < 6}
    run.save(replace(manifest, state="diverged", step=3, reason="the loss is nan at step 3", snapshots=kept))
    return folder


@pytest.fixture(scope="module")
def subject(folder):
    """The first run, looked at once for all tests of a module."""
    return Subject(folder, folder.runs[0])
