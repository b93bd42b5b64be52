"""FreezeSettled: what is frozen stays where it is under every optimiser, and all else is as if it were a constant."""

import copy

import pytest
import torch
from torch import nn

from tests.stats.live.made import normal, observation, on_the_way
from vaescope.errors import UsageError
from vaescope.freezing import FreezeSettled
from vaescope.stats.live.live import Live

OPTIMISERS = {
    "Adam": {"weight_decay": 0.1},
    "AdamW": {"weight_decay": 0.1},
    "SGD": {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True},
    "RMSprop": {"momentum": 0.9, "weight_decay": 0.1},
    "Adagrad": {"weight_decay": 0.1},
    "Adadelta": {"weight_decay": 0.1},
    "Adamax": {"weight_decay": 0.1},
    "NAdam": {"weight_decay": 0.1},
    "RAdam": {"weight_decay": 0.1},
    "ASGD": {"weight_decay": 0.1},
    "Rprop": {},
}


class Small(nn.Module):
    """An autoencoder with a batch norm, and heads inside of its encoder."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh())
            self.encoder = nn.ModuleDict({"body": body, "mean": nn.Linear(5, 2), "log_var": nn.Linear(5, 2)})
            self.decoder = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 6))

    def forward(self, x):
        features = self.encoder["body"](x)
        return self.decoder(self.encoder["mean"](features) + self.encoder["log_var"](features).exp())


def batch(step):
    return torch.randn(16, 6, generator=torch.Generator().manual_seed(step))


def train(model, optimiser, steps):
    for step in steps:
        optimiser.zero_grad()
        x = batch(step)
        (model(x) - x).square().sum().backward()
        optimiser.step()


def settled_live(part="encoder.body"):
    """A Live that has just seen the body of the encoder settle."""
    live = Live()
    for step in (0, 5, 10, 15, 20, 25):
        values = {
            f"{part}.0": on_the_way(min(step / 10, 1.0)),
            f"{part}.1": on_the_way(min(step / 10, 1.0), key=1),
            "encoder.mean": normal(1, step),
            "decoder.0": on_the_way(step / 25, key=2),
        }
        live.observe(observation(step, values))
    assert "encoder" in live.settled
    return live


def frozen(model, **options):
    """A trained model whose encoder has just been frozen, its optimiser and the action."""
    optimiser = options.pop("optimiser", None) or torch.optim.Adam(model.parameters(), lr=0.01)
    freezer = FreezeSettled(optimiser, **options)
    train(model, optimiser, range(5))
    return optimiser, freezer


@pytest.mark.parametrize("name", OPTIMISERS)
def test_no_optimiser_moves_what_is_frozen_neither_by_momentum_nor_by_weight_decay(name):
    model = Small()
    optimiser = getattr(torch.optim, name)(model.parameters(), **OPTIMISERS[name])
    _, freezer = frozen(model, optimiser=optimiser)
    freezer(model, settled_live(), 25)
    before = copy.deepcopy(model.state_dict())
    train(model, optimiser, range(5, 10))
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {k for k in before if not k.startswith("encoder.body")}


def test_the_rest_trains_as_if_the_encoder_were_a_constant():
    model = Small()
    optimiser, freezer = frozen(model)
    other = copy.deepcopy(model)
    body, rest = (
        other.encoder["body"].eval(),
        [*other.encoder["mean"].parameters(), *other.encoder["log_var"].parameters()],
    )
    rest += list(other.decoder.parameters())
    plain = torch.optim.Adam(rest, lr=0.01)
    names = {id(p): name for name, p in model.named_parameters()}
    states = {names[id(p)]: copy.deepcopy(state) for p, state in optimiser.state.items()}
    for name, parameter in other.named_parameters():
        if not name.startswith("encoder.body"):
            plain.state[parameter] = states[name]
    freezer(model, settled_live(), 25)
    train(model, optimiser, range(5, 9))
    for step in range(5, 9):
        plain.zero_grad()
        x = batch(step)
        with torch.no_grad():
            features = body(x)
        codes = other.encoder["mean"](features) + other.encoder["log_var"](features).exp()
        (other.decoder(codes) - x).square().sum().backward()
        plain.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_the_backward_pass_ends_where_the_frozen_part_does():
    model = Small()
    _, freezer = frozen(model)
    assert model.encoder["body"](batch(0)).requires_grad
    freezer(model, settled_live(), 25)
    assert not model.encoder["body"](batch(0)).requires_grad
    assert all(p.grad is None for p in model.encoder["body"].parameters())


def test_running_averages_stay_though_the_model_is_put_into_training_mode():
    model = Small()
    optimiser, freezer = frozen(model)
    said = freezer(model, settled_live(), 25)
    assert "1 batch norms keep their running averages" in said[0].text
    before = copy.deepcopy(dict(model.encoder["body"][1].named_buffers()))
    model.train()
    train(model, optimiser, range(5, 8))
    assert all(torch.equal(b, before[name]) for name, b in model.encoder["body"][1].named_buffers())


def test_heads_of_the_posterior_are_not_the_encoder_unless_asked():
    model = Small()
    _, freezer = frozen(model, heads=True)
    freezer(model, settled_live(), 25)
    assert not any(p.requires_grad for p in model.encoder.parameters())
    model = Small()
    _, freezer = frozen(model)
    freezer(model, settled_live(), 25)
    assert all(p.requires_grad for p in model.encoder["mean"].parameters())


def test_the_answer_says_how_many_parameters_and_comes_once():
    model = Small()
    _, freezer = frozen(model)
    live = settled_live()
    said = freezer(model, live, 25)
    body = sum(p.numel() for p in model.encoder["body"].parameters())
    whole = sum(p.numel() for p in model.parameters())
    assert [(a.kind, a.where, a.step) for a in said] == [("frozen", "encoder", 25)]
    assert said[0].text.startswith(f"Froze encoder at step 25: {body} of the optimiser's {whole} parameters (")
    assert freezer.frozen == ("encoder",)
    assert freezer(model, live, 26) == ()


def test_what_a_step_takes_before_and_after_is_said_once():
    model = Small()
    optimiser = torch.optim.Adam(model.parameters())
    freezer = FreezeSettled(optimiser, timed=12)
    train(model, optimiser, range(15))
    live = settled_live()
    freezer(model, live, 25)
    assert freezer(model, live, 26) == ()
    train(model, optimiser, range(15, 30))
    (said,) = freezer(model, live, 40)
    assert "A step takes 0.0" in said.text
    assert "since encoder was frozen at step 25" in said.text
    assert freezer(model, live, 41) == ()


def test_before_anything_has_settled_nothing_is_touched():
    model = Small()
    _, freezer = frozen(model)
    live = Live()
    live.observe(observation(0, {"encoder.body.0": normal(1), "decoder.0": normal(2)}))
    assert freezer(model, live, 0) == ()
    assert all(p.requires_grad for p in model.parameters())


def test_thawed_everything_trains_again_and_is_not_frozen_again():
    model = Small()
    optimiser, freezer = frozen(model)
    live = settled_live()
    freezer(model, live, 25)
    assert [a.kind for a in freezer.thaw()] == ["moved"]
    before = copy.deepcopy(model.state_dict())
    train(model, optimiser, range(5, 8))
    assert not any(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.encoder["body"][1].training
    assert freezer(model, live, 30) == freezer.thaw() == ()
    assert live.frozen == set()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("at_thawing", [True, False])
@pytest.mark.parametrize("at_freezing", [True, False])
def test_thawed_norms_are_in_the_mode_that_the_model_is_in_then(at_freezing, at_thawing, own):
    model = Small()
    norm = model.encoder["body"][1]
    _, freezer = frozen(model)
    model.train(at_freezing)
    if not own:
        norm.eval()
    freezer(model, settled_live(), 25)
    model.train(at_thawing)
    freezer.thaw()
    apart = at_freezing and not own  # the user's own wish, which `model.train` overrules in vain
    assert norm.training == (at_thawing and not apart)


def test_an_optimiser_that_was_not_given_is_left_alone_and_that_is_said_once():
    model = Small()
    optimiser = torch.optim.Adam(model.decoder.parameters())
    freezer = FreezeSettled(optimiser)
    live = settled_live()
    (said,) = freezer(model, live, 25)
    assert said.kind == "skipped"
    assert "4 of its 4 weights are not in the optimiser that was given" in said.text
    assert all(p.requires_grad for p in model.parameters())
    assert freezer(model, live, 26) == ()


def test_several_optimisers_may_hold_the_weights():
    model = Small()
    optimisers = [torch.optim.Adam(model.encoder.parameters()), torch.optim.SGD(model.decoder.parameters(), lr=0.1)]
    freezer = FreezeSettled(optimisers)
    assert freezer(model, settled_live(), 25)[0].kind == "frozen"


def test_groups_and_schedulers_and_saved_states_of_the_optimiser_fit_as_before():
    model = Small()
    groups = [{"params": list(model.encoder.parameters()), "lr": 0.1}, {"params": list(model.decoder.parameters())}]
    optimiser = torch.optim.Adam(groups, lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 1, 0.5)
    _, freezer = frozen(model, optimiser=optimiser)
    freezer(model, settled_live(), 25)
    train(model, optimiser, range(5, 7))
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.005]
    fresh = Small()
    again = torch.optim.Adam(
        [{"params": list(fresh.encoder.parameters())}, {"params": list(fresh.decoder.parameters())}]
    )
    again.load_state_dict(optimiser.state_dict())
    assert len(again.state) == len(list(fresh.parameters()))


def test_the_state_of_what_is_frozen_can_be_dropped():
    model = Small()
    optimiser, freezer = frozen(model, drop_state=True)
    freezer(model, settled_live(), 25)
    assert {id(p) for p in optimiser.state} == {id(p) for p in model.parameters() if p.requires_grad}
    freezer.thaw()
    train(model, optimiser, range(5, 7))
    assert len(optimiser.state) == len(list(model.parameters()))


def test_weights_that_are_used_outside_too_go_on_training():
    model = Small()
    model.decoder[0].weight = model.encoder["body"][0].weight = nn.Parameter(torch.ones(5, 6))
    model.decoder[0].in_features = 6
    optimiser = torch.optim.Adam(model.parameters())
    said = FreezeSettled(optimiser)(model, settled_live(), 25)
    assert "1 weights that are used elsewhere too go on training" in said[0].text
    assert model.decoder[0].weight.requires_grad


def test_layers_of_choice_are_frozen_together_once_each_has_settled():
    model = Small()
    _, freezer = frozen(model, layers="encoder.body.1")
    said = freezer(model, settled_live(), 25)
    assert [a.where for a in said] == ["encoder.body.1"]
    assert "encoder.body.0 before it still trains, so the backward pass does not end here" in said[0].text
    assert {k for k, p in model.named_parameters() if not p.requires_grad} == {
        "encoder.body.1.weight",
        "encoder.body.1.bias",
    }
    _, freezer = frozen(Small(), layers=["encoder.body.*", "encoder.mean"])
    assert freezer(Small(), settled_live(), 25) == ()


def test_of_what_is_frozen_live_says_nothing_any_more():
    model = Small()
    _, freezer = frozen(model)
    live = settled_live()
    freezer(model, live, 25)
    values = {name: on_the_way(1.0) + 9 * normal(5) for name in ("encoder.body.0", "encoder.body.1")}
    assert live.observe(observation(30, {**values, "decoder.0": on_the_way(1.0, key=2)})) == ()


def test_a_part_can_be_frozen_at_a_step_of_ones_own():
    model = Small()
    _, freezer = frozen(model)
    assert freezer.freeze(model, "decoder.*", 7)[0].text.startswith("Froze decoder.* at step 7")
    assert not any(p.requires_grad for p in model.decoder.parameters())
    assert freezer.freeze(model, "decoder.*", 8) == ()
    with pytest.raises(UsageError, match=r"no module .decodr.*decoder"):
        freezer.freeze(model, "decodr", 7)


def test_what_cannot_be_says_what_was_expected():
    model = Small()
    adam = torch.optim.Adam(model.parameters())
    with pytest.raises(UsageError, match="LBFGS moves all weights as one"):
        FreezeSettled(torch.optim.LBFGS(model.parameters()))
    with pytest.raises(UsageError, match=r"expected an optimiser of torch.optim, or several, got generator"):
        FreezeSettled(model.parameters())
    with pytest.raises(UsageError, match=r"no part .encodr.*encoder"):
        FreezeSettled(adam, "encodr")
    with pytest.raises(UsageError, match="nothing to freeze"):
        FreezeSettled(adam, ())
    with pytest.raises(UsageError, match="none of the layers is called encodr"):
        FreezeSettled(adam, layers="encodr.*")(model, settled_live(), 25)


def test_closed_it_leaves_no_hook_on_the_optimiser():
    optimiser = torch.optim.Adam(Small().parameters())
    freezer = FreezeSettled(optimiser)
    freezer.close()
    assert not optimiser._optimizer_step_post_hooks
