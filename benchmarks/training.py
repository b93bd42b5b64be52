"""Throughput of `vaescope train` against a bare loop of the same model, batch and optimiser, in one process.

    python benchmarks/training.py [steps]

The bare loop is what one would write by hand: images already in memory, no snapshots, no log, no checks. Both are timed
in turns, several times, since the speed of shared machines drifts; the ratio is the median of the rounds. Aim: 0.95.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from vaescope.data.load import load_dataset
from vaescope.progress import Progress
from vaescope.runs.draw import draw
from vaescope.runs.learner import build
from vaescope.runs.machine import cores, keep_freed_memory
from vaescope.runs.read import read_study
from vaescope.runs.store import RunFolder
from vaescope.runs.training import Training

ROUNDS = 7


def bare(run, steps):
    """Seconds of `steps` steps of a loop written by hand."""
    network = build(run, (1, 64, 64))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    size = run.batch_size
    images = torch.from_numpy(load_dataset("dsprites").images(np.arange(steps * size) * 7919 % 737_280))
    generator = draw("noise", 0)
    begun = time.perf_counter()
    for batch in images.split(size):
        hidden = network.encoder(batch)
        mean, log_var = network.mean(hidden), network.log_var(hidden)
        z = mean + (0.5 * log_var).exp() * torch.randn(mean.shape, generator=generator)
        reconstruction = F.binary_cross_entropy_with_logits(network.decoder(z), batch, reduction="sum") / size
        loss = reconstruction + 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum() / size
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    return time.perf_counter() - begun


def ours(run, steps):
    """Seconds of the same steps as `vaescope train` does them: data made as it goes, log, snapshots, resume points."""
    with tempfile.TemporaryDirectory() as folder:
        training = Training(RunFolder(Path(folder), replace(run, steps=steps)), load_dataset("dsprites"))
        begun = time.perf_counter()
        training.run(Progress())
        return time.perf_counter() - begun


def main():
    """Print the table."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    keep_freed_memory()
    run = replace(read_study("quickstart").runs()[0], snapshots=(steps,), log_every=10)
    load_dataset("dsprites").images([0])
    bare(run, 10), ours(run, 10)
    times = [(bare(run, steps), ours(run, steps)) for _ in range(ROUNDS)]
    loop, mine = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(a / b for a, b in times)
    print(f"{steps} steps of batch {run.batch_size}, {cores()} core(s), median of {ROUNDS} rounds")
    print(f"bare loop       {1e3 * loop / steps:7.2f} ms/step")
    print(f"vaescope train  {1e3 * mine / steps:7.2f} ms/step (with a snapshot at the end)")
    print(f"ratio           {statistics.median(ratios):7.3f}  (rounds: {', '.join(f'{r:.3f}' for r in ratios)})")


if __name__ == "__main__":
    main()
