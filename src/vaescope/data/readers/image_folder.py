"""Lists the pictures of a folder or a zip file; none is decoded but the first."""

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

import numpy as np

from vaescope.data.options import Option, text, whole
from vaescope.data.pictures import ENDINGS, Files, Members, Pictures, Source
from vaescope.data.stored import LARGEST, SMALLEST, Factors
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress

CHANNELS: Final = {"L": 1, "RGB": 3, "RGBA": 4}


def read(
    paths: Sequence[Path],
    unpacked: Path,
    progress: Progress,
    size: Option = None,
    channels: Option = None,
) -> dict[str, Any]:
    """What `ImageFolder` is made of.

    Args:
        paths: the one folder, or zip file.
        unpacked: not used.
        progress: not used.
        size: pixels a side, 16 to 256: the largest square in the middle of each picture is resampled to it (Lanczos).
            Left out, all pictures must have one size.
        channels: "L" (grey), "RGB" or "RGBA". Left out, what the first picture has.

    Raises:
        UsageError: no such folder, no picture in it, or a size that no network takes.
        CorruptArtifact: the first picture, or the zip file, is damaged.
        ResourceError: the folder cannot be read.
    """
    if len(paths) != 1:
        raise UsageError(f"dataset 'image_folder': expected `path`, one folder or zip file, got {len(paths)}.")
    path = paths[0]
    side = whole("image_folder", "size", size, SMALLEST, LARGEST)
    mode = text("image_folder", "channels", channels, tuple(CHANNELS))
    found = _in_zip(path) if path.is_file() else _in_folder(path)
    if not found:
        raise UsageError(f"{path}: expected pictures ({', '.join(sorted(ENDINGS))}), got none. Check the path.")
    names = sorted(found)
    source: Source = Members(path, names) if path.is_file() else Files(path, names)
    digest = blake2b("\n".join(f"{name}/{found[name]}" for name in names).encode("utf-8", "surrogateescape"))
    return {
        "pixels": Pictures(source, side, None if mode is None else CHANNELS[mode]),
        "fingerprint": f"image_folder-{digest.hexdigest()[:16]}-{side}-{mode}",
        "factors": sub_folders(names),
    }


def sub_folders(names: Sequence[str]) -> Factors | None:
    """The folders that pictures lie in as factors; None where all lie in one.

    Where all lie equally deep there is a factor a level, its classes the names of that level in alphabetical order;
    else one factor, its classes the whole paths. A level with one name is none.
    """
    paths = [PurePosixPath(name).parent.parts for name in names]
    deep = {len(parts) for parts in paths}
    if len(deep) == 1:
        levels = [list(level) for level in zip(*paths, strict=True)]
    else:
        levels = [["/".join(parts) for parts in paths]]
    levels = [level for level in levels if len(set(level)) > 1]
    if not levels:
        return None
    titles = ["folder"] if len(levels) == 1 else [f"folder_{number + 1}" for number in range(len(levels))]
    columns = []
    for level in levels:
        numbers = {name: number for number, name in enumerate(sorted(set(level)))}
        columns.append(np.array([numbers[name] for name in level]))
    return Factors.observed(titles, np.stack(columns, axis=1))


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return PurePosixPath(name).suffix.lower() in ENDINGS and not hidden


def _in_zip(path: Path) -> dict[str, str]:
    """Name -> size and checksum of each picture in a zip file."""
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise CorruptArtifact(f"{path}: expected a folder or a zip file, got: {error}. Copy it again.") from error
    except OSError as error:
        raise ResourceError(f"{path}: cannot be read: {error.strerror or error}. Check permissions.") from error
    return {member.filename: f"{member.file_size}/{member.CRC}" for member in members if _is_picture(member.filename)}


def _in_folder(folder: Path) -> dict[str, str]:
    """Name from the folder -> size and time of change of each picture below it."""
    try:
        return {name: f"{status.st_size}/{status.st_mtime_ns}" for name, status in _below(folder, "", frozenset())}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{folder}: expected a folder of pictures, got none there. Check the path.") from error
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be read: {error.strerror or error}. Check permissions.") from error


def _below(folder: Path, inside: str, above: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
    """The pictures below a folder, links followed, but not to a folder that they lead out of."""
    place = os.path.realpath(folder)
    if place in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if not entry.name.startswith(".") and entry.name != "__MACOSX":
                    yield from _below(folder / entry.name, f"{inside}{entry.name}/", above | {place})
            elif _is_picture(entry.name):
                try:
                    yield f"{inside}{entry.name}", entry.stat()
                except FileNotFoundError as error:
                    raise UsageError(f"{entry.path}: is a link to nothing. Mend or remove it.") from error
