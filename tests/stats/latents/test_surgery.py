"""The parts of the KL term, against integrals, linear Gaussian models and the estimator that objectives use."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from tests.stats.latents.codes import noise, polarised

from vaescope.errors import UsageError
from vaescope.models.network import Posterior
from vaescope.models.total_correlation import decompose
from vaescope.stats.latents.surgery import surgery


def random_posteriors(n=60, d=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) - 1.5


@pytest.mark.parametrize("examples", [60, 1000])
def test_parts_are_those_that_the_objectives_estimate(examples):
    mean, log_var = random_posteriors()
    drawn = noise(mean.shape)
    found = surgery(mean, log_var, drawn, examples)
    posterior = Posterior(torch.from_numpy(mean), torch.from_numpy(log_var))
    codes = torch.from_numpy(mean + np.exp(0.5 * log_var) * drawn)
    known = decompose(codes, posterior, examples, "stratified")
    assert found.mutual_information == pytest.approx(float(known.mutual_information), abs=1e-9)
    assert found.total_correlation == pytest.approx(float(known.total_correlation), abs=1e-9)
    assert found.marginal_kl_per_latent.sum() == pytest.approx(float(known.dimension_wise_kl), abs=1e-9)


def test_parts_do_not_depend_on_how_many_codes_are_looked_at_at_once(monkeypatch):
    mean, log_var = random_posteriors()
    whole = surgery(mean, log_var, noise(mean.shape))
    monkeypatch.setattr("vaescope.stats.latents.surgery.CELLS", 500)
    pieces = surgery(mean, log_var, noise(mean.shape))
    assert pieces.mutual_information == pytest.approx(whole.mutual_information, abs=1e-12)
    assert pieces.marginal_kl_per_latent == pytest.approx(whole.marginal_kl_per_latent, abs=1e-12)


def test_in_one_dimension_all_parts_are_the_integrals():
    """Five posteriors, 800 codes of each: q(z) is known, and integrated over a grid."""
    rng = np.random.default_rng(3)
    centre, spread = 1.5 * rng.normal(size=5), rng.uniform(0.1, 0.8, 5)
    grid = np.linspace(-12, 12, 200_001)
    densities = norm.pdf(grid[:, None], centre, spread)
    mixture = densities.mean(axis=1)
    entropy = -np.trapezoid(mixture * np.log(np.maximum(mixture, 1e-300)), grid)
    information = entropy - np.mean(norm(centre, spread).entropy())
    marginal = np.trapezoid(mixture * (np.log(np.maximum(mixture, 1e-300)) - norm.logpdf(grid)), grid)

    mean, log_var = np.tile(centre, 800)[:, None], np.tile(2 * np.log(spread), 800)[:, None]
    found = surgery(mean, log_var, noise(mean.shape))
    assert found.mutual_information == pytest.approx(information, abs=0.04)
    assert found.marginal_kl == pytest.approx(marginal, abs=0.04)
    assert found.marginal_kl_per_latent[0] == pytest.approx(marginal, abs=0.04)
    assert found.information_per_latent[0] == pytest.approx(information, abs=0.06)
    assert found.mutual_information_low == pytest.approx(found.mutual_information, abs=1e-9)  # N = n: q(z) is exact
    assert found.total_correlation == pytest.approx(0, abs=1e-9)  # one latent


@pytest.mark.parametrize(("rho", "kept"), [(0.0, 0.5), (0.6, 0.5), (0.9, 0.3)])
def test_linear_gaussian_models_have_the_information_and_total_correlation_of_their_covariances(rho, kept):
    """Means are N(0, C), posteriors N(mean, s): I = ½ log |C + S| / |S|, TC = -½ log |corr(C + S)|, and KL is known."""
    covariance = np.array([[1, rho], [rho, 1]])
    total = covariance + kept * np.eye(2)
    information = 0.5 * np.log(np.linalg.det(total) / kept**2)
    correlation = -0.5 * np.log(1 - (rho / (1 + kept)) ** 2)
    kl = 0.5 * 2 * (1 + kept - np.log(kept) - 1)

    mean = noise((1500, 2), 5) @ np.linalg.cholesky(covariance).T
    log_var = np.full_like(mean, np.log(kept))
    found = surgery(mean, log_var, noise(mean.shape, 6), 10**6)
    assert found.kl == pytest.approx(kl, abs=0.1)
    assert found.mutual_information == pytest.approx(information, abs=0.06)
    assert found.marginal_kl == pytest.approx(kl - information, abs=0.12)
    assert found.total_correlation == pytest.approx(correlation, abs=0.05)
    assert found.information_per_latent == pytest.approx(0.5 * np.log(1 + 1 / kept), abs=0.12)


@pytest.mark.parametrize("kept", [0.3, 0.03, 0.003])
def test_the_bounds_hold_the_information_between_them_however_sharp_the_posteriors(kept):
    d, n, examples = 4, 400, 10**7
    information = 0.5 * d * np.log(1 / kept)  # means of variance 1 - s: codes are N(0, 1)
    mean = np.sqrt(1 - kept) * noise((n, d), 7)
    found = surgery(mean, np.full((n, d), np.log(kept)), noise((n, d), 8), examples)
    assert found.mutual_information_low <= information + 0.1
    assert found.mutual_information_high >= min(information, np.log(examples)) - 0.1
    assert found.mutual_information_low <= np.log(n)
    assert found.mutual_information <= min(found.kl, np.log(examples)) + 1e-9
    assert found.mutual_information_low <= found.mutual_information <= found.mutual_information_high
    assert found.kl == pytest.approx(found.mutual_information + found.marginal_kl, abs=1e-9)


def test_a_posterior_that_is_the_same_for_all_tells_nothing_and_all_its_kl_is_marginal():
    mean, log_var = np.full((100, 3), 0.8), np.full((100, 3), -1.0)
    found = surgery(mean, log_var, noise((100, 3)), 5000)
    assert found.mutual_information == pytest.approx(0, abs=1e-9)
    assert found.mutual_information_high == pytest.approx(0, abs=1e-9)
    assert found.marginal_kl == pytest.approx(found.kl, abs=1e-9)
    assert found.total_correlation == pytest.approx(0, abs=1e-9)


def test_passive_latents_have_no_part_in_anything():
    mean, log_var = polarised(3, 6, n=500)
    found = surgery(mean, log_var, noise(mean.shape), 10**6)
    assert found.kl_per_latent[3:] == pytest.approx(0, abs=1e-3)
    assert np.abs(found.marginal_kl_per_latent[3:]).max() < 1e-3
    few = surgery(mean[:, :3], log_var[:, :3], noise(mean.shape)[:, :3], 10**6)
    assert found.mutual_information == pytest.approx(few.mutual_information, abs=0.01)
    assert found.total_correlation == pytest.approx(few.total_correlation, abs=0.02)


@pytest.mark.parametrize("log_var", [-3000.0, -80.0, 60.0])
def test_extreme_variances_give_numbers(log_var):
    mean = 1e3 * noise((20, 2))
    found = surgery(mean, np.full((20, 2), log_var), noise((20, 2), 2), 50)
    assert np.isfinite([found.kl, found.mutual_information, found.mutual_information_high, found.marginal_kl]).all()
    assert np.isfinite(found.marginal_kl_per_latent).all()


@pytest.mark.parametrize(("n", "examples"), [(1, None), (10, 9)])
def test_too_few_examples_are_refused(n, examples):
    with pytest.raises(UsageError, match="surgery: expected at least 2"):
        surgery(np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 2)), examples)
