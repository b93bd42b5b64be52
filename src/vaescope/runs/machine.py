"""The machine this process may use: its cores, and how it hands out memory."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # glibc's names for mallopt: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


def cores() -> int:
    """How many cores this process may use: those it is allowed on, or OMP_NUM_THREADS where that says fewer.

    More threads than cores make every step many times slower, so this is what all parts of vaescope go by.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(asked)) if asked.isdigit() and int(asked) else allowed


def memory_budget() -> int:
    """Bytes that work on arrays larger than memory may hold at once if nobody says: a quarter of what there is.

    What there is: the machine's memory, or the limit of the control group this process is in where that is less.
    """
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(file).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            there = min(there, int(limit))
    return there // 4


@contextmanager
def threads_kept() -> Iterator[None]:
    """Give torch back afterwards the number of threads it has now."""
    import torch  # here, so that a worker process is up at once

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Keep blocks of up to 32 MiB for reuse instead of giving them back to the system after each layer.

    glibc returns every freed block over 128 KiB to the system at first, and a training step then spends a fifth of
    its time on page faults. Only for a process of our own: the command line calls this, the library never does.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(TRIM_THRESHOLD, 512 << 20)
