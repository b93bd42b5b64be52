"""Measures of kernels, distances and neighbourhoods: against scipy, scikit-learn, their equations, and hard input."""

import numpy as np
import pytest
from oracles import ORACLES, hsic_1, squared_distances
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, rankdata, spearmanr
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from vaescope.errors import RepresentationError
from vaescope.stats.forms import centring
from vaescope.stats.forms.batch_grams import BatchGrams, batches
from vaescope.stats.forms.dissimilarities import centred_ranks
from vaescope.stats.forms.distances import NARROW
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.kernel_grams import median_distance
from vaescope.stats.forms.neighbours import nearest
from vaescope.stats.forms.vector import packed
from vaescope.stats.measure import MEASURES
from vaescope.stats.similarity import similarity
from vaescope.stats.streaming.estimator import StreamingCKA

NAMES = [
    "cka_rbf",
    "cka_laplace",
    "cka_minibatch",
    "rv",
    "distance_correlation",
    "rsa_pearson",
    "rsa_spearman",
    "rsa_cosine",
    "mutual_knn",
    "knn_jaccard",
]
WIDTHS = [NARROW // 2, 300]


def draw(seed: int, n: int, p: int) -> np.ndarray:
    """Four directions that all draws of one n share, and noise."""
    rng = np.random.default_rng(seed)
    return np.random.default_rng(n).standard_normal((n, 4)) @ rng.standard_normal((4, p)) + rng.standard_normal((n, p))


def decay(power: float):
    return lambda x: x * np.arange(1.0, x.shape[1] + 1) ** -power


HARD = {
    "as it is": lambda x: x,
    "offset of a thousand spreads": lambda x: x + 1e3,
    "spectrum 1/i": decay(1),
    "spectrum 1/i^2": decay(2),
    "scale 1e-20": lambda x: x * 1e-20,
    "scale 1e20": lambda x: x * 1e20,
    "dead units": lambda x: np.hstack([np.full((len(x), 300), 1234.5), x * 1e-2]),
    "every row ten times": lambda x: np.repeat(x[: len(x) // 10], 10, axis=0),
    "some rows twice": lambda x: np.vstack([x[:-15], x[:15]]),
    "some rows nearly twice": lambda x: np.vstack([x[:-15], x[:15] * (1 + 1e-6)]),
    "a third of the rows equal": lambda x: np.where(np.arange(len(x))[:, None] % 3 == 0, 0, x),
    "nearly constant": lambda x: 1e3 + 1e-2 * x,
    "a row 1e4 times as far": lambda x: np.vstack([x[:-1], x[-1:] * 1e4]),
    "a row 1e8 times as far": lambda x: np.vstack([x[:-1], x[-1:] * 1e8]),
    "five tight clusters": lambda x: x * 1e-4 + np.arange(len(x))[:, None] % 5,
    "clusters of clusters": lambda x: x + np.arange(len(x))[:, None] % 3 * 1e6 + np.arange(len(x))[:, None] % 4 * 1e3,
    "points on a line": lambda x: np.arange(len(x))[:, None] + 1e-3 * x,
    "whole numbers": np.round,
    "few whole numbers": lambda x: x > 1,
    "heavy tails": lambda x: x**5,
}
FEW, MANY = WIDTHS
REFUSED = {
    ("a row 1e8 times as far", "cka_minibatch"): {FEW: "zero_variance", MANY: "zero_variance"},  # as debiased CKA
    ("a third of the rows equal", "mutual_knn"): {FEW: "ill_conditioned", MANY: "ill_conditioned"},
    ("a third of the rows equal", "knn_jaccard"): {FEW: "ill_conditioned", MANY: "ill_conditioned"},
    ("few whole numbers", "mutual_knn"): {FEW: "ill_conditioned"},
    ("few whole numbers", "knn_jaccard"): {FEW: "ill_conditioned"},
}
FLOAT32_PRODUCTS = ("cka_minibatch", "rv")


@pytest.mark.parametrize("p", WIDTHS)
@pytest.mark.parametrize("case", HARD)
def test_hard_input_costs_no_digits_or_is_refused_with_its_reason(case, p):
    x, y = (HARD[case](draw(seed, 150, p)).astype(np.float32) for seed in (1, 2))
    for name in NAMES:
        reason = REFUSED.get((case, name), {}).get(p)
        if reason is not None:
            with pytest.raises(RepresentationError) as caught:
                similarity(x, y, name)
            assert caught.value.reason == reason, name
        else:
            score = similarity(x, y, name)
            tolerance = 1e-4 if name in FLOAT32_PRODUCTS else 1e-6
            assert score == pytest.approx(ORACLES[name](x, y), rel=tolerance), name


@pytest.mark.parametrize(("n", "p", "q"), [(12, 6, 5), (12, 5000, 3000), (40, 32768, 20), (501, 3, 40)])
def test_scores_agree_with_their_definitions_for_few_and_many_examples_and_features(n, p, q):
    x, y = draw(1, n, p).astype(np.float32), draw(2, n, q).astype(np.float32)
    for name in NAMES:
        expected = ORACLES[name](x, y)
        assert similarity(x, y, name) == pytest.approx(expected, rel=1e-6), name
        assert similarity(x.astype(np.float64), y.astype(np.float64), name) == pytest.approx(expected, rel=1e-12), name


def test_gaussian_cka_is_that_of_scikit_learns_kernel():
    def kernel(x: np.ndarray) -> np.ndarray:
        return rbf_kernel(x, gamma=1 / (2 * np.median(pdist(x)) ** 2))

    x, y = draw(1, 80, 30), draw(2, 80, 5) ** 3
    k, l = kernel(x), kernel(y)  # noqa: E741
    expected = hsic_1(k, l) / np.sqrt(hsic_1(k, k) * hsic_1(l, l))
    assert similarity(x, y, "cka_rbf") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [11, 12, 13, 14])
def test_the_kernel_width_is_the_median_distance(n):
    x = draw(0, n, 3)
    squared = squareform(pdist(x, "sqeuclidean"))
    assert median_distance(squared) == pytest.approx(np.median(pdist(x)), rel=1e-14)


@pytest.mark.parametrize("p", WIDTHS)
def test_rsa_compares_the_distances_of_scipy_by_the_correlations_of_scipy(p):
    x, y = np.round(draw(1, 90, p)), draw(2, 90, 7)
    a, b = pdist(x, "sqeuclidean"), pdist(y, "sqeuclidean")
    assert similarity(x, y, "rsa_pearson") == pytest.approx(pearsonr(a, b).statistic, rel=1e-9)
    assert similarity(x, y, "rsa_spearman") == pytest.approx(spearmanr(a, b).statistic, rel=1e-9)
    assert similarity(x, y, "rsa_spearman") == pytest.approx(spearmanr(np.sqrt(a), b).statistic, rel=1e-6)


def test_ranks_are_those_of_scipy_and_heed_no_rounding():
    values = np.random.default_rng(0).integers(1, 50, 2000) * np.pi
    expected = rankdata(values)
    shaken = values * (1 + np.random.default_rng(1).uniform(-2e-13, 2e-13, 2000))
    assert len(np.unique(shaken)) > 1000
    assert centred_ranks(shaken) * 2000 == pytest.approx(expected - expected.mean(), abs=1e-9)


def test_rsa_and_distance_correlation_of_single_features_see_what_they_should():
    x = np.linspace(-1, 1, 200)[:, None]
    assert similarity(x, x**2, "cka_biased") < 1e-20
    assert similarity(x, x**2, "distance_correlation") == pytest.approx(0.5, abs=0.02)  # Székely & Rizzo's example


@pytest.mark.parametrize("p", WIDTHS)
def test_distance_covariance_is_the_three_sums_of_the_papers_first_theorem(p):
    def covariance(a: np.ndarray, b: np.ndarray) -> float:
        third = np.mean([a[k][:, None] * b[k] for k in range(len(a))])
        return (a * b).mean() + a.mean() * b.mean() - 2 * third

    x, y = draw(1, 60, p), draw(2, 60, 4)
    a, b = squareform(pdist(x)), squareform(pdist(y))
    expected = np.sqrt(covariance(a, b) / np.sqrt(covariance(a, a) * covariance(b, b)))
    assert similarity(x, y, "distance_correlation") == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("p", WIDTHS)
def test_neighbours_are_those_of_scikit_learn(p):
    x, y = draw(1, 300, p).astype(np.float32), draw(2, 300, 5).astype(np.float32)
    found = [NearestNeighbors(n_neighbors=10).fit(z.astype(float)).kneighbors(return_distance=False) for z in (x, y)]
    both = np.array([len({*a} & {*b}) for a, b in zip(*found, strict=True)])
    assert similarity(x, y, "mutual_knn") == pytest.approx((both / 10).mean(), rel=1e-12)
    assert similarity(x, y, "knn_jaccard") == pytest.approx((both / (20 - both)).mean(), rel=1e-12)


def test_a_neighbourhood_holds_all_that_tie_with_its_last_member():
    squared = squareform(pdist(np.array([[0.0], [1], [1], [-1], [5], [50]]), "sqeuclidean"))
    links, sizes = nearest(squared, 2)
    rows = [set(map(int, links[links // 6 == i] % 6)) for i in range(6)]
    assert rows[0] == {1, 2, 3}
    assert rows[1] == {0, 2}
    assert rows[5] == {1, 2, 4}
    assert sizes.tolist() == [len(row) for row in rows]
    assert (np.diff(links) > 0).all()


def test_repeated_examples_have_one_score_in_every_order():
    x, y = (np.repeat(draw(seed, 40, 6), 3, axis=0) for seed in (1, 2))
    order = np.random.default_rng(0).permutation(120)
    for name in NAMES:
        assert similarity(x[order], y[order], name) == pytest.approx(similarity(x, y, name), rel=1e-9), name


@pytest.mark.parametrize("n", [4, 77, 500])
def test_minibatch_cka_of_one_batch_is_debiased_cka(n):
    x, y = draw(1, n, 9).astype(np.float32), draw(2, n, 600).astype(np.float32)
    assert similarity(x, y, "cka_minibatch") == pytest.approx(similarity(x, y, "cka"), rel=1e-6)


@pytest.mark.parametrize("n", [500, 501, 999, 1000, 1001, 1502, 5003])
def test_batches_are_few_consecutive_and_as_equal_as_can_be(n):
    found = batches(n)
    expected = np.array_split(np.arange(n), -(-n // 500))
    assert [(b.start, b.stop) for b in found] == [(e[0], e[-1] + 1) for e in expected]
    assert max(b.stop - b.start for b in found) <= 500


@pytest.mark.parametrize("n", [501, 1203])
def test_minibatch_cka_is_the_streaming_estimate_of_the_same_batches(n):
    x, y = draw(1, n, 30).astype(np.float32), draw(2, n, 64).astype(np.float32)
    streaming = StreamingCKA()
    for rows in batches(n):
        streaming.update(x[rows], y[rows])
    assert similarity(x, y, "cka_minibatch") == pytest.approx(streaming.result().score, rel=1e-6)
    assert similarity(x, y, "cka_minibatch") == pytest.approx(ORACLES["cka_minibatch"](x, y), rel=1e-6)


@pytest.mark.parametrize("scales", [(1e-18, 1e18), (1.0, 1e-12), (1e18, 1e-18), (0.0, 1e-18), (1.0, 0.0)])
def test_batches_of_different_scales_are_weighed_rightly(scales):
    factor = np.repeat(scales, 260)[:, None]
    x, y = ((draw(seed, 520, 40) * factor).astype(np.float32) for seed in (1, 2))
    assert similarity(x, y, "cka_minibatch") == pytest.approx(ORACLES["cka_minibatch"](x, y), rel=1e-6)


def test_batches_that_each_hold_one_example_many_times_are_refused():
    x = np.repeat(draw(1, 3, 40), 400, axis=0).astype(np.float32)
    with pytest.raises(RepresentationError) as caught:
        BatchGrams.of(Examples(x))
    assert caught.value.reason == "zero_variance"
    assert similarity(x, x, "cka") == pytest.approx(1)


def test_rv_is_biased_cka_to_the_bit():
    for p in (5, 400):
        x, y = draw(1, 90, p).astype(np.float32), draw(2, 90, p).astype(np.float32)
        assert similarity(x, y, "rv") == similarity(x, y, "cka_biased")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "name", ["cka_rbf", "cka_laplace", "cka_minibatch", "rsa_pearson", "rsa_spearman", "mutual_knn"]
)
def test_examples_that_are_all_equally_far_apart_are_refused(name, dtype):
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]  # equal up to rounding
    for x in (np.eye(40, dtype=dtype), turned.astype(dtype)):
        with pytest.raises(RepresentationError, match="equally far") as caught:
            similarity(x, draw(1, 40, 5).astype(dtype), name)
        assert caught.value.reason == "zero_variance"


@pytest.mark.parametrize("name", ["distance_correlation", "rsa_cosine", "rv"])
def test_examples_that_are_all_equally_far_apart_have_a_biased_score(name):
    assert similarity(np.eye(40), np.eye(40), name) == pytest.approx(1)


@pytest.mark.parametrize("name", ["cka_rbf", "cka_laplace"])
def test_a_median_distance_of_zero_gives_no_kernel(name):
    x = draw(1, 40, 5)
    x[:30] = x[0]
    with pytest.raises(RepresentationError, match="median distance") as caught:
        similarity(x, draw(2, 40, 5), name)
    assert caught.value.reason == "zero_variance"


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e306])
@pytest.mark.parametrize("p", WIDTHS)
@pytest.mark.parametrize("case", HARD)
def test_distances_keep_their_digits_however_close_two_examples_are(case, p, scale):
    x = HARD[case](draw(1, 120, p)).astype(np.float64)
    x = x / np.abs(x).max() * scale
    found, expected = Examples(x).squared_distances, squared_distances(x)
    expected = expected * (2 * len(x) / expected.sum())
    assert np.array_equal(found == 0, expected == 0)
    assert packed(found, np.float64) == pytest.approx(packed(expected, np.float64), rel=1e-9, abs=0)
    assert not found.diagonal().any()


def test_distances_of_close_pairs_along_a_line_keep_their_digits():
    rng = np.random.default_rng(0)
    x = np.repeat(np.arange(300) / 300, 2)[:, None] + 1e-7 * rng.standard_normal((600, NARROW + 4))
    found, expected = Examples(x).squared_distances, squared_distances(x)
    expected = expected * (2 * len(x) / expected.sum())
    assert packed(found, np.float64) == pytest.approx(packed(expected, np.float64), rel=1e-7, abs=0)


def test_distances_are_in_the_unit_of_the_gram_matrix():
    for p in WIDTHS:
        examples = Examples(draw(1, 50, p) + 3)
        k = examples.gram
        assert examples.squared_distances[3, 7] == pytest.approx(k[3, 3] + k[7, 7] - 2 * k[3, 7], rel=1e-12)


def test_a_gram_matrix_in_any_unit_is_that_of_the_rows():
    x = (draw(1, 30, 50) * 1e-30).astype(np.float32)
    total, means, exponent = centring.scaled_gram(x, np.float32)
    rows = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    assert np.triu(np.ldexp(total.astype(np.float64), 2 * exponent)) == pytest.approx(
        np.triu(rows @ rows.T), rel=1e-4, abs=1e-64
    )
    assert means == pytest.approx(x.astype(np.float64).mean(axis=0), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_score_has_the_same_bits_in_every_block(name):
    measure = MEASURES[name]()
    forms = [measure.prepare(draw(seed, 150, 20 + seed).astype(np.float32)) for seed in range(5)]
    whole = measure.block(forms, list(forms))
    assert np.array_equal(measure.block(forms[1:4], forms[2:]), whole[1:4, 2:])
    assert np.array_equal(measure.block(forms, forms), whole)


@pytest.mark.parametrize("p", [50, 2000])
def test_scores_of_independent_noise_are_where_the_docstrings_put_them(p):
    pairs = [np.random.default_rng([p, i]).standard_normal((2, 200, p)).astype(np.float32) for i in range(10)]
    mean = {name: np.mean([similarity(x, y, name) for x, y in pairs]) for name in NAMES}
    for name in ("cka_rbf", "cka_laplace", "cka_minibatch"):
        assert abs(mean[name]) < 0.01, name
    for name in ("rsa_pearson", "rsa_spearman"):
        assert abs(mean[name]) < 0.04, name
    assert mean["mutual_knn"] == pytest.approx(10 / 199, abs=0.01)
    assert mean["knn_jaccard"] == pytest.approx(10 / (2 * 199 - 10), abs=0.006)
    assert mean["rsa_cosine"] > 0.95
    assert mean["distance_correlation"] > (0.65 if p == 50 else 0.98)
