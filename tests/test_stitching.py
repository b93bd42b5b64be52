"""Stitching against maps whose answer is known, and models that must be as before."""

import numpy as np
import pytest
import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.afresh import afresh
from vaescope.models.network import NETWORKS
from vaescope.runs.draw import draw
from vaescope.stats.stitching.joints import Source, kind_of
from vaescope.stats.stitching.maps import basis_of, matched
from vaescope.stats.stitching.share import share
from vaescope.stitching import stitch
from vaescope.stitching_pairs import stitch_matrix


def dense(seed, width=12):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(10, width), nn.Tanh(), nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, 4))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.6, generator=generator)
    return net


def maps(seed=0, last=4):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(6, last, 3, 2, 1), nn.BatchNorm2d(last), nn.Flatten()
    )
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return net


def inputs(n=240, *shape, seed=5):
    return torch.randn(n, *(shape or (10,)), generator=torch.Generator().manual_seed(seed))


class Noise(nn.Module):
    """A layer whose values have nothing to do with its input."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, x):
        return torch.randn(len(x), self.width, generator=torch.Generator().manual_seed(int(1e6 * x[0, 0].abs())))


class Two(nn.Module):
    """Calls one layer twice, and returns a dict."""

    def __init__(self):
        super().__init__()
        self.inner = dense(3)[0]
        self.again = nn.Linear(12, 12)
        self.pair = Split()

    def forward(self, x):
        value = self.again(torch.tanh(self.again(self.inner(x))))
        mean, spread = self.pair(value)
        return {"mean": mean, "spread": spread}


class Split(nn.Module):
    def forward(self, x):
        return x[:, :6], x[:, 6:]


def test_a_model_stitched_to_itself_recovers_everything():
    net = dense(0)
    found = stitch(net, "1", net, "1", inputs())
    assert found.recovered.value == pytest.approx(1, abs=1e-6)
    assert (found.recovered.low, found.recovered.high) == pytest.approx((1, 1), abs=1e-6)
    assert found.fit == pytest.approx(1, abs=1e-6)
    assert found.losses["itself"] == 0


def test_a_model_followed_by_an_invertible_map_recovers_everything():
    a, turn = dense(0), nn.Linear(12, 12)
    nn.init.normal_(turn.weight, generator=torch.Generator().manual_seed(1))
    turned = nn.Sequential(a[0], a[1], turn)
    found = stitch(turned, "2", a, "1", inputs(), untrained=False)
    assert found.recovered.value == pytest.approx(1, abs=1e-6)
    assert found.control is None
    assert list(found.table()["network"]) == ["itself", "stitched", "mean in its place"]


def test_noise_recovers_nothing():
    a = nn.Sequential(Noise(12))
    b = dense(0)
    found = stitch(a, "0", b, "1", inputs(600), untrained=False)
    assert abs(found.recovered.value) < 0.05
    assert found.recovered.low < 0.02


def test_a_layer_of_low_rank_recovers_what_least_squares_of_that_rank_can():
    a, b, x = dense(1), dense(0), inputs()
    with torch.no_grad():
        a[0].weight[:] = a[0].weight[:, :1] @ a[0].weight[:1]
    found = stitch(a, "0", b, "2", x, ridge=0.0, untrained=False)
    order = np.random.default_rng([0, 240]).permutation(240)
    held, learned = order[:80], order[80:]
    with torch.no_grad():
        values, goal = a[0](x).double().numpy(), b[:3](x).double().numpy()
        design = np.hstack([values, np.ones((240, 1))])
        weights = np.linalg.lstsq(design[learned], goal[learned], rcond=1e-6)[0]
        stitched, mean = (
            (b[3:](torch.tensor(v, dtype=torch.float32)) - b(x[held])).square().mean().item()
            for v in ((design @ weights)[held], goal[learned].mean(0, keepdims=True))
        )
    assert found.joint.affine.basis.rank == 1
    assert found.losses["stitched"] == pytest.approx(stitched, rel=1e-5)
    assert found.recovered.value == pytest.approx((mean - stitched) / mean, rel=1e-4)
    assert found.recovered.value < 0.9


def test_the_error_of_examples_left_out_is_that_of_fits_without_them():
    rng = np.random.default_rng(0)
    for n, p in ((30, 5), (12, 40)):
        x, y = rng.standard_normal((n, p)), rng.standard_normal((n, 3))
        basis = basis_of(x)
        found = matched(basis, y, 0.3)
        ridge, total = 0.3 * float((basis.spread**2).mean()), 0.0
        for i in range(n):
            rest = np.arange(n) != i
            # The left-out fit keeps the centre that all examples have in its penalty: the intercept is not penalised.
            z = np.hstack([x - x.mean(0), np.ones((n, 1))])
            penalty = np.diag([*[ridge] * p, 0.0])
            weights = np.linalg.solve(z[rest].T @ z[rest] + penalty, z[rest].T @ y[rest])
            total += ((y[i] - z[i] @ weights) ** 2).sum()
        assert found.error == pytest.approx(total / n / y.var(axis=0).sum(), rel=1e-9)
        assert found(x) == pytest.approx(found.offset + (x - x.mean(0)) @ (basis.directions @ found.weights))


def test_the_chosen_ridge_is_small_for_a_true_map_and_large_for_noise():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 8))
    assert matched(basis_of(x), x @ rng.standard_normal((8, 3))).ridge <= 1e-8
    assert matched(basis_of(x), rng.standard_normal((60, 3))).ridge >= 0.1


def test_the_interval_over_examples_covers_what_other_examples_give():
    rng = np.random.default_rng(3)
    inside, truth = 0, 0.75  # losses with means 1, 2, 5
    for seed in range(200):
        own, stitched, base = (mean * rng.gamma(2, 0.5, 100) for mean in (1, 2, 5))
        found = share(own, stitched, base, seed=seed, draws=400)
        inside += found.low <= truth <= found.high
    assert 0.9 <= inside / 200 <= 0.99


def test_a_dead_layer_has_no_share_and_says_so():
    net = dense(0)
    with torch.no_grad():
        net[2].weight.zero_()
    found = stitch(net, "1", net, "2", inputs(), untrained=False)
    assert np.isnan(found.recovered.value)
    assert "nothing can be recovered" in found.warnings[0]
    assert found.table()["recovered"].isna().all()


def test_maps_are_joined_by_a_convolution_of_all_places():
    net, x = maps(), inputs(60, 1, 16, 16)
    found = stitch(net, "0", net, "0", x, untrained=False)
    assert found.kind == "conv"
    assert found.recovered.value == pytest.approx(1, abs=1e-5)
    assert found.joint.affine.weights.shape == (6, 6)
    other = stitch(net, "0", net, "2", x, untrained=False)  # 8 x 8 to 4 x 4
    assert other.kind == "conv"
    assert other.joint.shape == (4, 4, 4)


def test_a_convolution_between_sizes_is_least_squares_on_resized_maps():
    value, goal = inputs(9, 3, 8, 8), inputs(9, 2, 4, 4, seed=6)
    joint = Source(value).joint(goal, "conv", 0.0)
    small = nn.functional.interpolate(value, size=(4, 4), mode="bilinear", antialias=True)
    x, y = (v.permute(0, 2, 3, 1).double().numpy() for v in (small, goal))
    flat_x, flat_y = ((v - v.mean(0)).reshape(-1, v.shape[-1]) for v in (x, y))
    weights = np.linalg.lstsq(flat_x, flat_y, rcond=None)[0]
    expected = (y.mean(0) + (x - x.mean(0)) @ weights).transpose(0, 3, 1, 2)
    assert joint(value).numpy() == pytest.approx(expected, abs=1e-5)


def test_places_whose_values_hardly_vary_keep_their_means():
    """Tokens with positions of their own: a map with one offset for all of them would be far worse than a constant."""
    position = 10 * inputs(7, 5, seed=8)
    value, goal = inputs(90, 7, 5), position + 0.1 * inputs(90, 7, 5, seed=9)
    joint = Source(value).joint(goal)
    assert joint.kind == "conv"
    assert (joint(value) - goal).square().mean() < 1.1 * (goal - goal.mean(0)).square().mean()


def test_kinds_follow_shapes():
    assert kind_of((3, 8, 8), (5, 2, 2), "auto") == "conv"
    assert kind_of((7, 16), (7, 32), "auto") == "conv"
    assert kind_of((6, 16), (7, 32), "auto") == "linear"
    assert kind_of((3, 8, 8), (10,), "auto") == "linear"
    assert kind_of((3, 8, 8), (5, 2, 2), "linear") == "linear"
    with pytest.raises(UsageError, match="Take 'linear'"):
        kind_of((3, 8, 8), (10,), "conv")


def test_training_on_the_loss_lowers_it_and_says_how_to_read_it():
    a, b, x = nn.Sequential(dense(1, 2)[0]), dense(0), inputs(300)
    plain = stitch(a, "0", b, "1", x, untrained=False)
    found = stitch(a, "0", b, "1", x, steps=40, lr=1e-2, untrained=False)
    assert found.direct == plain.recovered
    assert found.losses["stitched"] < plain.losses["stitched"]
    assert "never sees" in found.warnings[0]


def test_second_calls_and_parts_of_what_is_returned_are_places_too():
    net, x = Two(), inputs()
    for place in ("again", "again.call2", "pair[0]", "output[mean]"):
        found = stitch(net, place, net, "pair[0]", x, untrained=False)
        # 12 features to 6 of the second call, linear: exact from there on, not from the first call
        assert (
            found.recovered.value == pytest.approx(1, abs=1e-5) if place != "again" else found.recovered.value < 0.999
        )


@pytest.mark.parametrize("fails", [False, True])
def test_neither_model_is_changed(fails):
    a, b = maps(0).train(), maps(1)
    b[3].eval()
    seen = []
    b[0].register_forward_hook(lambda *_: seen.append(1))
    for parameter in a.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in (a, b)]
    modes = [[m.training for m in net.modules()] for net in (a, b)]
    hooks = [[len(m._forward_hooks) for m in net.modules()] for net in (a, b)]
    state = torch.get_rng_state()

    def loss(output, batch):
        if fails and len(seen) > 8:
            raise ValueError("mine")
        return output.square().sum(1)

    def run():
        return stitch(a, "2", b, "3", inputs(60, 1, 16, 16), loss, steps=3)

    if fails:
        with pytest.raises(ValueError, match="mine"):
            run()
    else:
        run()
    assert torch.equal(state, torch.get_rng_state())
    assert [[m.training for m in net.modules()] for net in (a, b)] == modes
    assert [[len(m._forward_hooks) for m in net.modules()] for net in (a, b)] == hooks
    for net, was in zip((a, b), before, strict=True):
        assert all(torch.equal(v, was[k]) for k, v in net.state_dict().items())
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in a.parameters())
    assert all(p.grad is None and p.requires_grad for p in b.parameters())


def test_an_untrained_copy_has_other_weights_of_the_same_scale_and_leaves_the_model_alone():
    net = dense(0)
    before = [p.clone() for p in net.parameters()]
    one, same, other = (afresh(net, draw("test", k)) for k in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), before, strict=True))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, net[0].weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_a": "11"}, "has no layer '11'"),
        ({"layer_b": "2.weight"}, "names a parameter; its module is '2'"),
        ({"loss": "crossentropy"}, "Did you mean 'cross_entropy'|cross_entropy"),
        ({"loss": "elbo"}, "for networks of this package"),
        ({"loss": "target"}, "got inputs alone"),
        ({"loss": lambda output, batch: output.mean()}, r"shape \(53,\)|one number an example"),
        ({"held_out": 1.0}, "between 0 and 1"),
        ({"n": 6}, "at least 4 examples"),
        ({"kind": "diagonal"}, "'auto', 'linear' or 'conv'"),
    ],
)
def test_what_cannot_be_done_is_said(change, message):
    net = dense(0)
    given = {"layer_a": "1", "layer_b": "1", "loss": None, **change}
    with pytest.raises(UsageError, match=message):
        stitch(net, given.pop("layer_a"), net, given.pop("layer_b"), inputs(160), **given)


def test_the_matrix_puts_shares_beside_similarities():
    a, b, x = dense(0), dense(1, 14), inputs()
    found = stitch_matrix(a, b, x, layers=["1", "3"], layers_b=["0", "1", "3"])
    assert found.matrix.shape == (2, 3)
    one = stitch(a, "1", b, "3", x, n=600)
    assert found["1", "3"] == pytest.approx(one.recovered.value, abs=1e-9)
    table = found.to_pandas(tidy=True)
    row = table[(table["x"] == "1") & (table["y"] == "3")].iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((one.recovered.low, one.recovered.high))
    assert row["control"] == pytest.approx(one.control.value)
    assert row["beyond"] == pytest.approx((one.recovered.value - row["control"]) / (1 - row["control"]))
    assert np.isfinite(table["similarity"]).all()
    assert -1 <= found.agreement <= 1
    assert "recovered share" in found._repr_html_()
    assert len(found.plot().to_dict()["hconcat"]) == 3
    with pytest.raises(UsageError, match="no layer is called"):
        found["1", "9"]


def test_layers_are_found_where_none_are_named():
    a = maps()
    found = stitch_matrix(a, a, inputs(40, 1, 16, 16), untrained=False)
    assert found.rows == found.columns == ("0", "1", "2", "3")
    assert np.diag(found.matrix)[:1] == pytest.approx(1, abs=1e-4)
    assert np.isnan(found.extras["control"]).all()


def test_networks_of_this_package_lose_reconstruction_or_elbo():
    torch.manual_seed(0)
    net = NETWORKS["conv"]((1, 16, 16), 3)
    images = torch.rand(48, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    for loss in (None, "elbo"):
        found = stitch(net, "mean", net, "mean", images, loss, untrained=False)
        assert found.loss == (loss or "reconstruction")
        assert found.losses["stitched"] == pytest.approx(found.losses["itself"], rel=1e-5)
        assert found.fit == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        order = np.random.default_rng([0, 48]).permutation(48)[:16]
        net.eval()
        x = images[order]
        logits = net.decode(net.encode(x).mean)
        expected = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1).mean()
    assert stitch(net, "mean", net, "mean", images, untrained=False).losses["itself"] == pytest.approx(
        float(expected), rel=1e-5
    )
