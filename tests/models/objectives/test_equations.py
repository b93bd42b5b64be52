"""Each objective against its paper's equation, and the identities between them."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.objectives import slow
from tests.models.objectives.passes import random_pass

from vaescope.errors import UsageError
from vaescope.models.objective import Forward
from vaescope.models.objectives.annealed_vae import AnnealedVAE
from vaescope.models.objectives.beta_anneal import BetaAnneal
from vaescope.models.objectives.beta_tc_vae import BetaTCVAE
from vaescope.models.objectives.beta_vae import BetaVAE
from vaescope.models.objectives.dip_vae_i import DIPVAEI
from vaescope.models.objectives.dip_vae_ii import DIPVAEII
from vaescope.models.objectives.factor_vae import FactorVAE
from vaescope.models.objectives.info_vae import InfoVAE
from vaescope.models.objectives.vae import VAE
from vaescope.models.total_correlation import decompose

SEEDS = st.integers(0, 10_000)
STRENGTHS = st.floats(0, 100)


def close(value: float) -> object:
    return pytest.approx(value, rel=2e-5, abs=1e-4)


def loss(objective, passed: Forward, step: int = 0) -> float:
    return objective(passed, step).loss.item()


@given(seed=SEEDS, beta=STRENGTHS)
def test_beta_vae_is_reconstruction_plus_beta_kl(seed, beta):
    passed = random_pass(seed)
    assert loss(BetaVAE(beta=beta), passed) == close(slow.bernoulli(passed) + beta * slow.kl(passed))


@given(seed=SEEDS, beta=STRENGTHS, examples=st.integers(5, 10**7))
def test_beta_tc_vae_with_the_weighted_estimator_is_its_equation(seed, beta, examples):
    passed = replace(random_pass(seed), examples=examples)
    terms = BetaTCVAE(beta=beta)(passed, 0)
    tc = slow.total_correlation(passed, slow.weighted)
    assert terms.notes["total_correlation"].item() == close(slow.total_correlation(passed, slow.stratified))
    assert terms.loss.item() == close(slow.bernoulli(passed) + slow.kl(passed) + (beta - 1) * tc)


@given(seed=SEEDS, beta=STRENGTHS, examples=st.integers(5, 10**7))
def test_beta_tc_vae_with_the_stratified_estimator_is_the_papers_averaged_over_who_is_last(seed, beta, examples):
    passed = replace(random_pass(seed), examples=examples)
    terms = BetaTCVAE(beta=beta, estimator="stratified")(passed, 0)
    tc = slow.total_correlation(passed, slow.stratified)
    assert terms.notes["total_correlation"].item() == close(tc)
    assert terms.loss.item() == close(slow.bernoulli(passed) + slow.kl(passed) + (beta - 1) * tc)


@given(seed=SEEDS, c_max=STRENGTHS, step=st.integers(0, 3000))
def test_annealed_vae_is_the_distance_of_the_kl_from_a_growing_capacity(seed, c_max, step):
    passed = random_pass(seed)
    terms = AnnealedVAE(c_max=c_max, gamma=30.0, warmup=2000)(passed, step)
    capacity = min(c_max, c_max * step / 2000)
    assert terms.notes["capacity"] == pytest.approx(capacity)
    assert terms.loss.item() == close(slow.bernoulli(passed) + 30 * abs(slow.kl(passed) - capacity))


@given(seed=SEEDS, lambda_od=STRENGTHS, lambda_d=st.none() | STRENGTHS)
@pytest.mark.parametrize(("kind", "second", "times"), [(DIPVAEI, False, 10), (DIPVAEII, True, 1)])
def test_dip_vae_is_its_equation_with_the_strengths_of_the_paper(kind, second, times, seed, lambda_od, lambda_d):
    passed = random_pass(seed)
    penalty = slow.dip(passed, lambda_od, times * lambda_od if lambda_d is None else lambda_d, second)
    expected = slow.bernoulli(passed) + slow.kl(passed) + penalty
    assert loss(kind(lambda_od=lambda_od, lambda_d=lambda_d), passed) == close(expected)


@given(seed=SEEDS, gamma=STRENGTHS)
def test_factor_vae_adds_the_log_odds_of_its_discriminator(seed, gamma):
    passed = random_pass(seed)
    terms = FactorVAE(gamma=gamma)(passed, 0)
    odds = slow.log_odds(passed.critic, passed.sampled)
    assert terms.notes["total_correlation"].item() == close(odds)
    assert terms.loss.item() == close(slow.bernoulli(passed) + slow.kl(passed) + gamma * odds)


@given(seed=SEEDS, alpha=st.floats(-3, 1), extra=STRENGTHS, kernel=st.sampled_from(["imq", "rbf"]))
def test_info_vae_is_its_equation(seed, alpha, extra, kernel):
    passed = random_pass(seed)
    terms = InfoVAE(alpha=alpha, lambda_mmd=1 - alpha + extra, kernel=kernel)(passed, 0)
    mmd = slow.mmd(passed, kernel)
    assert terms.notes["mmd"].item() == pytest.approx(mmd, abs=1e-5)
    expected = slow.bernoulli(passed) + (1 - alpha) * slow.kl(passed) + extra * mmd
    assert terms.loss.item() == close(expected)


@given(seed=SEEDS, beta=STRENGTHS, step=st.integers(0, 3000))
def test_linear_annealing_is_beta_times_the_share_of_the_steps(seed, beta, step):
    passed = random_pass(seed)
    expected = slow.bernoulli(passed) + beta * min(1, step / 2000) * slow.kl(passed)
    assert loss(BetaAnneal(beta=beta, steps=2000), passed, step) == close(expected)


@given(step=st.integers(0, 3000), cycles=st.integers(1, 7), ratio=st.floats(0.05, 1))
def test_cyclical_annealing_is_that_of_fu_et_al(step, cycles, ratio):
    passed = random_pass()
    length = 2100 / cycles
    within = (step % length) / length
    share = 1 if step >= 2100 else min(1.0, within / ratio)
    if 0 < within < 1e-9 or within > 1 - 1e-9:  # on the edge of a cycle a rounding decides
        return
    terms = BetaAnneal(beta=3.0, steps=2100, shape="cyclical", cycles=cycles, ratio=ratio)(passed, step)
    assert terms.notes["beta"] == pytest.approx(3 * share)
    assert terms.loss.item() == close(slow.bernoulli(passed) + 3 * share * slow.kl(passed))


@pytest.mark.parametrize(
    ("objective", "other"),
    [
        (BetaVAE(beta=1.0), VAE()),
        (BetaTCVAE(beta=1.0), VAE()),
        (BetaTCVAE(beta=1.0, estimator="stratified"), VAE()),
        (DIPVAEI(lambda_od=0.0), VAE()),
        (DIPVAEII(lambda_od=0.0), VAE()),
        (FactorVAE(gamma=0.0), VAE()),
        (InfoVAE(alpha=0.0, lambda_mmd=1.0), VAE()),
        (InfoVAE(alpha=-3.0, lambda_mmd=4.0), BetaVAE(beta=4.0)),
        (AnnealedVAE(c_max=0.0, gamma=4.0), BetaVAE(beta=4.0)),
        (AnnealedVAE(c_max=0.0, gamma=1.0), VAE()),
        (BetaAnneal(beta=4.0, steps=700), BetaVAE(beta=4.0)),
        (BetaAnneal(beta=4.0, steps=700, shape="cyclical"), BetaVAE(beta=4.0)),
        (BetaAnneal(beta=4.0, steps=1400), BetaVAE(beta=2.0)),
        (AnnealedVAE(c_max=30.0, warmup=1400), AnnealedVAE(c_max=15.0, warmup=0)),
    ],
    ids=repr,
)
def test_objectives_that_should_be_the_same_at_step_700_are_in_every_bit_of_loss_and_gradient(objective, other):
    found = []
    for one in (objective, other):
        passed = random_pass(3)
        leaves = (passed.posterior.mean, passed.posterior.log_var, passed.logits)
        for leaf in leaves:
            leaf.requires_grad_()
        terms = one(passed, 700)
        terms.loss.backward()
        found.append([terms.loss, *(leaf.grad for leaf in leaves)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_at_step_0_annealing_asks_for_nothing_but_reconstruction():
    terms = BetaAnneal(beta=4.0)(random_pass(), 0)
    assert terms.loss.item() == terms.reconstruction.item()


def test_the_weighted_estimator_differs_from_the_sum_without_normalisers_by_a_constant_only():
    n, d, examples = 5, 4, 1000
    mean, log_var = random_pass().posterior.mean.double(), random_pass().posterior.log_var.double()
    passed = random_pass(dtype=torch.float64)
    each = -0.5 * ((passed.sampled[:, None] - mean) ** 2 / log_var.exp() + log_var + math.log(2 * math.pi))
    without = (each.sum(2).logsumexp(1) - each.logsumexp(1).sum(1)).mean().item()
    with_them = decompose(passed.sampled, passed.posterior, examples, "weighted").total_correlation.item()
    assert with_them - without == pytest.approx((d - 1) * math.log(examples * n), abs=1e-5)


def test_the_authors_fixture_of_the_kl():
    passed = random_pass(n=1, latents=2)
    passed.posterior.mean.copy_(torch.tensor([[2.0, -1.0]]))
    passed.posterior.log_var.zero_()
    assert VAE()(passed, 0).kl.sum().item() == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("objective", "lacking", "said"),
    [
        (BetaTCVAE(), {"examples": 0}, r"number of training examples, at least 2, got 0.*examples=len\(dataset\)"),
        (FactorVAE(), {"critic": None}, r"discriminator, got NoneType.*critic="),
        (InfoVAE(), {"prior": None}, r"drawn from the prior, got none.*prior="),
    ],
    ids=["examples", "critic", "prior"],
)
def test_an_objective_that_lacks_something_says_what_to_pass(objective, lacking, said):
    with pytest.raises(UsageError, match=said):
        objective(replace(random_pass(), **lacking), 0)


@pytest.mark.parametrize("objective", [BetaTCVAE(), DIPVAEI(), DIPVAEII(), InfoVAE()], ids=lambda o: o.name)
def test_a_batch_of_one_is_refused_where_examples_are_weighed_against_each_other(objective):
    with pytest.raises(UsageError, match="batches of at least 2 examples, got 1"):
        objective(random_pass(n=1), 0)
