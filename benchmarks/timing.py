"""How fast the core multiplies, and how these scripts take times: one core, in turns, the best of a few rounds.

    python benchmarks/timing.py [--quick]

Speed on shared machines drifts by a factor of two, so that only times of one run are held against one another. The rate
that other scripts quote fractions of is numpy's in float32: (2000, 2048) by (2048, 2000), 2 n^2 k operations.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from vaescope.runs.machine import cores

N, K = 2_000, 2_048


@contextmanager
def on_cores(count: int = 1) -> Iterator[None]:
    """Confine this process and all its libraries to `count` cores, where the system knows how.

    One core means one: with the process pinned, helper threads of any library cannot use another one unseen.
    """
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    asked, threads = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    os.environ["OMP_NUM_THREADS"] = str(count)  # what vaescope takes for the number of cores
    torch.set_num_threads(count)
    try:
        if before:
            os.sched_setaffinity(0, set(sorted(before)[-count:]))
        with threadpool_limits(count):
            yield
    finally:
        if before:
            os.sched_setaffinity(0, before)
        torch.set_num_threads(threads)
        os.environ.pop("OMP_NUM_THREADS")
        if asked is not None:
            os.environ["OMP_NUM_THREADS"] = asked


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that one call takes, and what it gives."""
    begun = time.perf_counter()
    given = work()
    return time.perf_counter() - begun, given


def best(works: Mapping[str, Callable[[], Any]], rounds: int = 3) -> tuple[dict[str, float], dict[str, Any]]:
    """The shortest time of each piece of work over some rounds, in turns, every other round backwards; and results."""
    seconds = dict.fromkeys(works, float("inf"))
    given: dict[str, Any] = {}
    for number in range(rounds):
        for name in list(works)[:: 1 if number % 2 == 0 else -1]:
            taken, given[name] = timed(works[name])
            seconds[name] = min(seconds[name], taken)
    return seconds, given


def multiply(n: int = N, k: int = K) -> Callable[[], Any]:
    """One float32 GEMM of numpy, 2 n^2 k operations, as a piece of work."""
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape, np.float32) for shape in ((n, k), (k, n)))
    return lambda: a @ b


def gemm_rate(rounds: int = 5) -> float:
    """Floating-point operations a second of numpy's float32 GEMM with the threads it now has."""
    return 2 * N * N * K / best({"gemm": multiply()}, rounds)[0]["gemm"]


def _torch(kind: torch.dtype) -> Callable[[], Any]:
    a, b = torch.randn(N, K).to(kind), torch.randn(K, N).to(kind)
    return lambda: a @ b


def main() -> None:
    """Print the rates of one core and of all."""
    rounds = 2 if "--quick" in sys.argv else 9
    works = {"numpy float32": multiply()}
    works |= {f"torch {str(kind)[6:]}": _torch(kind) for kind in (torch.float32, torch.bfloat16)}
    for count in sorted({1, cores()}):
        with on_cores(count):
            seconds, _ = best(works, rounds)
        for name, taken in seconds.items():
            print(f"{count} core(s)  {name:15} {2 * N * N * K / taken / 1e9:7.1f} GFLOP/s")


if __name__ == "__main__":
    main()
