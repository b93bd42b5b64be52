from hypothesis import given
from hypothesis import strategies as st

from vaescope.views.thinning import thinned

STEPS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3),
    st.lists(st.integers(0, 99), min_size=0, max_size=9, unique=True).map(sorted),
)


@given(STEPS, st.integers(1, 20), st.integers(1, 400))
def test_what_is_kept_has_room_and_was_there(steps, layers, most):
    kept = thinned(steps, layers, most)
    assert set(kept) <= set(steps)
    assert all(set(found) <= set(steps[run]) for run, found in kept.items())
    assert sum(map(len, kept.values())) <= max(2, most // layers)


@given(STEPS, st.integers(1, 20))
def test_everything_is_kept_where_there_is_room(steps, layers):
    assert thinned(steps, layers, most=10_000) == {run: tuple(found) for run, found in steps.items()}


def test_the_first_and_last_snapshot_of_every_run_go_last():
    steps = {str(k): list(range(17)) for k in range(30)}
    kept = thinned(steps, layers=15, most=30 * 15 * 5)
    assert len(kept) == 30
    assert all(found[0] == 0 and found[-1] == 16 and len(found) == 5 for found in kept.values())


def test_three_hundred_runs_keep_runs_from_the_whole_study():
    kept = thinned({str(k): list(range(17)) for k in range(300)}, layers=15)
    assert 190 <= len(kept) <= 200
    assert {"0", "299"} <= set(kept)
