"""The maximum mean discrepancy against what is known of it."""

import math

import pytest
import torch

from vaescope.errors import UsageError
from vaescope.models.discrepancy import KERNELS, similarity, squared_mmd


def normal(n, d, seed, shift=0.0):
    return shift + torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def known(d, shift):
    """The squared discrepancy of N(0, I) and N(shift, I) under exp(-r² / (2 d)), by integrating the Gaussians."""
    scale = (d / (d + 2)) ** (d / 2)
    return 2 * scale * (1 - math.exp(-d * shift**2 / (2 * (d + 2))))


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_of_two_normal_distributions_it_is_on_average_the_integral(shift):
    found = torch.stack([squared_mmd(normal(16, 3, k, shift), normal(16, 3, 5000 + k), "rbf") for k in range(3000)])
    assert found.mean().item() == pytest.approx(known(3, shift), abs=4 * found.std().item() / math.sqrt(3000))


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_zero_on_average_where_both_are_drawn_alike_and_grows_with_their_distance(kernel):
    found = torch.stack([squared_mmd(normal(8, 3, k), normal(8, 3, 5000 + k), kernel) for k in range(2000)])
    assert found.mean().item() == pytest.approx(0, abs=4 * found.std().item() / math.sqrt(2000))
    apart = [squared_mmd(normal(500, 3, 1, s), normal(500, 3, 2), kernel).item() for s in (0.5, 1.0, 2.0)]
    assert apart == sorted(apart)
    assert apart[0] > 0.01


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_is_1_at_distance_0_and_falls_to_known_values_at_the_mean_distance_of_the_prior(kernel):
    one = torch.zeros(1, 2)
    at = similarity(one, torch.tensor([[0.0, 0.0], [2.0, 0.0]]), kernel, 1.0)[0].tolist()
    assert at == pytest.approx([1.0, 0.5 if kernel == "imq" else math.exp(-1)])
    wider = similarity(one, torch.tensor([[4.0, 0.0]]), kernel, 2.0).item()
    assert wider == pytest.approx(at[1])


def test_the_multiquadric_still_pulls_codes_that_are_very_far_and_the_gaussian_does_not():
    for kernel, pulls in (("imq", True), ("rbf", False)):
        codes = normal(8, 3, 1, 20.0).requires_grad_()
        squared_mmd(codes, normal(8, 3, 2), kernel).backward()
        together = codes.grad.sum(dim=0)  # in which the pushes of the codes against one another cancel
        assert bool((together > 1e-5).all()) == pulls
        assert bool((together.abs() < 1e-12).all()) != pulls


def test_one_code_has_no_discrepancy():
    with pytest.raises(UsageError, match="at least 2 examples, got 1"):
        squared_mmd(torch.zeros(1, 2), torch.zeros(1, 2))
