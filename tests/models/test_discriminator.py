"""The critic of FactorVAE: what it draws, what it learns, and what it leaves alone."""

import math

import pytest
import torch
from tests.models.objectives import slow
from tests.models.objectives.passes import random_pass

from vaescope.models.discriminator import Discriminator, permute
from vaescope.models.network import initialise
from vaescope.models.objectives.factor_vae import FactorVAE


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def critic_of(latents, seed=0):
    critic = FactorVAE().critic(latents)
    initialise(critic, seeded(seed))
    return critic


def dependent(n, rng):
    """Two latents that are all but equal, one that is not."""
    codes = torch.randn(n, 3, generator=rng)
    codes[:, 1] = codes[:, 0] + 0.1 * codes[:, 1]
    return codes


def independent(n, rng):
    return torch.randn(n, 3, generator=rng)


def trained(draw, steps, n=64):
    """A discriminator after some steps, and its accuracy on codes it has not seen."""
    critic, rng = critic_of(3), seeded(1)
    optimiser = critic.optimiser()
    for _ in range(steps):
        optimiser.zero_grad()
        critic.loss(draw(n, rng), draw(n, rng), rng).value.backward()
        optimiser.step()
    with torch.no_grad():
        return critic, critic.loss(draw(2000, rng), draw(2000, rng), rng).notes["discriminator_accuracy"].item()


@pytest.fixture(scope="module")
def taught():
    """A discriminator that has seen dependent codes."""
    return trained(dependent, 80)


def test_permuting_keeps_what_each_latent_takes_and_breaks_their_ties():
    codes = torch.arange(50.0)[:, None].repeat(1, 6)
    shuffled = permute(codes, seeded())
    assert all(torch.equal(column.sort().values, codes[:, 0]) for column in shuffled.T)
    assert len({tuple(column.tolist()) for column in shuffled.T}) == 6
    assert torch.equal(permute(codes, seeded()), shuffled)
    assert not torch.equal(permute(codes, seeded(1)), shuffled)


def test_every_order_of_three_examples_is_drawn_as_often():
    rng, codes = seeded(), torch.arange(3.0)[:, None]
    drawn = [tuple(permute(codes, rng).flatten().tolist()) for _ in range(3000)]
    counts = [drawn.count(order) for order in set(drawn)]
    assert len(counts) == 6
    assert all(abs(count - 500) < 5 * math.sqrt(500) for count in counts)


def test_the_loss_is_half_of_each_cross_entropy_and_the_accuracy_the_share_told_rightly():
    critic, codes, others = critic_of(3), dependent(40, seeded(1)), dependent(40, seeded(2))
    noted = critic.loss(codes, others, seeded(3))
    with torch.no_grad():
        odds = [(a - b).item() for part in (codes, permute(others, seeded(3))) for a, b in critic(part)]
    real, shuffled = odds[:40], odds[40:]
    expected = sum(math.log1p(math.exp(-o)) for o in real) / 80 + sum(math.log1p(math.exp(o)) for o in shuffled) / 80
    assert noted.value.item() == pytest.approx(expected, rel=1e-5)
    right = sum(o > 0 for o in real) + sum(o < 0 for o in shuffled)
    assert noted.notes["discriminator_accuracy"].item() == pytest.approx(right / 80)


def test_frozen_weights_give_the_same_logits_and_the_gradient_goes_to_the_codes_alone():
    critic, codes = critic_of(3), dependent(8, seeded()).requires_grad_()
    assert torch.equal(critic(codes, frozen=True), critic(codes))
    critic.total_correlation(codes).backward()
    assert codes.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())
    assert critic.total_correlation(codes).item() == pytest.approx(slow.log_odds(critic, codes), abs=1e-5)


def test_the_loss_of_the_critic_sends_no_gradient_to_the_codes():
    critic, codes = critic_of(3), dependent(8, seeded()).requires_grad_()
    critic.loss(codes, codes, seeded()).value.backward()
    assert codes.grad is None
    assert all(p.grad is not None for p in critic.parameters())


def test_it_is_the_network_and_the_optimiser_of_the_paper():
    critic = critic_of(10)
    shapes = [tuple(p.shape) for name, p in critic.named_parameters() if name.endswith("weight")]
    assert shapes == [(1000, 10), *[(1000, 1000)] * 5, (2, 1000)]
    group = critic.optimiser().param_groups[0]
    assert (type(critic.optimiser()), group["lr"], group["betas"]) == (torch.optim.Adam, 1e-4, (0.5, 0.9))
    assert isinstance(critic, Discriminator)


def test_training_tells_dependent_latents_from_shuffled_ones_and_finds_their_total_correlation(taught):
    critic, accuracy = taught
    assert accuracy > 0.85
    truth = -0.5 * math.log(1 - 1 / 1.01)  # of two normal latents with the squared correlation 1 / 1.01
    assert critic.total_correlation(dependent(4000, seeded(9))).item() == pytest.approx(truth, rel=0.5)


def test_training_tells_nothing_of_independent_latents():
    critic, accuracy = trained(independent, 30)
    assert accuracy == pytest.approx(0.5, abs=0.05)
    assert critic.total_correlation(independent(4000, seeded(9))).item() == pytest.approx(0, abs=0.1)


def test_the_gradient_of_factor_vae_through_a_trained_discriminator_lessens_the_dependence(taught):
    critic, _ = taught
    codes = dependent(2000, seeded(5)).requires_grad_()
    critic.total_correlation(codes).backward()
    moved = codes.detach() - 0.05 * codes.grad * len(codes)

    def correlation(z):
        return torch.corrcoef(z.T)[0, 1].item()

    assert correlation(moved) < correlation(codes.detach())


def test_factor_vae_trains_beside_its_discriminator():
    """Both optimisers in turn: the loss is finite and the critic's weights move by its own steps only."""
    passed = random_pass(n=16, latents=3)
    critic = critic_of(3)
    before = [p.clone() for p in critic.parameters()]
    optimiser = critic.optimiser()
    passed.sampled.requires_grad_()
    FactorVAE()(passed, 0).loss.backward()
    assert all(torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
    critic.loss(passed.sampled, passed.sampled, seeded()).value.backward()
    optimiser.step()
    assert not all(torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
