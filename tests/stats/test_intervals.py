import numpy as np
import pytest
from oracles import ORACLES
from scipy.stats import t as student

from vaescope.errors import UsageError
from vaescope.stats.certainty.block_jackknife import left_out_cka
from vaescope.stats.certainty.intervals import (
    blocks,
    bootstrap_over_seeds,
    complements,
    jackknife,
    over_seed_pairs,
    over_seeds,
    subsamples,
    subsampling,
)
from vaescope.stats.certainty.resampling import examples_interval
from vaescope.stats.measure import MEASURES


def related(n, p=6, q=9, noise=1.0, seed=0):
    """Two Gaussian representations and the maps from their 15 sources, so that the population is known."""
    rng, maps = np.random.default_rng(seed), np.random.default_rng(1)
    a, b = np.zeros((p + q, p)), np.zeros((p + q, q))
    a[:p] = np.diag(np.arange(1, p + 1.0) ** -0.5)
    b[:p] = a[:p] @ maps.standard_normal((p, q)) / np.sqrt(q)
    b[p:] = noise * np.eye(q) * np.linalg.norm(b[:p]) / np.sqrt(q)
    z = rng.standard_normal((n, p + q))
    return z @ a, z @ b, a, b


def population_cka(a, b):
    return float(np.square(a.T @ b).sum() / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))


def test_blocks_are_a_partition_that_depends_on_the_seed_alone():
    parts = blocks(23, 5, seed=3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(23))
    assert {len(p) for p in parts} == {4, 5}
    assert all((a == b).all() for a, b in zip(parts, blocks(23, 5, seed=3), strict=True))
    assert any((a != b).any() for a, b in zip(parts[:3], blocks(23, 5, seed=4)[:3], strict=True))
    for part, rest in zip(parts, complements(23, parts), strict=True):
        assert sorted([*part, *rest]) == list(range(23))


def test_subsamples_never_hold_an_example_twice():
    for some in subsamples(30, 15, 20, seed=0):
        assert len(set(some.tolist())) == 15
    assert (subsamples(30, 15, 2, 0)[1] == subsamples(30, 15, 9, 0)[1]).all()


def test_the_jackknife_of_a_mean_is_the_textbook_error_of_a_mean():
    values = np.random.default_rng(0).gamma(1, size=40)
    left_out = np.array([np.delete(values, k).mean() for k in range(40)])
    found = jackknife(np.array(values.mean()), left_out)
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=1e-12)
    assert found.high - values.mean() == pytest.approx(student.ppf(0.975, 39) * found.error, rel=1e-9)
    assert found.low < values.mean() < found.high


@pytest.mark.parametrize("size", [10, 20, 30])
def test_subsampling_a_mean_gives_the_textbook_error_whatever_the_size_of_the_subsamples(size):
    values = np.random.default_rng(0).standard_normal(40)
    drawn = np.array([values[some].mean() for some in subsamples(40, size, 4_000, 1)])
    found = subsampling(np.array(values.mean()), drawn, 40, size)
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.error, rel=0.08)


def test_a_skewed_distribution_of_subsamples_is_turned_round():
    drawn = np.concatenate([np.zeros(90), np.full(10, 1.0)])
    found = subsampling(np.array(5.0), drawn, 20, 10, level=0.9)
    assert 5 - float(found.low) > float(found.high) - 5


@pytest.mark.parametrize(("name", "biased"), [("cka", False), ("cka_biased", True)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-5)])
def test_cka_of_all_pairs_without_each_block_is_that_of_the_examples_left(name, biased, dtype, tolerance):
    rng = np.random.default_rng(0)
    base = rng.standard_normal((41, 3))
    xs = [(base @ rng.standard_normal((3, p)) + rng.standard_normal((41, p)) + 2).astype(dtype) for p in (2, 9, 90)]
    measure = MEASURES[name]()
    forms = [measure.prepare(x) for x in xs]
    parts = blocks(41, 6, seed=0)
    square, oblong = left_out_cka(forms, None, parts, biased), left_out_cka(forms, forms[1:], parts, biased)
    for j, rest in enumerate(complements(41, parts)):
        for i, x in enumerate(xs):
            for k, y in enumerate(xs):
                expected = ORACLES[name](x[rest], y[rest])
                assert square[j, i, k] == pytest.approx(expected, abs=tolerance)
                if k:
                    assert oblong[j, i, k - 1] == pytest.approx(expected, abs=tolerance)


def test_blocks_that_are_no_partition_or_leave_too_few_are_refused():
    measure = MEASURES["cka"]()
    forms = [measure.prepare(np.random.default_rng(0).standard_normal((9, 3)))]
    with pytest.raises(UsageError, match="each of the 9"):
        left_out_cka(forms, None, [np.arange(4), np.arange(3, 9)])
    with pytest.raises(UsageError, match="4 examples"):
        left_out_cka(forms, None, [np.arange(7), np.arange(7, 9)])
    with pytest.raises(UsageError, match="2 to n"):
        blocks(9, 1, 0)


@pytest.mark.parametrize("name", ["cka", "cka_biased", "procrustes"])
@pytest.mark.parametrize("method", ["jackknife", "subsample"])
def test_the_interval_of_a_grid_is_that_of_scores_computed_by_hand(name, method):
    x, y, *_ = related(40)
    measure = MEASURES[name]()
    forms = [measure.prepare(v) for v in (x, y)]
    found = examples_interval(
        measure, measure.block(forms, forms), forms, n=40, method=method, count=5, size=25, seed=2, level=0.8
    )
    whole = np.array(ORACLES[name](x, y))
    rows = complements(40, blocks(40, 5, 2)) if method == "jackknife" else subsamples(40, 25, 5, 2)
    drawn = np.array([ORACLES[name](x[some], y[some]) for some in rows])
    expected = jackknife(whole, drawn, 0.8) if method == "jackknife" else subsampling(whole, drawn, 40, 25, 0.8)
    for field in ("low", "high", "error"):
        np.testing.assert_allclose(getattr(found, field)[[0, 1], [1, 0]], float(getattr(expected, field)), atol=1e-7)
    assert (found.high <= measure.bounds[1]).all()
    np.testing.assert_allclose(found.error.diagonal(), 0, atol=1e-6)


@pytest.mark.parametrize(("n", "noise"), [(200, 1.0), (500, 1.0), (200, 0.2)])
def test_the_jackknife_covers_the_population_value_of_cka_as_often_as_it_says(n, noise):
    covered = []
    for seed in range(100):
        x, y, a, b = related(n, noise=noise, seed=100 + seed)
        truth = population_cka(a, b)
        parts = blocks(n, 20, seed)
        rest = complements(n, parts)
        # the debiased score from features: n x n matrices would take minutes
        scores = np.array([features_cka(x[some], y[some]) for some in (np.arange(n), *rest)])
        found = jackknife(scores[0], scores[1:])
        covered.append(float(found.low) <= truth <= float(found.high))
    assert 0.88 <= np.mean(covered) <= 1.0


def features_cka(x, y):
    """Song et al. (2012), equation 4, in terms of features."""
    n = len(x)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    a, b = np.square(x).sum(axis=1), np.square(y).sum(axis=1)

    def product(u, v, c, d):
        return np.square(u.T @ v).sum() - n / (n - 2) * (c @ d) + c.sum() * d.sum() / ((n - 1) * (n - 2))

    return product(x, y, a, b) / np.sqrt(product(x, x, a, a) * product(y, y, b, b))


def test_features_cka_is_the_debiased_cka_of_the_oracle():
    x, y, *_ = related(30)
    assert features_cka(x, y) == pytest.approx(ORACLES["cka"](x, y), abs=1e-12)


def test_the_interval_over_seeds_is_students():
    values = np.array([0.4, 0.5, 0.9])
    found = over_seeds(values)
    half = student.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert [float(found.low), float(found.value), float(found.high)] == pytest.approx([0.6 - half, 0.6, 0.6 + half])


def test_the_interval_over_pairs_of_seeds_leaves_out_seeds_not_pairs():
    rng = np.random.default_rng(0)
    effects = rng.standard_normal(7)
    pairs = effects[:, None] + effects  # the mean over pairs is twice the mean of the effects
    np.fill_diagonal(pairs, np.nan)
    found, plain = over_seed_pairs(pairs), over_seeds(2 * effects)
    assert found.value == pytest.approx(float(plain.value))
    assert found.error == pytest.approx(float(plain.error), rel=1e-9)
    stacked = over_seed_pairs(np.stack([pairs, 2 * pairs], axis=-1))
    np.testing.assert_allclose(stacked.error, [found.error, 2 * found.error])


def test_the_interval_over_pairs_of_seeds_covers_the_expectation():
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        effects, noise = rng.standard_normal(5), rng.standard_normal((5, 5))
        found = over_seed_pairs(3 + effects[:, None] + effects + 0.3 * (noise + noise.T))
        covered.append(found.low <= 3 <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_the_hierarchical_bootstrap_covers_with_many_seeds_and_is_too_narrow_with_few():
    rng = np.random.default_rng(2)
    covered = {}
    for seeds in (4, 20):
        hits = []
        for trial in range(150):
            values = rng.standard_normal((seeds, 1)) + 0.5 * rng.standard_normal((seeds, 6))
            found = bootstrap_over_seeds(values, draws=300, seed=trial)
            hits.append(found.low <= 0 <= found.high)
        covered[seeds] = np.mean(hits)
    assert 0.87 <= covered[20] <= 0.99
    assert covered[4] < 0.9


def test_what_cannot_be_done_is_said():
    with pytest.raises(UsageError, match="at least 3 seeds"):
        over_seed_pairs(np.ones((2, 2)))
    with pytest.raises(UsageError, match="at least 2 seeds"):
        over_seeds(np.ones(1))
    with pytest.raises(UsageError, match="between 0 and 1"):
        over_seeds(np.ones(3), level=95)
    with pytest.raises(UsageError, match="2 to n - 1"):
        subsamples(10, 10, 1, 0)
