"""dSprites images a second on one core, and what the first image costs. No training step may wait for data.

    taskset -c 0 .venv/bin/python benchmarks/dsprites_rate.py

Claim: at least 20,000 random images a second at every batch size. Exit code 1 if not so.
"""

import os
import resource
import sys
import time

import numpy as np

from vaescope.data.datasets.dsprites import DSprites

CLAIM = 20_000
REPEATS = 7
IMAGES = 32_768  # a repeat


def main() -> int:
    """Print setup time, memory and the median and best rate of each batch size."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    dsprites = DSprites()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    dsprites.images([0])
    setup = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"setup: {setup:.2f} s, peak memory + {grown / 1024:.0f} MiB, once a process")
    rng = np.random.default_rng(0)
    slowest = np.inf
    for batch in (64, 512, 4096):
        batches = rng.integers(0, len(dsprites), (IMAGES // batch, batch))
        rates = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            for indices in batches:
                dsprites.images(indices)
            rates.append(IMAGES / (time.perf_counter() - start))
        print(f"batch {batch:>4}: {np.median(rates):>9,.0f} images/s (best {max(rates):,.0f})")
        slowest = min(slowest, float(np.median(rates)))
    return 0 if slowest >= CLAIM else 1


if __name__ == "__main__":
    sys.exit(main())
