"""The user's own encoder and decoder: their layers, what they may return, what is refused and in which words."""

import weakref
from collections import OrderedDict
from inspect import signature

import pytest
import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models import pair as pair_module
from vaescope.models.making import drawing_from, filled, first
from vaescope.models.network import NETWORKS, Layer, Posterior, distinct
from vaescope.models.networks.conv import Conv
from vaescope.models.pair import network_from

SHAPE = (1, 12, 10)
PIXELS = 120


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(encoder, decoder=None, latents=3, shape=SHAPE, seed=0):
    """A pair from a function that makes the encoder, and by default a small decoder."""

    def factory(image_shape, latents):
        return encoder(), decoder() if decoder else nn.Linear(latents, PIXELS)

    return first(network_from("mine", factory), shape, latents, {}, generator(seed))


def flat_encoder(*more, width=6):
    return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, width), *more)


def names(network):
    return [f"{x.name}={x.same_as}" if x.same_as else x.name for x in network.layers()]


def walked(network, n=5, shape=SHAPE):
    images, noise = (
        torch.rand(n, *shape, generator=generator(1)),
        torch.randn(n, network.latents, generator=generator(2)),
    )
    return {name: value.clone() for name, value in network.eval().walk(images, noise)}, images, noise


class Heads(nn.Module):
    """What comes before, and two heads."""

    def __init__(self, before, width, latents, together=tuple):
        super().__init__()
        self.before, self.together = before, together
        self.mean, self.log_var = nn.Linear(width, latents), nn.Linear(width, latents)

    def forward(self, images):
        features = self.before(images)
        return self.together((self.mean(features), self.log_var(features)))


class Calls(nn.Module):
    """An encoder whose forward is a function."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.passes = forward

    def forward(self, value):
        return self.passes(self, value)


# --- what a pair's layers are


def test_the_parts_of_conv_as_a_pair_have_the_representations_that_walking_conv_gives():
    conv = first(Conv, (1, 33, 28), 4, {}, generator())
    pair = first(
        network_from("mine", lambda image_shape, latents: (Heads(conv.encoder, 256, latents), conv.decoder)),
        (1, 33, 28), 4, {}, generator(),
    )  # fmt: skip
    with torch.no_grad():
        pair.encoder.mean.load_state_dict(conv.mean.state_dict())
        pair.encoder.log_var.load_state_dict(conv.log_var.state_dict())
    images, noise = torch.rand(7, 1, 33, 28, generator=generator(1)), torch.randn(7, 4, generator=generator(2))
    by_hooks = {name: value.clone() for name, value in pair.eval().walk(images, noise)}
    for name, value in conv.eval().walk(images, noise):
        path = name.replace("encoder.", "encoder.before.") if name.startswith("encoder.") else name
        mine = by_hooks[path] if path in by_hooks else by_hooks[f"{path}.1"]  # the ReLU of a stage comes second
        theirs = value.permute(0, 2, 3, 1) if value.dim() == 4 else value
        assert torch.equal(mine.reshape(7, -1), (value if name == "input" else theirs).reshape(7, -1)), name
    before_relu = conv.encoder[0][0](images).permute(0, 2, 3, 1).reshape(7, -1)
    assert torch.equal(by_hooks["encoder.before.1.0"], before_relu)  # though the ReLU writes over it
    assert before_relu.min() < 0


def test_layers_are_the_innermost_modules_in_the_order_in_which_they_are_called():
    encoder = Calls(
        lambda m, x: m.last(m.act(m.early(m.flatten(x)))),
        last=nn.Linear(8, 6), early=nn.Linear(PIXELS, 8), flatten=nn.Flatten(), act=nn.ReLU(), never=nn.Linear(2, 2),
    )  # fmt: skip
    network = made(lambda: encoder)
    expected = "input encoder.flatten=input encoder.early encoder.act encoder.last mean log_var sampled decoder"
    assert names(network) == expected.split()
    assert network.layers()[2] == Layer("encoder.early", "encoder", 8)


def test_a_module_called_again_is_a_layer_again():
    def forward(m, x):
        return m.out(m.act(m.twice(m.act(m.twice(x.flatten(1))))))

    network = made(lambda: Calls(forward, twice=nn.Linear(PIXELS, PIXELS), act=nn.ReLU(), out=nn.Linear(PIXELS, 6)))
    expected = "encoder.twice encoder.act encoder.twice.call2 encoder.act.call2 encoder.out"
    assert names(network)[1:6] == expected.split()
    found, images, _ = walked(network)
    twice = network.encoder.twice
    once = twice(images.flatten(1))
    assert torch.equal(found["encoder.twice"], once)
    assert torch.equal(found["encoder.twice.call2"], twice(once.relu()))


def test_an_activation_in_place_leaves_the_layer_before_as_it_was():
    network = made(lambda: flat_encoder(nn.ReLU(inplace=True), nn.Linear(6, 6)))
    found, images, _ = walked(network)
    before = network.encoder[1](images.flatten(1))
    assert before.min() < 0
    assert torch.equal(found["encoder.1"], before)
    assert torch.equal(found["encoder.2"], before.relu())
    assert names(network)[3] == "encoder.2"


def test_of_modules_that_return_several_tensors_the_first_is_the_layer():
    def forward(m, x):
        rows, _ = m.rnn(x[:, 0])
        attended, _ = m.attention(rows, rows, rows)
        return m.out(attended.flatten(1))

    def encoder():
        return Calls(
            forward, rnn=nn.GRU(10, 8, batch_first=True),
            attention=nn.MultiheadAttention(8, 2, batch_first=True), out=nn.Linear(12 * 8, 6),
        )  # fmt: skip

    network = made(encoder)
    assert names(network)[1:4] == ["encoder.rnn", "encoder.attention", "encoder.out"]
    found, images, _ = walked(network)
    with torch.inference_mode():
        assert torch.equal(found["encoder.rnn"], network.encoder.rnn(images[:, 0])[0].flatten(1))
    assert found["encoder.attention"].shape == (5, 12 * 8)


def test_what_gives_no_row_for_each_image_is_no_layer():
    def forward(m, x):
        return m.out(m.per_pixel(x.reshape(-1, 1)).reshape(len(x), -1) + m.scale(torch.ones(1)))

    network = made(lambda: Calls(forward, per_pixel=nn.Linear(1, 1), scale=nn.Linear(1, 1), out=nn.Linear(PIXELS, 6)))
    assert names(network)[1:3] == ["encoder.out", "mean"]


class View(nn.Module):
    def forward(self, value):
        return value.view(len(value), -1)


def test_modules_that_only_reshape_say_of_what():
    network = made(
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Identity(), nn.Dropout(), View(), nn.Linear(160, 6)),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Flatten(), nn.Linear(3, PIXELS), nn.Unflatten(1, SHAPE)),
    )
    assert names(network) == [
        *("input", "encoder.0", "encoder.1=encoder.0", "encoder.2=encoder.0", "encoder.3=encoder.0", "encoder.4"),
        *("mean", "log_var", "sampled"),
        *("decoder.0=sampled", "decoder.1=sampled", "decoder.2", "decoder.3=decoder.2"),
    ]
    assert list(walked(network)[0]) == [layer.name for layer in distinct(network.layers())]


def test_a_reshape_after_a_function_of_the_users_own_is_a_layer():
    network = made(
        lambda: Calls(
            lambda m, x: m.b(m.flat(m.a(x).relu())), a=nn.Conv2d(1, 2, 3), flat=nn.Flatten(), b=nn.Linear(160, 6)
        )
    )
    assert names(network)[1:4] == ["encoder.a", "encoder.flat", "encoder.b"]


def test_the_modules_that_make_the_mean_and_the_variance_are_the_layers_of_that_name():
    network = made(lambda: Heads(nn.Flatten(), PIXELS, 3))
    assert names(network)[:4] == ["input", "encoder.before=input", "mean", "log_var"]
    found, images, noise = walked(network)
    mean, log_var = network.encoder.mean(images.flatten(1)), network.encoder.log_var(images.flatten(1))
    assert torch.equal(found["mean"], mean)
    assert torch.equal(found["log_var"], log_var)
    assert torch.allclose(found["sampled"], mean + torch.exp(log_var / 2) * noise)
    assert torch.equal(found["decoder"], network.decoder(mean))


def test_logits_that_no_module_gives_are_a_layer():
    network = made(flat_encoder, lambda: Calls(lambda m, z: 2 * m.a(z), a=nn.Linear(3, PIXELS)))
    assert names(network)[-2:] == ["decoder.a", "logits"]
    found, _, _ = walked(network)
    assert torch.equal(found["logits"], 2 * found["decoder.a"])


def test_an_encoder_without_modules_has_its_latent_layers():
    network = made(lambda: Calls(lambda m, x: (x.flatten(1)[:, :3], x.flatten(1)[:, 3:6])))
    found, images, _ = walked(network)
    assert list(found) == ["input", "mean", "log_var", "sampled", "decoder"]
    assert torch.equal(found["log_var"], images.flatten(1)[:, 3:6])


# --- what an encoder and a decoder may return


@pytest.mark.parametrize("together", [tuple, list, lambda both: Posterior(*both), lambda both: torch.cat(both, dim=1),
                                      lambda both: torch.cat(both, dim=1)[..., None, None]])  # fmt: skip
def test_an_encoder_may_return_both_in_several_forms(together):
    plain = made(lambda: Heads(nn.Flatten(), PIXELS, 3))
    network = made(lambda: Heads(nn.Flatten(), PIXELS, 3, together))
    images = torch.rand(4, *SHAPE, generator=generator(1))
    assert torch.equal(network.encode(images).mean, plain.encode(images).mean)
    assert torch.equal(network.encode(images).log_var, plain.encode(images).log_var)


def test_a_decoder_may_return_images_or_rows():
    rows = made(flat_encoder)
    images = made(flat_encoder, lambda: nn.Sequential(nn.Linear(3, PIXELS), nn.Unflatten(1, SHAPE)))
    codes = torch.rand(4, 3, generator=generator(1))
    assert rows.decode(codes).shape == (4, *SHAPE)
    assert torch.equal(rows.decode(codes), images.decode(codes))


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        (
            lambda: flat_encoder(width=5),
            r"encoder: expected \(mean, log_var\), each \(3, 3\).*tensor \(3, 6\).*got a tens",
        ),
        (lambda: Heads(nn.Flatten(), PIXELS, 4), r"got a tuple of a tensor \(3, 4\), a tensor \(3, 4\)\.$"),
        (lambda: Heads(nn.Flatten(), PIXELS, 3, lambda both: {"mean": both[0]}), r"got a dict\.$"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(99, 6)),
            r"encoder\.1 \(Linear\) given \(3, 120\) failed on 3 bla",
        ),
        (lambda: Calls(lambda m, x: m.a(x)[0] / None, a=nn.Flatten()), r"encoder \(Calls\) given .* TypeError"),
        (lambda: flat_encoder(Calls(lambda m, x: torch.rand_like(x))), r"draws random numbers in evaluation mode"),
    ],
)
def test_a_wrong_encoder_is_told_with_what_was_expected_and_what_came(encoder, told):
    with pytest.raises(UsageError, match=r"^network mine: .*" + told):
        made(encoder)


@pytest.mark.parametrize(
    ("decoder", "told"),
    [
        (
            lambda: nn.Linear(3, 119),
            r"decoder: expected logits of the pixels, \(3, 1, 12, 10\) or \(3, 120\).*\(3, 119\)",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(9, 8)),
            r"decoder\.2 \(Linear\) given \(3, 8\) failed",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, PIXELS), nn.Sigmoid()),
            r"expected logits, got what .* Sigmoid.*Leave that out",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, PIXELS), nn.Sigmoid(), nn.Unflatten(1, SHAPE)),
            r"expected logits.*Sigmoid",
        ),
        (lambda: nn.LSTM(3, PIXELS), r"got a tuple of a tensor"),
    ],
)
def test_a_wrong_decoder_is_told_with_what_was_expected_and_what_came(decoder, told):
    with pytest.raises(UsageError, match=r"^network mine: .*" + told):
        made(flat_encoder, decoder)


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (lambda image_shape: None, r"network 'mine': expected a function \(image_shape, latents, .*of \(image_shape\)"),
        ((nn.Flatten(), nn.Flatten()), r"got a tuple of a Flatten, a Flatten\. Each run needs modules of its own"),
        (lambda image_shape, latents: nn.Flatten(), r"expected two nn.Module, \(encoder, decoder\).*got a Flatten"),
        (lambda image_shape, latents: 1 / 0, r"called with \(1, 12, 10\), 3, raised ZeroDivisionError"),
    ],
)
def test_what_makes_no_two_modules_is_refused(factory, told):
    with pytest.raises(UsageError, match=told):
        network_from("mine", factory)(SHAPE, 3)


# --- weights


def test_first_weights_are_the_modules_own_and_depend_on_the_generator_alone():
    torch.rand(1)
    state = torch.default_generator.get_state()
    one, same, other = made(flat_encoder, seed=3), made(flat_encoder, seed=3), made(flat_encoder, seed=4)
    assert torch.equal(state, torch.default_generator.get_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.encoder[1].weight, other.encoder[1].weight)
    with drawing_from(generator(3)):
        assert torch.equal(nn.Linear(PIXELS, 6).weight, one.encoder[1].weight)
    assert one.encoder[1].bias.abs().min() > 0  # torch's own biases, not the zeros of the paper's networks


class Buffers(nn.Module):
    """Batch normalisation, a constant that no file keeps, and a plain tensor."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.register_buffer("ramp", torch.arange(10.0), persistent=False)
        self.plain = torch.full((12, 1), 2.0)
        self.out = nn.Linear(PIXELS, 6)

    def forward(self, images):
        return self.out((self.norm(images) * self.ramp * self.plain).flatten(1))


def test_loaded_weights_meet_the_constants_that_no_file_keeps():
    network = made(Buffers)
    network.train().encode(torch.rand(50, *SHAPE, generator=generator(1)))  # moves the running statistics
    again = filled(type(network), SHAPE, 3, {}, {k: v.clone() for k, v in network.state_dict().items()})
    found, images, _ = walked(again, n=300)
    network.eval()
    assert torch.allclose(found["mean"], network.encode(images).mean, atol=1e-6)
    assert not any(t.is_meta for t in [*again.parameters(), *again.buffers(), again.encoder.plain])
    assert network.encoder.norm.running_mean.item() > 0.01


def test_a_registered_class_with_constants_is_made_really_too():
    class Ramp(Conv.__mro__[1]):
        name = "ramp"

        def __init__(self, image_shape, latents):
            super().__init__(image_shape, latents)
            self.encoder = nn.Sequential(nn.Flatten(), Times())
            self.mean, self.log_var = nn.Linear(PIXELS, latents), nn.Linear(PIXELS, latents)
            self.decoder = nn.Sequential(nn.Linear(latents, PIXELS), nn.Unflatten(1, SHAPE))

    class Times(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("ramp", torch.arange(120.0), persistent=False)

        def forward(self, value):
            return value * self.ramp

    network = first(Ramp, SHAPE, 2, {}, generator())
    again = filled(Ramp, SHAPE, 2, {}, network.state_dict())
    images = torch.rand(3, *SHAPE, generator=generator(1))
    assert torch.equal(again.encode(images).mean, network.encode(images).mean)


def test_trying_a_pair_leaves_running_statistics_and_modes_alone():
    frozen = nn.BatchNorm2d(1).eval()
    network = made(lambda: nn.Sequential(nn.BatchNorm2d(1), frozen, nn.Flatten(), nn.Linear(PIXELS, 6)))
    assert network.encoder[0].num_batches_tracked == 0
    assert network.encoder[0].running_mean == 0
    assert network.encoder[0].training
    assert not frozen.training


def test_a_pair_made_in_inference_mode_can_be_trained():
    with torch.inference_mode():
        network = made(lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(PIXELS, 6)))
    network.train().decode(network.encode(torch.rand(4, *SHAPE, generator=generator(1))).mean).sum().backward()
    assert network.encoder[2].weight.grad.abs().max() > 0


@pytest.mark.parametrize("initialisation", ["own", "glorot"])
def test_weights_that_are_used_twice_are_kept_once(initialisation):
    import safetensors.torch

    shared = nn.Linear(8, 8)
    kind = network_from(
        "mine",
        lambda image_shape, latents: (
            nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 8), shared, nn.Linear(8, 6)),
            nn.Sequential(nn.Linear(3, 8), shared, nn.Linear(8, PIXELS)),
        ),
    )
    if initialisation == "glorot":
        kind = type("Tied", (Conv.__mro__[1],), {"name": "tied", "__init__": lambda self, s, d: tied(self, s, d)})

        def tied(self, image_shape, latents):
            super(kind, self).__init__(image_shape, latents)
            shared = nn.Linear(8, 8)
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 8), shared)
            self.mean, self.log_var = nn.Linear(8, 3), nn.Linear(8, 3)
            self.decoder = nn.Sequential(nn.Linear(3, 8), shared, nn.Linear(8, PIXELS), nn.Unflatten(1, SHAPE))

    network = first(kind, SHAPE, 3, {}, generator())
    assert network.encoder[2] is network.decoder[1]
    kept = safetensors.torch.load(safetensors.torch.save(network.state_dict()))
    assert "encoder.2.weight" in kept
    assert "decoder.1.weight" not in kept
    with torch.no_grad():
        weight = network.encoder[2].weight.clone()
        network.encoder[2].weight.zero_()
    again = filled(kind, SHAPE, 3, {}, kept)
    assert torch.equal(again.encoder[2].weight, weight)
    assert torch.equal(again.decoder[1].weight, weight)


def test_a_pair_says_whether_training_draws_random_numbers():
    assert made(lambda: flat_encoder(nn.Dropout())).draws
    assert not made(flat_encoder).draws
    lazy = made(lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(6)))
    assert not lazy.draws
    assert torch.equal(
        lazy.encoder[1].weight, made(lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(6))).encoder[1].weight
    )


def test_weights_of_another_network_are_refused():
    weights = made(flat_encoder).state_dict()
    other = network_from(
        "mine", lambda image_shape, latents: (flat_encoder(nn.Linear(6, 6)), nn.Linear(latents, PIXELS))
    )
    with pytest.raises(
        UsageError, match=r"network mine: the weights kept are not of the network that is there now.*encoder\.2\.wei"
    ):
        filled(other, SHAPE, 3, {}, weights)


def test_a_pair_keeps_its_memory_layout_so_that_view_works():
    network = made(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), View(), nn.Linear(160, 6)))
    again = filled(type(network), SHAPE, 3, {}, network.state_dict())
    assert walked(again)[0]["encoder.2"].shape == (5, 6)


def test_maps_come_in_the_order_height_width_channels():
    network = made(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(160, 6)))
    found, images, _ = walked(network)
    maps = network.encoder[0](images)
    assert found["encoder.0"][4, (3 * 8 + 5) * 2 + 1] == maps[4, 1, 3, 5]


# --- many examples, little memory


@pytest.mark.parametrize("held", [0, 20_000, 10**9])
def test_representations_are_the_same_in_one_pass_or_in_many(monkeypatch, held):
    network = made(lambda: flat_encoder(nn.ReLU(), nn.Linear(6, 40), nn.Tanh(), nn.Linear(40, 6)))
    whole, _, _ = walked(network, n=600)
    monkeypatch.setattr(pair_module, "LITTLE", held)
    monkeypatch.setattr(pair_module, "MOST_HELD", held)
    again, _, _ = walked(network, n=600)
    assert list(again) == list(whole)
    assert all(torch.equal(again[name], whole[name]) for name in whole)


@pytest.mark.parametrize(("bytes_", "most"), [(0, 1), (4 * 500 * 50 * 2, 2), (4 * 500 * 50 * 5, 5)])
def test_no_more_layers_are_held_at_a_time_than_is_said(monkeypatch, bytes_, most):
    monkeypatch.setattr(pair_module, "LITTLE", bytes_)
    monkeypatch.setattr(pair_module, "MOST_HELD", bytes_)
    dense = [nn.Linear(PIXELS, 50), *(nn.Linear(50, 50) for _ in range(9)), nn.Linear(50, 6)]
    network = made(lambda: nn.Sequential(nn.Flatten(), *dense)).eval()
    living: list[weakref.ref] = []
    whole = torch.empty

    def counted(*size, **options):
        made = whole(*size, **options)
        if size == (500, 50):
            living.append(weakref.ref(made))
        return made

    monkeypatch.setattr(torch, "empty", counted)
    highest = 0
    for _, value in network.walk(torch.rand(500, *SHAPE, generator=generator()), torch.zeros(500, 3)):
        del value
        highest = max(highest, sum(r() is not None for r in living))
    assert len(living) == 10
    assert highest <= most


def test_a_walk_stops_where_it_is_told_to():
    calls = iter(range(10))

    def check():
        if next(calls) == 3:
            raise KeyboardInterrupt

    network = made(flat_encoder)
    with pytest.raises(KeyboardInterrupt):
        list(network.walk(torch.zeros(2000, *SHAPE), torch.zeros(2000, 3), check))
    assert not network.encoder._forward_hooks
    assert not network.encoder[1]._forward_pre_hooks


def test_a_module_that_some_images_do_not_reach_is_told():
    def forward(m, x):
        return m.out(m.bright(x.flatten(1)) if x.max() == 0 else x.flatten(1))

    network = made(lambda: Calls(forward, bright=nn.Linear(PIXELS, PIXELS), out=nn.Linear(PIXELS, 6)))
    with pytest.raises(
        UsageError, match=r"layer encoder\.bright: its module is called for black images and not for these"
    ):
        walked(network)


# --- names, options, registration


def test_options_and_description_are_those_of_the_function():
    def mine(shape, d, width=16, *, deep=False):
        """Mine.

        References:
            Me. https://example.org
        """
        return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, width), nn.Linear(width, 2 * d)), nn.Linear(d, PIXELS)

    network = network_from("mine", mine)
    assert list(signature(network).parameters) == ["image_shape", "latents", "width", "deep"]
    assert network.__doc__.startswith("Mine.\n\nReferences:")
    assert network(SHAPE, 3, width=7).layers()[2].features == 7
    with pytest.raises(UsageError, match=r"called with \(1, 12, 10\), 3, wide=7, raised TypeError: .*'wide'"):
        network(SHAPE, 3, wide=7)


def test_a_pair_is_known_where_it_is_lent_and_only_there():
    network = network_from("mine", lambda image_shape, latents: (flat_encoder(), nn.Linear(latents, PIXELS)))
    with NETWORKS.lending({"mine": network}):
        assert NETWORKS["mine"] is network
    assert "mine" not in NETWORKS


def test_a_network_class_may_be_lent_under_a_name():
    other = network_from("mine", Conv)
    assert other.name == "mine"
    assert network_from("conv", Conv) is Conv
    assert (
        OrderedDict(other((1, 64, 64), 2).named_parameters()).keys()
        == dict(Conv((1, 64, 64), 2).named_parameters()).keys()
    )
