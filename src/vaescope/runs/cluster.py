"""An existing Dask cluster, seen as an executor. `docs/cluster.md` says how to make one."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from vaescope.errors import ResourceError, UsageError
from vaescope.runs.pool import Pool, WorkerDied

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 15.0
COUNT_SECONDS = 2.0
SPARE = 4
AGAIN = "What was done is kept: when there is a cluster again, give the same command again."


class Cluster(Pool):
    """The workers that a Dask scheduler has at the moment.

    Args:
        client: connected to it; the caller closes it.
    """

    def __init__(self, client: "Client") -> None:
        self.client = client
        self._executor = client.get_executor(pure=False)
        self._slots, self._counted = 0, -COUNT_SECONDS
        self._futures: set[Future[Any]] = set()

    @property
    def _address(self) -> str:
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler else "its address"

    def slots(self) -> int:
        if time.monotonic() - self._counted >= COUNT_SECONDS:
            self.check()
            try:
                threads: Any = self.client.nthreads()  # the client is not asynchronous
            except (OSError, RuntimeError, TimeoutError):
                raise self._gone() from None
            self._slots = sum(threads.values())
            self._counted = time.monotonic()
        return self._slots

    def room(self) -> int:
        """Twice what its workers do at once, and some more: a cluster that adapts grows with what waits."""
        return 2 * self.slots() + SPARE

    def check(self) -> None:
        if self.client.status not in ("running", "connecting"):
            raise self._gone()

    def everywhere(self, function: Callable[..., object], *arguments: object) -> Mapping[str, object]:
        try:
            found: Any = self.client.run(function, *arguments, on_error="return")
        except (OSError, RuntimeError, TimeoutError):
            self.check()
            return {}
        return found

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have a worker call a function; it fails with `WorkerDied` once Dask has given it up."""
        self.check()
        inner: Future[T] = self._executor.submit(fn, *args, **kwargs)
        outer: Future[T] = Future()
        self._futures.add(outer)

        def pass_on(_: "Future[T]") -> None:
            with suppress(InvalidStateError):
                if inner.cancelled():
                    if not outer.cancelled():
                        outer.set_exception(self._gone())
                elif error := inner.exception():
                    outer.set_exception(self._in_our_words(error))
                else:
                    outer.set_result(inner.result())

        def drop(_: "Future[T]") -> None:
            self._futures.discard(outer)
            if outer.cancelled():
                inner.cancel()

        inner.add_done_callback(pass_on)
        outer.add_done_callback(drop)
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks. The cluster stays; it belongs to whoever started it."""
        if cancel_futures:
            for future in list(self._futures):
                future.cancel()
        self._executor.shutdown(wait=wait and not cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _in_our_words(self, error: BaseException) -> BaseException:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, KilledWorker):
            return WorkerDied(f"the Dask worker at {error.last_worker.address} died; its log may say why")
        return self._gone() if isinstance(error, CommClosedError) else error

    def _gone(self) -> ResourceError:
        return ResourceError(f"the Dask scheduler at {self._address} ended, restarted or cannot be reached. {AGAIN}")


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """An existing Dask cluster as an executor.

    Args:
        address: of the scheduler, e.g. "tcp://10.0.0.5:8786", or the path of its scheduler file.

    Raises:
        UsageError: Dask is not installed, or that is no address.
        ResourceError: no scheduler answers there.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError:
        raise UsageError('--scheduler needs Dask: pip install "vaescope[cluster]"') from None
    where = _address(address)
    try:
        with socket.create_connection(get_address_host_port(where), CONNECT_SECONDS):
            pass  # Dask itself would try a closed port for a long time, and wait without end for one that is silent
        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop in this one
            thread.submit(lambda: asyncio.run(_identity(where))).result()
        client = Client(where, timeout=CONNECT_SECONDS, set_as_default=False, name="vaescope")
    except (OSError, TimeoutError) as error:
        raise ResourceError(
            f"no Dask scheduler answers at {where} ({str(error) or 'silence'}). Start one with `dask scheduler`, or "
            "take the address that it printed; a firewall between here and there may also be why."
        ) from None
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(
            f"--scheduler: expected an address such as tcp://10.0.0.5:8786 or a scheduler file, "
            f"got {address!r}: {error}."
        ) from None
    try:
        with Cluster(client) as pool:
            yield pool
    finally:
        with suppress(OSError, TimeoutError):
            client.close()


async def _identity(address: str) -> None:
    """Ask a scheduler who it is. Raises `OSError`, or `ValueError` and `TypeError` where the address is none."""
    from distributed.core import rpc
    from distributed.security import Security

    async with asyncio.timeout(CONNECT_SECONDS):
        async with rpc(address, connection_args=Security().get_connection_args("client")) as scheduler:
            await scheduler.identity()


def _address(text: str) -> str:
    """The address in a scheduler file, or the text itself where there is no such file."""
    try:
        return str(json.loads(Path(text).read_text())["address"])
    except OSError:
        return text
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"--scheduler: {text} is no scheduler file of Dask.") from None
