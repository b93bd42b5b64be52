"""Every registered measure against its own declarations, its slow definition and the golden numbers.

What holds for all measures is asked by `vaescope.testing.check_measure`, of which each check is a test here.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ORACLES

from vaescope.errors import RepresentationError
from vaescope.stats.measure import MEASURES, Reason
from vaescope.stats.similarity import similarity
from vaescope.testing import measure_checks

NAMES = sorted(MEASURES)
LINEAR = ("cka", "cka_biased", "procrustes")
SEARCHED = {"gaussian_shape"}  # its minimum is searched for, by the oracle too: test_factor_measures.py compares them
CHECKS = [
    check
    for name in NAMES
    for check in measure_checks(
        name, reference=None if name in SEARCHED else ORACLES.get(name), examples=3 if name in SEARCHED else 12
    )
]
# measures.md 5.6: n -> measure -> A-B, A-C, A-D
GOLDEN = {
    50: {"cka_biased": (0.903, 0.744, 0.511), "cka": (0.801, 0.480, 0.017), "procrustes": (0.950, 0.869, 0.752)},
    90: {"cka_biased": (0.884, 0.700, 0.360), "cka": (0.818, 0.531, -0.001), "procrustes": (0.912, 0.795, 0.592)},
    250: {"cka_biased": (0.837, 0.590, 0.163), "cka": (0.804, 0.508, -0.006), "procrustes": (0.860, 0.670, 0.364)},
    490: {"cka_biased": (0.823, 0.546, 0.093), "cka": (0.805, 0.500, 0.001), "procrustes": (0.842, 0.615, 0.270)},
    970: {"cka_biased": (0.813, 0.532, 0.051), "cka": (0.803, 0.507, 0.002), "procrustes": (0.825, 0.581, 0.197)},
}


def golden_data(n: int) -> list[np.ndarray]:
    def sample(seed: int, p: int) -> np.ndarray:
        return np.random.RandomState(seed).random_sample((p, n)).T

    mixed = [np.hstack([sample(0, p), sample(1, 50 - p)]) for p in (40, 25)]
    return [sample(0, 50), *mixed, sample(42, 50)]


def pair(seed: int, n: int, p: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Related representations, both neither aligned nor independent, with uneven spectra."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 3))
    x = shared @ rng.standard_normal((3, p)) + rng.standard_normal((n, p))
    y = shared @ rng.standard_normal((3, q)) + rng.standard_normal((n, q))
    return x + rng.standard_normal(p), y * np.geomspace(1, 3, q)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["cka_biased", "cka", "procrustes"])
@pytest.mark.parametrize("n", GOLDEN)
def test_golden_numbers_to_the_digits_given(n, name, dtype):
    a, *others = (x.astype(dtype) for x in golden_data(n))
    for other, expected in zip(others, GOLDEN[n][name], strict=True):
        assert similarity(a, other, name) == pytest.approx(expected, abs=5.1e-4)


@pytest.mark.parametrize("check", [call for _, call in CHECKS], ids=[identifier for identifier, _ in CHECKS])
def test_it_conforms(check):
    check()


def test_every_measure_of_this_package_has_an_oracle():
    assert {n for n in NAMES if MEASURES[n].__module__.startswith("vaescope.")} == set(ORACLES)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), n=st.integers(5, 40), p=st.integers(1, 60), q=st.integers(1, 60))
def test_linear_measures_agree_with_their_definition_for_any_shape(name, dtype, seed, n, p, q):
    x, y = (a.astype(dtype) for a in pair(seed, n, p, q))
    tolerance = 1e-9 if dtype == np.float64 else 2e-6
    assert similarity(x, y, name) == pytest.approx(ORACLES[name](x, y), abs=tolerance)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e30, 1e200, 1e300])
def test_any_scale_will_do(name, scale):
    x, y = pair(0, 30, 50, 8)
    assert similarity(x * scale, y * scale, name) == pytest.approx(similarity(x, y, name), abs=1e-9)
    if 1e-38 < scale < 1e38:
        x, y = x.astype(np.float32), y.astype(np.float32)
        assert similarity(x * np.float32(scale), y, name) == pytest.approx(similarity(x, y, name), abs=2e-6)


@pytest.mark.parametrize("name", LINEAR)
def test_columns_of_very_different_scales_in_different_blocks_are_weighed_rightly(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 20_000)).astype(np.float32)
    x[:, :9000] *= np.float32(1e-18)
    x[:, -100:] *= np.float32(1e19)
    y = x[:, -100:].copy()
    assert similarity(x, y, name) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("p", [10, 200])
def test_a_spread_below_the_rounding_of_float32_is_refused(name, p):
    x, y = pair(0, 60, p, 40)
    near = (1000 + 1e-5 * x).astype(np.float32)
    with pytest.raises(RepresentationError, match=r"x of shape \(60, .*no more than the rounding of float32") as caught:
        similarity(near, y.astype(np.float32), name)
    assert caught.value.reason == "zero_variance"
    assert np.isfinite(similarity(1000 + 1e-5 * x, y, name))


def test_debiased_cka_of_independent_wide_layers_is_near_zero_where_the_biased_one_is_near_one():
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((64, 4096)).astype(np.float32) for _ in range(2))
    assert abs(similarity(x, y, "cka")) < 0.02
    assert similarity(x, y, "cka_biased") > 0.97


def test_debiased_cka_refuses_examples_that_are_all_equally_far_apart():
    with pytest.raises(RepresentationError, match="equally far") as caught:
        similarity(np.eye(8), np.eye(8))
    assert caught.value.reason == "zero_variance"
    assert similarity(np.eye(8), np.eye(8), "cka_biased") == pytest.approx(1)


def test_unwanted_procrustes_pairs_are_not_computed():
    measure = MEASURES["procrustes"]()
    forms = [measure.prepare(pair(seed, 20, 5, 9)[0]) for seed in range(3)]
    wanted = np.array([[True, False, True], [False, False, False], [True, True, True]])
    assert np.array_equal(np.isfinite(measure.form.products(forms, forms, wanted)), wanted)


@pytest.mark.parametrize("reason", [r for r in Reason if r not in (Reason.OK, Reason.NOT_COMPUTED, Reason.MISSING)])
def test_every_reason_is_a_word_and_comes_back_from_it(reason):
    assert Reason[reason.label.upper()] is reason
    assert 0 < reason < 256
