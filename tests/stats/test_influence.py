import numpy as np
import pytest
from oracles import ORACLES, debiased_cka, trace_cka, u_centred

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.certainty.influence import concentration, heaviest, influence, leave_one_out, without_top
from vaescope.stats.forms.examples import Examples
from vaescope.stats.forms.gram import LinearGram


def pair(n, p, q, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.gamma(1, size=(n, p)) + 3
    return x, rng.gamma(1, size=(n, q)) + x[:, :1]


@pytest.mark.parametrize(("p", "q"), [(2, 3), (40, 60), (3, 60)])
def test_influence_is_the_share_of_each_row_in_the_product_of_the_u_centred_matrices(p, q):
    x, y = pair(20, p, q)
    products = u_centred(x) * u_centred(y)
    np.testing.assert_allclose(influence(x, y), products.sum(axis=1) / products.sum(), atol=1e-12)


@pytest.mark.parametrize(("p", "q"), [(2, 3), (40, 60)])
def test_leave_one_out_is_the_score_of_the_other_examples(p, q):
    x, y = pair(15, p, q)
    expected = [debiased_cka(np.delete(x, i, axis=0), np.delete(y, i, axis=0)) for i in range(15)]
    np.testing.assert_allclose(leave_one_out(x, y), expected, atol=1e-12)


def test_the_concentration_of_a_grid_is_that_of_its_pairs():
    x, y = pair(30, 3, 60)
    forms = [LinearGram.of(Examples(v)) for v in (x, y)]
    for found, at in ((concentration(forms, share=0.1), (0, 1)), (concentration(forms[:1], forms, 0.1), (0, 1))):
        sizes = np.sort(np.abs(influence(x, y)))
        assert found.top_share[at] == pytest.approx(sizes[-3:].sum() / sizes.sum(), rel=1e-9)
        change = np.abs(leave_one_out(x, y) - debiased_cka(x, y)).max()
        assert found.largest_change[at] == pytest.approx(change, abs=1e-12)


@pytest.mark.parametrize(("moved", "by"), [(1, 300.0), (5, 300.0), (15, 60.0)])
def test_a_few_moved_rows_break_cka_are_found_and_left_out(moved, by):
    """Davari et al. (2022): a translated subset; the same at n = 10,000, d = 1024 is in measures.md 5.4."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1_500, 64))
    y = x.copy()
    direction = rng.standard_normal(64)
    y[:moved] += by * direction / np.linalg.norm(direction)
    found = without_top(x, y, "cka_biased", share=0.01)
    assert found.score == pytest.approx(trace_cka(x, y), abs=1e-6)
    assert found.score < 0.75
    assert set(range(moved)) <= set(found.left_out.tolist())
    assert found.without > 0.999
    assert ORACLES["procrustes"](x, y) > found.score


def test_where_all_examples_count_alike_none_are_heavy():
    x = np.random.default_rng(0).standard_normal((400, 200))
    found = without_top(x, x @ np.linalg.qr(np.random.default_rng(1).standard_normal((200, 200)))[0])
    assert found.without == pytest.approx(1, abs=1e-9)
    assert found.share == pytest.approx(0.01, rel=0.5)
    assert len(found.left_out) == 4


def test_what_cannot_be_done_is_said():
    x, y = pair(20, 2, 3)
    with pytest.raises(UsageError, match="between 0 and 1"):
        heaviest(x, y, share=5)
    with pytest.raises(RepresentationError, match="20 and 19"):
        influence(x, y[1:])
    with pytest.raises(RepresentationError, match="at least 5"):
        leave_one_out(x[:4], y[:4])
