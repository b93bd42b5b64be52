"""Runs an hour of `vaescope train --ensemble K` against a bare loop over the same model, batch and optimiser.

    python benchmarks/ensemble.py [--device auto] [--precision exact|mixed] [--steps 300] [--quick]

The bare loop trains one run after another: images already on the device, no log, no snapshots, no checks. All are timed
in turns in one process; a ratio is the median over the rounds of runs an hour against the bare loop of the same round.
K = 1 is a run alone, not stacked. `hours` counts what a run of 300,000 steps takes at that rate.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from vaescope.data.load import load_dataset
from vaescope.progress import Progress
from vaescope.runs.device import chosen, settle
from vaescope.runs.ensemble import train_group
from vaescope.runs.learner import build
from vaescope.runs.machine import keep_freed_memory
from vaescope.runs.read import read_study
from vaescope.runs.store import RunFolder
from vaescope.runs.training import Training

PAPER_STEPS = 300_000


def wait(device):
    """Until the device has done what it was told."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def bare(run, device):
    """Seconds of a loop written by hand for one run."""
    settle(torch.device(device), run.precision)
    network = build(run, (1, 64, 64)).to(device)
    adam = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
    size = run.batch_size
    images = torch.from_numpy(load_dataset("dsprites").images(np.arange(100 * size) * 7919 % 737_280)).to(device)
    noise = torch.Generator(device).manual_seed(0)
    wait(device)
    begun = time.perf_counter()
    for step in range(run.steps):
        batch = images[step % 100 * size :][:size]
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=run.precision == "mixed"):
            hidden = network.encoder(batch)
            mean, log_var = network.mean(hidden).float(), network.log_var(hidden).float()
            z = mean + (0.5 * log_var).exp() * torch.randn(mean.shape, generator=noise, device=device)
            logits = network.decoder(z)
        reconstruction = F.binary_cross_entropy_with_logits(logits.float(), batch, reduction="sum") / size
        loss = reconstruction + 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum() / size
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    wait(device)
    return time.perf_counter() - begun


def ours(runs, device):
    """Seconds of the same steps as `vaescope train` does them for all these runs, divided by how many they are."""
    dataset = load_dataset("dsprites")
    with tempfile.TemporaryDirectory() as folder:
        runners = [RunFolder(Path(folder) / run.id, run) for run in runs]
        wait(device)
        begun = time.perf_counter()
        if len(runners) == 1:
            Training(runners[0], dataset, device).run(Progress())
        else:
            train_group(runners, dataset, device, Progress())
        wait(device)
        return (time.perf_counter() - begun) / len(runs)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="exact", choices=("exact", "mixed"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    device = chosen(asked.device)
    steps = asked.steps or (3 if asked.quick else 40 if device == "cpu" else 2_000)
    sizes, rounds = ((1, 2), 2) if asked.quick else ((1, 4, 8), 3) if device == "cpu" else ((1, 4, 8, 16, 32), 3)
    keep_freed_memory()
    run = read_study("quickstart").runs()[0]
    run = replace(run, steps=steps, snapshots=(steps,), log_every=50, precision=asked.precision)
    members = {k: [replace(run, seed=seed) for seed in range(k)] for k in sizes}
    torch.set_num_threads(run.threads)
    short = {k: [replace(r, steps=3, snapshots=(3,)) for r in runs] for k, runs in members.items()}
    bare(short[1][0], device)
    for runs in short.values():  # images are put on the device once, kernels are loaded
        ours(runs, device)
    table = [(bare(run, device), *(ours(members[k], device) for k in sizes)) for _ in range(rounds)]
    loops, *columns = zip(*table, strict=True)
    print(f"{steps} steps of batch {run.batch_size} on {device}, {asked.precision}, median of {rounds} rounds")
    print("            ms/step of a run   runs/hour   hours   ratio to bare loop (rounds)")
    for name, column in [("bare loop", loops), *((f"K = {k}", c) for k, c in zip(sizes, columns, strict=True))]:
        second = statistics.median(column) / steps
        ratios = sorted(a / b for a, b in zip(loops, column, strict=True))
        print(
            f"{name:<12}{1e3 * second:16.2f}{3600 / second / PAPER_STEPS:12.3f}{second * PAPER_STEPS / 3600:8.2f}   "
            f"{statistics.median(ratios):.3f} ({', '.join(f'{r:.3f}' for r in ratios)})"
        )


if __name__ == "__main__":
    main()
