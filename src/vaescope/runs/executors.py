"""Where tasks are done: in this process, in processes on this machine, or on an existing Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from vaescope.errors import UsageError
from vaescope.runs.cluster import Cluster, cluster
from vaescope.runs.pool import Pool, WorkerDied
from vaescope.runs.processes import Processes

__all__ = ["Cluster", "Pool", "Processes", "WorkerDied", "cluster", "executor_of"]


@contextmanager
def executor_of(workers: int | None = None, scheduler: str | None = None) -> Iterator[Pool | None]:
    """The executor that a user asked for; None means this process.

    Args:
        workers: processes on this machine.
        scheduler: address or scheduler file of a Dask cluster.

    Raises:
        UsageError: both were given, or the number of workers is none.
        ResourceError: there is no cluster at that address.
    """
    if workers is not None and scheduler is not None:
        raise UsageError("expected --workers or --scheduler, got both: the cluster has its own number of workers.")
    if scheduler is not None:
        with cluster(scheduler) as pool:
            yield pool
    elif workers is not None:
        with Processes(workers) as pool:
            yield pool
    else:
        yield None
