"""The estimators against a total correlation that is known, on a dataset small enough to take whole."""

import math

import numpy as np
import pytest
import torch
from tests.models.objectives import slow
from tests.models.objectives.exact import N, aggregate, estimates, expected_density, integrated, posteriors

from vaescope.models.network import Posterior, sample
from vaescope.models.total_correlation import ESTIMATORS, decompose, log_density, log_weights


def codes_of(posterior, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return sample(posterior, torch.randn(posterior.mean.shape, generator=rng, dtype=torch.float64))


def estimated_density(posterior, codes, estimator):
    """q(z_j), as the estimator of a full batch has it."""
    joint = log_density(codes, posterior).sum(2)
    return (joint + log_weights(estimator, len(codes), N, codes)).logsumexp(1).exp().numpy()


def test_the_stratified_estimate_of_a_batch_of_all_examples_is_the_density_itself():
    posterior = posteriors()
    codes = codes_of(posterior)
    assert estimated_density(posterior, codes, "stratified") == pytest.approx(aggregate(codes, posterior)[0], rel=1e-12)


def test_the_weighted_estimate_of_a_batch_of_all_examples_is_the_density_over_n():
    posterior = posteriors()
    codes = codes_of(posterior)
    assert estimated_density(posterior, codes, "weighted") == pytest.approx(
        aggregate(codes, posterior)[0] / N, rel=1e-12
    )


@pytest.mark.parametrize("log_var", [-1.0, -4.0])
def test_with_all_examples_the_stratified_total_correlation_is_the_integrated_one(log_var):
    posterior = posteriors(log_var=log_var)
    truth, mass = integrated(posterior)
    assert mass == pytest.approx(1, abs=1e-8)
    found = estimates(posterior, N, "stratified", 4000)
    assert found.mean() == pytest.approx(truth, abs=4 * found.std() / math.sqrt(len(found)))
    assert found.std() / math.sqrt(len(found)) < 0.01 * truth


def test_with_all_examples_the_weighted_total_correlation_is_too_high_by_d_minus_1_log_n():
    posterior = posteriors(latents=3)
    codes = codes_of(posterior)
    weighted, stratified = (decompose(codes, posterior, N, e).total_correlation.item() for e in ESTIMATORS)
    assert weighted == pytest.approx(stratified + 2 * math.log(N))


@pytest.mark.parametrize("batch", [2, 3, 5, 7])
@pytest.mark.parametrize("own", [0, 4])
def test_the_mean_over_every_batch_is_the_density_if_stratified_and_below_it_if_weighted(batch, own):
    posterior = posteriors(examples=7)
    code = posterior.mean[own] + 0.4
    mean, truth = expected_density(posterior, code, own, batch, slow.stratified)
    assert mean == pytest.approx(truth, rel=1e-12)
    paper, _ = expected_density(
        posterior, code, own, batch, lambda values, first, n: slow.stratified_with_last(values, first, n, batch - 1)
    )
    assert paper == pytest.approx(truth, rel=1e-12)
    low, _ = expected_density(posterior, code, own, batch, slow.weighted)
    assert truth / 7 * 0.999 < low < truth


def test_the_paper_and_its_average_over_who_is_last_have_one_mean_and_the_average_varies_less():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=(2000, 6))
    papers = [slow.stratified_with_last(v, 0, 6, 5) for v in values.tolist()]
    averaged = [slow.stratified(v, 0, 6) for v in values.tolist()]
    assert np.mean(averaged) == pytest.approx(np.mean(papers), rel=0.02)
    assert np.var(averaged) < 0.93 * np.var(papers)


@pytest.mark.parametrize(("batch", "bias"), [(4, 0.35), (8, 0.1), (11, 0.03)])
def test_the_stratified_bias_shrinks_with_the_batch_and_the_weighted_stays_large(batch, bias):
    posterior = posteriors()
    truth = integrated(posterior)[0]
    assert abs(estimates(posterior, batch, "stratified", 1500).mean() - truth) < bias
    assert estimates(posterior, batch, "weighted", 1500).mean() - truth > 1


def test_of_codes_that_know_nothing_the_stratified_estimate_is_0_and_the_weighted_d_minus_1_log_n_at_any_batch():
    nothing = Posterior(torch.zeros(8, 3, dtype=torch.float64), torch.zeros(8, 3, dtype=torch.float64))
    found = [decompose(codes_of(nothing), nothing, 700_000, e).total_correlation.item() for e in ESTIMATORS]
    assert found == pytest.approx([2 * math.log(700_000), 0], abs=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_three_parts_add_up_to_the_kl_of_the_sampled_codes(estimator):
    posterior = posteriors(latents=4)
    codes = codes_of(posterior)
    parts = decompose(codes, posterior, 5000, estimator)
    total = 0.0
    for z, m, v in zip(codes.tolist(), posterior.mean.tolist(), posterior.log_var.tolist(), strict=True):
        for k in range(4):
            total += math.log(slow.density(z[k], m[k], v[k])) - math.log(slow.density(z[k], 0.0, 0.0))
    found = parts.mutual_information + parts.total_correlation + parts.dimension_wise_kl
    assert found.item() == pytest.approx(total / N)


def test_with_all_examples_mutual_information_is_at_most_log_n_and_reaches_it_where_nothing_overlaps():
    rng = torch.Generator().manual_seed(0)
    mean = 50 * torch.randn(N, 3, generator=rng, dtype=torch.float64)
    apart = Posterior(mean, torch.full_like(mean, -3.0))
    together = Posterior(torch.zeros_like(mean), torch.zeros_like(mean))
    told = decompose(codes_of(apart), apart, N, "stratified").mutual_information.item()
    untold = decompose(codes_of(together), together, N, "stratified").mutual_information.item()
    assert told == pytest.approx(math.log(N))
    assert untold == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_both_estimators_have_the_gradient_that_lessens_the_true_total_correlation(estimator):
    """A step against the mean gradient of small batches lowers the integrated total correlation."""
    posterior = posteriors()
    mean = posterior.mean.clone().requires_grad_()
    rng = torch.Generator().manual_seed(3)
    for _ in range(300):
        rows = torch.randperm(N, generator=rng)[:6]
        shown = Posterior(mean[rows], posterior.log_var[rows])
        noise = torch.randn(6, 2, generator=rng, dtype=torch.float64)
        decompose(sample(shown, noise), shown, N, estimator).total_correlation.backward()
    after = Posterior(posterior.mean - 0.2 * mean.grad / 300, posterior.log_var)
    assert integrated(after)[0] < 0.99 * integrated(posterior)[0]
