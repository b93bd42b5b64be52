"""How far a study is, added up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.small import small_study

from vaescope.progress import Board, Row
from vaescope.runs.board import STALE_SECONDS, Live, board_of, counts, duration, in_words, pace, speed
from vaescope.runs.manifest import Manifest

STEPS = 100
RUNS = {
    run.id: run
    for run in small_study("seeds=3", "steps=100", "snapshots=[0, 100]", "objectives={vae: {}, beta_vae: {}}").runs()
}
IDS = list(RUNS)
NOW = 5_000.0


def live(run_id, step=0, rate: float | None = 10.0, age=1.0, loss: float | None = 3.0, host="here"):
    values = {"run": run_id, "step": step, "steps": STEPS, "steps_per_second": rate, "loss": loss, "host": host}
    return Live(**values, threads=1, pid=1, begun=0.0, written=NOW - age)


def board(manifests=None, lives=()):
    return board_of("study", RUNS, manifests or {}, {beat.run: beat for beat in lives}, NOW)


def test_nothing_has_begun():
    found = board()
    assert (found.runs_total, found.done, found.running, found.waiting, found.failed) == (6, 0, 0, 6, 0)
    assert (found.steps_done, found.steps_total, found.steps_per_second) == (0, 600, 0.0)
    assert found.seconds_left is None
    assert not found.ended
    assert in_words(found) == "0 of 6 runs done, 0 running, 0 failed, nothing is running now"


def test_a_study_under_way_has_its_rate_and_the_time_that_is_left():
    manifests = {IDS[0]: Manifest("done", STEPS), IDS[1]: Manifest("running", 30), IDS[2]: Manifest("running", 20)}
    found = board(manifests, [live(IDS[1], 50, 4.0), live(IDS[2], 40, 6.0)])
    assert (found.done, found.running, found.waiting, found.failed) == (1, 2, 3, 0)
    assert found.steps_done == 100 + 50 + 40
    assert found.steps_total == 600
    assert found.steps_per_second == 10.0
    assert found.seconds_left == (600 - 190) / 10
    assert in_words(found) == "1 of 6 runs done, 2 running, 0 failed, 10 steps/s, about 41 s left"


def test_the_last_runs_alone_take_as_long_as_the_slowest():
    manifests = {i: Manifest("done", STEPS) for i in IDS[2:]}
    found = board(manifests, [live(IDS[0], 99, 50.0), live(IDS[1], 50, 0.5)])
    assert found.seconds_left == 50 / 0.5


def test_failed_runs_end_with_their_reasons_and_leave_nothing_to_do():
    manifests = {i: Manifest("done", STEPS) for i in IDS[2:]}
    manifests |= {IDS[0]: Manifest("diverged", 7, "the loss is nan at step 7"), IDS[1]: Manifest("failed", 20)}
    found = board(manifests)
    assert (found.done, found.failed, found.ended) == (4, 2, True)
    assert found.steps_done == found.steps_total == 400 + 7 + 20
    assert found.seconds_left == 0.0
    assert found.failures == (f"{IDS[0]}: the loss is nan at step 7", f"{IDS[1]}: failed")
    assert in_words(found) == "4 of 6 runs done, 0 running, 2 failed"


def test_a_failed_run_that_is_tried_again_is_running():
    found = board({IDS[0]: Manifest("failed", 20, "its worker died")}, [live(IDS[0], 25)])
    assert (found.running, found.failed, found.failures) == (1, 0, ())
    found = board({IDS[0]: Manifest("failed", 20, "its worker died")}, [live(IDS[0], 25, age=STALE_SECONDS + 1)])
    assert (found.running, found.failed, found.rows) == (0, 1, ())


def test_a_stale_heartbeat_is_not_running_and_its_steps_are_those_it_continues_from():
    found = board({IDS[0]: Manifest("running", 30)}, [live(IDS[0], 50, age=120.0)])
    assert (found.running, found.waiting, found.steps_done, found.steps_per_second) == (0, 6, 30, 0.0)
    assert [row.alive for row in found.rows] == [False]
    assert found.rows[0].age == 120.0
    assert "1 without a sign of life" in in_words(found)
    assert "nothing is running now" in in_words(found)


def test_a_heartbeat_from_the_future_is_alive_and_one_of_an_ended_run_is_not():
    found = board({IDS[1]: Manifest("done", STEPS)}, [live(IDS[0], 5, age=-1e6), live(IDS[1], 5)])
    assert [(row.run, row.age) for row in found.rows] == [(IDS[0], 0.0)]


def test_running_rows_come_first_in_the_order_of_the_study():
    found = board({}, [live(IDS[4]), live(IDS[0], age=99.0), live(IDS[2])])
    assert [row.run for row in found.rows] == [IDS[2], IDS[4], IDS[0]]
    assert found.rows[0].label == "dsprites vae seed 2"


beats = st.builds(
    live,
    st.sampled_from(IDS),
    step=st.integers(0, 2 * STEPS),
    rate=st.none() | st.floats(0.01, 1e4),
    age=st.floats(-100, 200),
)
states = st.sampled_from(["planned", "running", "done", "diverged", "failed"])
manifests_of = st.dictionaries(st.sampled_from(IDS), st.builds(Manifest, states, st.integers(0, STEPS)))


@given(manifests_of, st.lists(beats, unique_by=lambda beat: beat.run))
def test_every_run_is_counted_once_and_sums_are_those_of_a_slow_count(manifests, lives):
    found = board(manifests, lives)
    by_id = {beat.run: beat for beat in lives}
    done = running = failed = steps = total = 0
    rate = 0.0
    for run_id in IDS:
        manifest = manifests.get(run_id, Manifest())
        beat = by_id.get(run_id)
        fresh = beat is not None and NOW - beat.written <= STALE_SECONDS
        if manifest.state == "done":
            done, steps, total = done + 1, steps + STEPS, total + STEPS
        elif manifest.state == "diverged" or (manifest.state == "failed" and not fresh):
            failed, steps, total = failed + 1, steps + manifest.step, total + manifest.step
        elif fresh:
            running, steps, total = running + 1, steps + min(beat.step, STEPS), total + STEPS
            rate += beat.steps_per_second or 0.0
        else:
            steps, total = steps + manifest.step, total + STEPS
    assert (found.done, found.running, found.failed) == (done, running, failed)
    assert found.done + found.running + found.waiting + found.failed == found.runs_total == len(IDS)
    assert (found.steps_done, found.steps_total) == (steps, total)
    assert found.steps_per_second == pytest.approx(rate)
    assert 0 <= found.steps_done <= found.steps_total
    assert len(found.failures) == failed
    assert sum(row.alive for row in found.rows) == running
    if total == steps:
        assert found.seconds_left == 0.0
    elif rate == 0:
        assert found.seconds_left is None
    else:
        assert found.seconds_left is not None
        assert found.seconds_left >= (total - steps) / rate * (1 - 1e-9)
    assert in_words(found).startswith(f"{done} of 6 runs done, {running} running, {failed} failed")


def test_words():
    row = Row("id", "label", 1, 9, None, None, "host", 2.0, True)
    empty = Board("s", 9, 0, 1, 8, 0, 1, 81, 0.0, None, (row,))
    assert pace(empty) == "speed not known yet"
    assert counts(empty) == "0 of 9 runs done, 1 running, 0 failed"
    assert [speed(r) for r in (None, 0.012345, 7.0, 71.53, 143.2, 12345.6)] == [
        "-", "0.0123", "7", "71.5", "143", "12,346",
    ]  # fmt: skip
    assert [duration(s) for s in (0.0, 1.2, 99.5, 100, 5_999, 6_000, 11_160, 36_000, 300_000)] == [
        "under 1 s", "2 s", "100 s", "2 min", "100 min", "1.7 h", "3.1 h", "10 h", "3 days",
    ]  # fmt: skip
