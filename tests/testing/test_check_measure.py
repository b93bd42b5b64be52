"""The conformance suite: right measures pass it, wrong ones do not, and it says what is wrong."""

import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from definitions import RIGHT, reference, third_party
from mutants import MUTANTS, Mutant

from vaescope.errors import UsageError
from vaescope.stats.measure import MEASURES
from vaescope.testing import CheckFailed, check_measure, checks, measure_checks
from vaescope.testing.check import CHECKS, Check
from vaescope.testing.draws import every_case
from vaescope.testing.subject import Subject

# What no declaration tells from the right measure; all else must be caught without a reference.
ONLY_BY_REFERENCE = {m.id for m in MUTANTS if all("reference" in name for name in m.caught_by)}


def test_there_are_at_least_thirty_checks_each_with_a_line_of_its_own():
    listed = checks()
    assert len(listed) >= 30
    assert len({name for name, _ in listed}) == len({summary for _, summary in listed}) == len(listed)
    assert all(summary.endswith(".") and len(summary) > 30 for _, summary in listed)


@pytest.mark.parametrize("name", RIGHT)
def test_measures_of_third_parties_pass_unregistered(name):
    score, declared = RIGHT[name]
    found = check_measure(third_party(score, **declared), raises=False, examples=8, reference=reference(name))
    assert found.failed == (), str(found)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_each_mutant_is_caught(mutant: Mutant):
    found = check_measure(mutant.measure(), only=list(mutant.caught_by), raises=False, reference=mutant.reference)
    assert found.failed == mutant.caught_by, str(found)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.id)
def test_no_check_that_catches_a_mutant_fails_the_measure_it_was_made_of(mutant: Mutant):
    score, declared = RIGHT[mutant.of]
    right = third_party(score, **declared)
    assert check_measure(right, only=list(mutant.caught_by), raises=False, reference=reference(mutant.of)).passed


def test_there_are_mutants_of_every_kind_and_few_need_a_reference():
    assert len(MUTANTS) >= 60
    assert {m.of for m in MUTANTS} == set(RIGHT)
    assert len(ONLY_BY_REFERENCE) < len(MUTANTS) / 3
    assert len({m.id for m in MUTANTS}) == len(MUTANTS)


def test_most_checks_have_a_mutant_that_they_catch():
    """The others ask what `vaescope.similarity` answers for every measure, whatever the measure does."""
    needless = {
        "refuses_other_examples", "refuses_no_features", "further_axes_are_flattened",
        "half_precision_is_taken_up", "whole_numbers_and_booleans_are_taken", "other_byte_orders_and_widths_are_taken",
        "tensors_are_taken", "what_is_not_a_dense_real_matrix_is_refused", "files_mapped_into_memory_are_taken",
    }  # fmt: skip
    caught = {name for m in MUTANTS for name in m.caught_by}
    missing = set(CHECKS) - caught - needless
    assert missing == set(), sorted(missing)


def test_a_failure_says_which_check_what_was_expected_what_was_got_and_how_to_see_it_again():
    score, declared = RIGHT["cka_biased"]
    wrong = third_party(score, **declared | {"bounds": (0.0, 2.0)})
    with pytest.raises(CheckFailed) as caught:
        check_measure(wrong, seed=7, only=["has_no_state", "is_extreme_on_itself"])
    message = str(caught.value)
    assert re.search(r"third_party: is_extreme_on_itself: expected 2.0 of x with itself; got 1", message), message
    assert re.search(
        r"\(\d+, \d+\) float64.*Again: check_measure\(ThirdParty, only='is_extreme_on_itself', seed=7", message
    )


def test_the_first_failure_raises_or_all_are_in_the_table():
    score, declared = RIGHT["cka_biased"]
    wrong = third_party(score, **declared | {"bounds": (0.0, 2.0), "__doc__": "Nothing cited."})
    with pytest.raises(CheckFailed, match="cites_its_source"):
        check_measure(wrong)
    found = check_measure(wrong, only=["cites_its_source", "has_no_state", "is_extreme_on_itself"], raises=False)
    assert found.failed == ("cites_its_source", "is_extreme_on_itself")
    table = found.to_pandas()
    assert list(table.columns) == ["name", "passed", "status", "seconds", "message"]
    assert table["passed"].tolist() == [False, True, False]
    assert (table["seconds"] > 0).all()
    assert "1 of 3 checks passed, 2 failed" in str(found)


def test_what_does_not_apply_is_told_with_the_declaration_that_says_so():
    found = check_measure("cka", only=["triangles_close_if_it_is_a_metric", "agrees_with_its_reference"])
    assert [r.status for r in found.results] == ["not applicable"] * 2
    assert found.results[0].message == "metric = False"
    assert "reference" in found.results[1].message


def test_a_measure_is_given_by_name_class_or_instance():
    for measure in ("procrustes", MEASURES["procrustes"], MEASURES["procrustes"]()):
        assert check_measure(measure, only="is_extreme_on_itself").measure == "procrustes"
    with pytest.raises(UsageError, match=r"expected a measure, its class or its name, got <class 'dict'>"):
        check_measure(dict)
    with pytest.raises(UsageError, match=r"'has_no_stat'. Did you mean 'has_no_state'"):
        check_measure("cka", only="has_no_stat")


@pytest.mark.parametrize(("name", "check"), measure_checks("cka_biased", examples=5))
def test_the_checks_can_be_parametrised(name, check):
    assert name.startswith("cka_biased-")
    assert check().passed


def test_the_calls_for_parametrising_raise():
    score, declared = RIGHT["cka_biased"]
    calls = dict(measure_checks(third_party(score, **declared | {"__doc__": "Nothing."})))
    with pytest.raises(CheckFailed, match="cites_its_source"):
        calls["third_party-cites_its_source"]()


def test_the_same_seed_finds_the_same_and_another_one_other_data(monkeypatch):
    monkeypatch.setattr("vaescope.testing.draws.find_spec", lambda name: None)
    score, declared = RIGHT["cka_biased"]
    wrong = third_party(lambda x, y: score(x, y) ** 2, **declared)

    def message(seed: int) -> str:
        return check_measure(
            wrong, only="agrees_with_its_reference", reference=reference("cka_biased"), raises=False, seed=seed
        ).results[0].message  # fmt: skip

    assert message(1) == message(1)
    assert message(1).split("Again")[0] != message(2).split("Again")[0]


def test_without_hypothesis_cases_are_drawn_from_the_seed(monkeypatch):
    monkeypatch.setattr("vaescope.testing.draws.find_spec", lambda name: None)
    tried: list[tuple[int, ...]] = []
    every_case(Subject("cka", examples=30), lambda *case: tried.append(case), (20, 60), (2, 8))
    assert len(set(tried)) == 30
    assert {n for _, n, _, _ in tried} <= set(range(20, 61))
    assert len({p for _, _, p, _ in tried}) == 7
    assert check_measure("cka", only="is_extreme_on_itself").cases == "seeded draws"
    wrong = third_party(RIGHT["pwcca"][0], **RIGHT["pwcca"][1] | {"symmetric": True})
    assert not check_measure(wrong, only="symmetry_is_as_declared", raises=False).passed


def test_the_package_is_imported_without_test_tools():
    code = "import vaescope.testing, sys; print({'pytest', 'hypothesis', 'torch', 'pandas'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "set()"
    assert find_spec("hypothesis")


def test_an_error_of_the_measure_is_a_failure_with_its_name():
    def broken(x: np.ndarray, y: np.ndarray) -> float:
        raise ZeroDivisionError("no variance")

    found = check_measure(third_party(broken), only="has_no_state", raises=False)
    assert "got ZeroDivisionError: no variance" in found.results[0].message


def test_a_check_of_ones_own_runs_as_the_others_do(monkeypatch):
    def short(subject: Subject) -> None:
        assert len(subject.name) < 4

    monkeypatch.setitem(CHECKS, "short", Check("short", "Names are short.", short))
    assert check_measure("cka", only="short").passed
    assert not check_measure("procrustes", only="short", raises=False).passed
