"""Signs of life on disk, and watching them."""

import json
import math
import os
import time
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs.small import small_folder

from vaescope.runs import live as module
from vaescope.runs.board import Live
from vaescope.runs.live import FILE, Heartbeat, Watch, read_live
from vaescope.runs.manifest import Artifact, Manifest


class Clock:
    """A clock that goes on only when told to."""

    def __init__(self, monkeypatch, start=1000.0, wall=1_700_000_000.0):
        self.now, self.wall = start, wall
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(module.time, "time", lambda: self.wall)

    def go(self, seconds):
        self.now += seconds
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    return small_folder(tmp_path / "study", "steps=1000", "snapshots=[0, 1000]")


def watch(folder):
    return Watch(folder.path, folder.study.name, folder.runs)


def beating(folder, number=0):
    run = folder.runs[number]
    return Heartbeat(folder.run(run.id).path, run)


def test_a_heartbeat_says_where_the_run_is_and_goes_when_it_ends(folder, clock):
    runner = folder.run(folder.runs[0].id)
    with beating(folder) as heartbeat:
        heartbeat.beat(5, 3.5, 2)
        first = read_live(runner.path / FILE)
        assert first == Live(
            run=runner.run.id, step=5, steps=1000, steps_per_second=None, loss=3.5, threads=2,
            host=first.host, pid=os.getpid(), begun=clock.wall, written=clock.wall,
        )  # fmt: skip
        clock.go(10)
        heartbeat.beat(45, math.nan, 2)
        second = read_live(runner.path / FILE)
        assert (second.steps_per_second, second.loss, second.begun) == (4.0, None, first.begun)
    assert list(runner.path.iterdir()) == []


def test_the_rate_is_that_of_the_last_half_minute(folder, clock):
    heartbeat = beating(folder)
    step = 0
    for rate, seconds in ((100, 60), (1, 31)):
        for _ in range(seconds):
            heartbeat.beat(step, 1.0, 1)
            clock.go(1)
            step += rate
    heartbeat.beat(step, 1.0, 1)
    found = read_live(folder.run(folder.runs[0].id).path / FILE)
    assert found.steps_per_second == 1.0


def test_it_writes_at_most_once_a_second(folder, clock, monkeypatch):
    written = []
    monkeypatch.setattr(module, "_write", lambda path, data: written.append(json.loads(data)["step"]))
    heartbeat = beating(folder)
    for step in range(40):
        due = heartbeat.due()
        before = len(written)
        heartbeat.beat(step, 1.0, 1)
        assert due == (len(written) > before)
        clock.go(0.125)
    assert written == [0, 8, 16, 24, 32]


@pytest.mark.parametrize("obstacle", ["a file where the folder should be", "a folder where the file should be"])
def test_a_heartbeat_that_cannot_be_written_stops_nothing(folder, obstacle, clock):
    path = folder.run(folder.runs[0].id).path
    if obstacle.startswith("a file"):
        path.parent.mkdir()
        path.write_text("x")
    else:
        (path / FILE / "inside").mkdir(parents=True)
    with beating(folder) as heartbeat:
        heartbeat.beat(1, 1.0, 1)
    assert read_live(path / FILE) is None
    assert list(folder.path.rglob("*.part")) == []


def test_no_error_of_the_disk_stops_a_heartbeat(folder, monkeypatch, clock):
    heartbeat = beating(folder)
    for name in ("write_bytes", "replace", "unlink", "mkdir"):
        with monkeypatch.context() as patch:
            patch.setattr(module.Path, name, lambda *a, **k: (_ for _ in ()).throw(OSError(28, "full")))
            heartbeat.beat(1, 1.0, 1)
            heartbeat.end()
        clock.go(2)


GOOD = asdict(
    Live(run="r", step=1, steps=9, steps_per_second=2.0, loss=3.0, threads=1, host="h", pid=4, begun=5.0, written=6.0)
)


def test_a_torn_heartbeat_is_none_at_every_length(tmp_path):
    whole = json.dumps(GOOD).encode()
    file = tmp_path / FILE
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert read_live(file) is None, whole[:length]
    file.write_bytes(whole)
    assert asdict(read_live(file)) == GOOD
    assert read_live(tmp_path / "none") is None
    assert read_live(tmp_path) is None


@pytest.mark.parametrize("key", list(GOOD))
@pytest.mark.parametrize("value", [-1, "x", [], {}, 1.5, None, math.nan, math.inf, 10**400, "gone"])
def test_a_foreign_value_is_none_or_the_value(tmp_path, key, value):
    content = {k: v for k, v in GOOD.items() if k != key} if value == "gone" else {**GOOD, key: value}
    (tmp_path / FILE).write_text(json.dumps(content))
    found = read_live(tmp_path / FILE)
    fits = {
        "run": isinstance(value, str), "host": isinstance(value, str),
        "step": value == 10**400, "steps": value == 10**400, "threads": value == 10**400, "pid": value == 10**400,
        "begun": value in (-1, 1.5), "written": value in (-1, 1.5),
        "steps_per_second": value in (1.5, None), "loss": value in (-1, 1.5, None),
    }  # fmt: skip
    if value == "gone":
        assert (found is None) == (key not in ("steps_per_second", "loss"))
    elif fits[key]:
        assert getattr(found, key) == value
    else:
        assert found is None


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_bytes_are_none(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / FILE
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_live(file) is None


def test_extra_keys_of_a_newer_version_do_no_harm(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({**GOOD, "gpu": "H200"}))
    assert asdict(read_live(tmp_path / FILE)) == GOOD


def test_a_watch_sees_runs_begin_beat_fall_silent_and_end(folder, clock):
    watched, first = watch(folder), folder.runs[0].id
    assert watched.look().waiting == 2
    heartbeat = beating(folder)
    heartbeat.beat(0, 9.0, 1)
    assert watched.look().running == 1
    clock.go(5)
    heartbeat.beat(50, 8.0, 1)
    board = watched.look()
    assert (board.rows[0].run, board.rows[0].step, board.steps_per_second) == (first, 50, 10.0)
    assert board.seconds_left == 1950 / 10
    clock.go(31)
    board = watched.look()
    assert (board.running, board.rows[0].alive, board.rows[0].age) == (0, False, 31.0)
    folder.run(first).save(Manifest("done", 1000))
    board = watched.look()
    assert (board.done, board.rows) == (1, ())


def test_a_clock_that_is_set_meanwhile_misleads_no_watch(folder, clock):
    watched, heartbeat = watch(folder), beating(folder)
    for jump in (0.0, 3e8, -6e8):
        clock.wall += jump
        heartbeat.beat(1, 1.0, 1)
        assert watched.look().running == 1
        clock.go(2)
    clock.wall -= 1e6
    clock.go(29)
    assert watched.look().running == 0


def test_a_first_look_goes_by_the_time_that_was_written(folder, clock):
    beating(folder).beat(1, 1.0, 1)
    clock.go(29)
    assert watch(folder).look().running == 1
    clock.go(60)
    found = watch(folder).look()
    assert (found.running, found.rows[0].age) == (0, 89.0)


def test_a_heartbeat_of_another_run_does_not_count(folder, clock):
    one, other = (folder.run(run.id).path for run in folder.runs)
    beating(folder).beat(1, 1.0, 1)
    other.mkdir()
    (one / FILE).rename(other / FILE)
    assert watch(folder).look().rows == ()


def test_a_manifest_is_read_again_only_when_it_changed(folder, monkeypatch):
    watched, runner = watch(folder), folder.run(folder.runs[0].id)
    runner.save(Manifest("running", 3))
    watched.look()
    reads = []
    real = module.RunFolder.manifest
    monkeypatch.setattr(module.RunFolder, "manifest", lambda self: reads.append(self.run.id) or real(self))
    watched.look()
    assert reads == []
    runner.save(Manifest("done", 1000))
    assert watched.look().done == 1
    assert reads == [runner.run.id]


def test_a_damaged_manifest_is_named_and_the_others_are_told(folder):
    runner, other = (folder.run(run.id) for run in folder.runs)
    other.save(Manifest("done", 1000))
    runner.save(Manifest("done", 1000, snapshots={0: Artifact("x", 1, "y")}))
    file = runner.path / "manifest.json"
    file.write_text(file.read_text().replace("done", "dona"))
    watched = watch(folder)
    assert watched.look().done == 1
    assert list(watched.damaged) == [runner.run.id]
    assert "manifest.json" in watched.damaged[runner.run.id]
    runner.save(Manifest("done", 1000))
    assert watched.look().done == 2
    assert watched.damaged == {}


def test_a_reader_never_meets_half_a_heartbeat(folder):
    import threading

    run, stop = folder.runs[0], threading.Event()
    path = folder.run(run.id).path / FILE

    def write():
        while not stop.is_set():
            heartbeat = Heartbeat(path.parent, run)
            heartbeat.beat(7, 1.0, 1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while not path.exists():
            time.sleep(0.001)
        found = [read_live(path) for _ in range(2000)]
    finally:
        stop.set()
        thread.join()
    assert all(live is not None and live.step == 7 for live in found)
