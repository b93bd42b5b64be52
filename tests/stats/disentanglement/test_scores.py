"""The scores on codes whose disentanglement is known, against the papers' formulas."""

from functools import cache

import numpy as np
import pytest
from tests.stats.disentanglement import oracles
from tests.stats.disentanglement.cases import (
    ALL_SCORES,
    SIZES,
    cases,
    factors,
    noise,
    read_the_wrong_way,
    standard,
    turned,
)

from vaescope.errors import UsageError
from vaescope.stats.code_score import CODE_SCORES, scores
from vaescope.stats.disentanglement.beta_vae_score import BetaVAEScore
from vaescope.stats.disentanglement.dci_completeness import DCICompleteness
from vaescope.stats.disentanglement.dci_disentanglement import DCIDisentanglement
from vaescope.stats.disentanglement.dci_informativeness import DCIInformativeness
from vaescope.stats.disentanglement.explicitness import area_under_curve
from vaescope.stats.disentanglement.factor_vae_score import FactorVAEScore
from vaescope.stats.disentanglement.irs import IRS
from vaescope.stats.disentanglement.mig import MIG
from vaescope.stats.disentanglement.modularity import Modularity
from vaescope.stats.disentanglement.sap import SAP
from vaescope.stats.importance import concentration
from vaescope.stats.labelled import Labelled

F = factors(copies=4)
CASES = cases(F)
LABELLED = {case: Labelled.of(codes, F) for case, codes in CASES.items()}
FEW = np.random.default_rng(5).permutation(len(F))[:120]  # for oracles that loop


@cache
def of(case, score):
    """Sampling scores with fewer points than published: for what is exact, or far from the limits."""
    return quick(score).checked(LABELLED[case], 0)


def quick(score):
    smaller = {"beta_vae_score": {"train": 1500, "test": 1000}, "factor_vae_score": {"train": 1500, "test": 1000}}
    return CODE_SCORES[score](**smaller.get(score, {}))


def test_the_scores_are_those_of_the_issue():
    assert tuple(CODE_SCORES) == ALL_SCORES


@pytest.mark.parametrize("case", ["perfect", "permuted, scaled, shifted", "perfect and dead latents"])
@pytest.mark.parametrize("score", sorted(set(ALL_SCORES) - {"sap"}))
def test_a_perfect_code_has_one_however_it_is_permuted_scaled_and_padded(score, case):
    assert of(case, score) == pytest.approx(1, abs=1e-9 if score != "explicitness" else 1e-3)


@pytest.mark.parametrize("score", ["mig", "modularity", "factor_vae_score", "beta_vae_score"])
def test_for_some_scores_one_is_exact(score):
    assert of("perfect", score) == 1


def test_mig_of_duplicated_latents_is_exactly_zero_and_of_a_rotation_next_to_nothing():
    assert of("duplicated", "mig") == 0
    assert of("rotated by 45 degrees", "mig") == pytest.approx(0, abs=0.005)
    assert of("noise", "mig") < 0.01


def test_mig_of_small_codes_is_what_one_computes_by_hand():
    """Factors are two fair bits; z1 is the first, z2 the second but for the first being 1: then it is 0."""
    f = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 5)
    z = np.stack([f[:, 0], f[:, 1] * (1 - f[:, 0])], axis=1)
    quarter = 0.25 * np.log(4)  # nats: H(z2) with P(z2 = 1) = 1/4
    entropy_of_z2 = quarter + 0.75 * np.log(4 / 3)
    knows = entropy_of_z2 - 0.5 * np.log(2)  # of either factor: H(z2) - H(z2 | factor)
    by_hand = ((np.log(2) - knows) / np.log(2) + knows / np.log(2)) / 2
    assert MIG().of(z, f) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("case", ["perfect with noise", "two factors in each latent", "all factors in each latent"])
@pytest.mark.parametrize(("score", "oracle"), [("mig", oracles.mig), ("modularity", oracles.modularity)])
def test_scores_from_mutual_information_are_their_formula(score, oracle, case):
    assert CODE_SCORES[score](bins=6).of(CASES[case][FEW], F[FEW]) == pytest.approx(oracle(CASES[case][FEW], F[FEW], 6))


@pytest.mark.parametrize("quantile", [0.99, 1.0])
@pytest.mark.parametrize("case", ["perfect and noisy latents", "rotated by 45 degrees", "two factors in each latent"])
def test_irs_is_its_formula(case, quantile):
    found = IRS(quantile=quantile).of(CASES[case], F)
    assert found == pytest.approx(oracles.irs(CASES[case], F, quantile), abs=1e-12)


@pytest.mark.parametrize("case", ["perfect", "perfect with noise", "duplicated", "all factors in each latent"])
def test_sap_of_ordered_factors_is_its_formula(case):
    assert SAP(factors="ordered").of(CASES[case], F) == pytest.approx(
        oracles.sap_of_correlations(CASES[case], F), abs=1e-12
    )


def test_sap_of_fair_bits_is_a_half_where_each_has_its_latent_and_nothing_where_it_has_two():
    f = np.random.default_rng(0).permutation(np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (500, 1)))
    assert SAP().of(f * 1.0, f) == pytest.approx(0.5, abs=0.04)  # the other latent guesses
    assert SAP().of(np.hstack([f, f]) * 1.0, f) == 0
    assert SAP(factors="ordered").of(f * 1.0, f) == 1


def test_disentanglement_and_completeness_are_entropies_of_importance():
    weights = np.random.default_rng(0).random((5, 3)) * [[1], [0], [3], [1], [1]]
    weights /= weights.sum(axis=0)
    assert concentration(weights) == pytest.approx(oracles.disentanglement(weights))
    assert concentration(weights.T) == pytest.approx(oracles.completeness(weights))
    assert concentration(np.eye(4)) == 1
    assert concentration(np.ones((4, 4))) == pytest.approx(0, abs=1e-12)
    assert concentration(np.array([[1.0, 1.0, 0.0, 0.0]] * 2)) == pytest.approx(0.5)


def test_importances_of_orthonormal_codes_under_the_lasso_are_soft_thresholds():
    """Latents are uncorrelated here, so that each weight is its correlation less the penalty, or 0."""
    z = standard(F)
    codes = turned(z, 30)
    score = DCIDisentanglement(predictor="lasso", penalty=0.1)
    learnt, _ = Labelled.of(codes, F).split(0)
    found = score.importance(Labelled.of(codes, F), 0).weights
    across = np.corrcoef(codes[learnt].T, z[learnt].T)[:4, 4:]
    expected = np.maximum(np.abs(across) - 0.1, 0)
    np.testing.assert_allclose(found, expected / expected.sum(axis=0), atol=0.04)


@pytest.mark.parametrize("predictor", ["forest", "lasso"])
def test_dci_of_a_rotation_by_45_degrees_is_a_half(predictor):
    """Each latent counts for two of four factors alike, and each factor has two of four latents."""
    codes = CASES["rotated by 45 degrees"]
    assert DCIDisentanglement(predictor=predictor).of(codes, F) == pytest.approx(0.5, abs=0.03)
    assert DCICompleteness(predictor=predictor).of(codes, F) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("predictor", ["forest", "boosting", "lasso"])
def test_importances_of_a_factor_sum_to_one_and_nothing_is_learnt_from_a_collapsed_code(predictor):
    score = DCIInformativeness(predictor=predictor, trees=3)
    for case in ("noise", "perfect and dead latents"):
        weights = score.importance(Labelled.of(CASES[case][FEW], F[FEW, :2]), 0).weights
        sums = weights.sum(axis=0)
        assert np.all(np.isclose(sums, 1) | ((sums == 0) & (predictor == "lasso")))
        assert weights.min() >= 0
    assert score.importance(Labelled.of(CASES["collapsed"], F), 0).weights.sum() == 0


def test_completeness_of_two_latents_a_factor_is_one_third_below_perfect():
    """With eight latents and importance halved between two of them, 1 - log 2 / log 8."""
    codes = np.hstack([standard(F), standard(F)])
    assert DCICompleteness(predictor="forest", trees=40).of(codes, F) == pytest.approx(1 - 1 / 3, abs=0.12)
    assert DCIDisentanglement().of(codes, F) == pytest.approx(1)


def test_disentanglement_of_a_latent_for_two_factors_is_a_half_and_completeness_one():
    assert of("two factors in each latent", "dci_disentanglement") == pytest.approx(0.5, abs=0.02)
    assert of("two factors in each latent", "dci_completeness") == pytest.approx(1, abs=0.01)


def test_modularity_of_a_latent_for_two_factors_is_what_the_formula_gives():
    """With bins enough the latent knows both factors: 1 - (I₂/I₁)² / 3, where I is log of the number of classes."""
    expected = np.mean([1 - (np.log(3) / np.log(4)) ** 2 / 3, 1 - (np.log(5) / np.log(6)) ** 2 / 3])
    assert Modularity(bins=60).of(CASES["two factors in each latent"], F) == pytest.approx(expected)


def test_corrected_modularity_hardly_depends_on_how_many_examples_there_are():
    f = np.random.default_rng(0).integers(0, 30, (4000, 3))
    codes = f + np.random.default_rng(1).standard_normal(f.shape)
    plain = [Modularity().of(codes[:n], f[:n]) for n in (400, 4000)]
    corrected = [Modularity(corrected=True).of(codes[:n], f[:n]) for n in (400, 4000)]
    assert plain[0] < plain[1] - 0.1
    assert corrected == pytest.approx([1, 1], abs=0.005)


def test_explicitness_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    scored, right = rng.integers(0, 8, 60) / 8, rng.random(60) < 0.3
    assert area_under_curve(scored, right) == pytest.approx(oracles.area_under_curve(scored, right))


def test_explicitness_does_not_mind_rotations_and_is_one_half_for_noise():
    assert of("all factors in each latent", "explicitness") == pytest.approx(of("perfect", "explicitness"), abs=0.005)
    assert of("noise", "explicitness") == pytest.approx(0.5, abs=0.03)
    assert of("collapsed", "explicitness") == 0.5


def test_scores_by_held_factors_are_at_chance_for_noise_and_never_far_below():
    """Four factors, 1,000 tests: one quarter, with a standard error of 0.014."""
    for score in ("beta_vae_score", "factor_vae_score"):
        assert of("noise", score) == pytest.approx(0.25, abs=0.05)
    for case in CASES:
        assert of(case, "beta_vae_score") > 0.2


def test_factor_vae_score_of_a_rotation_by_45_degrees_confuses_pairs_of_factors():
    """Holding either of two factors halves the variance of both latents: which one varies least tells only the pair."""
    assert 0.45 < of("rotated by 45 degrees", "factor_vae_score") < 0.75
    assert 0.45 < of("rotated by 45 degrees", "beta_vae_score") < 0.6


def test_informativeness_is_chance_for_noise_and_one_for_codes_that_can_be_read():
    assert of("noise", "dci_informativeness") == pytest.approx(np.mean([1 / s for s in SIZES]), abs=0.03)
    assert of("each factor in two latents", "dci_informativeness") == 1
    assert DCIInformativeness(predictor="lasso", penalty=1e-6).of(CASES["noise"], F) == pytest.approx(0, abs=0.03)
    assert DCIInformativeness(predictor="lasso", penalty=1e-6).of(CASES["perfect"], F) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("score", ALL_SCORES)
def test_every_score_of_every_case_is_finite_and_within_its_bounds(score):
    low, high = CODE_SCORES[score].bounds
    found = [of(case, score) for case in CASES]
    assert all(low <= v <= high for v in found)


@pytest.mark.parametrize("score", ALL_SCORES)
def test_codes_read_with_view_where_transpose_was_meant_are_told_from_perfect_ones(score):
    """The bug of disentangling-vae, which gave MIG near 0.001 for any code."""
    wrong = read_the_wrong_way(CASES["perfect"])
    assert wrong.shape == CASES["perfect"].shape
    value = quick(score).of(wrong, F)
    assert value < 0.75 * of("perfect", score)
    if score == "mig":
        assert value < 0.01


def test_one_seed_gives_one_value_and_scores_asked_together_are_those_asked_alone():
    codes, f = CASES["perfect with noise"][:400], F[:400]
    together = scores(codes, f, seed=3)
    assert together == {s: CODE_SCORES[s]().of(codes, f, seed=3) for s in ALL_SCORES}
    assert together["dci_informativeness"] != DCIInformativeness().of(codes, f, seed=4)


def test_scores_with_options_can_be_asked_for_and_only_once_each():
    codes = CASES["perfect with noise"]
    assert scores(codes, F, [MIG(bins=5), "irs"]) == {"mig": MIG(bins=5).of(codes, F), "irs": IRS().of(codes, F)}
    with pytest.raises(UsageError, match="each score once"):
        scores(codes, F, ["mig", MIG()])
    with pytest.raises(UsageError, match="Did you mean 'mig'"):
        scores(codes, F, ["MIG"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: MIG(bins=1),
        lambda: Modularity(bins=0),
        lambda: IRS(quantile=0),
        lambda: SAP(penalty=0),
        lambda: DCICompleteness(trees=0),
        lambda: BetaVAEScore(pairs=0),
        lambda: FactorVAEScore(batch=1),
    ],
)
def test_options_out_of_range_are_refused(make):
    with pytest.raises(UsageError, match="expected"):
        make()


def test_untrained_codes_of_small_scale_score_as_those_of_any_other_scale():
    """In units of their own spread; as they are, the penalty of the classifier hides them."""
    codes = CASES["perfect with noise"]
    options = {"train": 1000, "test": 500}
    assert BetaVAEScore(**options).of(codes * 1e-3, F) == BetaVAEScore(**options).of(codes, F)
    assert BetaVAEScore(standardise=False, **options).of(codes * 1e-3, F) < 0.9
    assert FactorVAEScore(smallest=0.05, **options).of(codes * 1e-3, F) == 0
    assert noise(F).std() > 0.05
