"""What holds for every objective, found by its name: a new one is held to all of this."""

from dataclasses import fields, replace

import pytest
import torch
from tests.models.objectives.passes import discriminator, joined, label, pass_of, random_pass, variants

from vaescope.errors import UsageError
from vaescope.models.network import Posterior
from vaescope.models.objective import OBJECTIVES, Forward, gaussian_kl

VARIANTS = pytest.mark.parametrize("variant", variants(), ids=label)
STEP = 37_000


def of(variant):
    name, options = variant
    return OBJECTIVES[name](**options)


@VARIANTS
def test_the_terms_add_up_and_kl_is_per_latent(variant):
    passed = random_pass()
    terms = of(variant)(passed, STEP)
    assert torch.allclose(terms.loss, terms.reconstruction + terms.regularisation)
    assert terms.kl.shape == (4,)
    assert torch.allclose(terms.kl, gaussian_kl(passed.posterior).mean(0))


@VARIANTS
def test_the_loss_of_a_batch_is_the_mean_of_its_halves_if_and_only_if_it_says_per_example(variant):
    objective = of(variant)
    narrow, wide = random_pass(1, n=6, spread=0.05), random_pass(2, n=6, spread=2.5)
    both = objective(joined(narrow, wide), STEP).loss.item()
    mean = (objective(narrow, STEP).loss.item() + objective(wide, STEP).loss.item()) / 2
    assert (both == pytest.approx(mean, rel=1e-5)) == objective.per_example


@VARIANTS
def test_repeating_the_batch_changes_nothing_where_the_loss_is_per_example(variant):
    objective, one = of(variant), random_pass()
    if objective.per_example:
        twice = objective(joined(one, one), STEP).loss.item()
        assert twice == pytest.approx(objective(one, STEP).loss.item(), rel=1e-5)


@VARIANTS
def test_the_order_of_the_examples_changes_nothing(variant):
    one = random_pass(n=6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    other = replace(
        one,
        images=one.images[order],
        logits=one.logits[order],
        posterior=Posterior(one.posterior.mean[order], one.posterior.log_var[order]),
        sampled=one.sampled[order],
    )
    assert of(variant)(other, STEP).loss.item() == pytest.approx(of(variant)(one, STEP).loss.item(), rel=1e-5)


@VARIANTS
def test_the_order_and_signs_of_the_latents_change_nothing_but_to_a_critic(variant):
    one, order, signs = random_pass(), torch.tensor([2, 0, 3, 1]), torch.tensor([1.0, -1.0, -1.0, 1.0])
    other = replace(
        one,
        posterior=Posterior((one.posterior.mean * signs)[:, order], one.posterior.log_var[:, order]),
        sampled=(one.sampled * signs)[:, order],
        prior=(one.prior * signs)[:, order],
    )
    objective = of(variant)
    same = objective(other, STEP).loss.item() == pytest.approx(objective(one, STEP).loss.item(), rel=1e-5)
    assert same == (objective.critic(4) is None)


@VARIANTS
def test_the_gradient_is_that_of_finite_differences(variant):
    passed = random_pass(5, n=4, latents=3, dtype=torch.float64)
    objective = of(variant)

    def loss(mean, log_var, sampled, logits):
        return objective(replace(passed, posterior=Posterior(mean, log_var), sampled=sampled, logits=logits), STEP).loss

    leaves = (passed.posterior.mean, passed.posterior.log_var, passed.sampled, passed.logits)
    assert torch.autograd.gradcheck(loss, tuple(leaf.clone().requires_grad_() for leaf in leaves), atol=1e-4, rtol=1e-4)


@VARIANTS
@pytest.mark.parametrize("log_var", [-300.0, -150.0, -40.0, 0.0, 40.0])
@pytest.mark.parametrize("mean", [0.0, 1e-3, 1e3, 1e7])
def test_loss_and_gradient_are_finite_in_float32_at_extreme_posteriors(variant, log_var, mean):
    rng = torch.Generator().manual_seed(0)
    means = (mean * torch.randn(6, 4, generator=rng)).requires_grad_()
    log_vars = torch.full((6, 4), log_var)
    log_vars[0] = 0.0
    log_vars.requires_grad_()
    terms = of(variant)(pass_of(means, log_vars), STEP)
    terms.loss.backward()
    assert terms.loss.isfinite()
    assert means.grad.isfinite().all()
    assert log_vars.grad.isfinite().all()


@VARIANTS
def test_float64_stays_float64_and_float32_is_close_to_it(variant):
    single, double = of(variant)(random_pass(), STEP), of(variant)(random_pass(dtype=torch.float64), STEP)
    assert single.loss.dtype == torch.float32
    assert double.loss.dtype == torch.float64
    assert single.loss.item() == pytest.approx(double.loss.item(), rel=1e-5)


@VARIANTS
def test_nothing_is_made_on_another_device_than_that_of_the_codes(variant):
    """Torch's device "meta" refuses to meet tensors of the CPU, as a GPU does."""
    passed = random_pass()
    there = {k: getattr(passed, k).to("meta") for k in ("images", "logits", "sampled", "prior")}
    posterior = Posterior(passed.posterior.mean.to("meta"), passed.posterior.log_var.to("meta"))
    critic = OBJECTIVES[variant[0]]().critic(4)
    moved = Forward(**there, posterior=posterior, examples=1000, critic=critic and critic.to("meta"))
    assert of(variant)(moved, STEP).loss.device.type == "meta"


@VARIANTS
def test_notes_are_finite_numbers_that_hold_no_graph(variant):
    passed = random_pass()
    passed.posterior.mean.requires_grad_()
    for note in of(variant)(passed, STEP).notes.values():
        assert torch.as_tensor(note).isfinite()
        assert not torch.as_tensor(note).requires_grad


@VARIANTS
def test_what_an_objective_draws_is_what_it_says(variant):
    objective, passed = of(variant), replace(random_pass(), prior=None)
    if objective.draws_prior:
        with pytest.raises(UsageError):
            objective(passed, STEP)
    else:
        objective(passed, STEP)


@VARIANTS
def test_the_step_of_the_vae_leaves_no_gradient_on_the_critic(variant):
    passed = random_pass()
    passed.posterior.mean.requires_grad_()
    discriminator(4).zero_grad(set_to_none=True)
    of(variant)(passed, STEP).loss.backward()
    assert passed.posterior.mean.grad.abs().sum() > 0
    assert all(p.grad is None for p in discriminator(4).parameters())


def refused(kind, **options):
    """What the class itself says to options whose types the type checker of the tests would not let through."""
    unchecked = object.__new__(kind)
    for field in fields(kind):
        object.__setattr__(unchecked, field.name, options.get(field.name, field.default))
    with pytest.raises(UsageError) as error:
        unchecked.__post_init__()
    return str(error.value)


NUMBERS = {
    "beta_vae": ["beta"],
    "beta_tc_vae": ["beta"],
    "annealed_vae": ["c_max", "gamma"],
    "dip_vae_i": ["lambda_od", "lambda_d"],
    "dip_vae_ii": ["lambda_od", "lambda_d"],
    "factor_vae": ["gamma"],
    "info_vae": ["alpha", "lambda_mmd", "bandwidth"],
    "beta_anneal": ["beta", "ratio"],
}


@pytest.mark.parametrize(("name", "option"), [(n, o) for n, options in NUMBERS.items() for o in options])
@pytest.mark.parametrize("value", [-1e9, float("nan"), float("inf"), "4", True, [1.0]])
def test_an_option_that_is_no_number_of_its_range_is_refused_with_its_value(name, option, value):
    if (option, value) == ("alpha", -1e9):
        value = 1.5
    said = refused(OBJECTIVES[name], **{option: value})
    assert said.startswith(f"{option} must be")
    assert said.endswith(f"got {value!r}.")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("beta_tc_vae", {"estimator": "exact"}, "one of 'weighted', 'stratified', got 'exact'"),
        ("info_vae", {"kernel": "linear"}, "one of 'imq', 'rbf', got 'linear'"),
        ("info_vae", {"bandwidth": 0.0}, "greater than 0, got 0.0"),
        ("info_vae", {"alpha": -1.0, "lambda_mmd": 1.5}, "at least 1 - alpha, 2, got 1.5"),
        ("annealed_vae", {"warmup": 0.5}, "warmup must be a whole number of at least 0, got 0.5"),
        ("annealed_vae", {"warmup": -1}, "warmup must be a whole number of at least 0, got -1"),
        ("beta_anneal", {"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ("beta_anneal", {"shape": "cosine"}, "one of 'linear', 'cyclical', got 'cosine'"),
        ("beta_anneal", {"shape": "cyclical", "cycles": 0}, "cycles must be a whole number of at least 1, got 0"),
        ("beta_anneal", {"shape": "cyclical", "ratio": 1.5}, "at most 1, got 1.5"),
        ("beta_anneal", {"cycles": 3}, "belong to shape 'cyclical'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(name, options, said):
    assert said in refused(OBJECTIVES[name], **options)


def test_whole_numbers_do_for_strengths():
    passed = random_pass()
    assert OBJECTIVES["beta_vae"](beta=4)(passed, 0).loss == OBJECTIVES["beta_vae"](beta=4.0)(passed, 0).loss
