"""Workers and coordinators, really killed, stopped and frozen while they are at it, on each kind of executor."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest
from tests.conftest import REPOSITORY
from tests.runs import work

import vaescope
from vaescope.errors import ResourceError
from vaescope.progress import Progress
from vaescope.runs import cluster as cluster_file
from vaescope.runs.attempt import Order, attempt
from vaescope.runs.executors import Processes, cluster
from vaescope.runs.session import Session
from vaescope.runs.tasks import Task, run_tasks

pytestmark = [pytest.mark.fault, pytest.mark.timeout(280)]

COORDINATOR = """
import sys
from pathlib import Path
from tests.runs import work
from vaescope.console import show_progress
from vaescope.runs.executors import executor_of
from vaescope.runs.tasks import Task, run_tasks

folder, function, scheduler = sys.argv[1:4]
asked = {"scheduler": scheduler} if scheduler else {"workers": 2}
with show_progress() as progress, executor_of(**asked) as executor:
    tasks = [Task(name, getattr(work, function), (folder, name)) for name in "abcd"]
    run_tasks(tasks, executor, Path(folder), progress)
"""


class Told(Progress):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def adapting():
    with work.local_cluster() as local:
        yield local


@pytest.fixture
def dask(adapting):
    """The cluster, recovered from what the test before did to it."""
    work.until(lambda: len(adapting.scheduler_info["workers"]) == 2, 60)
    return adapting


@pytest.fixture(params=["processes", "cluster"])
def pool(request, dask):
    with Processes(2) if request.param == "processes" else cluster(dask.scheduler_address) as pool:
        yield pool


def start(folder, function="patient", scheduler=""):
    return subprocess.Popen(
        [sys.executable, "-c", COORDINATOR, str(folder), function, scheduler],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def gone(pid):
    """Whether a process has ended; a zombie has, if nobody of ours is to collect it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def computing(folder, count):
    folder.mkdir(exist_ok=True)
    return [Task(f"c{i}", work.compute, (str(folder), f"c{i}")) for i in range(count)]


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name.startswith("c")}


def test_a_poison_task_fails_after_three_retries_and_the_others_are_as_if_nothing_had_been(pool, tmp_path):
    run_tasks(computing(tmp_path / "alone", 8), None, tmp_path / "alone", at_once=2)
    there = tmp_path / "poisoned"
    tasks = computing(there, 8)
    tasks.insert(1, Task("poison", work.deadly, (str(there), "poison", "kill", 99)))
    tasks.insert(4, Task("twice", work.deadly, (str(there), "twice", "segfault", 2)))
    tasks.insert(6, Task("thrice", work.deadly, (str(there), "thrice", "exit", 3)))
    progress = Told()
    outcomes = {o.key: o for o in run_tasks(tasks, pool, there, progress)}
    poison = outcomes.pop("poison")
    assert poison.failed.startswith("its worker died 4 times while at it; last: ")
    assert "died; its log" in poison.failed or "was killed by signal 9" in poison.failed
    assert (there / "poison.tries").stat().st_size == 4
    assert [line for line in progress.lines if line.startswith("poison failed: ")] == [
        f"poison failed: {poison.failed}"
    ]
    assert {o.failed for o in outcomes.values()} == {""}
    assert (outcomes["twice"].value, outcomes["thrice"].value) == ("twice lived", "thrice lived")
    assert files(there) == files(tmp_path / "alone")


def test_workers_killed_at_random_moments_cost_nothing_but_time(pool, tmp_path):
    seed = int(os.environ.get("VAESCOPE_FAULT_SEED", "0"))
    kills = int(os.environ.get("VAESCOPE_KILLS", "3"))
    print(f"replay: VAESCOPE_FAULT_SEED={seed} VAESCOPE_KILLS={kills}")
    count = 8 + 6 * kills
    run_tasks(computing(tmp_path / "alone", count), None, tmp_path / "alone", at_once=2)
    rng = random.Random(seed)  # noqa: S311
    there, killed, deaths = tmp_path / "killed", set(), Counter()
    over = threading.Event()

    def killing():
        while len(killed) < kills and not over.wait(rng.uniform(0.1, 0.4)):
            at_work = {}
            for mark in sorted(there.glob(".tasks/*/begun/*.*")):
                with contextlib.suppress(OSError, IndexError):
                    at_work[int(mark.read_text().split()[1])] = mark.stem
            found = [pid for pid, task in at_work.items() if pid not in killed and deaths[task] < 3]
            if found:
                pid = rng.choice(found)
                killed.add(pid)
                deaths[at_work[pid]] += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killing)
    thread.start()
    outcomes = run_tasks(computing(there, count), pool, there)
    over.set()
    thread.join()
    print(f"{len(killed)} workers killed in {count} tasks")
    assert len(killed) >= min(kills, 2)
    assert [o.failed for o in outcomes] == [""] * count
    assert files(there) == files(tmp_path / "alone")


def test_a_frozen_worker_keeps_its_task_to_itself(tmp_path):
    (tmp_path / "go").unlink(missing_ok=True)
    session = Session(tmp_path, "frozen")
    order = Order(str(tmp_path), "frozen", "a", vaescope.__version__)
    with session.leading(), Processes(2) as pool:
        first = pool.submit(attempt, order, work.patient, (str(tmp_path), "a"))
        frozen = work.until(lambda: work.pids(tmp_path))[0]
        os.kill(frozen, signal.SIGSTOP)
        second = pool.submit(attempt, order, work.patient, (str(tmp_path), "a"))
        assert second.result(30).state == "busy"
        assert work.pids(tmp_path) == [frozen]
        os.kill(frozen, signal.SIGCONT)
        third = pool.submit(attempt, order, work.patient, (str(tmp_path), "a"))
        (tmp_path / "go").touch()
        assert first.result(30).state == third.result(30).state == "done"
    words = [line.split()[0] for line in (tmp_path / "a.log").read_text().splitlines()]
    assert words == ["begin", "end", "begin", "end"]


def test_a_frozen_worker_that_is_killed_gives_its_task_to_another(pool, tmp_path):
    def kill():
        try:
            pid = work.until(lambda: work.pids(tmp_path))[0]
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.2)
            os.kill(pid, signal.SIGKILL)
            work.until(lambda: len(work.pids(tmp_path)) == 2)
        finally:
            (tmp_path / "go").touch()

    thread = threading.Thread(target=kill)
    thread.start()
    assert run_tasks([Task("a", work.patient, (str(tmp_path), "a"))], pool, tmp_path)[0].value == "a"
    thread.join()
    assert len(work.pids(tmp_path)) == 2
    assert len(work.pids(tmp_path, "end")) == 1


def test_a_worker_told_to_leave_has_its_task_save_and_is_no_death(tmp_path):
    def retire():
        try:
            first = work.until(lambda: work.pids(tmp_path))[0]
            pids = pool.client.run(os.getpid, on_error="return")
            pool.client.retire_workers([worker for worker, pid in pids.items() if pid == first])
            work.until(lambda: len(work.pids(tmp_path)) == 2)
            marks.extend(work.until(lambda: [m.read_text() for m in tmp_path.glob(".tasks/*/begun/*.*")]))
        finally:
            (tmp_path / "go").touch()

    marks = []
    with work.local_cluster(adapts=False) as local, cluster(local.scheduler_address) as pool:
        thread = threading.Thread(target=retire)
        thread.start()
        outcomes = run_tasks([Task("a", work.patient, (str(tmp_path), "a"))], pool, tmp_path)
        thread.join()
    first, second = work.pids(tmp_path)
    assert first != second
    assert outcomes[0].value == "a"
    assert work.pids(tmp_path, "saved") == [first]
    assert len(marks) == 1
    assert marks[0].startswith(f"process {second} on ")


@pytest.mark.parametrize("function", ["patient", "stubborn"])
def test_the_workers_of_a_killed_coordinator_are_gone_within_five_seconds(tmp_path, function):
    process = start(tmp_path, function)
    workers = work.until(lambda: len(found := work.pids(tmp_path)) == 2 and found)
    process.kill()
    process.communicate()
    work.until(lambda: all(gone(pid) for pid in workers), 5)
    run_tasks([], None, tmp_path)
    assert not (tmp_path / ".tasks").exists()


def test_tasks_of_a_killed_coordinator_on_a_cluster_save_and_return(dask, tmp_path):
    process = start(tmp_path, "patient", dask.scheduler_address)
    work.until(lambda: len(work.pids(tmp_path)) == 2)
    process.kill()
    process.communicate()
    work.until(lambda: len(work.pids(tmp_path, "saved")) == 2)
    time.sleep(0.5)
    assert len(work.pids(tmp_path)) == 2
    assert not any(gone(pid) for pid in work.pids(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_of_the_whole_group_lets_tasks_save_and_leaves_no_child(tmp_path, number):
    process = start(tmp_path)
    workers = work.until(lambda: len(found := work.pids(tmp_path)) == 2 and found)
    os.killpg(process.pid, number)
    text, _ = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "Interrupted" in text
    assert sorted(work.pids(tmp_path, "saved")) == sorted(workers)
    assert all(gone(pid) for pid in workers)
    assert not (tmp_path / ".tasks").exists()


def test_a_second_ctrl_c_ends_even_workers_that_do_not_listen(tmp_path):
    process = start(tmp_path, "stubborn")
    workers = work.until(lambda: len(found := work.pids(tmp_path)) == 2 and found)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    assert all(gone(pid) for pid in workers)


def test_tasks_that_no_worker_lives_to_begin_fail_and_do_not_go_on_for_ever(tmp_path, monkeypatch):
    (tmp_path / "deadly_import.py").write_text("import os\nif 'VAESCOPE_TEST_DIES' in os.environ: os._exit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import deadly_import

    monkeypatch.setenv("VAESCOPE_TEST_DIES", "yes")
    task = Task("a", work.square, (deadly_import.__spec__.loader,))
    monkeypatch.setattr(deadly_import, "f", type("f", (), {"__module__": "deadly_import"}), raising=False)
    deadly_import.f.__qualname__ = "f"
    task = Task("a", work.square, (deadly_import.f,))
    with Processes(1) as pool:
        outcomes = run_tasks([task, Task("b", work.square, (2,))], pool, tmp_path / "study")
    assert "no worker lived to begin it" in outcomes[0].failed
    assert "exit code 9" in outcomes[0].failed
    assert outcomes[1].value == 4


def test_a_scheduler_that_ends_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_file, "CONNECT_SECONDS", 1.0)
    local = work.local_cluster()

    def end():
        work.until(lambda: work.pids(tmp_path))
        local.close()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(ResourceError, match=r"ended, restarted or cannot be reached.*same command again"):  # noqa: SIM117
        with cluster(local.scheduler_address) as pool:
            run_tasks([Task("a", work.patient, (str(tmp_path), "a"))], pool, tmp_path)
    thread.join()
