"""Pictures in files, decoded as they are asked for: PNG, JPEG, BMP, WebP, GIF, TIFF, each made the same size."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final, Protocol, runtime_checkable
from zipfile import BadZipFile, ZipFile

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps

from vaescope.data.stored import check_size
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

ENDINGS: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}  # channels -> Pillow's name
MOST_PIXELS: Final = 100_000_000  # of a picture before it is made smaller; a bomb has more
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError, RuntimeError)
_DEEP: Final = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # 16 bits a pixel


@runtime_checkable
class Source(Protocol):
    """Files by index, wherever they lie."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """The whole file."""
        ...

    def where(self, index: int) -> str:
        """What messages call it."""
        ...


class Files:
    """Files of a folder."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> bytes:
        """The whole file. CorruptArtifact where it has gone, ResourceError where it cannot be read."""
        path = self._folder / self._names[index]
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise CorruptArtifact(f"{path}: was there when the folder was listed and is gone. Restore it.") from error
        except OSError as error:
            raise ResourceError(f"{path}: cannot be read: {error.strerror}. Check permissions and disk.") from error

    def where(self, index: int) -> str:
        return str(self._folder / self._names[index])


class Members:
    """Files in a zip file, which stays open; one thread reads at a time, and each process opens the file anew."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path, self._names, self._lock = path, names, Lock()
        self._archive, self._process = self._opened(), os.getpid()

    def __reduce__(self) -> tuple[type["Members"], tuple[Path, Sequence[str]]]:
        return type(self), (self._path, self._names)

    def __del__(self) -> None:
        if hasattr(self, "_archive"):
            self._archive.close()

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> bytes:
        """The whole file. CorruptArtifact where its checksum is another one."""
        try:
            with self._lock:
                if self._process != os.getpid():  # a descriptor has one position, and the parent moves it too
                    self._archive, self._process = self._opened(), os.getpid()
                return self._archive.read(self._names[index])
        except (BadZipFile, *_BROKEN) as error:
            raise CorruptArtifact(f"{self.where(index)}: damaged: {error}. Copy or download it again.") from error

    def where(self, index: int) -> str:
        return f"{self._path}: {self._names[index]}"

    def _opened(self) -> ZipFile:
        try:
            return ZipFile(self._path)
        except (OSError, BadZipFile) as error:
            raise CorruptArtifact(f"{self._path}: expected a zip file, got: {error}. Copy it again.") from error


class Pictures:
    """`Pixels` (n, h, w, c) of pictures: uint8; a decoder runs for each picture each time it is asked for.

    Args:
        source: the files.
        size: pixels a side: the largest square in the middle of a picture is resampled to it (Lanczos). None: the
            size of the first picture, which all must have.
        channels: 1 (grey), 3 (red, green, blue) or 4 (with opacity). None: as the first picture has.

    Raises:
        UsageError: a size that no network takes.
        CorruptArtifact: the first picture is damaged.
    """

    def __init__(self, source: Source, size: int | None = None, channels: int | None = None) -> None:
        self._source, self._size = source, size
        first = decoded(source.read(0), source.where(0), MODES.get(channels or 0))
        self._mode = first.mode
        width, height = (size, size) if size else first.size
        self.dtype = np.dtype(np.uint8)
        self.shape = (len(source), height, width, len(first.getbands()))
        try:
            check_size(*self.shape, who="")
        except UsageError as error:
            raise UsageError(f"{source.where(0)}{error} Option `size` makes all of them one size.") from None

    def take(self, indices: Int64[np.ndarray, " k"]) -> UInt8[np.ndarray, "k h w c"]:
        """These pictures. CorruptArtifact where one is damaged, UsageError where it has another size: told which."""
        rows = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for row, index in zip(rows, indices.tolist(), strict=True):
            picture = decoded(self._source.read(index), self._source.where(index), self._mode)
            if self._size:
                side = min(picture.size)
                left, top = (picture.width - side) // 2, (picture.height - side) // 2
                picture = picture.crop((left, top, left + side, top + side))
                picture = picture.resize((self._size, self._size), Image.Resampling.LANCZOS)
            elif (picture.height, picture.width) != row.shape[:2]:
                raise UsageError(
                    f"{self._source.where(index)}: expected {row.shape[1]} x {row.shape[0]} pixels as the first "
                    f"picture has, got {picture.width} x {picture.height}. Give `size`: it makes all of them one size."
                )
            row[...] = np.asarray(picture).reshape(row.shape)
        return rows


def decoded(content: bytes, where: str, mode: str | None = None) -> Image.Image:
    """The picture of a file, upright, in this mode ("L", "RGB", "RGBA"); in the one that fits it best where None.

    16-bit greys become 8-bit ones; of a moving picture the first frame is taken.

    Raises:
        CorruptArtifact: no picture, a damaged one, or a bomb: a small file of very many pixels.
        UsageError: a picture whose numbers are no greys or colours.
    """
    try:
        with Image.open(BytesIO(content)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{opened.width} x {opened.height} pixels")
            opened.load()
            picture = ImageOps.exif_transpose(opened)
            if picture.mode in _DEEP:
                picture = _shallow(picture, where)
            if picture.mode == "F":
                raise UsageError(f"{where}: holds floats. Save the pictures as an .npy, for the dataset 'array'.")
            return picture.convert(mode or _fitting(picture))
    except UsageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CorruptArtifact(
            f"{where}: expected at most {MOST_PIXELS:,} pixels, got: {error} Make it smaller or remove it."
        ) from error
    except _BROKEN as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise CorruptArtifact(f"{where}: expected a picture, got: {said}. Restore or remove it.") from error


def _fitting(picture: Image.Image) -> str:
    """The mode of 1, 3 or 4 channels that loses nothing."""
    if picture.has_transparency_data:
        return "RGBA"
    return "L" if picture.mode in ("1", "L") else "RGB"


def _shallow(picture: Image.Image, where: str) -> Image.Image:
    """A picture of 16 bits a pixel in 8 bits."""
    deep = np.asarray(picture).astype(np.int64)
    if deep.min() < 0 or deep.max() > 65_535:
        raise UsageError(f"{where}: expected greys from 0 to 65535, got {deep.min()} to {deep.max()}. Save it anew.")
    return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
