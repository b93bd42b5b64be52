import math

import pytest
import torch
from torch import nn

from vaescope.models.network import NETWORKS, distinct, initialise, sample
from vaescope.models.networks.conv import Conv

WIDTHS = {
    "encoder.1": 32768,
    "encoder.2": 8192,
    "encoder.3": 4096,
    "encoder.4": 1024,
    "encoder.5": 1024,
    "encoder.6": 256,
    "mean": 10,
    "log_var": 10,
    "sampled": 10,
    "decoder.1": 256,
    "decoder.2": 1024,
    "decoder.reshape": 1024,
    "decoder.3": 4096,
    "decoder.4": 8192,
    "decoder.5": 32768,
}

ENCODER = [(32, 3, 4, 4), (32, 32, 4, 4), (64, 32, 2, 2), (64, 64, 2, 2), (256, 1024)]
DECODER = [(256, 10), (1024, 256), (64, 64, 4, 4), (64, 32, 4, 4), (32, 32, 4, 4)]


@pytest.mark.parametrize(("channels", "parameters", "encoder"), [(1, 690_517, 309_204), (3, 692_567, 310_228)])
def test_parameter_counts_are_the_papers(channels, parameters, encoder):
    network = NETWORKS["conv"]((channels, 64, 64), 10)
    assert sum(p.numel() for p in network.parameters()) == parameters
    latent = [*network.encoder.parameters(), *network.mean.parameters(), *network.log_var.parameters()]
    assert sum(p.numel() for p in latent) == encoder


@pytest.mark.parametrize("channels", [1, 3])
def test_layers_have_the_papers_names_order_and_widths(channels):
    pixels = channels * 64 * 64
    found = {layer.name: layer.features for layer in Conv((channels, 64, 64), 10).layers()}
    assert list(found.items()) == list(({"input": pixels} | WIDTHS | {"decoder.6": pixels}).items())


def test_layers_that_only_reshape_are_named_after_the_one_they_repeat():
    found = Conv((1, 64, 64), 10).layers()
    assert {layer.name: layer.same_as for layer in found if layer.same_as} == {
        "encoder.5": "encoder.4",
        "decoder.reshape": "decoder.2",
    }
    assert len(list(distinct(found))) == 15


@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_from_images_to_logits(channels):
    network = Conv((channels, 64, 64), 7)
    images = torch.rand(5, channels, 64, 64)
    posterior = network.encode(images)
    assert posterior.mean.shape == posterior.log_var.shape == (5, 7)
    assert network.decode(sample(posterior, torch.zeros(5, 7))).shape == images.shape


def test_at_64_pixels_the_weights_have_the_names_and_shapes_they_always_had():
    """What snapshots of earlier versions hold."""
    shapes = {
        **{f"encoder.{k}.0": shape for k, shape in zip("12346", ENCODER, strict=True)},
        **{name: (10, 256) for name in ("mean", "log_var")},
        **{f"decoder.{k}.0": shape for k, shape in zip("12345", DECODER, strict=True)},
        "decoder.6": (32, 3, 4, 4),
    }
    given = {k: tuple(v.shape) for k, v in Conv((3, 64, 64), 10).state_dict().items()}
    assert list(given) == [f"{name}.{kind}" for name in shapes for kind in ("weight", "bias")]
    assert {k.removesuffix(".weight"): v for k, v in given.items() if k.endswith("weight")} == shapes


@pytest.mark.parametrize(("shape", "last"), [((1, 28, 28), (2, 2)), ((4, 105, 105), (7, 7)), ((2, 16, 33), (1, 3))])
def test_other_sizes_have_the_same_layers_each_half_of_the_one_before_rounded_up(shape, last):
    network = Conv(shape, 10)
    assert [layer.name for layer in network.layers()] == [layer.name for layer in Conv((1, 64, 64), 10).layers()]
    assert network.encoder[:4](torch.zeros(1, *shape)).shape == (1, 64, *last)


def test_first_weights_are_glorot_uniform_and_biases_zero():
    network = Conv((1, 64, 64), 10)
    initialise(network, torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, nn.Linear):
            fan_in, fan_out = module.in_features, module.out_features
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            field = math.prod(module.kernel_size)
            fan_in, fan_out = module.in_channels * field, module.out_channels * field
        else:
            continue
        limit = math.sqrt(6 / (fan_in + fan_out))
        weights = module.weight.detach()
        assert weights.abs().max() <= limit
        assert weights.abs().max() > 0.97 * limit
        assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
        assert torch.count_nonzero(module.bias) == 0


def test_first_weights_depend_on_the_generator_alone():
    one, two, other = (Conv((1, 64, 64), 10) for _ in range(3))
    initialise(one, torch.Generator().manual_seed(3))
    initialise(two, torch.Generator().manual_seed(3))
    initialise(other, torch.Generator().manual_seed(4))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.mean.weight, other.mean.weight)


def test_a_stride_two_layer_is_tensorflows_same_padding():
    """Output pixel (i, j) of a kernel-4 stride-2 'same' convolution reads input rows 2i-1 .. 2i+2."""
    network = Conv((1, 64, 64), 10)
    initialise(network, torch.Generator().manual_seed(0))
    image = torch.rand(1, 1, 64, 64)
    kernel = network.encoder[0][0].weight[5, 0]
    padded = torch.nn.functional.pad(image[0, 0], (1, 1, 1, 1))
    by_hand = torch.relu((padded[2 * 3 : 2 * 3 + 4, 2 * 7 : 2 * 7 + 4] * kernel).sum())
    assert torch.allclose(network.encoder[0](image)[0, 5, 3, 7], by_hand, atol=1e-6)
