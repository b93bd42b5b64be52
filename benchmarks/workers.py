"""Throughput of training on two worker processes of one thread each against one worker of two threads.

    python benchmarks/workers.py [--quick]

The same two runs of the paper's convolutional network on dSprites at batch 64, by `train` as a user calls it. Workers
are warm: each first trains a run of a few steps. Both ways are timed in turns; the ratio is the median of the rounds.
Beside it, what the hardware allows: matrix products a second of two processes side by side, and of one process with two
threads, against one process with one. Aim: 1.5.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vaescope.runs.executors import executor_of
from vaescope.runs.read import read_study
from vaescope.runs.store import StudyFolder
from vaescope.runs.train import train

QUICK = "--quick" in sys.argv
STEPS, ROUNDS = (6, 1) if QUICK else (200, 5)


def study(threads: int, steps: int):
    """Two runs of the paper's network."""
    return read_study(
        "quickstart",
        [
            "objectives={beta_vae: {beta: 4}}",
            f"steps={steps}",
            "snapshots.count=2",
            "log_every=50",
            f"threads={threads}",
        ],
    )


def seconds(pool, threads: int, steps: int) -> float:
    """How long `train` takes for the two runs."""
    with tempfile.TemporaryDirectory() as folder:
        made = StudyFolder.create(Path(folder) / "study", study(threads, steps))
        begun = time.perf_counter()
        train(made, executor=pool)
        return time.perf_counter() - begun


PRODUCTS = """
import time, torch
x = torch.rand(1024, 1024, generator=torch.Generator().manual_seed(0))
x @ x
begun, count = time.perf_counter(), 0
while time.perf_counter() - begun < {seconds}:
    x @ x
    count += 1
print(count / (time.perf_counter() - begun))
"""


def products(threads: int, processes: int) -> float:
    """Products of 1,024 x 1,024 matrices a second, of so many processes together."""
    command = [sys.executable, "-c", PRODUCTS.format(seconds=0.1 if QUICK else 4)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        for _ in range(processes)
    ]
    return sum(float(process.communicate()[0]) for process in started)


def main() -> None:
    """Print the ratios."""
    ratios, hardware = [], []
    with executor_of(workers=1) as one, executor_of(workers=2) as two:
        for pool, threads in ((one, 2), (two, 1)):
            seconds(pool, threads, 2)
        for _ in range(ROUNDS):
            alone, both = seconds(one, 2, STEPS), seconds(two, 1, STEPS)
            ratios.append(alone / both)
            print(f"one worker of 2 threads {alone:.1f} s, two of 1 thread {both:.1f} s: {alone / both:.2f} x")
    for _ in range(ROUNDS):
        single = products(1, 1)
        hardware.append((products(2, 1) / single, products(1, 2) / single))
    print(f"steps a second, two workers of 1 thread / one of 2: {statistics.median(ratios):.2f} (aim 1.5)")
    for what, k in (("one process of 2 threads", 0), ("two processes of 1 thread", 1)):
        print(f"matrix products a second, {what} / one of 1: {statistics.median(h[k] for h in hardware):.2f}")


if __name__ == "__main__":
    main()
