"""What holds of every network, at any size, with any channels and latents."""

import math
import weakref
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.making import filled, first
from vaescope.models.network import NETWORKS, distinct, initialise, sample
from vaescope.models.networks.conv import Conv
from vaescope.models.networks.deep_conv import DeepConv
from vaescope.models.networks.linear import Linear
from vaescope.models.networks.residual import Residual
from vaescope.models.objective import Forward
from vaescope.models.objectives.vae import VAE
from vaescope.models.stages import Same, SameTranspose, down, up

SMALLEST = {"conv": 16, "linear": 1, "deep_conv": 16, "residual": 32}
KINDS = sorted(SMALLEST)

CONV = """
input
encoder.1 encoder.2 encoder.3 encoder.4 encoder.5=encoder.4 encoder.6
mean log_var sampled
decoder.1 decoder.2 decoder.reshape=decoder.2 decoder.3 decoder.4 decoder.5 decoder.6
"""
LINEAR = """
input
encoder.1=input encoder.2 encoder.3
mean log_var sampled
decoder.1 decoder.2 decoder.3 decoder.4 decoder.output=decoder.4
"""
DEEP_CONV = """
input
encoder.11 encoder.12 encoder.21 encoder.22
encoder.31 encoder.32 encoder.33 encoder.34 encoder.41 encoder.42 encoder.43 encoder.44 encoder.flatten=encoder.44
encoder.51 encoder.52 encoder.53 encoder.54 encoder.55
mean log_var sampled
decoder.11 decoder.12 decoder.13 decoder.14 decoder.15 decoder.reshape=decoder.15
decoder.21 decoder.22 decoder.23 decoder.24 decoder.31 decoder.32 decoder.33 decoder.34
decoder.41 decoder.42 decoder.51 decoder.52 decoder.output
"""
RESIDUAL = """
input
encoder.stem encoder.block1 encoder.block2 encoder.block3 encoder.flatten=encoder.block3 encoder.dense
mean log_var sampled
decoder.dense1 decoder.dense2 decoder.reshape=decoder.dense2 decoder.block1 decoder.block2 decoder.block3 decoder.output
"""


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def count(network):
    return sum(p.numel() for p in network.parameters())


@st.composite
def kinds_and_shapes(draw, most=256):
    kind = draw(st.sampled_from(KINDS))
    side = st.integers(SMALLEST[kind], most)
    return kind, (draw(st.integers(1, 4)), draw(side), draw(side))


@pytest.mark.parametrize(
    ("kind", "names"), [("conv", CONV), ("linear", LINEAR), ("deep_conv", DEEP_CONV), ("residual", RESIDUAL)]
)
def test_the_names_of_the_layers_stay_what_they_are(kind, names):
    with torch.device("meta"):
        found = NETWORKS[kind]((1, 64, 64), 10).layers()
    assert [f"{x.name}={x.same_as}" if x.same_as else x.name for x in found] == names.split()
    assert {x.part for x in found} == {"input", "encoder", "latent", "decoder"}


def test_every_network_is_pinned_here():
    assert {k for k in NETWORKS if NETWORKS[k].__module__.startswith("vaescope.")} == set(KINDS)


@given(kinds_and_shapes(), st.integers(1, 70))
def test_any_image_comes_back_in_its_own_shape(chosen, latents):
    kind, shape = chosen
    with torch.device("meta"):
        network = NETWORKS[kind](shape, latents)
        posterior = network.encode(torch.zeros(2, *shape))
        assert posterior.mean.shape == posterior.log_var.shape == (2, latents)
        assert network.decode(posterior.mean).shape == (2, *shape)
        found = network.layers()
    assert found[0].features == math.prod(shape) == found[-1].features
    assert len({x.name for x in found}) == len(found)


@settings(max_examples=12)
@given(kinds_and_shapes(most=48))
def test_every_pixel_is_seen_and_every_pixel_is_made(chosen):
    """With weights of one sign nothing cancels: a pixel nobody looks at has no gradient, one nobody makes has none."""
    kind, shape = chosen
    network = NETWORKS[kind](shape, 2)
    for name, parameter in network.named_parameters():
        nn.init.constant_(parameter, 0.01 if name.endswith("weight") else 0.0)
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda value: value
    images = torch.ones(1, *shape, requires_grad=True)
    network.double().encode(images.double()).mean.sum().backward()
    assert images.grad.abs().min() > 0
    made = network.decode(torch.ones(1, 2).double())
    assert made.abs().min() > 0


@pytest.mark.parametrize(
    ("kind", "shape", "rate"),
    [
        ("conv", (1, 33, 40), 1e-3),
        ("linear", (2, 15, 20), 1e-3),
        ("deep_conv", (1, 16, 20), 3e-4),
        ("residual", (3, 33, 40), 1e-3),
    ],
)
def test_no_parameter_is_dead_at_first_and_a_few_steps_lower_the_loss(kind, shape, rate):
    network = first(NETWORKS[kind], shape, 4, {}, generator())
    images = (torch.rand(16, shape[0], 3, 4, generator=generator(1)) > 0.8).float()
    images = nn.functional.interpolate(images, shape[1:])
    adam = torch.optim.Adam(network.parameters(), lr=rate)
    noise = torch.randn(16, 4, generator=generator(2))
    losses = []
    for step in range(15):
        posterior = network.encode(images)
        z = sample(posterior, noise)
        loss = VAE()(Forward(images, network.decode(z), posterior, z), step).loss
        adam.zero_grad()
        loss.backward()
        if step == 0:
            dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
            assert dead == []
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.97 * losses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last_and_contiguous_agree(kind):
    """In float64, so that only a wrong order of numbers could tell the two apart."""
    network = NETWORKS[kind]((3, 35, 50), 5).double()
    initialise(network, generator())
    images = torch.rand(2, 3, 35, 50, generator=generator(1)).double()
    mean = network.encode(images).mean
    logits = network.decode(mean)
    last = network.to(memory_format=torch.channels_last)
    images = images.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(last.encode(images).mean, mean, rtol=1e-10, atol=1e-14)
    assert torch.allclose(last.decode(mean), logits, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_loaded_are_the_network_they_were_kept_from(kind):
    network = first(NETWORKS[kind], (2, 32, 37), 5, {}, generator())
    kept = {k: v.contiguous() for k, v in network.state_dict().items()}
    again = filled(NETWORKS[kind], (2, 32, 37), 5, {}, kept)
    images = torch.rand(3, 2, 32, 37, generator=generator(1))
    assert torch.equal(again.encode(images).mean, network.encode(images).mean)
    assert not again.training


@pytest.mark.parametrize("kind", KINDS)
def test_walking_gives_each_layer_as_the_modules_do_one_after_the_other(kind):
    network = first(NETWORKS[kind], (1, 33, 32), 5, {}, generator()).eval()
    images, noise = torch.rand(7, 1, 33, 32, generator=generator(1)), torch.randn(7, 5, generator=generator(2))
    walked = {name: value.clone() for name, value in network.walk(images, noise)}
    assert list(walked) == [layer.name for layer in distinct(network.layers())]
    assert {n: v[0].numel() for n, v in walked.items()} == {x.name: x.features for x in distinct(network.layers())}
    value = images
    for name, module in network.encoder.named_children():
        value = module(value.clone())
        if f"encoder.{name}" in walked:
            assert torch.equal(walked[f"encoder.{name}"], value)
    mean, log_var = network.mean(value), network.log_var(value)
    assert torch.equal(walked["mean"], mean)
    assert torch.allclose(walked["sampled"], mean + torch.exp(log_var / 2) * noise)
    assert torch.allclose(
        walked[network.layers()[-1].same_as or network.layers()[-1].name].reshape(7, -1),
        network.decode(mean).reshape(7, -1),
        atol=1e-6,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_two_layers_of_all_examples_are_in_memory_at_a_time(kind):
    """Seen by whoever looks at one layer and lets go of it: that one, and the one before while the next is made."""
    network = first(NETWORKS[kind], (1, 32, 32), 3, {}, generator()).eval()
    living: list[weakref.ref] = []

    def big():
        return sum(value() is not None for value in living)

    def check():
        assert big() <= 1  # the next layer is being made from this one

    walk = network.walk(torch.rand(300, 1, 32, 32, generator=generator(1)), torch.zeros(300, 3), check)
    for name, value in walk:
        if name not in ("mean", "log_var", "sampled"):
            living.append(weakref.ref(value))
        del value
        assert big() <= 1
    assert len(living) == len(list(distinct(network.layers()))) - 3


@pytest.mark.parametrize(("h", "w"), [(8, 8), (7, 9), (5, 8), (1, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_decoders_convolutions_are_the_encoders_transposed(h, w, stride):
    """<A x, y> = <x, Aᵀ y> for all x and y: the definition, so the padding is mirrored too."""
    forth, back = (Same(2, 3), SameTranspose(3, 2)) if stride == 1 else (down(2, 3, 4, (h, w)), up(3, 2, (h, w)))
    with torch.no_grad():
        back.weight.copy_(forth.weight)
        forth.bias.zero_(), back.bias.zero_()
    x = torch.randn(1, 2, h, w, generator=generator()).double()
    forth, back = forth.double(), back.double()
    ahead = forth(x)
    assert ahead.shape[2:] == (-(-h // stride), -(-w // stride))
    y = torch.randn(ahead.shape, generator=generator(1)).double()
    assert back(y).shape == x.shape
    assert torch.allclose((ahead * y).sum(), (x * back(y)).sum(), rtol=1e-12)


def test_same_is_tensorflows_one_row_in_front_and_two_behind():
    """Output pixel (i, j) of a kernel-4 stride-1 "same" convolution reads input rows i-1 .. i+2."""
    same = Same(1, 1).double()
    image = torch.rand(5, 6, generator=generator()).double()
    for i in range(5):
        for j in range(6):
            total = same.bias[0].item()
            for a in range(4):
                for b in range(4):
                    y, x = i - 1 + a, j - 1 + b
                    if 0 <= y < 5 and 0 <= x < 6:
                        total += same.weight[0, 0, a, b].item() * image[y, x].item()
            assert same(image[None, None])[0, 0, i, j].item() == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_has_the_parameters_of_the_paper(channels):
    p = channels * 64 * 64
    encoder = p * 1200 + 1200 + 1200 * 1200 + 1200 + 2 * (1200 * 10 + 10)
    decoder = 10 * 1200 + 1200 + 2 * (1200 * 1200 + 1200) + 1200 * p + p
    with torch.device("meta"):
        network = Linear((channels, 64, 64), 10)
    assert count(network) == encoder + decoder
    assert [type(m[1]).__name__ for m in list(network.encoder)[1:]] == ["ReLU", "ReLU"]
    assert [type(m[1]).__name__ for m in list(network.decoder)[:3]] == ["Tanh", "Tanh", "Tanh"]
    assert channels == 3 or encoder + decoder == 14_196_516


def test_deep_conv_has_the_parameters_of_its_description():
    """2 x 32, 2 x 64, 4 x 128, 4 x 256 of kernel 4, then 4096, 2048, 1024, 512, 256; and all of it mirrored."""
    filters = [1, 32, 32, 64, 64, *[128] * 4, *[256] * 4]
    convolutions = sum(16 * a * b + b for a, b in pairwise(filters))
    dense = [4096, 4096, 2048, 1024, 512, 256]
    encoder = convolutions + sum(a * b + b for a, b in pairwise(dense)) + 2 * (256 * 10 + 10)
    back = [10, 256, 512, 1024, 2048, 4096]
    mirrored = [256, *[256] * 4, *[128] * 4, 64, 64, 32, 32, 1]
    decoder = sum(a * b + b for a, b in pairwise(back))
    decoder += sum(16 * a * b + b for a, b in pairwise(mirrored))
    with torch.device("meta"):
        network = DeepConv((1, 64, 64), 10)
    assert count(network) == encoder + decoder == 49_540_501
    widths = {
        "encoder.12": 32 * 32 * 32, "encoder.22": 64 * 16 * 16, "encoder.34": 128 * 8 * 8, "encoder.44": 4096,
        "encoder.55": 256, "decoder.15": 4096, "decoder.23": 4096, "decoder.24": 256 * 8 * 8,
        "decoder.34": 128 * 16 * 16, "decoder.42": 64 * 32 * 32, "decoder.52": 32 * 64 * 64, "decoder.output": 4096,
    }  # fmt: skip
    found = {x.name: x.features for x in network.layers()}
    assert {name: found[name] for name in widths} == widths


@pytest.mark.parametrize(("side", "blocks", "parameters"), [(32, 2, None), (64, 3, 3_941_717), (256, 5, 8_927_573)])
def test_residual_has_as_many_blocks_as_the_image_needs(side, blocks, parameters):
    with torch.device("meta"):
        network = Residual((1, side, side), 10)
        narrow = Residual((1, side, side), 10, width=8, norm="none")
    names = [layer.name for layer in network.layers()]
    assert [f"encoder.block{k}" in names for k in range(1, 9)] == [k <= blocks for k in range(1, 9)]
    assert [f"decoder.block{k}" in names for k in range(1, 9)] == [k <= blocks for k in range(1, 9)]
    assert parameters is None or count(network) == parameters
    assert count(network) < 10_000_000
    assert [layer.name for layer in narrow.layers()] == names
    assert not any("GroupNorm" in type(m).__name__ for m in narrow.modules())


def test_a_representation_of_the_residual_network_does_not_depend_on_other_images():
    network = first(Residual, (1, 32, 32), 4, {}, generator())
    images = torch.rand(6, 1, 32, 32, generator=generator(1))
    alone = network.double().encode(images[:1].double()).mean
    assert torch.allclose(network.encode(images.double()).mean[:1], alone, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "shape", "told"),
    [
        (
            Conv,
            (1, 15, 64),
            r"network conv: expected .*16 to 256.*got \(1, 15, 64\)\. For smaller images use the network",
        ),
        (Conv, (5, 64, 64), r"expected images of \(1 to 4 channels.*got \(5, 64, 64\)"),
        (Conv, (64, 64, 1), r"got \(64, 64, 1\)\. The channels come first"),
        (Conv, (64, 64), r"got \(64, 64\)\. Give \(channels, height, width\)"),
        (DeepConv, (1, 64, 257), r"got \(1, 64, 257\)\. Shrink the images"),
        (Residual, (1, 31, 40), r"32 to 256.*got \(1, 31, 40\)\. For images of 16 to 31 pixels use the network conv"),
        (Linear, (0, 8, 8), r"expected images of \(1 to 4 channels"),
    ],
)
def test_other_image_shapes_are_refused_with_what_to_use_instead(kind, shape, told):
    with pytest.raises(UsageError, match=told):
        kind(shape, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("latents", [0, -3])
def test_there_is_at_least_one_latent(kind, latents):
    with pytest.raises(UsageError, match=rf"network {kind}: expected at least 1 latent, a whole number, got {latents}"):
        NETWORKS[kind]((1, 64, 64), latents)


@pytest.mark.parametrize("options", [{"width": 12}, {"width": 0}, {"width": 2048}])
def test_the_residual_network_refuses_other_widths(options):
    with pytest.raises(UsageError, match=r"network residual: width: expected .*, got"):
        Residual((1, 64, 64), 10, **options)
