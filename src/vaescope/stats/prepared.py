"""Prepared forms on disk while a comparison is under way: one file a form, n and representation."""

import json
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
import safetensors.numpy
from threadpoolctl import threadpool_limits

from vaescope.errors import ResourceError
from vaescope.stats.forms.form import Form, whole
from vaescope.stats.measure import Reason

CHUNK = 8 << 20
_LIMITS: list[threadpool_limits] = []
_LIMITING = Lock()


class Workers:
    """An `Engine` of one thread a core, each with one BLAS thread.

    On a busy machine BLAS's own threads wait for one another, and results would depend on their number. At most one
    piece more than there are cores is under way.

    Args:
        count: how many threads; one a core if None.
    """

    def __init__(self, count: int | None = None) -> None:
        self._asked = count

    def __enter__(self) -> "Workers":
        from vaescope.runs.machine import cores  # loads torch, which finding the measures should not

        self.count = self._asked or cores()
        with _LIMITING:
            _LIMITS.append(threadpool_limits(1, user_api="blas"))
        self._pool = ThreadPoolExecutor(self.count, thread_name_prefix="vaescope")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        with _LIMITING:  # of engines that overlap, the last one to leave gives back what the first one found
            if len(_LIMITS) > 1:
                _LIMITS.pop()
            else:
                _LIMITS.pop().restore_original_limits()

    def __call__(self, work: Callable[[Any], Any], parts: Iterable[Any], /) -> Iterator[Any]:
        """As `map`; an error or an end ahead of time leaves the remaining parts undone."""
        waiting: deque[Future[Any]] = deque()
        try:
            for part in parts:
                waiting.append(self.submit(work, part))
                if len(waiting) > self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def submit(self, work: Callable[..., Any], *args: object) -> "Future[Any]":
        """Begin one piece of work."""
        return self._pool.submit(work, *args)


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, read where it is sliced; the file is not kept open."""

    path: Path
    start: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def __getitem__(self, part: slice) -> np.ndarray:
        first, last, _ = part.indices(self.shape[0])
        row = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        values = np.fromfile(
            self.path, self.dtype, (last - first) * row // self.dtype.itemsize, offset=self.start + first * row
        )
        return values.reshape(last - first, *self.shape[1:])


_TYPES = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "U64": np.dtype("<u8"),
}


@dataclass
class Prepared:
    """The folder of prepared forms. A file that is missing or damaged counts as not there.

    Args:
        path: the folder; made when first written to.
    """

    path: Path
    _trusted: set[Path] = field(default_factory=set)

    def file(self, form: type[Form], n: int, source: Collection[object]) -> Path:
        """Where the form of a representation lies; `source` is everything that the representation depends on."""
        text = json.dumps([form.name, form.version, n, *source])
        return self.path / f"{form.name}-{n}-{sha256(text.encode()).hexdigest()[:32]}"

    def write(self, path: Path, made: Form | Reason, shape: tuple[int, ...] = (), twin: str = "") -> None:
        """Keep a form, or the reason why there is none. Not durable: what a power cut tears is made again.

        Args:
            path: what `file` gave.
            made: the form.
            shape: of the representation.
            twin: the name of the file of an equal representation, where the form lies instead.
        """
        arrays: dict[str, np.ndarray] = {}
        if not isinstance(made, Reason):
            arrays, made = made.to_arrays(), Reason.OK
        data = safetensors.numpy.save(
            {k: np.ascontiguousarray(v) for k, v in arrays.items()},
            metadata={"reason": made.label, "shape": json.dumps(shape), "twin": twin},
        )
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(data)
                    file.write(sha256(data).digest())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise ResourceError(
                f"{path}: {len(data):,} bytes of scratch could not be written: {error.strerror}. What was done so far "
                "is kept: make room, then give the same command again. `vaescope plan` shows the scratch needed."
            ) from None
        self._trusted.add(path)

    def has(self, path: Path) -> bool:
        """Whether the file is there and its bytes are those that were written; else it is removed."""
        if path in self._trusted:
            return True
        try:
            if _intact(path):
                self._trusted.add(path)
                return True
            path.unlink(missing_ok=True)
        except OSError:
            pass
        return False

    def shape(self, path: Path) -> tuple[int, int]:
        """Of the representation. `has` must have been asked."""
        n, p = json.loads(_header(path)[0]["__metadata__"]["shape"])
        return n, p

    def twin(self, path: Path) -> str:
        """The name of the file where the form lies instead, "" if here. `has` must have been asked."""
        return _header(path)[0]["__metadata__"]["twin"]

    def read(self, path: Path, form: type[Form], in_memory: bool = False) -> Form | Reason:
        """The form, or the reason why there is none. `has` must have been asked.

        Args:
            path: what `file` gave.
            form: of what was written.
            in_memory: False leaves large arrays on disk, to be read where they are sliced.
        """
        header, length = _header(path)
        reason = Reason[header["__metadata__"]["reason"].upper()]
        if reason is not Reason.OK:
            return reason
        stored = {
            name: StoredArray(path, 8 + length + e["data_offsets"][0], _TYPES[e["dtype"]], tuple(e["shape"]))
            for name, e in header.items()
            if name != "__metadata__"
        }
        return form.from_arrays({name: whole(a) for name, a in stored.items()} if in_memory else stored)


def _header(path: Path) -> tuple[Mapping[str, Any], int]:
    """What a file says it holds, and how many bytes it takes to say so."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(length)), length


def _intact(path: Path) -> bool:
    digest = sha256()
    left = os.path.getsize(path) - digest.digest_size
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(CHUNK, left))):
            digest.update(data)
            left -= len(data)
        return left == 0 and file.read() == digest.digest()
