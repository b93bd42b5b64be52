"""What the coordinator of tasks asks of an executor beyond `submit`: how many workers, and whether they are there."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from vaescope.errors import ResourceError


class WorkerDied(ResourceError):
    """The worker that had a task died; the message says how, as far as that is known."""


class Pool(Executor, ABC):
    """A `concurrent.futures` executor that fails a future with `WorkerDied` where its worker died, and lives on.

    As a context manager it waits for what was submitted; left by an exception, it ends its work at once.
    """

    @abstractmethod
    def slots(self) -> int:
        """How many tasks its workers do at once now."""

    def room(self) -> int:
        """How many tasks to have submitted at once: enough to keep all workers busy."""
        return self.slots()

    def everywhere(self, function: Callable[..., object], *arguments: object) -> Mapping[str, object]:
        """Call a function on each worker on another machine: worker -> what it gave, or the exception it raised."""
        return {}

    def check(self) -> None:
        """Raise `ResourceError` if it can do no more work."""
