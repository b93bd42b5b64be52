"""Trackers that write files of their own: JSON lines, TensorBoard."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vaescope.errors import ResourceError, UsageError
from vaescope.trackers.tracker import PREFIX, tagged


class JsonLines:
    r"""One line of JSON a step: {"step": 128, "values": {name: number}, "texts": [sentence, ...]}.

    Lines are appended whole. Half a line that an earlier process left at the end is cut off first. Where a training is
    continued from before its last line, steps come twice; the later line holds.

    Args:
        path: the file; its folder is made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file: int | None = None

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        """Append a line.

        Raises:
            ResourceError: if the file cannot be written; nothing of the line is left in it then.
        """
        finite = {name.removeprefix(PREFIX): value for name, value in tagged(values).items()}
        line = json.dumps({"step": int(step), "values": finite, "texts": list(texts)}, allow_nan=False) + "\n"
        try:
            file = self._opened()
            end = os.fstat(file).st_size
            data = line.encode()
            if os.write(file, data) < len(data):
                os.ftruncate(file, end)
                raise OSError(28, "No space left on device")
        except OSError as error:
            raise ResourceError(f"{self.path}: cannot be written: {error.strerror}.") from None

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            content = self.path.read_bytes()
            os.ftruncate(self._file, content.rfind(b"\n") + 1)
        return self._file


class TensorBoard:
    """Scalars and texts for TensorBoard.

    Args:
        writer: a `torch.utils.tensorboard.SummaryWriter` (or what has its `add_scalar` and `add_text`), which is left
            open at the end; or the folder for a writer of its own, whose later steps a continued training hides.

    Raises:
        UsageError: if a folder is given and TensorBoard is not installed.
    """

    def __init__(self, writer: Any) -> None:
        self._folder = Path(writer) if isinstance(writer, str | Path) else None
        self._writer: Any = None if self._folder is not None else writer
        if self._folder is not None:
            _summary_writer()

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        if self._writer is None:
            self._writer = _summary_writer()(str(self._folder), purge_step=step)
        for tag, value in tagged(values).items():
            self._writer.add_scalar(tag, value, step)
        if texts:
            self._writer.add_text(PREFIX + "answers", "\n\n".join(texts), step)
        self._writer.flush()

    def close(self) -> None:
        if self._folder is not None and self._writer is not None:
            self._writer.close()


def _summary_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("The tracker 'tensorboard' needs TensorBoard: pip install tensorboard.") from None
    return SummaryWriter
