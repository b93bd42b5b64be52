"""One step of a run: exact precision is the plain computation bit for bit, mixed precision stays close to it."""

import pytest
import torch
from tests.runs.small import small_study

from vaescope.models.network import sample
from vaescope.models.objective import OBJECTIVES, Forward
from vaescope.runs.draw import draw
from vaescope.runs.learner import Learner

NAMES = sorted(name for name in OBJECTIVES if "." not in name)
SHAPE, EXAMPLES = (1, 64, 64), 1000


def run_of(*changes, objective="vae"):
    return small_study(f"objectives={{{objective}: {{}}}}", *changes).runs()[0]


def images_of(run, step):
    return torch.rand(run.batch_size, *SHAPE, generator=torch.Generator().manual_seed(step)).round()


def stepped(learner, steps, start=0):
    """The losses of some steps."""
    losses = []
    for step in range(start, start + steps):
        terms = learner.terms(images_of(learner.run, step), step)
        losses.append(terms.loss.item())
        others = images_of(learner.run, step + 1000) if learner.critic is not None else None
        learner.update(terms, step, others)
    return losses


@pytest.mark.parametrize("name", NAMES)
def test_exact_terms_are_those_of_the_plain_computation_bit_for_bit(name):
    run = run_of(objective=name)
    learner = Learner(run, SHAPE, EXAMPLES)
    images = images_of(run, 0)
    posterior = learner.network.encode(images)
    codes = sample(posterior, torch.randn(4, 10, generator=draw("noise", run.seed, 3)))
    prior = torch.randn(4, 10, generator=draw("prior", run.seed, 3))
    forward = Forward(images, learner.network.decode(codes), posterior, codes, EXAMPLES, learner.critic, prior)
    plain = OBJECTIVES[name]()(forward, 3)
    plain.loss.backward()
    gradients = [p.grad.clone() for p in learner.network.parameters()]
    learner.optimiser.zero_grad()
    terms = learner.terms(images, 3)
    terms.loss.backward()
    assert torch.equal(terms.loss, plain.loss)
    assert torch.equal(terms.kl, plain.kl)
    assert all(torch.equal(p.grad, g) for p, g in zip(learner.network.parameters(), gradients, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_stays_close_and_its_terms_and_weights_are_float32(name):
    exact, mixed = (Learner(run_of(f"precision={p}", objective=name), SHAPE, EXAMPLES) for p in ("exact", "mixed"))
    terms = mixed.terms(images_of(mixed.run, 0), 0)
    values = [terms.loss, terms.reconstruction, terms.regularisation, terms.kl]
    assert {v.dtype for v in values + [n for n in terms.notes.values() if isinstance(n, torch.Tensor)]} == {
        torch.float32
    }
    a, b = stepped(exact, 6), stepped(mixed, 6)
    assert b == pytest.approx(a, rel=0.02)
    assert a != b  # it is another precision
    tensors = mixed.state()
    assert {v.dtype for v in tensors.values()} == {torch.float32}
    start = Learner(exact.run, SHAPE, EXAMPLES).network.state_dict()
    come = sum((v - start[k]).square().sum() for k, v in exact.network.state_dict().items())
    apart = sum((v - exact.network.state_dict()[k]).square().sum() for k, v in mixed.network.state_dict().items())
    assert apart < 0.25 * come


def test_mixed_precision_computes_in_bfloat16():
    learner = Learner(run_of("precision=mixed"), SHAPE, EXAMPLES)
    seen = {}
    for part in ("encoder", "mean", "decoder"):
        module = getattr(learner.network, part)
        module.register_forward_hook(lambda _m, _i, out, part=part: seen.update({part: out.dtype}))
    learner.terms(images_of(learner.run, 0), 0)
    assert set(seen.values()) == {torch.bfloat16}


@pytest.mark.parametrize("changes", [(), ("precision=mixed",), ("reconstruction={name: laplace, learned: true}",)])
@pytest.mark.parametrize("name", ["vae", "factor_vae"])
def test_a_learner_that_takes_over_the_state_of_another_goes_on_like_it(name, changes):
    run = run_of(*changes, objective=name)
    one, other = Learner(run, SHAPE, EXAMPLES), Learner(run, SHAPE, EXAMPLES)
    stepped(one, 2)
    other.restore({k: v.clone() for k, v in one.state().items()})
    assert stepped(one, 2, start=2) == stepped(other, 2, start=2)
    assert all(torch.equal(v, one.state()[k]) for k, v in other.state().items())
    assert one.state().keys() == other.state().keys()


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_step_counts_return_to_where_each_optimiser_keeps_them():
    """A fused optimiser has them beside the weights, others on the CPU: shown on the device that needs no hardware."""
    run = run_of(objective="factor_vae")
    learner = Learner(run, SHAPE, EXAMPLES)
    assert learner.critic is not None
    learner._critic_optimiser = torch.optim.Adam(learner.critic.parameters())
    stepped(learner, 1)
    state = learner.state()
    for module in (learner.network, learner.critic):
        module.to("meta")
    learner.restore(state)
    fused, plain = (
        {optimiser.state[p]["step"].device.type for p in module.parameters()}
        for module, optimiser in ((learner.network, learner.optimiser), (learner.critic, learner._critic_optimiser))
    )
    assert (fused, plain) == ({"meta"}, {"cpu"})


def test_the_noise_of_a_step_is_its_own_and_that_of_no_other():
    learner = Learner(run_of(), SHAPE, EXAMPLES)
    again = Learner(run_of("precision=mixed"), SHAPE, EXAMPLES)
    draws = [learner.noise(purpose, step, 4) for purpose in ("noise", "prior") for step in (0, 1)]
    assert torch.equal(draws[0], again.noise("noise", 0, 4))
    assert all(not torch.equal(a, b) for k, a in enumerate(draws) for b in draws[:k])


def test_what_is_saved_between_pass_and_step_is_what_the_pass_began_with():
    """Running averages move in the pass; a run continued from there makes that pass again."""
    learner = Learner(run_of(), SHAPE, EXAMPLES)
    learner.network.register_buffer("passes", torch.zeros(()))
    learner._buffers = list(learner.network.named_buffers())
    learner.network.encoder.register_forward_hook(lambda *_: learner.network.get_buffer("passes").add_(1) and None)
    terms = learner.terms(images_of(learner.run, 0), 0)
    assert learner.network.get_buffer("passes") == 1
    assert learner.weights()["passes"] == learner.state()["network.passes"] == 0
    learner.update(terms, 0)
    assert learner.weights()["passes"] == learner.state()["network.passes"] == 1
