"""Tasks for the tests of executors: worker processes import them from here."""

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from vaescope.errors import CorruptArtifact, RepresentationError
from vaescope.progress import Progress


def square(n: int, progress: Progress | None = None) -> int:
    return n * n


def about_me() -> dict:
    return {
        "pid": os.getpid(),
        "omp": os.environ.get("OMP_NUM_THREADS"),
        "torch": "torch" in sys.modules,
        "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
    }


def threads_of_torch() -> int:
    import torch

    return torch.get_num_threads()


def die(how: str) -> None:
    print("about to die:", how, flush=True)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        np.ones(1 << 40)
    raise AssertionError(f"survived {how}")


def refuse(what: str, progress: Progress | None = None) -> None:
    if what == "corrupt":
        raise CorruptArtifact("the file is damaged")
    if what == "representation":
        raise RepresentationError("constant", reason="zero_variance")
    if what == "unsendable":
        raise type("Local", (Exception,), {})("of a class that nobody else knows")
    if what == "exit":
        sys.exit(5)
    raise ZeroDivisionError("as if it were a bug")


def compute(folder: str, name: str, progress: Progress) -> str:
    """A short calculation written to a file whole: the same bytes wherever and however often it is done."""
    rng = np.random.default_rng([ord(c) for c in name])
    x = rng.normal(size=(64, 64))
    for _ in range(20):
        x = np.tanh(x @ x.T / 64)
        progress.check()
        time.sleep(0.01)
    part = Path(folder) / f".{name}.{os.getpid()}.part"
    part.write_bytes(x.tobytes())
    part.replace(Path(folder) / name)
    return name


def deadly(folder: str, name: str, how: str, times: int, progress: Progress) -> str:
    """Dies the first so many times it is begun."""
    with (Path(folder) / f"{name}.tries").open("a") as file:
        file.write("x")
    if (Path(folder) / f"{name}.tries").stat().st_size <= times:
        die(how)
    return f"{name} lived"


def patient(folder: str, name: str, progress: Progress) -> str:
    """Says where it runs, then waits for a file; saves where it was when it is asked to stop."""
    log = Path(folder) / f"{name}.log"
    with log.open("a") as file:
        file.write(f"begin {os.getpid()}\n")
    try:
        while not (Path(folder) / "go").exists():
            progress.check()
            time.sleep(0.02)
    except BaseException:
        with log.open("a") as file:
            file.write(f"saved {os.getpid()}\n")
        raise
    with log.open("a") as file:
        file.write(f"end {os.getpid()}\n")
    progress.say(f"{name} went")
    return name


def stubborn(folder: str, name: str, progress: Progress) -> None:
    """Never looks whether it should stop."""
    (Path(folder) / f"{name}.log").write_text(f"begin {os.getpid()}\n")
    while True:
        time.sleep(0.05)


def local_cluster(adapts: bool = True):
    """A Dask cluster of two worker processes of one thread each; to be closed."""
    from distributed import LocalCluster

    cluster = LocalCluster(
        processes=True,
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        memory_limit=0,
    )
    if adapts:  # Dask gives up a worker that dies while it starts; one that adapts has another in its place
        cluster.adapt(minimum=2, maximum=2, interval="200ms")
    return cluster


def pids(folder: Path, word: str = "begin") -> list[int]:
    """The processes that wrote a line with that word, in the order of the tasks' names."""
    lines = [line.split() for log in sorted(folder.glob("*.log")) for line in log.read_text().splitlines()]
    return [int(pid) for first, pid in lines if first == word]


def until(condition, seconds: float = 20.0):
    """Wait until something holds, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)
    return found
