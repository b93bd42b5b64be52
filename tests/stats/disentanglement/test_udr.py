"""Unsupervised disentanglement ranking against its formula."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.stats.disentanglement.cases import factors, noise, standard, turned
from tests.stats.disentanglement.oracles import relative_strength as slow

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.udr import relative_strength, udr, udr_table

Z = standard(factors(copies=2))
SAME = [Z, -Z[:, [1, 0, 3, 2]], np.exp(Z[:, [3, 2, 1, 0]])]


def test_a_pair_is_the_formula_of_the_paper():
    table = np.random.default_rng(0).random((3, 5))
    assert relative_strength(table) == pytest.approx(slow(table))
    assert relative_strength(np.eye(4)) == 1
    assert relative_strength(np.ones((4, 4))) == pytest.approx(1 / 4)
    assert relative_strength(np.zeros((2, 3))) == 0


def test_runs_with_the_same_latents_in_any_order_sign_and_monotone_map_have_one_by_rank():
    np.testing.assert_allclose(udr(SAME, relation="spearman").runs, 1)


def test_the_lasso_takes_its_penalty_off_a_perfect_match_and_leaves_small_relations_out():
    assert udr([Z, -Z[:, ::-1]], penalty=0.1).runs == pytest.approx([0.9, 0.9], abs=1e-6)
    noisy = [z + 0.3 * noise(Z, seed) for seed, z in enumerate([Z, Z])]
    by_rank, by_lasso = udr(noisy, relation="spearman"), udr(noisy)
    assert by_lasso.runs[0] > by_rank.runs[0] - 0.1


@pytest.mark.parametrize("relation", ["lasso", "spearman"])
def test_rotated_runs_rank_below_runs_that_agree(relation):
    agreeing = udr([Z, Z[:, ::-1]], relation=relation).runs
    rotated = udr([Z, turned(Z, 45)], relation=relation).runs
    independent = udr([Z, noise(Z)], relation=relation).runs
    assert min(agreeing) > max(rotated) + 0.2 > max(independent) + 0.4


def test_by_rank_each_pair_is_symmetric_and_from_spearman_correlations():
    a, b = Z + 0.5 * noise(Z, 1), turned(Z, 20) + 0.5 * noise(Z, 2)
    related = np.array([[abs(spearmanr(x, y)[0]) for y in b.T] for x in a.T])
    found = udr([a, b], relation="spearman").pairs
    assert found[0, 1] == pytest.approx(slow(related))
    assert found[1, 0] == pytest.approx(found[0, 1])
    assert np.isnan(np.diag(found)).all()


def test_a_run_has_the_median_over_the_others():
    runs = [*SAME, noise(Z, 4), turned(Z, 45)]
    found = udr(runs, relation="spearman")
    for i in range(5):
        assert found.runs[i] == np.median([found.pairs[j, i] for j in range(5) if j != i])


def test_latents_that_are_constant_or_have_no_kl_take_no_part():
    padded = np.hstack([Z, np.full((len(Z), 1), 3.0), 1e-3 * noise(Z, 7, d=2)])
    kl = [np.ones(4), np.array([2, 0.5, 0.02, 1, 0, 0.009, 0.01])]
    found = udr([Z, padded], kl, relation="spearman")
    assert found.informative == (4, 4)
    np.testing.assert_allclose(found.runs, 1)
    assert udr([Z, padded], relation="spearman").informative == (4, 6)
    collapsed = udr([Z, np.zeros((len(Z), 4))])
    assert collapsed.informative == (4, 0)
    assert collapsed.runs.tolist() == [0, 0]


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(UsageError, match="at least two runs"):
        udr([Z])
    with pytest.raises(UsageError, match="KL of"):
        udr([Z, Z], [np.ones(4)])
    with pytest.raises(RepresentationError, match="same n"):
        udr([Z, Z[:-1]])
    with pytest.raises(RepresentationError, match="NaN"):
        udr([Z, Z * np.nan])
    with pytest.raises(RepresentationError, match="one for each of 4 latents"):
        udr([Z, Z], [np.ones(4), np.ones(3)])


def test_the_table_ranks_runs_within_their_setting():
    codes = {"a0": Z, "a1": -Z, "b0": Z, "b1": turned(Z, 45), "c0": Z}
    found = udr_table(codes, {run: run[0] for run in codes}, relation="spearman")
    assert found["run"].tolist() == ["a0", "a1", "b0", "b1"]
    assert found["runs"].tolist() == [2, 2, 2, 2]
    assert found["udr"][0] == pytest.approx(1)
    assert found["udr"][2] < 0.6
