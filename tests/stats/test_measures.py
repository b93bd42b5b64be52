"""Every registered measure against its own declarations, its slow definition and the golden numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ORACLES, TRANSFORMS

from vaescope.errors import RepresentationError
from vaescope.stats.gram import Gram
from vaescope.stats.measure import MEASURES, Reason
from vaescope.stats.similarity import similarity

NAMES = sorted(MEASURES)
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


def test_every_measure_of_this_package_has_an_oracle():
    assert {n for n in NAMES if MEASURES[n].__module__.startswith("vaescope.")} == set(ORACLES)


@pytest.mark.parametrize("name", sorted(ORACLES))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), n=st.integers(5, 40), p=st.integers(1, 60), q=st.integers(1, 60))
def test_it_agrees_with_its_definition(name, dtype, seed, n, p, q):
    x, y = (a.astype(dtype) for a in pair(seed, n, p, q))
    tolerance = 1e-9 if dtype == np.float64 else 2e-6
    assert similarity(x, y, name) == pytest.approx(ORACLES[name](x, y), abs=tolerance)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**31), n=st.integers(20, 50), p=st.integers(4, 9), q=st.integers(4, 9))
def test_declared_invariances_hold_and_no_others(name, seed, n, p, q):
    x, y = pair(seed, n, p, q)
    before = similarity(x, y, name)
    for transform, apply in TRANSFORMS.items():
        after = similarity(x, apply(y, np.random.default_rng(seed + 1)), name)
        assert (abs(before - after) < 1e-7) == (transform in MEASURES[name].invariant_to), transform


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**31), n=st.integers(5, 40), p=st.integers(1, 60), q=st.integers(1, 60))
def test_it_is_bounded_extreme_on_itself_and_symmetric_if_it_says_so(name, dtype, seed, n, p, q):
    measure = MEASURES[name]
    x, y = (a.astype(dtype) for a in pair(seed, n, p, q))
    low, high = measure.bounds
    assert low <= similarity(x, y, name) <= high
    assert similarity(x, x, name) == pytest.approx(high if measure.larger_is_more_similar else low, abs=1e-6)
    if measure.symmetric:
        assert similarity(x, y, name) == pytest.approx(similarity(y, x, name), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_larger_score_means_what_the_measure_says(name):
    x, y = np.random.default_rng(0).standard_normal((2, 40, 8))
    scores = {"identical": similarity(x, x, name), "independent": similarity(x, y, name)}
    assert abs(scores["identical"] - scores["independent"]) > 0.1
    assert MEASURES[name].larger_is_more_similar == (scores["identical"] > scores["independent"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-20, 1e-12, 1e12, 1e20, 1e30])
def test_any_scale_will_do_in_float32(name, scale):
    x, y = (a.astype(np.float32) for a in pair(0, 30, 50, 8))
    expected = similarity(x, y, name)
    assert similarity(x * np.float32(scale), y, name) == pytest.approx(expected, abs=2e-6)
    assert similarity(y * np.float32(scale), x, name) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e300])
def test_any_scale_will_do_in_float64(name, scale):
    x, y = pair(0, 30, 50, 8)
    assert similarity(x * scale, y * scale, name) == pytest.approx(similarity(x, y, name), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_very_different_scales_in_different_blocks_are_weighed_rightly(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 20_000)).astype(np.float32)
    x[:, :9000] *= np.float32(1e-18)
    x[:, -100:] *= np.float32(1e19)
    y = x[:, -100:].copy()
    assert similarity(x, y, name) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_finite_values_do_not_overflow(name):
    x, y = (a.astype(np.float32) for a in pair(0, 30, 50, 8))
    huge = x / np.abs(x).max() * np.finfo(np.float32).max
    assert similarity(huge, y, name) == pytest.approx(similarity(x, y, name), abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_offsets_of_a_thousand_spreads_cost_no_digits(name):
    x, y = pair(0, 60, 300, 40)
    offset = (x + 1000).astype(np.float32)
    expected = similarity(offset.astype(np.float64), y, name)
    assert similarity(offset, y.astype(np.float32), name) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [10, 200])
def test_a_spread_below_the_rounding_of_float32_is_refused(name, p):
    x, y = pair(0, 60, p, 40)
    near = (1000 + 1e-5 * x).astype(np.float32)
    with pytest.raises(RepresentationError, match=r"x of shape \(60, .*no more than the rounding of float32") as caught:
        similarity(near, y.astype(np.float32), name)
    assert caught.value.reason == "zero_variance"
    assert np.isfinite(similarity(1000 + 1e-5 * x, y, name))


@pytest.mark.parametrize("name", NAMES)
def test_dead_features_far_from_zero_change_nothing(name):
    x, y = (a.astype(np.float32) for a in pair(0, 60, 100, 8))
    dead = np.full((60, 500), 12345.678, np.float32)
    expected = similarity(x * np.float32(1e-3), y, name)
    assert similarity(np.hstack([dead, x * np.float32(1e-3)]), y, name) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_live_feature_among_dead_ones_is_that_feature(name):
    x, y = (a.astype(np.float32) for a in pair(0, 60, 100, 8))
    alone = np.zeros_like(x)
    alone[:, 7] = x[:, 7]
    assert similarity(alone, y, name) == pytest.approx(similarity(x[:, 7:8], y, name), abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_examples_does_not_matter_if_it_is_the_same(name):
    x, y = pair(0, 60, 100, 8)
    order = np.random.default_rng(0).permutation(60)
    assert similarity(x[order], y[order], name) == pytest.approx(similarity(x, y, name), abs=1e-9)
    assert abs(similarity(x[order], y, name) - similarity(x, y, name)) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_spectra_that_fall_as_the_square_stay_within_a_ten_thousandth(name):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((200, 400)) * np.arange(1, 401.0) ** -2 for _ in range(2))
    y = y + x[:, ::-1]
    expected = ORACLES[name](x, y) if name in ORACLES else similarity(x, y, name)
    assert similarity(x.astype(np.float32), y.astype(np.float32), name) == pytest.approx(expected, abs=1e-4)


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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_form_survives_the_way_to_arrays_and_back(name, dtype):
    measure = MEASURES[name]()
    x, y = (measure.prepare(a.astype(dtype)) for a in pair(0, 30, 40, 5))
    again = [measure.form.from_arrays(form.to_arrays()) for form in (x, y)]
    assert measure.compare(*again) == measure.compare(x, y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "p"), [(30, 40), (30, 5), (30, 29), (30, 30)])
def test_a_form_takes_no_more_bytes_than_it_says(name, n, p):
    form = MEASURES[name].form
    arrays = form.of(pair(0, n, p, p)[0].astype(np.float32)).to_arrays()
    assert sum(a.nbytes for a in arrays.values()) == form.nbytes(n, p)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_prepared_does_not_depend_on_the_engine(name):
    def backwards(work, parts):
        return reversed([work(part) for part in reversed(list(parts))])

    x = pair(0, 300, 20_000, 5)[0].astype(np.float32)
    form = MEASURES[name].form
    ours, other = form.of(x).to_arrays(), form.begin(x, backwards)().to_arrays()
    assert all(np.array_equal(ours[k], other[k]) for k in ours)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_in_a_block_is_the_score_of_the_pair(name):
    measure = MEASURES[name]()
    forms = [measure.prepare(pair(seed, 150, 20, 9)[0].astype(np.float32)) for seed in range(7)]
    block = measure.scores(measure.form.products(forms, forms[:3]), forms, forms[:3])
    alone = [[measure.compare(x, y) for y in forms[:3]] for x in forms]
    assert np.abs(block - alone).max() < 1e-7


def test_unwanted_procrustes_pairs_are_not_computed():
    measure = MEASURES["procrustes"]()
    forms = [measure.prepare(pair(seed, 20, 5, 9)[0]) for seed in range(3)]
    wanted = np.array([[True, False, True], [False, False, False], [True, True, True]])
    assert np.array_equal(np.isfinite(measure.form.products(forms, forms, wanted)), wanted)


def test_wide_layers_are_not_copied_whole():
    import tracemalloc

    x = np.random.default_rng(0).standard_normal((200, 60_000), dtype=np.float32)  # 48 MB
    tracemalloc.start()
    Gram.of(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 2


@pytest.mark.parametrize("reason", [r for r in Reason if r not in (Reason.OK, Reason.NOT_COMPUTED, Reason.MISSING)])
def test_every_reason_is_a_word_and_comes_back_from_it(reason):
    assert Reason[reason.label.upper()] is reason
    assert 0 < reason < 256
