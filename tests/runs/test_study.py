import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vaescope.errors import UsageError
from vaescope.runs.study import Run, Study, log_steps


def study(**changes):
    return Study.model_validate({"name": "s", "objectives": {"beta_vae": {"beta": [1.0, 8.0]}}, **changes})


def test_the_grid_is_every_dataset_network_strength_and_seed():
    grid = study(objectives={"vae": None, "beta_vae": {"beta": [1.0, 2.0, 4.0]}}, seeds=[3, 5]).runs()
    assert [(r.objective, r.options.get("beta"), r.seed) for r in grid] == [
        ("vae", None, 3),
        ("vae", None, 5),
        *(("beta_vae", beta, seed) for beta in (1.0, 2.0, 4.0) for seed in (3, 5)),
    ]
    assert study(objectives={"vae": {}, "beta_vae": {"beta": [1.0, 2.0, 4.0]}}, seeds=[3, 5]).size == len(grid)


def test_ids_are_unique_plain_file_names_and_depend_on_everything():
    first = study().runs()[0]
    assert first.id.startswith("dsprites-conv-beta_vae-beta=1-seed0-")
    changed = {
        "seed": 1,
        "latents": 3,
        "batch_size": 2,
        "options": {"beta": 2.0},
        "snapshots": (0, 10_000),
        "log_every": 7,
    }
    ids = {first.id, *(dataclasses.replace(first, **{k: v}).id for k, v in changed.items())}
    assert len(ids) == 1 + len(changed)
    assert all("/" not in i and len(i) < 200 for i in ids)


def test_a_study_survives_being_written_and_read():
    one = study(seeds=[2, 9], snapshots=[0, 3, 10_000], datasets=[{"name": "dsprites", "path": "x.npz"}])
    assert Study.model_validate(one.dumped()) == one
    assert one.datasets[0].options == {"path": "x.npz"}


@given(last=st.integers(1, 10**6), count=st.integers(2, 200))
def test_log_steps_are_different_ascending_and_as_many_as_asked(last, count):
    steps = log_steps(last, count)
    assert steps[0] == 0
    assert steps[-1] == last
    assert all(a < b for a, b in itertools.pairwise(steps))
    assert len(steps) == min(count, last + 1)


def test_log_steps_are_evenly_spaced_in_log_step_once_they_can_be():
    steps = log_steps(300_000, 50)[-20:]
    ratios = [b / a for a, b in itertools.pairwise(steps)]
    assert max(ratios) / min(ratios) < 1.01


def test_a_list_of_steps_is_taken_as_given_and_the_end_is_always_kept():
    assert study(snapshots=[5, 0, 2], steps=9).snapshot_steps == (0, 2, 5, 9)
    assert study(snapshots={"schedule": "linear", "count": 4}, steps=9).snapshot_steps == (0, 3, 6, 9)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": "7"},
        {"steps": True},
        {"seeds": []},
        {"seeds": [1, 1]},
        {"seeds": -1},
        {"snapshots": [0, 20_000]},
        {"optimiser": {"lr": float("nan")}},
        {"probe": {"n": 3}},
        {"measures": {"cka": {"n": 2000}}},
        {"objectives": {}},
        {"objectives": {"beta_vae": {"beta": list(range(20_000))}}},
        {"name": ""},
        {"colour": "red"},
    ],
)
def test_what_a_study_cannot_say_is_refused(changes):
    with pytest.raises(ValidationError):
        study(**changes)


def test_a_billion_runs_are_counted_but_never_listed():
    many = [float(i) for i in range(1000)]
    with pytest.raises(ValidationError, match="1,000,000,000 runs"):
        study(objectives={"beta_vae": {"a": many, "b": many, "c": many}})


def test_a_run_needs_ascending_snapshots():
    run = study().runs()[0]
    with pytest.raises(UsageError, match=r"ascending steps, got \(3, 1\)"):
        dataclasses.replace(run, snapshots=(3, 1))
    assert isinstance(run, Run)
