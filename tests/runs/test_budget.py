import pytest

from vaescope.errors import UsageError
from vaescope.runs.budget import GRACE, Budget


def test_the_first_look_is_always_allowed_and_no_share_allows_all():
    assert Budget(0.01).allows(0, 0)
    free = Budget(None)
    free.took(1e6)
    assert free.allows(1, 1)


def test_looks_of_a_short_training_may_take_the_grace_and_no_more():
    budget = Budget.of("auto", None)
    while budget.allows(10, 100):
        budget.took(4.0)
    assert GRACE - 4 < budget.spent <= GRACE


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_looks_of_a_long_training_stay_within_their_share(share):
    budget, clock = Budget.of(share, None), 0.0
    for step in range(200_000):
        if step % 50 == 0 and budget.allows(clock, step):
            budget.took(7.0)
            clock += 7.0
        clock += 0.1
    training = clock - budget.spent
    assert share * training - 20 < budget.spent <= share * training


def test_where_the_end_is_known_early_looks_are_paid_for_by_late_steps():
    known, unknown = Budget.of(0.05, 100_000), Budget.of("auto", None)
    for budget in (known, unknown):
        while budget.looks < 20 and budget.allows(100.0 + budget.spent, 1000):
            budget.took(10.0)
    assert (known.looks, unknown.looks) == (20, 3)


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_where_the_end_is_known_the_share_is_kept_in_short_trainings_too(seconds):
    budget, clock = Budget.of(0.05, 1500), 0.0
    for step in range(1500):
        if budget.allows(clock, step):
            budget.took(seconds)
            clock += seconds
        clock += 0.16
    assert budget.looks > 2
    assert budget.spent <= 0.05 * 1500 * 0.16 + 0.1


def test_a_look_that_has_become_dear_counts_as_such():
    budget = Budget(0.5)
    budget.took(1.0)
    assert budget.allows(100.0, 10)
    budget.took(60.0)
    assert not budget.allows(161.0, 20)


@pytest.mark.parametrize("share", [0, 1, -0.1, "much", True])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(UsageError, match="max_overhead: expected a share"):
        Budget.of(share, None)


def test_a_share_that_was_asked_for_is_kept_by_the_shortest_training():
    budget, clock = Budget.of(0.05, None), 0.0
    for step in range(300):
        if budget.allows(clock, step):
            budget.took(0.05)
            clock += 0.05
        clock += 0.01
    assert 2 <= budget.looks <= 3
