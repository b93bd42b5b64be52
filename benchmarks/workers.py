"""Throughput of training on two worker processes of one thread each against one worker of two threads.

    python benchmarks/workers.py [--quick]

The same two runs of the paper's convolutional network on dSprites at batch 64, by `train` as a user calls it. Workers
are warm: each first trains a run of a few steps. Both ways are timed in turns; the ratio is the median of the rounds.
Beside it, what the hardware allows: the same for loops written by hand, without vaescope's training. Aim: 1.5.
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
STEPS, ROUNDS = (6, 1) if QUICK else (120, 3)


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


BARE = """
import time, torch
import torch.nn.functional as F
from vaescope.models.networks.conv import Conv
from vaescope.runs.machine import keep_freed_memory
keep_freed_memory()
network = Conv((1, 64, 64), 10).to(memory_format=torch.channels_last)
adam = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
draws = torch.Generator().manual_seed(0)
images = torch.rand(64, 1, 64, 64, generator=draws).round()
for step in range({warm} + {steps}):
    if step == {warm}:
        begun = time.perf_counter()
    posterior = network.encode(images)
    codes = posterior.mean + (0.5 * posterior.log_var).exp() * torch.randn(64, 10, generator=draws)
    loss = F.binary_cross_entropy_with_logits(network.decode(codes), images, reduction="sum") / 64
    loss = loss + 0.5 * (posterior.mean.square() + posterior.log_var.exp() - posterior.log_var - 1).sum() / 64
    adam.zero_grad(set_to_none=True)
    loss.backward()
    adam.step()
print({steps} / (time.perf_counter() - begun))
"""


def bare(threads: int, processes: int) -> float:
    """Steps a second of bare loops of the same network, in so many processes together."""
    command = [sys.executable, "-c", BARE.format(warm=1 if QUICK else 10, steps=2 if QUICK else 80)]
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
        single = bare(1, 1)
        hardware.append((bare(2, 1) / single, bare(1, 2) / single))
    print(f"steps a second, two workers of 1 thread / one of 2: {statistics.median(ratios):.2f} (aim 1.5)")
    for what, k in (("one process of 2 threads", 0), ("two processes of 1 thread", 1)):
        print(f"bare loops, {what} / one of 1: {statistics.median(h[k] for h in hardware):.2f}")
    print(f"so bare loops allow {statistics.median(h[1] / h[0] for h in hardware):.2f}")


if __name__ == "__main__":
    main()
