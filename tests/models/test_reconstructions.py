"""Each reconstruction against its density, pixel by pixel, and what holds for all of them."""

import math
from dataclasses import fields
from statistics import NormalDist

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.models.objectives.passes import random_pass
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.objectives.vae import VAE
from vaescope.models.reconstruction import RECONSTRUCTIONS, value_and_notes
from vaescope.models.reconstructions.bernoulli import Bernoulli
from vaescope.models.reconstructions.gaussian import Gaussian
from vaescope.models.reconstructions.laplace import Laplace

EVERY = [
    Bernoulli(),
    Gaussian(),
    Gaussian(variance=0.04),
    Gaussian(variance=0.3, learned=True),
    Laplace(),
    Laplace(scale=0.3, learned=True),
]
ALL = pytest.mark.parametrize("reconstruction", EVERY, ids=repr)


def drawn(seed=0, n=3, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, 2, 4, 4, generator=rng, dtype=torch.float64)
    return logits.to(dtype), torch.rand(n, 2, 4, 4, generator=rng, dtype=torch.float64).to(dtype)


def value(reconstruction, logits, images, learned=None):
    return value_and_notes(reconstruction.of(logits, images, learned))[0]


def summed(logits, images, minus_log_density):
    """The sum over pixels, averaged over examples."""
    pixels = zip(logits.double().flatten().tolist(), images.double().flatten().tolist(), strict=True)
    return math.fsum(minus_log_density(1 / (1 + math.exp(-y)), x) for y, x in pixels) / len(images)


@given(seed=st.integers(0, 10_000))
def test_bernoulli_is_its_cross_entropy(seed):
    logits, images = drawn(seed)
    expected = summed(logits, images, lambda m, x: -(x * math.log(m) + (1 - x) * math.log(1 - m)))
    assert value(Bernoulli(), logits, images).item() == pytest.approx(expected, rel=1e-5)


@given(seed=st.integers(0, 10_000), variance=st.floats(0.01, 10), learned=st.booleans())
def test_gaussian_is_minus_the_logarithm_of_its_density(seed, variance, learned):
    logits, images = drawn(seed)
    found = Gaussian(variance=variance, learned=learned)
    expected = summed(logits, images, lambda m, x: -math.log(NormalDist(m, math.sqrt(variance)).pdf(x)))
    assert value(found, logits, images).item() == pytest.approx(expected, rel=1e-4, abs=1e-3)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.05, 10), learned=st.booleans())
def test_laplace_is_minus_the_logarithm_of_its_density(seed, scale, learned):
    logits, images = drawn(seed)
    found = Laplace(scale=scale, learned=learned)
    expected = summed(logits, images, lambda m, x: -math.log(math.exp(-abs(x - m) / scale) / (2 * scale)))
    assert value(found, logits, images).item() == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_the_density_of_a_pixel_integrates_to_one(kind):
    pixels = torch.linspace(-12, 12, 4801, dtype=torch.float64).reshape(-1, 1, 1, 1)
    logits = torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    density = torch.stack([(-value(kind(), logits, pixel[None])).exp() for pixel in pixels])
    assert torch.trapezoid(density, pixels.flatten()).item() == pytest.approx(1, abs=1e-4)


def test_bernoulli_does_not_overflow_at_extreme_logits():
    logits, images = torch.tensor([[[[200.0, -200.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert value(Bernoulli(), logits, images).item() == 0
    assert value(Bernoulli(), -logits, images).item() == pytest.approx(400)


@ALL
def test_repeating_the_batch_changes_nothing_and_gradients_are_finite_at_extreme_logits(reconstruction):
    logits, images = drawn()
    twice = value(reconstruction, torch.cat([logits] * 2), torch.cat([images] * 2)).item()
    assert twice == pytest.approx(value(reconstruction, logits, images).item(), rel=1e-5)
    extreme = (1e4 * logits).requires_grad_()
    value(reconstruction, extreme, images).backward()
    assert extreme.grad.isfinite().all()


@ALL
def test_the_gradient_is_that_of_finite_differences(reconstruction):
    logits, images = drawn(n=2, dtype=torch.float64)
    starts = {k: torch.tensor(v, dtype=torch.float64) for k, v in reconstruction.learns().items()}

    def loss(logits, *learned):
        return value(reconstruction, logits, images, dict(zip(starts, learned, strict=True)))

    leaves = tuple(t.clone().requires_grad_() for t in (logits, *starts.values()))
    assert torch.autograd.gradcheck(loss, leaves)


@ALL
def test_the_type_and_the_device_of_the_logits_are_kept(reconstruction):
    logits, images = drawn(dtype=torch.float64)
    assert value(reconstruction, logits, images).dtype == torch.float64
    assert value(reconstruction, logits.to("meta"), images.to("meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("reconstruction", "name", "noted", "best"),
    [
        (Gaussian(variance=0.5, learned=True), "log_variance", "variance", lambda e: (e**2).mean()),
        (Laplace(scale=0.5, learned=True), "log_scale", "scale", lambda e: e.abs().mean()),
    ],
    ids=["gaussian", "laplace"],
)
def test_what_is_learned_starts_at_the_option_and_ends_at_the_best_there_is(reconstruction, name, noted, best):
    """The likeliest variance is the mean squared error, the likeliest scale the mean absolute one."""
    logits, images = drawn()
    learned = nn.ParameterDict({k: nn.Parameter(torch.tensor(v)) for k, v in reconstruction.learns().items()})
    assert list(learned) == [name]
    _, notes = value_and_notes(reconstruction.of(logits, images, learned))
    assert notes[noted].item() == pytest.approx(0.5)
    assert not notes[noted].requires_grad
    optimiser = torch.optim.LBFGS(learned.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = value(reconstruction, logits, images, learned)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert learned[name].exp().item() == pytest.approx(best(images - logits.sigmoid()).item(), rel=1e-3)


@ALL
def test_its_notes_reach_the_terms_and_nothing_is_noted_that_is_not_learned(reconstruction):
    terms = VAE()(random_pass(), 0, reconstruction)
    assert len(terms.notes) == len(reconstruction.learns())
    assert terms.loss.item() == pytest.approx((terms.reconstruction + terms.regularisation).item())


def test_a_learned_value_that_is_missing_is_named():
    with pytest.raises(UsageError, match="'gaussian' learns log_variance, got no log_variance"):
        Gaussian(learned=True).of(*drawn(), {})


@pytest.mark.parametrize(("name", "option"), [("gaussian", "variance"), ("laplace", "scale")])
@pytest.mark.parametrize("given", [0.0, -1.0, math.nan, math.inf])
def test_a_spread_that_is_not_above_zero_is_refused_with_its_value(name, option, given):
    with pytest.raises(UsageError, match=f"{option} must be a number greater than 0, got {given}"):
        RECONSTRUCTIONS[name](**{option: given})


@pytest.mark.parametrize(("name", "option"), [("gaussian", "variance"), ("laplace", "scale")])
@pytest.mark.parametrize("options", [{"spread": "1"}, {"learned": "yes"}, {"learned": 1}])
def test_options_of_another_type_are_refused(name, option, options):
    kind = RECONSTRUCTIONS[name]
    options = {option if k == "spread" else k: v for k, v in options.items()}
    unchecked = object.__new__(kind)  # the type checker of the tests would not let them through
    for one in fields(kind):
        object.__setattr__(unchecked, one.name, options.get(one.name, one.default))
    with pytest.raises(UsageError, match=r"must be .*, got"):
        unchecked.__post_init__()
