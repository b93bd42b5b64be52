"""Opens the user's own array: .npy, .npz, .h5 or .zarr, none of them read whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from vaescope.data.archive import Header, npz_headers, npz_rows
from vaescope.data.chunked import HDF5Pixels, ZarrPixels, hdf5_headers, zarr_arrays, zarr_fingerprint
from vaescope.data.options import Option, number, text
from vaescope.data.rows import fingerprint, npy_rows
from vaescope.data.stored import Factors, Pixels
from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.registry import suggestion

USUAL_KEYS: Final = ("images", "imgs", "x")
_LOOKED_AT: Final = 64  # images that tell whether 1 or 255 is white
_FORMATS: Final = ".npy, .npz, .h5, .hdf5 or .zarr"


@dataclass(frozen=True)
class _Container:
    """A file or folder of named arrays."""

    path: Path
    headers: Mapping[str, Header]
    array: Callable[[str], Pixels]
    fingerprint: str


def read(
    paths: Sequence[Path],
    unpacked: Path,
    progress: Progress,
    key: Option = None,
    factors: Option = None,
    layout: Option = None,
    scale: Option = None,
) -> dict[str, Any]:
    """What `Array` is made of.

    Args:
        paths: the one file, or folder with Zarr.
        unpacked: folder to which compressed members of an .npz are unpacked, once.
        progress: of the unpacking.
        key: name of the array in the file. Guessed where one of its arrays is called images, imgs or x, or where only
            one has three or four axes.
        factors: name of an array (n,) or (n, f) in the same file: a value per image and factor; each distinct value
            is a class. Beside an .npy: the path of another .npy, from the folder of the first.
        layout: "hwc" or "chw", where the shape does not tell.
        scale: what is white. Default: 255 for integers (65535 for uint16), 1 for booleans and floats.

    Raises:
        UsageError: no such file, format or array; a shape or dtype that is no image; integers that are all 0 or 1
            where `scale` is not given.
        CorruptArtifact: the file is damaged.
        ResourceError: it cannot be read, or not unpacked.
    """
    white = number("array", "scale", scale)
    table = text("array", "factors", factors)
    axes = text("array", "layout", layout, ("hwc", "chw"))
    container = _opened(paths, unpacked, progress)
    chosen = _chosen(container, text("array", "key", key))
    pixels = container.array(chosen)
    if white is None and pixels.dtype.kind in "ui":
        _refuse_binary(container.path, pixels)
    return {
        "pixels": pixels,
        "fingerprint": "-".join(["array", container.fingerprint, *([chosen] if chosen else [])]),
        "factors": None if table is None else _factors(container, table, pixels.shape[0]),
        "layout": axes,
        "scale": white,
    }


def _opened(paths: Sequence[Path], unpacked: Path, progress: Progress) -> _Container:
    if len(paths) != 1:
        raise UsageError(f"dataset 'array': expected `path`, one file {_FORMATS}, got {len(paths)}.")
    path = paths[0]
    kind = path.suffix.lower()
    if kind == ".npy":
        rows = npy_rows(path)
        return _Container(path, {"": Header(rows.shape, rows.dtype)}, lambda _: rows, fingerprint(path))
    if kind == ".npz":
        headers = npz_headers(path)
        return _Container(path, headers, lambda key: npz_rows(path, key, unpacked, progress), fingerprint(path))
    if kind in (".h5", ".hdf5"):
        headers = hdf5_headers(path)
        return _Container(path, headers, lambda key: HDF5Pixels(path, key), fingerprint(path))
    if kind == ".zarr" or (path / "zarr.json").is_file() or (path / ".zarray").is_file():
        headers = {k: Header(tuple(a.shape), np.dtype(a.dtype)) for k, a in zarr_arrays(path).items()}
        return _Container(path, headers, lambda key: ZarrPixels(path, key), zarr_fingerprint(path))
    raise UsageError(f"{path}: expected a file {_FORMATS}, got {kind or 'no ending'}. Save it as one of these.")


def _chosen(container: _Container, key: str | None) -> str:
    """The name of the images' array."""
    known = list(container.headers)
    told = ", ".join(f"{name} {container.headers[name].shape}" for name in known) or "none that is numeric"
    if known == [""]:
        if key is not None:
            raise UsageError(f"{container.path}: holds one array without a name, got key {key!r}. Leave `key` out.")
        return ""
    if key is not None:
        if key not in known:
            raise UsageError(
                f"{container.path}: expected one of its arrays, {told}, got {key!r}.{suggestion(key, known)}"
            )
        return key
    images = [
        k for k in known if len(container.headers[k].shape) in (3, 4) and container.headers[k].dtype.kind in "buif"
    ]
    usual = [k for k in images if k.rpartition("/")[2].lower() in USUAL_KEYS]
    for guess in (images, usual):
        if len(guess) == 1:
            return guess[0]
    raise UsageError(f"{container.path}: which of its arrays are the images? It has: {told}. Give `key`.")


def _factors(container: _Container, key: str, count: int) -> Factors:
    """The factors of variation, from the array of this name or the .npy of this path."""
    if list(container.headers) == [""]:
        path = container.path.parent / key
        if path.suffix.lower() != ".npy":
            raise UsageError(f"{container.path}: expected `factors` to be the path of an .npy beside it, got {key!r}.")
        rows, name = npy_rows(path), path.stem
    else:
        rows, name = container.array(_chosen(container, key)), key.rpartition("/")[2]
    if len(rows.shape) not in (1, 2) or rows.shape[0] != count:
        raise UsageError(f"{container.path}: expected factors ({count},) or ({count}, f), got {rows.shape} in {key!r}.")
    table = rows.take(np.arange(count))
    names = [name] if table.ndim == 1 else [f"{name}_{position + 1}" for position in range(table.shape[1])]
    return Factors.observed(names, table.reshape(count, -1))


def _refuse_binary(path: Path, pixels: Pixels) -> None:
    """UsageError where integers look like 0 and 1: as 255ths they would be black, and nobody would notice."""
    count = pixels.shape[0]
    looked = np.unique(np.linspace(0, max(count - 1, 0), min(count, _LOOKED_AT)).astype(np.int64))
    found = pixels.take(looked)
    if found.size and found.max() <= 1:
        raise UsageError(
            f"{path}: expected integers from 0 to 255, got only 0 and 1 in the {len(looked)} images looked at. "
            "Give `scale`: 1 where 1 is white, 255 where the images are this dark."
        )
