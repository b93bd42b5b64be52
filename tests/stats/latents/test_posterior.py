"""What single latents do, against integrals and published values."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from vaescope.stats.latents.posterior import active_units, information, kl_per_latent, mean_variances


def test_kl_is_that_of_the_authors_own_example():
    assert kl_per_latent(np.array([[2.0, -1.0]]), np.zeros((1, 2))).sum() == 2.5


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.7, 0.05), (-2.0, 3.0)])
def test_kl_is_the_integral_of_its_definition(mean, variance):
    q, p = norm(mean, np.sqrt(variance)), norm()
    exact, _ = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - 12, mean + 12, points=[mean])
    found = kl_per_latent(np.full((3, 1), mean), np.full((3, 1), np.log(variance)))
    assert found[0] == pytest.approx(exact, abs=1e-7)


def test_kl_of_float32_is_computed_in_float64():
    mean, log_var = np.full((4, 1), 1e-4, np.float32), np.full((4, 1), 1e-4, np.float32)
    assert kl_per_latent(mean, log_var)[0] == pytest.approx(0.5 * (1e-8 + np.expm1(1e-4) - 1e-4), rel=1e-3)


def test_active_units_have_means_whose_variance_is_above_the_threshold():
    mean = np.array([[1.0, 0.1, 0.11], [-1.0, -0.1, -0.11]])
    assert mean_variances(mean) == pytest.approx([1.0, 0.01, 0.0121])
    assert active_units(mean, threshold=0.011).tolist() == [True, False, True]
    assert active_units(mean, threshold=2.0).tolist() == [False, False, False]
    assert active_units(np.array([[0.0, 0.0], [0.19, 0.21]])).tolist() == [False, True]


def test_information_is_the_capacity_of_a_gaussian_channel():
    rng = np.random.default_rng(0)
    mean, variance = rng.normal(size=(4000, 3)) * [2.0, 0.5, 0.0], np.array([0.1, 0.5, 0.3])
    found = information(mean, np.broadcast_to(np.log(variance), mean.shape))
    assert found == pytest.approx(0.5 * np.log(1 + np.array([4.0, 0.25, 0.0]) / variance), abs=0.03)
    assert found[2] == 0


@pytest.mark.parametrize("spread", [0.02, 0.3, 1.0])
def test_information_is_never_below_what_is_told(spread):
    """Two posteriors, half of the images each: I = h(z) - h(z|x), by integration."""
    parts = norm(-1, spread), norm(1, 2 * spread)

    def entropy(density):
        grid = np.linspace(-12, 12, 400_001)
        values = density(grid)
        return -np.trapezoid(values * np.log(np.maximum(values, 1e-300)), grid)

    told = entropy(lambda z: (parts[0].pdf(z) + parts[1].pdf(z)) / 2) - np.mean([p.entropy() for p in parts])
    bound = information(np.array([[-1.0], [1.0]]), 2 * np.log(np.array([[spread], [2 * spread]])))[0]
    assert 0 < told <= bound
    assert told <= np.log(2) + 1e-6
