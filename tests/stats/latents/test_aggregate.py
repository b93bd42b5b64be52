"""Aggregate posteriors against many draws from them."""

import numpy as np
import pytest
from scipy.stats import kstest, kurtosis, norm, skew
from tests.stats.latents.codes import noise

from vaescope.errors import RepresentationError
from vaescope.stats.latents.aggregate import (
    _gaussian_gap,
    aggregate_covariance,
    gaussian_total_correlation,
    marginals,
)


def one(mean, variance):
    return marginals(np.asarray(mean, float)[:, None], np.log(np.broadcast_to(variance, len(mean)))[:, None])[0]


def test_moments_and_distance_are_those_of_many_draws():
    rng = np.random.default_rng(0)
    mean, variance = rng.exponential(size=300) - 0.5, rng.uniform(0.05, 0.5, 300)
    drawn = (mean[:, None] + np.sqrt(variance)[:, None] * noise((300, 1000))).ravel()
    found = one(mean, variance)
    assert found.mean == pytest.approx(drawn.mean(), abs=0.01)
    assert found.variance == pytest.approx(drawn.var(), abs=0.02)
    assert found.skewness == pytest.approx(skew(drawn), abs=0.03)
    assert found.excess == pytest.approx(kurtosis(drawn), abs=0.1)
    assert found.distance == pytest.approx(kstest(drawn, "norm").statistic, abs=0.005)


@pytest.mark.parametrize("kept", [1e-8, 0.1, 0.9, 1.0])
def test_codes_that_follow_the_prior_are_said_to(kept):
    """Means at the quantiles of a Gaussian of variance 1 - s."""
    quantiles = norm.ppf((np.arange(1000) + 0.5) / 1000)
    found = one(np.sqrt(1 - kept) * quantiles, max(kept, 1e-8))
    assert found.fit == "prior"
    assert found.distance < 0.005
    assert [found.mean, found.variance, found.skewness, found.excess] == pytest.approx([0, 1, 0, 0], abs=0.06)


@pytest.mark.parametrize(
    ("fit", "mean", "variance"),
    [
        ("shifted", np.full(50, 0.5), 1.0),
        ("narrow", np.zeros(50), 0.3),
        ("wide", np.zeros(50), 4.0),
        ("shaped", np.tile([-0.99, 0.99], 25), 0.02),
    ],
)
def test_the_fit_says_what_is_off(fit, mean, variance):
    assert one(mean, variance).fit == fit


@pytest.mark.parametrize(("mean", "std"), [(0.7, 1.0), (-0.2, 1.0), (0.0, 0.4), (0.0, 3.0)])
def test_the_gap_between_two_gaussians_is_the_largest_there_is(mean, std):
    grid = np.linspace(-10, 10, 200_001)
    exact = np.abs(norm.cdf(grid, mean, std) - norm.cdf(grid)).max()
    assert _gaussian_gap(mean, std) == pytest.approx(exact, abs=1e-6)


def test_covariances_are_those_of_the_codes():
    rng = np.random.default_rng(2)
    mean, log_var = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)), rng.normal(size=(4000, 3))
    of_means, of_codes = aggregate_covariance(mean, log_var)
    assert of_means == pytest.approx(np.cov(mean.T, bias=True))
    drawn = np.concatenate([mean + np.exp(0.5 * log_var) * noise(mean.shape, seed) for seed in range(50, 70)])
    assert of_codes == pytest.approx(np.cov(drawn.T, bias=True), abs=0.1)


def test_the_total_correlation_of_gaussians_is_that_of_their_correlations():
    assert gaussian_total_correlation(np.array([[4, 1.2], [1.2, 1]])) == pytest.approx(-0.5 * np.log(1 - 0.36))
    assert gaussian_total_correlation(np.diag([1.0, 5.0, 0.0])) == pytest.approx(0, abs=1e-12)
    assert gaussian_total_correlation(np.ones((2, 2))) == np.inf


def test_means_that_are_no_numbers_are_refused():
    with pytest.raises(RepresentationError, match="posterior means"):
        marginals(np.full((3, 1), np.nan), np.zeros((3, 1)))
