"""Decoders fed with codes from anywhere, for every network of the package and for a pair of modules."""

import pytest
import torch
from torch import nn

from vaescope.errors import Interrupted
from vaescope.models.network import NETWORKS
from vaescope.models.pair import network_from

SHAPE = {"conv": (1, 16, 16), "linear": (1, 4, 4), "deep_conv": (1, 64, 64), "residual": (1, 64, 64)}


class Twice(nn.Module):
    """A decoder that calls one module twice and reshapes on the way."""

    def __init__(self, latents):
        super().__init__()
        self.inner = nn.Linear(latents, latents)
        self.out = nn.Linear(latents, 16)

    def forward(self, codes):
        return self.out(self.inner(self.inner(codes)).tanh()).reshape(-1, 1, 4, 4)


def twice(image_shape, latents):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 2 * latents)), Twice(latents)


def made(name):
    shape = SHAPE.get(name, (1, 4, 4))
    with torch.random.fork_rng(devices=[]):
        kind = network_from("twice", twice) if name == "twice" else NETWORKS[name]
        return kind(shape, 3).eval(), shape


@pytest.mark.parametrize("name", [*SHAPE, "twice"])
def test_fed_with_its_mean_codes_a_decoder_does_what_it_does_in_a_walk(name):
    network, shape = made(name)
    generator = torch.Generator().manual_seed(0)
    images, noise = torch.rand(5, *shape, generator=generator), torch.randn(5, 3, generator=generator)
    walked = {layer: value.clone() for layer, value in network.walk(images, noise)}
    fed = dict(network.decoded(walked["mean"]))
    assert list(fed) == [layer for layer in walked if layer.startswith("decoder.")]
    assert all(torch.equal(fed[layer], walked[layer]) for layer in fed)


@pytest.mark.parametrize("name", [*SHAPE, "twice"])
def test_the_last_layer_of_any_codes_is_what_decoding_them_gives(name):
    network, _ = made(name)
    codes = 3 * torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    *_, (_, last) = network.decoded(codes)
    with torch.inference_mode():
        assert torch.allclose(last.reshape(4, -1), network.decode(codes).permute(0, 2, 3, 1).reshape(4, -1)) or (
            torch.allclose(last.reshape(4, -1), network.decode(codes).reshape(4, -1))
        )


@pytest.mark.parametrize("name", ["linear", "twice"])
def test_feeding_can_be_stopped(name):
    network, _ = made(name)

    def stop():
        raise Interrupted

    with pytest.raises(Interrupted):
        list(network.decoded(torch.zeros(4, 3), stop))
