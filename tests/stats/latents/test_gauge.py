"""The similarity of mean and sampled codes, as measured and in closed form."""

import numpy as np
import pytest
from tests.stats.latents.codes import MEASURED, noise, polarised

from vaescope.errors import UsageError
from vaescope.stats.latents.gauge import active_of, expected_mean_sampled, expected_two_draws, gauge
from vaescope.stats.similarity import similarity


def variances(mean, log_var):
    return mean.var(axis=0), np.exp(log_var).mean(axis=0)


@pytest.mark.parametrize(("active", "mean_sampled", "two_draws"), MEASURED)
def test_the_closed_form_is_what_was_measured_in_the_polarised_regime(active, mean_sampled, two_draws):
    assert gauge(active, 10) == pytest.approx(mean_sampled, abs=0.02)
    assert gauge(active, 10) ** 2 == pytest.approx(two_draws, abs=0.02)
    found = variances(*polarised(active, 10))
    assert expected_mean_sampled(*found) == pytest.approx(mean_sampled, abs=0.02)
    assert expected_two_draws(*found) == pytest.approx(two_draws, abs=0.02)


@pytest.mark.parametrize(("active", "mean_sampled", "two_draws"), MEASURED)
def test_debiased_cka_of_polarised_codes_is_the_closed_form(active, mean_sampled, two_draws):
    mean, log_var = polarised(active, 10)
    std = np.exp(0.5 * log_var)
    draws = [mean + std * noise(mean.shape, seed) for seed in (1, 2)]
    assert similarity(mean, draws[0]) == pytest.approx(gauge(active, 10), abs=0.02)
    assert similarity(mean, draws[0]) == pytest.approx(mean_sampled, abs=0.02)
    assert similarity(*draws) == pytest.approx(two_draws, abs=0.03)


def test_the_general_formula_holds_for_correlated_means_of_any_scale_and_shape():
    rng = np.random.default_rng(4)
    mean = rng.exponential(size=(20_000, 6)) @ rng.normal(size=(6, 6)) * rng.uniform(0.3, 1, 6)
    log_var = rng.normal(size=mean.shape) + rng.uniform(-1, 2, 6)
    measured = similarity(mean, mean + np.exp(0.5 * log_var) * noise(mean.shape))
    a, s = variances(mean, log_var)
    assert expected_mean_sampled(a, s, np.cov(mean.T, bias=True)) == pytest.approx(measured, abs=0.01)
    assert abs(expected_mean_sampled(a, s) - measured) > 0.02  # without the correlations it would be another


def test_active_latents_are_read_off_the_similarity():
    assert active_of(gauge(3, 12), 12) == pytest.approx(3)
    assert active_of(-0.01, 12) == 0


def test_means_that_do_not_vary_have_no_similarity():
    assert np.isnan(expected_mean_sampled(np.zeros(3), np.ones(3)))
    assert np.isnan(expected_two_draws(np.zeros(3), np.ones(3)))


@pytest.mark.parametrize(("active", "latents"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_that_make_no_sense_are_refused(active, latents):
    with pytest.raises(UsageError, match="gauge: expected"):
        gauge(active, latents)
