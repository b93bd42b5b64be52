"""What the scores declare, and what they do with arrays that are not as one would wish."""

import numpy as np
import pytest
from tests.stats.disentanglement.cases import ALL_SCORES, cases, factors, noise, standard

from vaescope.errors import RepresentationError
from vaescope.stats.code_score import CODE_SCORES, scores
from vaescope.stats.labelled import Labelled

F = factors(copies=2)
CODES = standard(F) @ np.array([[1, 0.4, 0, 0], [0, 1, 0.6, 0], [0, 0.2, 1, 0], [0.3, 0, 0, 1]]) + 0.3 * noise(F)
CHANGES = {
    "permutation": lambda z: z[:, [2, 0, 3, 1]],
    "translation": lambda z: z + np.array([8, -3, 0, 1]),
    "reflection": lambda z: z * [-1, 1, -1, 1],
    "scaling": lambda z: z * 16,
    "units": lambda z: z * [0.25, 1, 8, 64],
}
SAMPLED = {"beta_vae_score": 0.04, "factor_vae_score": 0.06, "dci_informativeness": 0.06}
ALMOST = SAMPLED | {"dci_completeness": 0.06, "dci_disentanglement": 0.06, "sap": 0.01, "explicitness": 0.005}
BINNED = {"mig": 0.01, "modularity": 0.01, "irs": 1e-9}


def quick(name):
    smaller = {"beta_vae_score": {"train": 1500, "test": 1000}, "factor_vae_score": {"train": 1500, "test": 1000}}
    return CODE_SCORES[name](**smaller.get(name, {}))


def value(name, codes, f=F):
    return quick(name).of(codes, f)


def value_or_reason(name, codes, f):
    try:
        return value(name, codes, f), ""
    except RepresentationError as error:
        return None, error.reason


@pytest.fixture(scope="module")
def before():
    return {name: value(name, CODES) for name in ALL_SCORES}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ALL_SCORES)
def test_declared_invariances_hold(name, change, before):
    """Exactly but for trees, which break ties in the order of latents, and for bins, whose edges round."""
    if change in CODE_SCORES[name].invariant_to:
        tolerance = (ALMOST | BINNED)[name]
        assert value(name, CHANGES[change](CODES)) == pytest.approx(before[name], abs=tolerance)


def test_the_undeclared_one_does_not_hold(before):
    """IRS weighs latents by how far they go."""
    undeclared = [(name, c) for name in ALL_SCORES for c in CHANGES if c not in CODE_SCORES[name].invariant_to]
    assert undeclared == [("irs", "units")]
    assert abs(value("irs", CHANGES["units"](CODES)) - before["irs"]) > 0.01


@pytest.mark.parametrize("name", ALL_SCORES)
def test_layout_precision_and_names_of_classes_change_nothing(name, before):
    few, f = CODES[:400], F[:400]
    plain = value(name, few, f)
    for codes in (np.asfortranarray(few), np.repeat(few, 2, axis=0)[::2], few.astype(">f8")):
        assert value(name, codes, f) == plain
    names = np.array([[f"{chr(97 + v)}" for v in row] for row in f])
    assert value(name, few, names) == plain
    assert value(name, few, f * 7 - 100) == plain
    assert value(name, few, f.astype(float)) == plain
    assert value(name, few.astype(np.float32), f) == pytest.approx(plain, abs=0.03)


@pytest.mark.parametrize("name", ALL_SCORES)
def test_factors_that_never_change_are_left_out(name):
    few, f = CODES[:400], F[:400]
    assert value(name, few, np.insert(f, 1, 3, axis=1)) == value(name, few, f)


@pytest.mark.parametrize("name", ALL_SCORES)
def test_nothing_is_changed_in_place(name):
    codes, f = CODES[:200].copy(), F[:200].copy()
    codes.flags.writeable = f.flags.writeable = False
    value(name, codes, f)


@pytest.mark.parametrize("name", ALL_SCORES)
def test_latents_with_no_more_than_rounding_in_float32_are_constant(name):
    dead = np.full((400, 1), 0.7, np.float32)
    dead[::3] = np.nextafter(np.float32(0.7), np.float32(1))
    with_dead = np.hstack([CODES[:400].astype(np.float32), dead])
    constant = np.hstack([CODES[:400].astype(np.float32), np.zeros((400, 1), np.float32)])
    assert value(name, with_dead, F[:400]) == value(name, constant, F[:400])


def test_one_latent_has_the_gap_to_knowing_nothing():
    z = standard(F)[:, :1]
    assert value("mig", z) == pytest.approx(1 / 4)  # of four factors one is known
    assert 0.05 < value("sap", z) < 0.25
    assert value("dci_disentanglement", z) < 0.2
    with pytest.raises(RepresentationError, match="at least 2 latents") as error:
        value("dci_completeness", z)
    assert error.value.reason == "too_few"


@pytest.mark.parametrize("name", ALL_SCORES)
def test_one_factor_has_a_score_where_that_means_something(name):
    if CODE_SCORES[name].minimum_factors == 1:
        assert 0 <= value(name, CODES, F[:, :1]) <= 1
    else:
        with pytest.raises(RepresentationError, match="2 factors that change") as error:
            value(name, CODES, F[:, :1])
        assert error.value.reason == "too_few"


@pytest.mark.parametrize(
    ("codes", "f", "reason"),
    [
        (CODES[:50], F[:49], "shape_mismatch"),
        (CODES.T, F, "shape_mismatch"),
        (CODES[:, 0], F, "shape_mismatch"),
        (CODES[:9], F[:9], "too_few"),
        (CODES[:, :0], F, "too_few"),
        (CODES[:, :1] * np.nan, F, "non_finite"),
        (np.where(CODES > 2, np.inf, CODES), F, "non_finite"),
        (CODES + 1j, F, "unsupported_type"),
        (CODES, F + 0.5, "unsupported_type"),
        (CODES, F * 0, "zero_variance"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused_with_a_reason(codes, f, reason):
    with pytest.raises(RepresentationError) as error:
        scores(codes, f)
    assert error.value.reason == reason


def test_a_factor_no_value_of_which_is_shared_cannot_be_held_and_its_scores_can_be_left_out():
    f = np.column_stack([F[:40, 0], np.arange(40)])
    for name in ("sap", "explicitness", "dci_disentanglement"):
        with pytest.raises(RepresentationError, match="factor 1 has 26 values among 26") as error:
            value(name, CODES[:40], f)
        assert error.value.reason == "too_few"
    for name in ("beta_vae_score", "factor_vae_score", "irs"):
        with pytest.raises(RepresentationError, match="value of factor 1") as error:
            value(name, CODES[:40], f)
        assert error.value.reason == "too_few"
    found = scores(CODES[:40], f, leave_out=True)
    assert set(found) == {"mig", "modularity"}
    assert all(np.isfinite(v) for v in found.values())


def test_values_that_one_example_has_are_passed_over():
    f = np.array([[4], [2], [9], [2], [4], [4], [1], [7], [2], [4]])
    (groups,) = Labelled.of(np.arange(10.0)[:, None], f).groups
    assert sorted(groups.rows.tolist()) == [0, 1, 3, 4, 5, 8, 9]
    for place, row in enumerate(groups.rows):
        same = groups.rows[groups.start[place] : groups.start[place] + groups.size[place]]
        assert sorted(same.tolist()) == np.flatnonzero(f[:, 0] == f[row, 0]).tolist()


@pytest.mark.parametrize("n", [10, 13, 25])
def test_with_few_examples_every_score_is_a_number_or_an_error_with_a_reason(n):
    rng = np.random.default_rng(n)
    for codes, f in (
        (rng.standard_normal((n, 3)), rng.integers(0, 2, (n, 2))),
        (rng.standard_normal((n, 2)), np.column_stack([np.arange(n), np.arange(n) % 2])),
        (np.zeros((n, 2)), rng.integers(0, 3, (n, 2))),
        (rng.standard_normal((n, 1)), np.repeat([[0], [1]], [n - 1, 1], axis=0)),
    ):
        for name in ALL_SCORES:
            found, reason = value_or_reason(name, codes, f)
            assert reason == "too_few" if found is None else 0 <= found <= 1


def test_a_collapsed_code_has_the_values_of_knowing_nothing():
    found = scores(cases(F)["collapsed"], F)
    knowing_nothing = {"beta_vae_score": (0.2, 0.3), "dci_informativeness": (0.1, 0.3), "explicitness": (0.5, 0.5)}
    for name, v in found.items():
        low, high = knowing_nothing.get(name, (0, 0))
        assert low <= v <= high
