"""The kinds of latents against the rule of the paper, written out."""

import numpy as np
import pytest
from tests.stats.latents.codes import polarised

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.latents.kinds import Thresholds, kinds
from vaescope.stats.latents.posterior import active_units, information


def rule(log_var, spread=0.1, active=0.1, passive=0.1):
    """Be More Active, the authors' rule, latent by latent, on σ²."""
    found = []
    for latent in range(log_var.shape[1]):
        values = [float(np.exp(v)) for v in log_var[:, latent]]
        mean = sum(values) / len(values)
        varies = sum((v - mean) ** 2 for v in values) / len(values) >= spread
        if not varies and mean <= active:
            found.append("active")
        elif not varies and 1 - passive <= mean <= 1 + passive:
            found.append("passive")
        else:
            found.append("mixed")
    return tuple(found)


def test_kinds_are_those_of_the_rule_for_all_sorts_of_latents():
    rng = np.random.default_rng(0)
    level, spread = rng.uniform(0.001, 1.3, 300), rng.choice([0.001, 0.05, 0.3, 1.0], 300)
    level[:100], level[100:200] = rng.uniform(0.001, 0.15, 100), rng.uniform(0.85, 1.15, 100)
    log_var = np.log(level) + spread * rng.normal(size=(40, 300))
    found = kinds(log_var)
    assert found == rule(log_var)
    assert min(found.count(kind) for kind in ("active", "mixed", "passive")) >= 30


def test_thresholds_move_the_kinds():
    log_var = np.log(np.array([[0.15, 0.8, 1.0], [0.15, 0.8, 1.9]]))
    assert kinds(log_var) == ("mixed", "mixed", "mixed")
    assert kinds(log_var, Thresholds(spread=0.3, active=0.2, passive=0.45)) == ("active", "passive", "passive")


def test_a_variance_at_a_threshold_belongs_to_the_kind():
    assert kinds(np.log(np.array([[0.1, 0.9, 1.1], [0.1, 0.9, 1.1]]) * (1 - 1e-12))) == ("active", "mixed", "passive")
    assert kinds(np.log(np.array([[0.1, 0.9, 1.1], [0.1, 0.9, 1.1]]) * (1 + 1e-12))) == ("mixed", "passive", "mixed")


def test_exponentiating_twice_as_the_authors_code_did_would_invert_the_kinds():
    _, log_var = polarised(5, 10)
    right = kinds(log_var)
    assert right == ("active",) * 5 + ("passive",) * 5
    twice = kinds(np.exp(log_var))  # σ² where its logarithm belongs: exp(exp(log σ²)), bug B3 of the authors' code
    assert twice == ("passive",) * 5 + ("mixed",) * 5


def test_the_rule_does_not_see_means_but_active_units_and_information_do():
    rng = np.random.default_rng(0)
    mean, log_var = rng.normal(size=(500, 2)) * [10.0, 1e-3], np.zeros((500, 2))
    assert kinds(log_var) == ("passive", "passive")
    assert active_units(mean).tolist() == [True, False]
    assert information(mean, log_var) == pytest.approx([0.5 * np.log(101), 0], abs=0.05)


@pytest.mark.parametrize("options", [{"spread": 0.0}, {"active": -1.0}, {"active": 0.6, "passive": 0.5}])
def test_thresholds_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError, match="Thresholds: expected"):
        Thresholds(**options)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e4])
def test_variances_that_are_no_numbers_are_refused(value):
    with pytest.raises(RepresentationError, match="finite") as caught:
        kinds(np.array([[0.0, value]]))
    assert caught.value.reason == "non_finite"
