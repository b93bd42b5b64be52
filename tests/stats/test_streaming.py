import io
import itertools
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import oracles
import pytest
import torch
from scipy.stats import t as student

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.similarity import similarity
from vaescope.stats.streaming.batch import batch_products
from vaescope.stats.streaming.estimator import StreamingCKA
from vaescope.stats.streaming.metric import streaming_cka_metric
from vaescope.stats.streaming.result import student_t


def song_hsic(x, y, kind=np.float64):
    """Song et al. (2012), equation 5: the unbiased estimate of HSIC, of uncentred features, as torch_cka writes it."""
    n = len(x)
    k, l = (a.astype(kind) @ a.astype(kind).T for a in (x, y))  # noqa: E741
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    ones = np.ones(n, kind)
    total = np.trace(k @ l) + (ones @ k @ ones) * (ones @ l @ ones) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (ones @ k @ l @ ones)) / (n * (n - 3))


def nguyen(batches):
    """Nguyen et al. (2021), equation 2, in float64, batches weighted by n (n - 3)."""
    sums = np.zeros(3)
    for x, y in batches:
        x, y = (a.astype(np.float64) - a.astype(np.float64).mean(axis=0) for a in (x, y))  # HSIC is blind to it
        sums += len(x) * (len(x) - 3) * np.array([song_hsic(x, y), song_hsic(x, x), song_hsic(y, y)])
    return sums[0] / np.sqrt(sums[1] * sums[2])


def stream(batches):
    cka = StreamingCKA()
    for batch in batches:
        cka.update(*batch)
    return cka


def related(rng, n, p=30, q=20, kind=np.float32):
    """Two layers that share a part."""
    common = rng.standard_normal((n, 5))
    both = (common @ rng.standard_normal((5, w)) + 2 * rng.standard_normal((n, w)) for w in (p, q))
    return tuple(a.astype(kind) for a in both)


def same(one, other):
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("sizes", [(40,), (4, 5, 30), (20, 20, 20, 7)], ids=str)
@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-12)])
def test_the_score_is_the_papers_ratio_of_sums(sizes, kind, tolerance):
    rng = np.random.default_rng(0)
    batches = [related(rng, n, kind=kind) for n in sizes]
    assert stream(batches).result().score == pytest.approx(nguyen(batches), rel=tolerance)


def test_one_batch_gives_debiased_cka():
    x, y = related(np.random.default_rng(1), 60)
    assert stream([(x, y)]).result().score == pytest.approx(oracles.debiased_cka(x, y), rel=1e-6)
    assert stream([(x, y)]).result().score == pytest.approx(similarity(x, y, "cka"), rel=1e-6)


HARD = {
    "offset 1e3": lambda rng, n, p: 1e3 + rng.standard_normal((n, p)),
    "relu, offset 30": lambda rng, n, p: 30 + np.maximum(rng.standard_normal((n, p)), 0),
    "relu": lambda rng, n, p: np.maximum(rng.standard_normal((n, p)) + 0.3, 0),
    "mean as long as the spread": lambda rng, n, p: 1 + rng.standard_normal((n, p)),
    "spectrum 1/i": lambda rng, n, p: rng.standard_normal((n, p)) / np.arange(1, p + 1),
    "spectrum 1/i^2": lambda rng, n, p: rng.standard_normal((n, p)) / np.arange(1, p + 1) ** 2,
    "a mean that moves": lambda rng, n, p: rng.normal(scale=50, size=p) + rng.standard_normal((n, p)),
    "one outlier": lambda rng, n, p: rng.standard_normal((n, p)) * np.where(np.arange(n) == 0, 1e3, 1)[:, None],
    "duplicate rows": lambda rng, n, p: np.repeat(rng.standard_normal((n // 2, p)), 2, axis=0),
}


@pytest.mark.parametrize("p", [3, 512, 9_000])
@pytest.mark.parametrize("name", HARD)
def test_hard_features_in_float32_err_by_at_most_1e_4(name, p):
    rng = np.random.default_rng([len(name), p])
    batches = []
    for _ in range(3):
        x = HARD[name](rng, 64, p).astype(np.float32)
        y = (x - x.mean(axis=0)) @ rng.standard_normal((p, 4)) / np.sqrt(p) + rng.standard_normal((64, 4)) * x.std()
        batches.append((x, (7 + y).astype(np.float32)))
    expected = nguyen(batches)
    assert stream(batches).result().score == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-22, 1e-20, 1e-12, 1e12, 1e20])
def test_the_scale_does_not_matter(scale, kind):
    rng = np.random.default_rng(2)
    batches = [related(rng, 32, kind=kind) for _ in range(3)]
    scaled = stream([(x * kind(scale), y) for x, y in batches]).result()
    plain = stream(batches).result()
    assert scaled.score == pytest.approx(plain.score, rel=1e-6)
    assert scaled.standard_errors[0, 0] == pytest.approx(plain.standard_errors[0, 0], rel=1e-5)


@pytest.mark.parametrize("scale", [1e-200, 1e-90, 1e90, 1e200])
def test_squares_beyond_float64_have_a_reason_and_no_score(scale):
    rng = np.random.default_rng(2)
    x, y = related(rng, 32, kind=np.float64)
    result = stream([({"x": x * scale, "fine": x}, y)]).result()
    assert result.reasons.tolist() == [["ill_conditioned"], ["ok"]]
    assert np.isnan(result.scores).tolist() == [[True], [False]]
    assert "Multiply" in " ".join(result.warnings)


def test_every_layer_is_compared_with_every_other():
    rng = np.random.default_rng(3)
    batches = [dict(zip("abcd", related(rng, 20) + related(rng, 20, 7, 3), strict=True)) for _ in range(4)]
    two = stream([({k: b[k] for k in "ab"}, {k: b[k] for k in "bcd"}) for b in batches]).result()
    one = stream([(b,) for b in batches]).result()
    assert (two.x_layers, two.y_layers, one.y_layers) == (("a", "b"), ("b", "c", "d"), tuple("abcd"))
    for (i, a), (j, b) in itertools.product(enumerate("abcd"), repeat=2):
        expected = nguyen([(batch[a], batch[b]) for batch in batches])
        assert one.scores[i, j] == pytest.approx(expected, abs=1e-6)
        if a in "ab" and b != "a":
            assert two.scores[i, two.y_layers.index(b)] == one.scores[i, j]
    assert np.array_equal(one.scores, one.scores.T)
    assert (one.scores.diagonal() == 1).all()
    assert two.scores[1, 0] == 1
    for (i, a), (j, b) in itertools.product(enumerate("ab"), enumerate("bcd")):
        alone = stream([(batch[a], batch[b]) for batch in batches]).result()
        assert two.standard_errors[i, j] == pytest.approx(alone.standard_errors[0, 0], rel=1e-6, abs=1e-7)


def test_layers_that_differ_in_one_value_are_not_taken_for_one():
    rng = np.random.default_rng(3)
    x, _ = related(rng, 40)
    y = x.copy()
    y[33, 2] += 100
    assert stream([(x, y)]).result().score == pytest.approx(nguyen([(x, y)]), rel=1e-6)


def test_lists_and_mappings_in_another_order_are_the_same_layers():
    rng = np.random.default_rng(4)
    x, y = related(rng, 20)
    first, second = stream([([x, y],)]), stream([({"0": x, "1": y},)])
    second.update({"1": y, "0": x})
    first.update((x, y))
    assert same(first.state(), second.state())


def test_the_truth_is_met_at_every_size_of_batch_where_the_mean_of_biased_scores_is_far_off():
    """measures.md 5.2: truth .091; mean biased CKA .97 at batch 8, .25 at 1,024."""
    rng = np.random.default_rng(5)
    n, p = 4_096, 512
    common = rng.standard_normal((n, p))
    x, y = (np.sqrt(0.3) * common + np.sqrt(0.7) * rng.standard_normal((n, p)) for _ in range(2))
    truth = similarity(x, y, "cka")
    biased = {}
    for size in (8, 32, 64, 256, 1024):
        batches = [(x[i : i + size], y[i : i + size]) for i in range(0, n, size)]
        assert stream(batches).result().score == pytest.approx(truth, abs=0.006)
        if size in (8, 1024):
            biased[size] = np.mean([oracles.trace_cka(*batch) for batch in batches[:16]])
    assert 0.08 < truth < 0.1
    assert biased[8] > 0.9
    assert biased[1024] > truth + 0.1


def test_the_trace_form_in_float32_goes_below_zero_where_this_one_is_exact():
    """measures.md 5.2: why torch_cka gives NaN (unit noise + 10, batches of 32, 512 features)."""
    rng = np.random.default_rng(6)
    batches = [(10 + rng.standard_normal((32, 512))).astype(np.float32) for _ in range(50)]
    assert sum(song_hsic(x, x, np.float32) <= 0 for x in batches) >= 3
    ours = [batch_products([x]).products[0, 0] * 2 / (32 * 29) for x in batches]
    exact = [song_hsic(x - x.mean(axis=0), x - x.mean(axis=0)) for x in (b.astype(np.float64) for b in batches)]
    np.testing.assert_allclose(ours, exact, rtol=1e-5)


def test_independent_layers_score_near_zero_and_below_it_too():
    rng = np.random.default_rng(7)
    scores = [
        stream([(rng.standard_normal((16, 50)), rng.standard_normal((16, 50))) for _ in range(5)]).result().score
        for _ in range(60)
    ]
    assert 10 < sum(score < 0 for score in scores) < 50
    assert abs(np.mean(scores)) < 0.02


def test_merged_streams_are_one_stream():
    rng = np.random.default_rng(8)
    batches = [related(rng, 16) for _ in range(12)]
    whole = stream(batches)
    a, b, c = (stream(batches[i : i + 4]) for i in (0, 4, 8))
    before = b.state()
    a.merge(b)
    a.merge(c)
    one, other = whole.result(), a.result()
    assert other.score == pytest.approx(one.score, rel=1e-14)
    np.testing.assert_allclose(other.standard_errors, one.standard_errors, rtol=1e-9)
    assert (other.batches, other.examples) == (12, 192)
    assert same(b.state(), before)


def test_merging_does_not_ask_for_an_order():
    rng = np.random.default_rng(9)
    batches = [related(rng, 16) for _ in range(2)]
    a, b = (stream([batch]) for batch in batches)
    c, d = (stream([batch]) for batch in reversed(batches))
    a.merge(b)
    c.merge(d)
    assert same(a.state(), c.state())


def test_merging_with_an_empty_stream_changes_nothing():
    x, y = related(np.random.default_rng(10), 16)
    copy = StreamingCKA()
    copy.merge(stream([(x,)]))
    assert same(copy.state(), stream([(x,)]).state())
    full, empty = stream([(x, y)]), StreamingCKA()
    before = full.state()
    full.merge(StreamingCKA())
    empty.merge(full)
    assert same(full.state(), before)
    assert same(empty.state(), before)
    empty.update(x, y)
    assert same(full.state(), before)


def test_streams_of_other_layers_are_not_merged():
    rng = np.random.default_rng(11)
    x, y = related(rng, 16)
    one = stream([(x, y)])
    for other in (stream([(x[:, 1:], y)]), stream([(x,)]), stream([({"a": x}, y)])):
        with pytest.raises(UsageError, match="same layers"):
            one.merge(other)
    assert one.result().batches == 1


def test_the_order_of_batches_rows_and_units_does_not_matter():
    rng = np.random.default_rng(12)
    batches = [related(rng, 16) for _ in range(8)]
    shuffled = []
    for i in rng.permutation(8):
        rows = rng.permutation(16)
        shuffled.append((batches[i][0][rows][:, ::-1], batches[i][1][rows]))
    assert stream(shuffled).result().score == pytest.approx(stream(batches).result().score, rel=1e-6)


def test_short_batches_wait_for_the_next_one():
    rng = np.random.default_rng(13)
    x, y = related(rng, 23)
    cuts = [0, 10, 12, 20, 21, 22, 23]
    cka = stream([(x[i:j], y[i:j]) for i, j in itertools.pairwise(cuts)])
    result = cka.result()
    expected = nguyen([(x[:10], y[:10]), (x[10:20], y[10:20])])
    assert result.score == pytest.approx(expected, rel=1e-6)
    assert (result.batches, result.examples, result.left_out) == (2, 20, 3)
    assert "3 examples are not in the scores" in result.warnings[0]
    other = stream([(x[:2], y[:2])])
    assert other.result().reasons.tolist() == [["too_few"]]
    cka.merge(other)
    result = cka.result()
    joined = tuple(np.concatenate([a[20:], a[:2]]) for a in (x, y))
    assert result.score == pytest.approx(nguyen([(x[:10], y[:10]), (x[10:20], y[10:20]), joined]), rel=1e-6)
    assert (result.batches, result.examples, result.left_out) == (3, 25, 0)


def test_waiting_rows_are_copies():
    x, y = related(np.random.default_rng(14), 6)
    kept = x.copy()
    cka = stream([(x[:3], y[:3])])
    x[:3] = 0
    cka.update(x[3:], y[3:])
    assert cka.result().score == pytest.approx(nguyen([(kept, y)]), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_values_name_their_layer_and_leave_the_others_alone(bad):
    rng = np.random.default_rng(15)
    batches = [dict(zip("abc", (*related(rng, 20), rng.standard_normal((20, 4))), strict=True)) for _ in range(3)]
    clean = stream([(b,) for b in batches]).result()
    batches[1]["b"][7, 3] = bad
    result = stream([(b,) for b in batches]).result()
    assert result.reasons.tolist() == [
        ["ok", "non_finite", "ok"],
        ["non_finite"] * 3,
        ["ok", "non_finite", "ok"],
    ]
    rest = np.ix_([0, 2], [0, 2])
    assert np.array_equal(result.scores[rest], clean.scores[rest])
    assert np.array_equal(np.isnan(result.scores), result.reasons != "ok")
    assert [w for w in result.warnings if "'b'" in w] == ["x, layer 'b': NaN or infinite values in 1 of 3 batches."]


CONSTANT = {
    "zeros": np.zeros((20, 6), np.float32),
    "ones": np.full((20, 6), 1.1, np.float32),
    "wide": np.full((20, 9_000), 1e20, np.float32),
    "tiny": np.full((20, 2), 1e-44, np.float32),
    "below rounding": (1e3 + 1e-4 * np.random.default_rng(0).standard_normal((20, 9))).astype(np.float32),
    "equidistant": np.eye(20, dtype=np.float32) * 3,
    "equidistant, turned": np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0].astype(np.float32),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_dead_layers_have_a_reason_and_leave_the_others_alone(name):
    rng = np.random.default_rng(16)
    batches = [related(rng, 20) for _ in range(3)]
    result = stream([({"dead": CONSTANT[name], "x": x}, y) for x, y in batches]).result()
    assert result.reasons.tolist() == [["zero_variance"], ["ok"]]
    assert np.isnan(result.scores[0, 0])
    assert result.scores[1, 0] == stream(batches).result().score
    assert any("'dead'" in w for w in result.warnings)


def test_dead_units_change_nothing():
    rng = np.random.default_rng(17)
    batches = [related(rng, 20) for _ in range(3)]
    wider = [(np.hstack([x, np.full((20, 5), 1e7, np.float32)]), y) for x, y in batches]
    assert stream(wider).result().score == pytest.approx(stream(batches).result().score, rel=1e-5)


def test_a_layer_that_is_dead_in_one_batch_still_has_a_score():
    rng = np.random.default_rng(18)
    batches = [related(rng, 20) for _ in range(3)]
    batches[1] = (np.zeros_like(batches[1][0]), batches[1][1])
    result = stream(batches).result()
    assert result.reasons.tolist() == [["ok"]]
    assert result.score == pytest.approx(nguyen(batches), rel=1e-6)


def test_the_standard_error_is_that_of_the_delete_one_batch_jackknife():
    rng = np.random.default_rng(19)
    batches = [related(rng, 32) for _ in range(60)]
    left = np.array([stream(batches[:i] + batches[i + 1 :]).result().score for i in range(60)])
    jackknife = np.sqrt(59 / 60 * ((left - left.mean()) ** 2).sum())
    assert stream(batches).result().standard_errors[0, 0] == pytest.approx(jackknife, rel=0.05)


def test_the_standard_error_adds_the_squared_influence_of_each_batch():
    rng = np.random.default_rng(19)
    batches = [related(rng, n, kind=np.float64) for n in (8, 20, 20, 33)]
    terms = np.array(
        [[len(x) * (len(x) - 3) * song_hsic(*pair) for pair in ((x, y), (x, x), (y, y))] for x, y in batches]
    )
    xy, xx, yy = terms.sum(axis=0)
    slopes = np.array([1, -xy / (2 * xx), -xy / (2 * yy)]) / np.sqrt(xx * yy)  # of xy / sqrt(xx yy)
    expected = np.sqrt(4 / 3 * ((terms @ slopes) ** 2).sum())
    assert stream(batches).result().standard_errors[0, 0] == pytest.approx(expected, rel=1e-8)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(20)
    mix = rng.standard_normal((4, 10))

    def draw(n):
        x = rng.standard_normal((n, 4))
        return x, x @ mix + 4 * rng.standard_normal((n, 10))

    truth = stream([draw(1_000) for _ in range(30)]).result().score
    covered, runs = 0, 150
    for _ in range(runs):
        lower, upper = stream([draw(40) for _ in range(12)]).result().interval(0.9)
        covered += lower[0, 0] <= truth <= upper[0, 0]
    assert 0.8 < covered / runs < 0.97


def test_one_batch_has_no_standard_error_and_says_so():
    result = stream([related(np.random.default_rng(21), 20)]).result()
    assert np.isnan(result.standard_errors).all()
    assert np.isfinite(result.score)
    assert "no standard error" in result.warnings[0]
    many = stream([related(np.random.default_rng(i), 20) for i in range(10)]).result()
    assert many.warnings == ()


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 11, 200])
@pytest.mark.parametrize("probability", [0.6, 0.95, 0.975, 0.995])
def test_quantiles_of_student_are_right(freedom, probability):
    assert student_t(probability, freedom) == pytest.approx(student.ppf(probability, freedom), rel=0.01)


def test_a_result_becomes_a_tidy_frame():
    rng = np.random.default_rng(22)
    batches = [related(rng, 20) for _ in range(3)]
    result = stream([({"a": x, "dead": x * 0}, y) for x, y in batches]).result()
    frame = result.to_pandas(confidence=0.9)
    assert frame.columns.tolist() == ["x", "y", "score", "standard_error", "lower", "upper", "reason"]
    assert frame[["x", "y", "reason"]].values.tolist() == [["a", "y", "ok"], ["dead", "y", "zero_variance"]]
    assert frame.lower[0] < frame.score[0] < frame.upper[0]
    assert frame.score[1:].isna().all()
    with pytest.raises(UsageError, match="one pair"):
        _ = result.score
    with pytest.raises(UsageError, match="between 0 and 1"):
        result.interval(95)


def test_memory_does_not_grow_with_the_stream():
    rng = np.random.default_rng(23)
    batches = [related(rng, 100, 300, 200) for _ in range(4)]  # 0.2 MB each
    cka = stream(batches)
    sizes, peaks = [], []
    tracemalloc.start()
    try:
        for i in range(50):
            tracemalloc.reset_peak()
            cka.update(*batches[i % 4])
            sizes.append(tracemalloc.get_traced_memory()[0])
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert sizes[-1] - sizes[0] < 60_000  # empty tuples that Python keeps for later, and never more than 0.1 MB of them
    assert peaks[-1] - peaks[0] < 60_000
    assert sum(values.nbytes for values in cka.state().values()) < 500


def test_the_state_crosses_processes_as_plain_arrays():
    rng = np.random.default_rng(24)
    batches = [related(rng, n) for n in (20, 20, 3)]
    cka = stream(batches)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **cka.state())
    buffer.seek(0)
    again = StreamingCKA.from_state(np.load(buffer, allow_pickle=False))
    for one in (cka, again):
        one.update(*related(np.random.default_rng(25), 8))
    assert same(again.state(), cka.state())
    assert again.result().examples == 51
    empty = StreamingCKA.from_state(StreamingCKA().state())
    empty.update(*batches[0])
    assert same(empty.state(), stream(batches[:1]).state())


def test_a_state_that_is_none_is_refused():
    state = stream([related(np.random.default_rng(26), 20)]).state()
    short = {name: values for name, values in state.items() if name != "sum_xy"}
    for bad in ({}, {"version": np.array(99)}, short, state | {"sum_xx": np.zeros(3)}):
        with pytest.raises(UsageError):
            StreamingCKA.from_state(bad)


def test_reset_forgets_everything():
    rng = np.random.default_rng(27)
    cka = stream([related(rng, 20), related(rng, 2)])
    cka.reset()
    assert same(cka.state(), StreamingCKA().state())
    with pytest.raises(UsageError, match="first update"):
        cka.result()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x, y: (x[1:], y), "shape_mismatch"),
        (lambda x, y: (x[:, 1:], y), "shape_mismatch"),
        (lambda x, y: (np.float32(1), y), "shape_mismatch"),
        (lambda x, y: (x[:, :0], y), "shape_mismatch"),
        (lambda x, y: (x + 1j, y), "unsupported_type"),
        (lambda x, y: (x.astype(object), y), "unsupported_type"),
        (lambda x, y: (x.tolist(), y), "unsupported_type"),
        (lambda x, y: ([], y), "unsupported_type"),
        (lambda x, y: (np.ma.masked_array(x), y), "unsupported_type"),
        (lambda x, y: (torch.from_numpy(x).to_sparse(), y), "unsupported_type"),
    ],
)
def test_refused_batches_leave_the_stream_as_it_was(change, reason):
    x, y = related(np.random.default_rng(28), 20)
    cka = stream([(x, y)])
    before = cka.state()
    with pytest.raises(RepresentationError) as refused:
        cka.update(*change(x, y))
    assert refused.value.reason == reason
    assert same(cka.state(), before)


def test_other_layers_than_before_are_refused():
    x, y = related(np.random.default_rng(29), 20)
    cka = stream([({"a": x}, y)])
    for batch in (({"b": x}, y), ({"a": x, "b": x}, y), (x, y), ({"a": x},)):
        with pytest.raises(UsageError, match="layers of the first batch"):
            cka.update(*batch)
    assert cka.result().batches == 1


def test_an_empty_batch_adds_nothing():
    x, y = related(np.random.default_rng(30), 20)
    assert same(stream([(x, y), (x[:0], y[:0])]).state(), stream([(x, y)]).state())


FORMS = {
    "torch": torch.from_numpy,
    "requires grad": lambda x: torch.from_numpy(x).requires_grad_(),
    "in a graph": lambda x: torch.from_numpy(x).requires_grad_() * 1,
    "image": lambda x: torch.from_numpy(x).reshape(20, 5, 2, 3),
    "channels last": lambda x: torch.from_numpy(x).reshape(20, 5, 2, 3).to(memory_format=torch.channels_last),
    "fortran": np.asfortranarray,
    "every second": lambda x: np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda x: x[:, ::-1].copy()[:, ::-1],
    "big endian": lambda x: x.astype(">f4"),
}


@pytest.mark.parametrize("name", FORMS)
def test_tensors_and_views_are_what_they_hold(name):
    x, y = related(np.random.default_rng(31), 20)
    given = FORMS[name](x)
    kept = given.detach().clone() if isinstance(given, torch.Tensor) else given.copy()
    assert stream([(given, y)]).result().score == pytest.approx(nguyen([(x, y)]), rel=1e-6)
    assert (given == kept).all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool])
def test_halves_integers_and_booleans_are_computed_wider(kind):
    rng = np.random.default_rng(32)
    x = torch.from_numpy(300 * rng.random((20, 900))).to(kind if kind != torch.bool else torch.int64)
    x = x > 150 if kind == torch.bool else x
    y = rng.standard_normal((20, 3))
    wide = x.to(torch.float64).numpy()
    assert stream([(x, y)]).result().score == pytest.approx(nguyen([(wide, y)]), rel=1e-4)


def test_read_only_inputs_are_taken():
    x, y = related(np.random.default_rng(33), 20)
    x.flags.writeable = False
    assert stream([(x, y)]).result().score == pytest.approx(nguyen([(x, y)]), rel=1e-6)


def test_importing_it_does_not_import_torchmetrics_pandas_or_scipy():
    code = "import vaescope.stats.streaming.estimator, vaescope.stats.streaming.metric, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert not {"torchmetrics", "pandas", "scipy", "torch"} & set(loaded.stdout.split())


def test_a_missing_torchmetrics_says_how_to_get_it():
    code = """
import sys
sys.modules["torchmetrics"] = None
from vaescope.errors import UsageError
from vaescope.stats.streaming.metric import streaming_cka_metric
try:
    streaming_cka_metric()
except UsageError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "pip install vaescope[torchmetrics]" in said


torchmetrics = pytest.importorskip("torchmetrics")


def test_the_metric_is_the_stream():
    rng = np.random.default_rng(34)
    batches = [tuple(map(torch.from_numpy, related(rng, 20))) for _ in range(5)]
    metric = streaming_cka_metric()
    values = [metric(*batch) for batch in batches]
    for value, batch in zip(values, batches, strict=True):
        assert float(value) == stream([batch]).result().score
    result = stream(batches).result()
    assert metric.compute().shape == ()
    assert float(metric.compute()) == pytest.approx(result.score, rel=1e-14)
    assert metric.result().standard_errors[0, 0] == pytest.approx(result.standard_errors[0, 0], rel=1e-9)
    copy, thawed = metric.clone(), pickle.loads(pickle.dumps(metric))  # noqa: S301
    assert copy.compute() == thawed.compute() == metric.compute()
    metric.reset()
    metric.update(*batches[0])
    assert float(metric.compute()) == stream(batches[:1]).result().score
    copy.merge_state(metric)
    assert copy.result().batches == 6


def test_the_metric_takes_layers_and_lives_in_a_collection():
    rng = np.random.default_rng(35)
    batches = [related(rng, 20) for _ in range(3)]
    metrics = torchmetrics.MetricCollection(
        {"cka": streaming_cka_metric(), "mse": torchmetrics.MeanSquaredError()}, compute_groups=False
    )
    alone = streaming_cka_metric(["a", "b"], None)
    for x, y in batches:
        alone.update({"a": x, "b": y})
    metrics["cka"].update(*batches[0])
    metrics["mse"].update(torch.zeros(3), torch.ones(3))
    assert metrics.compute()["cka"] == pytest.approx(stream(batches[:1]).result().score)
    assert np.array_equal(alone.compute().numpy(), stream([({"a": x, "b": y},) for x, y in batches]).result().scores)
    with pytest.raises(UsageError, match="made for"):
        alone.update({"a": x, "c": y})


def test_the_metric_tells_what_it_leaves_out():
    rng = np.random.default_rng(36)
    metric = streaming_cka_metric()
    metric.update(*related(rng, 20))
    metric.update(*related(rng, 3))
    with pytest.warns(UserWarning, match="3 examples are not in the scores"):
        metric.compute()


WORKER = """
import sys
import numpy as np
import torch
from vaescope.stats.streaming.metric import streaming_cka_metric

rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
rng = np.random.default_rng(rank)
metric = streaming_cka_metric()
for _ in range(3 + rank):
    x = rng.standard_normal((20, 6))
    metric.update(x, x[:, :3] + rng.standard_normal((20, 3)))
print(repr(float(metric.compute())))
torch.distributed.destroy_process_group()
"""


def test_two_processes_compute_the_score_of_both_streams(tmp_path):
    commands = [[sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store")] for rank in range(2)]
    running = [subprocess.Popen(c, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    said = [process.communicate(timeout=200) for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    whole = StreamingCKA()
    for rank in range(2):
        rng = np.random.default_rng(rank)
        for _ in range(3 + rank):
            x = rng.standard_normal((20, 6))
            whole.update(x, x[:, :3] + rng.standard_normal((20, 3)))
    assert [float(out) for out, _ in said] == pytest.approx([whole.result().score] * 2, rel=1e-14)
