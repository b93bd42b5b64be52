"""Measures built on factors: Procrustes, Bures, the CCA family, regression, matching, Gaussian shapes."""

import numpy as np
import pytest
from oracles import ORACLES

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.factor import Factor
from vaescope.stats.forms.posterior import gaussian
from vaescope.stats.forms.turning import best_turn
from vaescope.stats.measure import MEASURES
from vaescope.stats.measures.procrustes import Procrustes
from vaescope.stats.measures.procrustes_angle import ProcrustesAngle
from vaescope.stats.measures.svcca import SVCCA
from vaescope.stats.similarity import similarity

NAMES = ("procrustes", "procrustes_angle", "bures", "cca", "svcca", "pwcca", "linear_regression", "permutation")
CORRELATED = ("cca", "svcca", "pwcca", "linear_regression")


def pair(seed: int, n: int = 120, p: int = 9, q: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Related representations that are neither aligned nor independent."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, 3))
    x = shared @ rng.standard_normal((3, p)) + rng.standard_normal((n, p))
    y = shared @ rng.standard_normal((3, q)) + rng.standard_normal((n, q))
    return x + rng.standard_normal(p), y * np.geomspace(1, 3, q)


def hard(n: int, p: int, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, n, p))
    y = y + x[:, ::-1]
    power = {"i^-1": -1.0, "i^-2": -2.0}.get(kind)
    if power is not None:
        x, y = x * np.arange(1, p + 1.0) ** power, y * np.arange(1, p + 1.0) ** power
    if kind == "offset":
        x, y = x + 1e3 * rng.standard_normal(p), y + 1e3
    if kind == "dead":
        x[:, ::2], y[:, ::3] = 7.0, 0.0
    if kind == "duplicates":
        x, y = np.repeat(x[: n // 2], 2, axis=0), np.repeat(y[: n // 2], 2, axis=0)
    return x.astype(np.float32), y.astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-6)])
def test_it_agrees_with_its_definition(name, seed, dtype, tolerance):
    x, y = (a.astype(dtype) for a in pair(seed))
    for a, b in ((x, y), (y, x)):
        assert similarity(a, b, name) == pytest.approx(ORACLES[name](a, b), rel=tolerance)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "permutation"])
@pytest.mark.parametrize("kind", ["plain", "i^-1", "i^-2", "offset", "dead", "duplicates"])
@pytest.mark.parametrize(("n", "p"), [(150, 20), (60, 300), (400, 64)])
def test_the_hard_set_is_right_to_four_digits_or_refused(name, kind, n, p):
    x, y = hard(n, p, kind)
    refusal = ""
    try:
        score = similarity(x, y, name)
    except RepresentationError as error:
        refusal, score = error.reason, np.nan
    if refusal:
        assert refusal in ("too_few", "ill_conditioned")
        assert name in CORRELATED
        assert p > n or kind == "i^-2"
        return
    a, b = (z[:, z.std(axis=0) > 0] for z in (x, y))
    assert score == pytest.approx(ORACLES[name](a, b), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_scales_change_nothing(name, scale):
    x, y = (a.astype(np.float32) for a in pair(1))
    assert similarity(x * np.float32(scale), y, name) == pytest.approx(similarity(x, y, name), rel=2e-6)


def test_procrustes_agrees_with_scipy():
    from scipy.linalg import orthogonal_procrustes

    x, y = (a - a.mean(axis=0) for a in pair(2, p=7, q=7))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    _, scale = orthogonal_procrustes(x, y)
    assert similarity(x, y, "procrustes") == pytest.approx(scale, rel=1e-12)
    assert np.cos(similarity(x, y, "procrustes_angle")) == pytest.approx(scale, rel=1e-12)


def test_cca_agrees_with_scikit_learn():
    from sklearn.cross_decomposition import CCA

    x, y = pair(3, n=400, p=5, q=3)
    u, v = CCA(n_components=3, max_iter=20_000, tol=1e-12).fit_transform(x, y)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(u.T, v.T, strict=True)]
    assert similarity(x, y, "cca") == pytest.approx(np.mean(correlations), rel=1e-6)


def test_linear_regression_agrees_with_scikit_learn():
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    x, y = pair(4)
    expected = r2_score(y, LinearRegression().fit(x, y).predict(x), multioutput="variance_weighted")
    assert similarity(x, y, "linear_regression") == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("angle", [1e-1, 1e-2, 1e-3, 1e-4])
def test_small_angles_keep_their_digits(angle):
    rng = np.random.default_rng(0)
    x, other = np.linalg.qr(rng.standard_normal((300, 40)))[0].reshape(300, 2, 20).transpose(1, 0, 2)
    x = np.hstack([x, other])
    x -= x.mean(axis=0)
    away = rng.standard_normal(x.shape)
    away -= away.mean(axis=0)
    y = x / np.linalg.norm(x) + angle * away / np.linalg.norm(away)
    expected = ORACLES["procrustes_angle"](x, y)
    assert expected > angle / 3
    assert similarity(x, y, "procrustes_angle") == pytest.approx(expected, rel=1e-8, abs=1e-11)
    x, y = x.astype(np.float32), y.astype(np.float32)
    expected = ORACLES["procrustes_angle"](x, y)
    assert similarity(x, y, "procrustes_angle") == pytest.approx(expected, rel=1e-6, abs=5e-8)


def test_angles_close_triangles_where_similarities_do_not_and_rotated_copies_are_at_zero():
    rng = np.random.default_rng(0)
    zoo = [rng.standard_normal((30, p)) for p in (3, 5, 40, 3)]
    zoo.append(np.hstack([zoo[0], zoo[3]]))
    d = np.array([[similarity(a, b, "procrustes_angle") for a in zoo] for b in zoo])
    assert (d[:, None, :] <= d[:, :, None] + d[None, :, :] + 1e-9).all()
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    assert similarity(zoo[1], zoo[1] @ turn, "procrustes_angle") < 1e-7


@pytest.mark.parametrize("energy", [0.9, 0.99, 0.999])
@pytest.mark.parametrize(("n", "p"), [(80, 30), (60, 120)])
def test_the_energy_cut_stays_within_its_proven_bound_and_is_no_idle_option(energy, n, p):
    x, y = (a.astype(np.float64) for a in hard(n, p, "i^-1"))
    cut = similarity(x, y, Procrustes(energy=energy)) - similarity(x, y, "procrustes")
    assert -2 * np.sqrt(1 - energy) <= cut <= 1 - energy
    assert abs(cut) > 1e-9
    turned = similarity(x, y, ProcrustesAngle(energy=energy)) - similarity(x, y, "procrustes_angle")
    assert abs(turned) <= 2 * np.arccos(np.sqrt(energy))
    full, less = (Procrustes(e).prepare(x) for e in (None, energy))
    assert less.rank < full.rank


@pytest.mark.parametrize("energy", [0.0, 1.0, -1.0, 2.0])
@pytest.mark.parametrize("measure", [Procrustes, SVCCA])
def test_energies_that_are_no_share_are_refused(measure, energy):
    with pytest.raises(UsageError, match="between 0 and 1"):
        measure(energy=energy)


def test_svcca_keeps_as_much_of_the_variance_as_it_is_told():
    x, y = hard(200, 40, "i^-1")
    assert SVCCA(energy=0.5).prepare(x).rank < SVCCA().prepare(x).rank < SVCCA(energy=0.999).prepare(x).rank
    assert similarity(x, y, SVCCA(energy=0.99)) == similarity(x, y, "svcca")
    assert similarity(x, y, SVCCA(energy=0.5)) != similarity(x, y, "svcca")


def test_svcca_keeps_components_of_equal_variance_together():
    rng = np.random.default_rng(0)
    equal = np.linalg.qr(rng.standard_normal((60, 21)))[0][:, 1:]
    equal = np.linalg.qr(equal - equal.mean(axis=0))[0]
    turned = equal @ np.linalg.qr(rng.standard_normal((20, 20)))[0]
    assert SVCCA(energy=0.7).prepare(equal).rank == 20
    assert similarity(equal, turned, SVCCA(energy=0.7)) == pytest.approx(1, abs=1e-9)


def test_factors_drop_what_does_not_vary():
    x = np.random.default_rng(0).standard_normal((200, 60)).astype(np.float32)
    x[:, 10:40] = 3.0
    assert Factor.of(Examples(x)).rank == 30
    low = (x[:, :5] @ np.random.default_rng(1).standard_normal((5, 100))).astype(np.float32)
    assert Factor.of(Examples(low)).rank == 5
    wide = (x[:100, :5] @ np.random.default_rng(1).standard_normal((5, 300))).astype(np.float32)
    assert Factor.of(Examples(wide)).rank == 5


@pytest.mark.parametrize("name", ["cca", "pwcca"])
@pytest.mark.parametrize("p", [29, 30, 200])
def test_features_that_span_everything_are_refused_with_advice(name, p):
    x, y = pair(0, 30, p, 4)
    for a, b in ((x, y), (y, x)):
        with pytest.raises(RepresentationError, match="Use svcca, or more examples") as caught:
            similarity(a, b, name)
        assert caught.value.reason == "too_few"
    assert similarity(x[:, :27], y, name) < 1


def test_regression_takes_wide_targets_but_no_wide_predictors():
    wide, narrow = pair(0, 30, 200, 4)
    with pytest.raises(RepresentationError, match="x, from which y is predicted") as caught:
        similarity(wide, narrow, "linear_regression")
    assert caught.value.reason == "too_few"
    assert similarity(narrow, wide, "linear_regression") == pytest.approx(ORACLES["linear_regression"](narrow, wide))


def test_cca_counts_directions_of_any_scale_but_none_that_are_rounding():
    x, y = pair(0, 200, 6, 5)
    scales = np.geomspace(1e-8, 1e8, 6)
    expected = similarity(x, y, "cca")
    assert similarity((x * scales).astype(np.float32), y.astype(np.float32), "cca") == pytest.approx(expected, rel=1e-5)
    redundant = np.hstack([x, x @ np.random.default_rng(0).standard_normal((6, 9))]).astype(np.float32)
    assert similarity(redundant, y.astype(np.float32), "cca") == pytest.approx(expected, rel=1e-6)


def test_cca_refuses_directions_that_float32_does_not_tell_from_none():
    x, y = pair(0, 200, 6, 5)
    shadow = x[:, :1] + 2e-6 * np.random.default_rng(0).standard_normal((200, 1))
    shaded = np.hstack([x, shadow])
    with pytest.raises(RepresentationError) as caught:
        similarity(shaded.astype(np.float32), y.astype(np.float32), "cca")
    assert caught.value.reason == "ill_conditioned"
    assert similarity(shaded, y, "cca") == pytest.approx(ORACLES["cca"](shaded, y), rel=1e-8)


def test_pwcca_of_shared_features_does_not_depend_on_the_order_of_their_examples_or_units():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 8))
    y = np.hstack([x[:, :5] @ rng.standard_normal((5, 5)), rng.standard_normal((100, 2))])
    expected, order = similarity(x, y, "pwcca"), rng.permutation(100)
    assert similarity(x[order], y[order], "pwcca") == pytest.approx(expected, rel=1e-9)
    assert similarity(x[:, ::-1], y, "pwcca") == pytest.approx(expected, rel=1e-9)
    assert similarity(x, y @ rng.standard_normal((7, 7)), "pwcca") == pytest.approx(expected, rel=1e-9)


def test_pwcca_has_no_score_where_its_weights_are_not_determined():
    q = np.linalg.qr(np.hstack([np.ones((40, 1)), np.random.default_rng(0).standard_normal((40, 8))]))[0][:, 1:]
    with pytest.raises(RepresentationError) as caught:
        similarity(q[:, :5], np.hstack([q[:, 5:7], q[:, :1]]), "pwcca")
    assert caught.value.reason == "ill_conditioned"


def test_permutation_finds_the_units_again_and_can_be_negative():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 30))
    assert similarity(x, 2 * x[:, rng.permutation(30)] + 1, "permutation") == pytest.approx(1, abs=1e-12)
    assert similarity(x, -x, "permutation") < similarity(x, -x, "procrustes") == pytest.approx(1)
    assert similarity(x[:, :1], -x[:, :1], "permutation") == pytest.approx(-1)
    assert similarity(x[:, :12], x[:, 8:], "permutation") == pytest.approx(ORACLES["permutation"](x[:, :12], x[:, 8:]))


def test_permutation_refuses_more_units_than_it_can_match():
    wide = np.random.default_rng(0).standard_normal((5, 4097), dtype=np.float32)
    with pytest.raises(RepresentationError, match="at most 4,096 units") as caught:
        similarity(wide, wide, "permutation")
    assert caught.value.reason == "too_wide"


@pytest.mark.parametrize("name", ["procrustes", "cca", "svcca"])
def test_a_block_gives_the_bits_of_its_pairs_however_it_is_cut(name):
    measure = MEASURES[name]()
    widths = (5, 8, 33, 40, 61)
    forms = [measure.prepare(pair(k, 90, widths[k % 5], 4)[0].astype(np.float32)) for k in range(20)]
    block = measure.block(forms, forms[:7])
    assert np.array_equal(block[3:9], measure.block(forms[3:9], forms[:7]))
    assert all(block[i, j] == measure.compare(forms[i], forms[j]) for i in range(20) for j in range(7))


def posterior(seed: int, n: int, d: int, rank: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((n, d, rank or d)) * np.geomspace(0.6, 0.2, d)[:, None]
    means = rng.standard_normal((n, d)) * np.geomspace(1, 0.3, d)
    return gaussian(means, covariance=parts @ parts.swapaxes(1, 2))


@pytest.mark.parametrize(("d", "e", "rank"), [(1, 1, None), (2, 2, None), (3, 3, None), (3, 2, None), (3, 3, 1)])
def test_the_gaussian_shape_distance_is_the_least_over_rotations(d, e, rank):
    x, y = posterior(0, 15, d, rank), posterior(1, 15, e, rank and min(rank, e))
    found, expected = similarity(x, y, "gaussian_shape"), ORACLES["gaussian_shape"](x, y)
    assert found <= expected + 1e-6
    assert found == pytest.approx(expected, rel=1e-5)


def test_no_random_start_finds_a_better_rotation():
    from vaescope.stats.measures.gaussian_shape import Posterior, distance

    for seed in range(3):
        forms = [Posterior.of(Examples(posterior(2 * seed + k, 40, 4))) for k in range(2)]
        (x, a), (y, b) = ((np.asarray(f.means), np.asarray(f.roots)) for f in forms)
        best = best_turn(x, a, y, b)
        found = distance(x, a, y @ best.T, b @ best.T)
        rng = np.random.default_rng(seed)
        for _ in range(300):
            turn = np.linalg.qr(best + 0.3 * rng.standard_normal((4, 4)) * rng.integers(2, 9))[0]
            assert found <= distance(x, a, y @ turn.T, b @ turn.T) + 1e-12


def test_gaussian_shapes_of_no_noise_are_procrustes_of_the_means():
    x, y = pair(5, 60, 4, 3)
    rows = [gaussian(a, covariance=np.zeros((60, a.shape[1], a.shape[1]))) for a in (x, y)]
    expected = np.sqrt(2 - 2 * similarity(x, y, "procrustes"))
    assert similarity(*rows, "gaussian_shape") == pytest.approx(expected, rel=1e-7)


def test_gaussian_shapes_see_the_noise_that_means_do_not():
    rng = np.random.default_rng(0)
    mean, log_var = rng.standard_normal((80, 3)), rng.standard_normal((80, 3))
    sure = gaussian(mean, log_var)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    variances = np.exp(log_var)
    turned = gaussian(3 * mean @ turn + 5, covariance=9 * np.einsum("ji,nj,jk->nik", turn, variances, turn))
    assert similarity(sure, turned, "gaussian_shape") < 1e-7
    assert similarity(sure, gaussian(mean, rng.permutation(log_var)), "gaussian_shape") > 0.1
    assert similarity(sure.astype(np.float32), turned.astype(np.float32), "gaussian_shape") < 1e-5


def test_gaussian_rows_come_from_torch_as_well():
    import torch

    mean, log_var = torch.zeros(4, 2, requires_grad=True), torch.ones(4, 2)
    rows = gaussian(mean, log_var)
    assert rows.shape == (4, 6)
    assert rows.dtype == np.float32
    assert np.allclose(rows[0], [0, 0, np.e, 0, 0, np.e])


@pytest.mark.parametrize(
    "given", [{}, {"log_var": np.zeros((4, 3))}, {"covariance": np.zeros((4, 2))}, {"log_var": 0, "covariance": 0}]
)
def test_posteriors_whose_shapes_do_not_fit_are_refused(given):
    with pytest.raises(UsageError, match="gaussian: "):
        gaussian(np.zeros((4, 2)), **given)


def test_rows_that_are_no_posteriors_are_refused():
    good = posterior(0, 10, 2)
    negative, skew, dead = good.copy(), good.copy(), np.tile(good[:1], (10, 1))
    negative[3, 2:] = [1, 0, 0, -1]
    skew[4, 3] += 1
    for bad, reason, word in (
        (negative, "ill_conditioned", "negative eigenvalue"),
        (skew, "ill_conditioned", "symmetric"),
        (dead, "zero_variance", "collapsed"),
        (good[:, :5], "shape_mismatch", "d \\+ d \\* d"),
        (np.zeros((10, 65 * 66)) + np.arange(10)[:, None], "too_wide", "latents"),
    ):
        with pytest.raises(RepresentationError, match=word) as caught:
            similarity(bad, good, "gaussian_shape")
        assert caught.value.reason == reason
