"""Tasks on each kind of executor; what must hold when workers die is in `tests/faults/test_workers.py`."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.runs import work

import vaescope
from vaescope.errors import CorruptArtifact, Interrupted, ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.runs.attempt import Order, attempt, look
from vaescope.runs.executors import Processes, cluster, executor_of
from vaescope.runs.pool import Pool
from vaescope.runs.session import Session
from vaescope.runs.tasks import Task, run_tasks


@pytest.fixture(scope="module")
def pools():
    """An executor of each kind."""
    with work.local_cluster() as dask, cluster(dask.scheduler_address) as many, Processes(2) as two:
        yield {"here": None, "processes": two, "cluster": many}


@pytest.fixture(params=["here", "processes", "cluster"])
def pool(request, pools):
    return pools[request.param]


class Told(Progress):
    """Keeps what is said, and asks to stop once a condition holds."""

    def __init__(self, stop=lambda: False):
        self.lines, self.stop = [], stop

    def say(self, line):
        self.lines.append(line)

    def check(self):
        if self.stop():
            raise Interrupted


def computing(folder, count=6):
    folder.mkdir()
    return [Task(f"c{i}", work.compute, (str(folder), f"c{i}")) for i in range(count)]


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def patient(folder, names):
    return [Task(name, work.patient, (str(folder), name)) for name in names]


def test_every_executor_gives_the_same_bytes_and_leaves_nothing_else(pools, tmp_path):
    found = {}
    for name, pool in pools.items():
        outcomes = run_tasks(computing(tmp_path / name), pool, tmp_path / name, at_once=2)
        assert [(o.key, o.value, o.failed) for o in outcomes] == [(f"c{i}", f"c{i}", "") for i in range(6)]
        found[name] = files(tmp_path / name)
    assert len(found["here"]) == 6
    assert found["here"] == found["processes"] == found["cluster"]


def test_each_outcome_is_told_when_it_is_known_and_tick_is_called_meanwhile(pool, tmp_path):
    ticks, finished = [], []

    def tick():
        ticks.append(len(finished))
        if len(ticks) == 3:
            (tmp_path / "go").touch()

    progress = Told()
    run_tasks(patient(tmp_path, "ab"), pool, tmp_path, progress, at_once=2, tick=tick, finished=finished.append)
    assert ticks[:3] == [0, 0, 0]
    assert sorted(outcome.key for outcome in finished) == ["a", "b"]
    assert sorted(progress.lines) == ["a went", "b went"]


def test_tasks_begin_in_their_order(tmp_path):
    tasks = [Task(f"t{i}", work.compute, (str(tmp_path), f"t{i}")) for i in range(5)]
    finished = []
    run_tasks(tasks, None, tmp_path, finished=lambda outcome: finished.append(outcome.key))
    with Processes(1) as one:
        run_tasks(tasks, one, tmp_path, finished=lambda outcome: finished.append(outcome.key))
    assert finished == [f"t{i}" for i in range(5)] * 2


def test_no_more_is_submitted_than_there_is_room_for(tmp_path):
    class Narrow(Pool):
        def __init__(self):
            self.threads, self.flying, self.most, self.workers = ThreadPoolExecutor(8), 0, 0, 1

        def slots(self):
            return self.workers

        def submit(self, fn, /, *args, **kwargs):
            self.flying += 1
            self.most = max(self.most, self.flying)
            future = self.threads.submit(fn, *args, **kwargs)
            future.add_done_callback(lambda _: setattr(self, "flying", self.flying - 1))
            return future

    with Narrow() as pool:
        pool.workers = 2
        run_tasks(computing(tmp_path / "a", 7), pool, tmp_path / "a")
        assert pool.most == 2
        pool.workers = 3  # the cluster grew
        run_tasks(computing(tmp_path / "b", 7), pool, tmp_path / "b")
        assert pool.most == 3
        pool.threads.shutdown()


@pytest.mark.parametrize(("what", "error"), [("corrupt", CorruptArtifact), ("bug", ZeroDivisionError)])
def test_the_error_of_a_task_stops_the_others_and_comes_back_as_itself(pool, tmp_path, what, error):
    tasks = [*patient(tmp_path, "a"), Task("bad", work.refuse, (what,))]
    with pytest.raises(error):
        run_tasks(tasks, pool, tmp_path, at_once=2)
    assert work.pids(tmp_path, "begin") == work.pids(tmp_path, "saved")
    assert not (tmp_path / ".tasks").exists()


def test_a_task_that_exits_is_an_error_and_ends_nobody(pool, tmp_path):
    with pytest.raises(RuntimeError, match=r"a task ended with SystemExit\(5\)"):
        run_tasks([Task("exit", work.refuse, ("exit",))], pool, tmp_path)
    assert run_tasks([Task("two", work.square, (2,))], pool, tmp_path)[0].value == 4


def test_a_stop_lets_tasks_under_way_save_and_begins_no_other(pool, tmp_path):
    progress = Told(stop=lambda: len(work.pids(tmp_path)) >= 2)
    with pytest.raises(Interrupted):
        run_tasks(patient(tmp_path, "abcdef"), pool, tmp_path, progress, at_once=2)
    assert 2 <= len(work.pids(tmp_path)) <= 3
    assert work.pids(tmp_path, "begin") == work.pids(tmp_path, "saved")
    assert not (tmp_path / ".tasks").exists()
    (tmp_path / "go").touch()
    assert len(run_tasks(patient(tmp_path, "abcdef"), pool, tmp_path, at_once=2)) == 6


def test_an_error_while_stopping_is_told_rather_than_the_stop(tmp_path):
    def refuses(progress):
        begun.set()
        try:
            while True:
                progress.check()
        except Interrupted:
            raise ResourceError("the disk is full") from None

    begun = threading.Event()
    with pytest.raises(ResourceError, match="disk is full"):
        run_tasks([Task("a", refuses)], None, tmp_path, Told(stop=begun.is_set))


def test_two_tasks_of_one_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two tasks are called 'a'"):
        run_tasks(patient(tmp_path, "aa"), None, tmp_path)


@pytest.mark.parametrize("kind", ["processes", "cluster"])
def test_a_worker_with_another_version_is_told(pools, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("vaescope.runs.tasks.__version__", "99.0")
    with pytest.raises(
        ResourceError, match=f'has vaescope {vaescope.__version__}, not 99.0: pip install "vaescope==99'
    ):
        run_tasks(patient(tmp_path, "a"), pools[kind], tmp_path)


class Elsewhere(Pool):
    """Workers on other machines, as far as `everywhere` is concerned."""

    def __init__(self, answer):
        self.answer = answer

    def slots(self):
        return 1

    def everywhere(self, function, *arguments):
        return {"tcp://10.0.0.7:40001": self.answer(function, *arguments)}


def test_a_worker_without_vaescope_is_named(tmp_path):
    from importlib.metadata import PackageNotFoundError

    with pytest.raises(ResourceError, match=r"worker tcp://10.0.0.7:40001 has no vaescope: pip install"):
        run_tasks([], Elsewhere(lambda *_: PackageNotFoundError("vaescope")), tmp_path)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (lambda folder: folder / "nowhere", "does not see .* under the same path"),
        (lambda folder: folder / "other", "sees another .* than this machine"),
    ],
)
def test_a_worker_that_does_not_see_the_folder_is_named(tmp_path, there, words):
    (tmp_path / "other").mkdir()

    def answer(function, *arguments):
        if function is not look:
            return vaescope.__version__
        order = arguments[0]
        return look(Order(str(there(tmp_path)), order.session, order.key, order.version))

    with pytest.raises(ResourceError, match=f"worker tcp://10.0.0.7:40001 {words}"):
        run_tasks([], Elsewhere(answer), tmp_path)


def test_a_worker_that_does_not_notice_locks_of_other_machines_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Session, "led", lambda _: False)
    with pytest.raises(ResourceError, match=r"10.0.0.7:40001 does not notice file locks"):
        run_tasks([], Elsewhere(lambda f, *a: f(*a)), tmp_path)


def test_workers_that_stop_without_being_asked_do_not_go_on_for_ever(tmp_path):
    def stops(progress):
        tries.append(1)
        raise Interrupted

    tries = []
    with pytest.raises(ResourceError, match="stopped it though nobody asked"):
        run_tasks([Task("a", stops)], ThreadPoolExecutor(1), tmp_path)
    assert len(tries) == 4


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / ".tasks").touch()
    with pytest.raises(ResourceError, match="workers cannot be led from here"):
        run_tasks([], None, tmp_path)


def _hold(folder, name, ready):
    with Session(folder, name).leading():
        ready.send(True)
        signal.pause()


def test_what_a_killed_coordinator_left_is_removed_by_the_next_and_its_attempts_stop(tmp_path):
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, "dead", there))
    process.start()
    here.recv()
    dead = Session(tmp_path, "dead")
    assert dead.led()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not dead.led()
    order = Order(str(tmp_path), "dead", "a", vaescope.__version__)
    assert attempt(order, work.square, (1,)).state == "stopped"
    run_tasks([], None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_task_another_attempt_holds_is_busy_and_done_later(tmp_path, monkeypatch):
    monkeypatch.setattr("vaescope.runs.attempt.BUSY_SECONDS", 0.2)
    progress = Told()
    (tmp_path / ".tasks" / "locks").mkdir(parents=True)
    lock = Session(tmp_path, "another").lock("a")
    lock.acquire()
    threading.Timer(1.0, lock.release).start()
    outcomes = run_tasks([Task("a", work.square, (3,))], None, tmp_path, progress)
    assert outcomes[0].value == 9
    assert progress.lines == ["a: another worker has not let go of it yet; waiting"]


def test_the_kinds_of_executors_are_chosen_by_what_a_user_asks_for(pools):
    with executor_of(workers=1) as one:
        assert one.submit(work.square, 2).result(30) == 4
    address = pools["cluster"].client.scheduler.address
    with executor_of(scheduler=address) as dask:
        assert dask.slots() == 2
        assert dask.submit(work.square, 3).result(30) == 9
