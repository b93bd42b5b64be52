import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaescope.errors import UsageError
from vaescope.models.beta_vae import BetaVAE
from vaescope.models.network import Posterior
from vaescope.models.objective import OBJECTIVES, Forward, bernoulli_reconstruction, gaussian_kl
from vaescope.models.vae import VAE


def forward(seed=0, n=5, latents=4):
    rng = torch.Generator().manual_seed(seed)
    images = (torch.rand(n, 1, 6, 6, generator=rng) > 0.5).float()
    logits = 3 * torch.randn(n, 1, 6, 6, generator=rng)
    posterior = Posterior(torch.randn(n, latents, generator=rng), torch.randn(n, latents, generator=rng))
    return Forward(images, logits, posterior, posterior.mean)


def elbo_by_definition(passed, beta):
    """Minus equation 3 of Kingma & Welling, example by example, pixel by pixel, latent by latent, in Python floats."""
    total = 0.0
    for i in range(len(passed.images)):
        for x, y in zip(passed.images[i].flatten().tolist(), passed.logits[i].flatten().tolist(), strict=True):
            p = 1 / (1 + math.exp(-y))
            total -= x * math.log(p) + (1 - x) * math.log(1 - p)
        for m, v in zip(passed.posterior.mean[i].tolist(), passed.posterior.log_var[i].tolist(), strict=True):
            total += beta * 0.5 * (m * m + math.exp(v) - 1 - v)
    return total / len(passed.images)


@given(seed=st.integers(0, 10_000), beta=st.floats(0, 20))
def test_beta_vae_is_the_equation_in_nats_per_example(seed, beta):
    passed = forward(seed)
    assert BetaVAE(beta=beta)(passed, 0).loss.item() == pytest.approx(elbo_by_definition(passed, beta), rel=1e-5)


def test_beta_one_is_the_vae():
    passed = forward()
    assert torch.equal(BetaVAE(beta=1.0)(passed, 0).loss, VAE()(passed, 0).loss)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_repeating_the_batch_changes_nothing(name):
    one = forward()
    twice = Forward(
        *(torch.cat([t, t]) for t in (one.images, one.logits)),
        Posterior(torch.cat([one.posterior.mean] * 2), torch.cat([one.posterior.log_var] * 2)),
        torch.cat([one.sampled] * 2),
    )
    assert OBJECTIVES[name]()(twice, 0).loss.item() == pytest.approx(OBJECTIVES[name]()(one, 0).loss.item(), rel=1e-6)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_terms_add_up_and_kl_is_per_latent(name):
    passed = forward()
    terms = OBJECTIVES[name]()(passed, 0)
    assert torch.allclose(terms.loss, terms.reconstruction + terms.regularisation)
    assert terms.kl.shape == (4,)
    assert torch.allclose(terms.kl, gaussian_kl(passed.posterior).mean(0))


def test_kl_of_the_authors_fixture():
    kl = gaussian_kl(Posterior(torch.tensor([[2.0, -1.0]]), torch.zeros(1, 2)))
    assert kl.sum().item() == pytest.approx(2.5)


def test_bernoulli_loss_does_not_overflow_at_extreme_logits():
    logits, images = torch.tensor([[[[200.0, -200.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert bernoulli_reconstruction(logits, images).item() == 0
    assert bernoulli_reconstruction(-logits, images).item() == pytest.approx(400)


@pytest.mark.parametrize("beta", [-1.0, math.nan, math.inf])
def test_a_beta_that_makes_no_sense_is_refused_with_its_value(beta):
    with pytest.raises(UsageError, match=f"at least 0, got {beta}"):
        BetaVAE(beta=beta)
