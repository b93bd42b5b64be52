"""Zoos of up to 10,000 representations on all cores: how long, how much memory, stopped twice and gone on with.

    python benchmarks/large_zoo.py [--quick] [--folder DIR] [--only zoo|growth]

Each zoo is compared by a process of its own, whose memory is looked at from outside 20 times a second and may not
exceed a limit that the system enforces (RLIMIT_DATA, where there is one). Representations are made when they are asked
for: columns of one matrix of noise over 32 shared directions, 10 to 1,024 of them from a place that the number of the
representation decides, each column with a gain of its own; that costs less than preparing them. Useful work: n^2 p
operations a representation and n^2 a pair.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from timing import gemm_rate

import vaescope
from vaescope.errors import Interrupted
from vaescope.progress import Progress
from vaescope.runs.machine import cores

GIB = 1 << 30
WIDTHS = (10, 32, 64, 128, 256, 512, 1_024)
COLUMNS = 1 << 14
STOPPED = 130


def width_and_place(number: int) -> tuple[int, int]:
    """How wide a representation is, and where its columns begin."""
    random = np.random.default_rng([11, number])
    p = int(random.choice(WIDTHS))
    return p, int(random.integers(COLUMNS - p))


def columns(n: int) -> np.ndarray:
    """What all representations are cut from, (n, COLUMNS) float32."""
    random = np.random.default_rng(11)
    shared = random.standard_normal((n, 32), np.float32) @ random.standard_normal((32, COLUMNS), np.float32)
    return shared / 6 + random.standard_normal((n, COLUMNS), np.float32)


def representation(source: np.ndarray, number: int) -> np.ndarray:
    """One of the zoo, (n, p) float32."""
    p, place = width_and_place(number)
    gains = 1 + (np.arange(p, dtype=np.float32) * (number % 97 + 1)) % 7
    return source[:, place : place + p] * gains


class Told(Progress):
    """Progress as one line of JSON each percent."""

    number, total, done, said = 0, 1, 0, -1

    def stage(self, name: str, total: int) -> None:
        self.number, self.total, self.done, self.said = self.number + 1, max(1, total), 0, -1
        self.advance(0)

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        if (percent := 100 * self.done // self.total) > self.said:
            self.said = percent
            print(json.dumps({"stage": self.number, "percent": percent}), flush=True)


def child(zoo: int, n: int, budget: int, limit: int, folder: str) -> int:
    """Compare one zoo in this process and print what it took; some scores are checked against pairs taken alone."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    source = columns(n)
    reps = {f"{i:05d}": partial(representation, source, i) for i in range(zoo)}
    begun = time.perf_counter()
    try:
        result = vaescope.similarity_matrix(reps, memory_budget=budget, folder=folder, progress=Told())
    except (KeyboardInterrupt, Interrupted):
        return STOPPED
    wall = time.perf_counter() - begun
    peak = psutil.Process().memory_info().rss
    random = np.random.default_rng(zoo)
    some = [sorted(random.choice(zoo, 2, replace=False).tolist()) for _ in range(20)]
    alone = [vaescope.similarity(representation(source, i), representation(source, j)) for i, j in some]
    error = max(abs(result.matrix[i, j] - score) for (i, j), score in zip(some, alone, strict=True))
    told = {"wall": wall, "seconds": result.seconds, "error": float(error), "rss": peak, "shape": result.matrix.shape}
    print(json.dumps(told), flush=True)
    return 0


def leg(zoo: int, n: int, budget: int, limit: int, folder: Path, stop: tuple[int, int] | None = None) -> dict:
    """Run a child, interrupt it when (stage, percent) is reached, and say how long it ran and its largest memory."""
    command = [sys.executable, __file__, "--child", json.dumps([zoo, n, budget, limit, str(folder)])]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        told: dict = {"peak": 0}
        seen = psutil.Process(process.pid)

        def watch() -> None:
            while process.poll() is None:
                try:
                    told["peak"] = max(told["peak"], seen.memory_info().rss)
                except psutil.Error:
                    return
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert process.stdout is not None
        for line in process.stdout:
            told |= json.loads(line)
            if stop and "percent" in told and (told["stage"], told["percent"]) >= stop:
                process.send_signal(signal.SIGINT)
                stop = None
        watcher.join()
    told |= {"ran": time.perf_counter() - begun, "code": process.returncode}
    if told["code"] not in (0, STOPPED):
        raise SystemExit(f"the child of {zoo:,} representations ended with {told['code']}")
    return told


def operations(zoo: int, n: int) -> tuple[float, float]:
    """Useful work of preparing and of the pairs."""
    features = sum(width_and_place(i)[0] for i in range(zoo))
    return float(n) ** 2 * features, float(n) ** 2 * zoo * (zoo + 1) / 2


def large(zoo: int, n: int, limit: int, folder: Path, quick: bool) -> None:
    """Print what one large zoo takes, first stopped half-way through preparing and a third through the pairs."""
    rate = gemm_rate()
    print(f"{zoo:,} representations, n = {n:,}, {zoo * (zoo + 1) // 2:,} pairs, {cores()} core(s)", end=", ")
    print(f"GEMM {rate / 1e9:.0f} GFLOP/s, limit {limit / GIB:.2f} GiB")
    budget = limit * 2 // 3
    legs = []
    for stop in ((1, 50), None) if quick else ((1, 50), (2, 33), None):
        told = leg(zoo, n, budget, limit, folder, stop)
        legs.append(told)
        where = "finished" if told["code"] == 0 else f"stopped in stage {told['stage']} at {told['percent']} %"
        print(f"  {told['ran']:8.1f} s  {where}, at most {told['peak'] / GIB:.2f} GiB", flush=True)
    preparing, pairs = operations(zoo, n)
    ran = sum(told["ran"] for told in legs)
    fraction = (preparing + pairs) / rate / ran
    print(f"  with every stop and start: {ran:.1f} s, {fraction:.2f} of GEMM over everything")
    print(f"  the last leg: {legs[-1]['seconds']}; largest difference from pairs alone {legs[-1]['error']:.0e}")
    shutil.rmtree(folder, ignore_errors=True)
    if quick:
        return
    told = leg(zoo, n, budget, limit, folder)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"  without a stop: {told['wall']:.1f} s, {(preparing + pairs) / rate / told['wall']:.2f} of GEMM", end=", ")
    print(f"pairs {pairs / rate / told['seconds']['pairs']:.2f}, at most {told['peak'] / GIB:.2f} GiB", told["seconds"])


def growth(zoos: tuple[int, ...], n: int, limit: int, folder: Path) -> None:
    """Print time a pair and memory as zoos grow; scores take 8 bytes a cell, beside the budget."""
    print(f"growth, n = {n:,}, {cores()} core(s), budget {limit / 2 / GIB:.2f} GiB")
    print("     zoo        pairs   seconds  ns a pair: stage         all  peak MiB  scores MiB")
    for zoo in zoos:
        told = leg(zoo, n, limit // 2, limit, folder)
        shutil.rmtree(folder, ignore_errors=True)
        pairs = zoo * (zoo + 1) // 2
        stage, every = 1e9 * told["seconds"]["pairs"] / pairs, 1e9 * told["wall"] / pairs
        print(
            f"  {zoo:6,} {pairs:12,} {told['wall']:9.2f} {stage:17,.0f} {every:11,.0f} {told['peak'] / 2**20:9.0f}"
            f" {8 * zoo * zoo / 2**20:11.0f}",
            flush=True,
        )


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--folder", type=Path, help="where scratch files go, 20 GB; a new one in the system's if not given"
    )
    parser.add_argument("--only", choices=("zoo", "growth"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        raise SystemExit(child(*json.loads(asked.child)))
    folder = Path(tempfile.mkdtemp(prefix="vaescope-zoo-", dir=asked.folder))
    try:
        if asked.only != "growth":
            large(*((120, 200, GIB) if asked.quick else (10_000, 1_000, 6 * GIB)), folder / "zoo", asked.quick)
        if asked.only != "zoo":
            zoos = (50,) if asked.quick else (100, 300, 1_000, 3_000, 10_000)
            growth(zoos, 100 if asked.quick else 500, 4 * GIB, folder / "growth")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
