import os
import signal
import sys

import psutil
import pytest
from tests.runs import work

from vaescope.errors import CorruptArtifact, RepresentationError, ResourceError, UsageError
from vaescope.runs import cluster as cluster_file
from vaescope.runs.executors import Processes, WorkerDied, cluster, executor_of


@pytest.fixture(scope="module")
def two():
    with Processes(2) as pool:
        yield pool


def test_processes_give_what_the_functions_give(two):
    assert list(two.map(work.square, range(20))) == [n * n for n in range(20)]
    assert two.slots() == two.room() == 2


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("kill", "killed by signal 9"),
        ("exit", "exit code 3; its last words: about to die: exit"),
        ("segfault", "signal 11 .*Segmentation fault"),
    ],
)
def test_a_death_fails_only_its_own_future_and_says_how(two, how, words):
    others = [two.submit(work.square, n) for n in range(3)]
    died = two.submit(work.die, how)
    others += [two.submit(work.square, n) for n in range(3)]
    with pytest.raises(WorkerDied, match=words):
        died.result(30)
    assert [f.result(30) for f in others] == [0, 1, 4, 0, 1, 4]


def test_a_worker_killed_while_idle_is_replaced(two):
    def workers():
        found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
        return {child.pid for child in found if "vaescope.runs.worker" in " ".join(child.cmdline())}

    before = work.until(lambda: len(now := workers()) == 2 and now)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert [f.result(30) for f in [two.submit(work.square, n) for n in range(6)]] == [n * n for n in range(6)]
    assert not before & work.until(lambda: len(now := workers()) == 2 and now)


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("corrupt", CorruptArtifact, "^the file is damaged"),
        ("representation", RepresentationError, "constant"),
        ("bug", ZeroDivisionError, "as if it were a bug"),
        ("unsendable", RuntimeError, "Local: of a class that nobody else knows"),
    ],
)
def test_errors_of_a_function_come_back_as_themselves(two, what, error, words):
    with pytest.raises(error, match=words) as caught:
        two.submit(work.refuse, what).result(30)
    assert getattr(caught.value, "reason", "zero_variance") == "zero_variance"


def test_a_function_or_result_that_cannot_be_sent_fails_its_future(two):
    with pytest.raises(Exception, match="lambda"):
        two.submit(lambda: 1).result(30)
    with pytest.raises(RuntimeError, match="result cannot be sent"):
        two.submit(eval, "lambda: 1").result(30)
    assert two.submit(work.square, 3).result(30) == 9


def test_a_module_that_is_not_there_in_the_worker_is_an_error_not_a_death(two, monkeypatch):
    module = type(sys)("nowhere_else")
    module.answer = type("answer", (), {"__module__": "nowhere_else"})
    monkeypatch.setitem(sys.modules, "nowhere_else", module)
    with pytest.raises(ModuleNotFoundError, match="nowhere_else"):
        two.submit(work.square, module.answer).result(30)


def test_workers_share_the_cores_and_leave_ctrl_c_to_the_coordinator(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    with Processes(2) as pool:
        about = pool.submit(work.about_me).result(30)
        assert pool.submit(work.threads_of_torch).result(60) <= 3
    assert about["omp"] == "3"
    assert about["interrupt"]
    assert not about["torch"]  # a worker is up before torch is loaded


def test_after_closing_no_process_is_left_and_nothing_can_be_submitted():
    with Processes(2) as pool:
        workers = [psutil.Process(pool.submit(work.about_me).result(30)["pid"]) for _ in range(2)]
        last = [pool.submit(work.square, n) for n in range(4)]
    assert [f.result(0) for f in last] == [0, 1, 4, 9]
    assert not any(w.is_running() for w in workers)
    with pytest.raises(RuntimeError, match="told to end"):
        pool.submit(work.square, 1)


def test_an_exception_in_the_block_ends_busy_workers_at_once(tmp_path):
    def leave():
        with Processes(1) as pool:
            futures.append(pool.submit(work.stubborn, str(tmp_path), "a", None))
            futures.append(pool.submit(work.square, 2))
            workers.append(psutil.Process(work.until(lambda: work.pids(tmp_path))[0]))
            raise KeyboardInterrupt

    futures, workers = [], []
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert isinstance(futures[0].exception(0), WorkerDied)
    assert futures[1].cancelled()
    assert not workers[0].is_running()


def test_workers_that_never_get_ready_are_an_error_with_their_last_words(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Processes(1) as pool, pytest.raises(ResourceError, match=r"no worker process can be started.*exit code 1"):
        pool.submit(work.square, 1).result(30)


def test_a_system_without_room_for_a_process_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with Processes(1) as pool, pytest.raises(ResourceError, match="No such file"):
        pool.submit(work.square, 1).result(30)


def test_asking_for_an_executor_that_cannot_be_is_told():
    with executor_of() as nothing:
        assert nothing is None
    with pytest.raises(UsageError, match="at least 1, got 0"), executor_of(0):
        pass
    with pytest.raises(UsageError, match="--workers or --scheduler, got both"), executor_of(2, "tcp://127.0.0.1:1"):
        pass


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("tcp://127.0.0.1:1", ResourceError, "no Dask scheduler answers at tcp://127.0.0.1:1 .*dask scheduler"),
        ("nonsense://x:1", UsageError, "expected an address such as"),
        ("no-port", UsageError, "missing port"),
        ("pyproject.toml", UsageError, "no scheduler file"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_at_once(address, error, words):
    with pytest.raises(error, match=words), cluster(address):
        pass


def test_a_port_where_somebody_else_is_silent_is_told_after_a_while(monkeypatch):
    import socket

    monkeypatch.setattr(cluster_file, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ResourceError, match="no Dask scheduler answers"), cluster(address):
            pass


def test_without_dask_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r'pip install "vaescope\[cluster\]"'), cluster("tcp://127.0.0.1:1"):
        pass
