"""The events log of a run: losses and KL per latent, one line of JSON an event."""

import json
import math
import os
from typing import Any

from vaescope.errors import ResourceError
from vaescope.runs.store import RunFolder


class Events:
    """The events log of a run, continued at the length it had at the resume point.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, runner: RunFolder, size: int) -> None:
        self.size = size
        self._path = runner.events_path

    def __enter__(self) -> "Events":
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            self._file.truncate(self.size)
        except OSError as error:
            raise ResourceError(f"{self._path}: cannot be written: {error.strerror}.") from None
        return self

    def add(self, event: dict[str, Any]) -> None:
        """Append one event as a line of JSON; numbers that are not finite become null."""
        clean = {k: _finite(v) for k, v in event.items()}
        self.write((json.dumps(clean, allow_nan=False) + "\n").encode())

    def write(self, line: bytes) -> None:
        """Append whole lines.

        Raises:
            ResourceError: they cannot be written.
        """
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise ResourceError(f"{self._path}: cannot be written: {error.strerror}.") from None
        self.size += len(line)

    def sync(self) -> None:
        """Make what was written durable.

        Raises:
            ResourceError: it cannot be.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ResourceError(f"{self._path}: cannot be written: {error.strerror}.") from None

    def __exit__(self, *error: object) -> None:
        self._file.close()


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None
