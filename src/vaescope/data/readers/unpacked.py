"""A large dataset as one plain array file: written once, piece by piece, whole or not at all, then read by position."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import UInt8

from vaescope.data.rows import Rows, npy_rows
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

_SPARE: Final = 64 << 20  # bytes left free on the disk


class Part:
    """The array while it is being written: images are put where they belong, in any order.

    Attributes:
        written: how many images were put so far.
    """

    def __init__(self, file: int, offset: int, shape: tuple[int, ...]) -> None:
        self._file, self._offset, self._shape = file, offset, shape
        self.written = 0

    def put(self, first: int, images: UInt8[np.ndarray, "..."]) -> None:
        """These images (k, ...) become the rows from `first` on."""
        count = len(images)
        if images.shape[1:] != self._shape[1:] or not 0 <= first <= self._shape[0] - count:
            raise ValueError(f"images {images.shape} at row {first} of an array {self._shape}")
        left = np.ascontiguousarray(images).reshape(-1).data
        place = self._offset + first * prod(self._shape[1:])
        try:
            while left:
                done = os.pwrite(self._file, left, place)
                left, place = left[done:], place + done
        except OSError as error:
            raise ResourceError(
                f"unpacked images could not be written: {error.strerror}. Make room, or set VAESCOPE_DATA to a folder "
                "on a larger disk, then give the same command again."
            ) from error
        self.written += count


def unpack(folder: Path, name: str, shape: tuple[int, ...], fill: Callable[[Part], None], progress: Progress) -> Rows:
    """The rows of `folder/name.npy`, which is made first where it is not there; uint8, in C order.

    It is written beside its place, synced and renamed: what an interruption left is never taken for whole, and made
    again. Of several processes that want it one makes it and the others wait.

    Args:
        folder: where unpacked datasets lie.
        name: must change whenever the content does: give the checksum of its source in it.
        shape: of the array, images first.
        fill: puts every image; called only when the file has to be made.
        progress: is asked whether to stop while another process makes the file.

    Raises:
        ResourceError: no room, or the folder cannot be written to.
        CorruptArtifact: `fill` put another number of images.
    """
    place = folder / f"{name}.npy"
    try:
        if (found := _found(place, shape)) is not None:
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{name}.lock", progress):
            if (found := _found(place, shape)) is None:
                _make(place, shape, fill)
                found = npy_rows(place)
        return found
    except OSError as error:
        raise ResourceError(
            f"{place}: could not be written: {error.strerror or error}. Make room, or set VAESCOPE_DATA to another "
            "folder, then give the same command again."
        ) from error


def _found(place: Path, shape: tuple[int, ...]) -> Rows | None:
    """The rows if the file is there, of that shape and whole."""
    try:
        rows = npy_rows(place)
    except (CorruptArtifact, UsageError):
        return None
    return rows if rows.shape == shape and rows.dtype == np.uint8 else None


def _make(place: Path, shape: tuple[int, ...], fill: Callable[[Part], None]) -> None:
    part = place.with_name(f".{place.name}.part")
    part.unlink(missing_ok=True)  # what an interrupted one left, before the room is measured
    needed, free = prod(shape) + _SPARE, shutil.disk_usage(place.parent).free
    if free < needed:
        raise ResourceError(
            f"{place.parent}: expected {needed:,} bytes free to unpack {place.stem}, got {free:,}. Make room, or set "
            "VAESCOPE_DATA to a folder on a larger disk."
        )
    try:
        with part.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            target = Part(file.fileno(), file.tell(), shape)
            fill(target)
            if target.written != shape[0]:
                raise CorruptArtifact(f"{place.stem}: expected {shape[0]:,} images, got {target.written:,}.")
            os.fsync(file.fileno())
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    entry = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


@contextmanager
def _alone(path: Path, progress: Progress) -> Iterator[None]:
    """While no other process of this machine is inside; the lock ends with the process that holds it."""
    lock = FileLock(path)
    told = False
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if not told:
                progress.say(f"waiting for another process that unpacks {path.stem.lstrip('.')}")
                told = True
            progress.check()
    try:
        yield
    finally:
        lock.release()
