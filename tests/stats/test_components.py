import numpy as np
import pytest
from oracles import ORACLES

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.certainty.components import component_curve, default_ks


def principal(x, k):
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return (u * s)[:, :k]


@pytest.mark.parametrize("measure", ["cka", "cka_biased", "procrustes"])
@pytest.mark.parametrize("keep", ["x", "y", "both"])
@pytest.mark.parametrize(("p", "q"), [(4, 9), (9, 4), (60, 5), (60, 70)])
def test_each_score_is_that_of_the_first_components(measure, keep, p, q):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, p)) * np.arange(1, p + 1.0) ** -0.5 + 2
    y = rng.standard_normal((30, q)) + x[:, :1]
    found = component_curve(x, y, measure, keep)
    assert found["k"].tolist() == list(range(1, len(found) + 1))
    for k, score in zip(found["k"], found["score"], strict=True):
        left = principal(x, k) if keep != "y" else x
        right = principal(y, k) if keep != "x" else y
        assert score == pytest.approx(ORACLES[measure](left, right), abs=1e-9), k
    assert found["score"].iloc[-1] == pytest.approx(ORACLES[measure](x, y), abs=1e-9)
    last = found.iloc[-1]
    assert (last["variance_x"], last["variance_y"]) == (pytest.approx(1), pytest.approx(1))
    assert found["variance_x" if keep != "y" else "variance_y"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("decay", "k", "cka", "procrustes"), [(1, 10, 0.97, 0.628), (1, 50, 0.994, 0.778), (2, 2, 0.991, 0.874)]
)
def test_cka_hardly_sees_the_small_components_and_procrustes_does(decay, k, cka, procrustes):
    """Ding et al. (2021), the figures of measures.md 5.4: spectrum i^-decay, p = 1000, the first k kept."""
    p, n = 1_000, 1_200
    x = np.random.default_rng(0).standard_normal((n, p)) * np.arange(1, p + 1.0) ** (-decay / 2)
    for measure, expected in (("cka_biased", cka), ("procrustes", procrustes)):
        found = component_curve(x, x, measure, ks=[k])["score"][0]
        assert found == pytest.approx(expected, abs=0.012)


def test_ks_are_dense_at_first_and_end_at_the_rank():
    assert default_ks(5) == [1, 2, 3, 4, 5]
    found = default_ks(2_000)
    assert found[:64] == list(range(1, 65))
    assert found[-1] == 2_000
    assert len(found) < 130


def test_what_cannot_be_done_is_said():
    x = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(UsageError, match="rank 3"):
        component_curve(x, x, ks=[4])
    with pytest.raises(UsageError, match="svcca"):
        component_curve(x, x, "svcca")
    with pytest.raises(RepresentationError, match="10 and 9"):
        component_curve(x, x[1:])
