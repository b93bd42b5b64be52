"""Representations and examples in files: .npy, .npz, .safetensors, or a folder of .npy; never a pickle."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import Any, Final, cast
from zipfile import ZipExtFile, ZipFile

import numpy as np

from vaescope.data.archive import BROKEN
from vaescope.data.rows import npy_header, npy_rows
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.registry import suggestion

KINDS: Final = (".npy", ".npz", ".safetensors")
_BROKEN = (*BROKEN, ValueError)  # which numpy raises of damaged headers


def rows_of(total: int, n: int | None, seed: int) -> np.ndarray | None:
    """Which of `total` rows are taken, ascending, drawn without replacement; None for all, also where `n` is more.

    The same for everything that holds the same examples, since it depends on nothing else.
    """
    if n is None or n >= total:
        return None
    return np.sort(np.random.default_rng([seed, total, n]).permutation(total)[:n])


def read_arrays(
    path: str | Path, n: int | None = None, seed: int = 0, memory_budget: int | None = None
) -> dict[str, np.ndarray]:
    """Every array of a file by its name; that of an .npy has the name of the file.

    Args:
        path: .npy, .npz, .safetensors, or a folder of .npy files. `FILE.npz:NAME` takes one array.
        n: rows to take of each at most, the same ones of arrays with as many rows; all if None.
        seed: of that choice.
        memory_budget: bytes to read at most, told by the headers before anything is read; a quarter of the machine's
            memory if None.

    Raises:
        UsageError: no such file, another kind of file, or arrays that hold no real numbers.
        CorruptArtifact: the file is damaged or cut short.
        ResourceError: more bytes than the budget, or it cannot be read.
    """
    from vaescope.runs.machine import memory_budget as quarter

    file, only = _split(path)
    budget = quarter() if memory_budget is None else memory_budget
    if file.is_dir():
        members = sorted(file.glob("*.npy"))
        if not members:
            raise UsageError(
                f"{file}: expected a file ({', '.join(KINDS)}) or a folder of .npy files, got a folder without any."
            )
        found: dict[str, np.ndarray] = {}
        for member in members:
            found |= _npy(member, n, seed, budget - sum(x.nbytes for x in found.values()))
    elif file.suffix.lower() == ".npy":
        found = _npy(file, n, seed, budget)
    elif file.suffix.lower() == ".npz":
        found = _npz(file, only, n, seed, budget)
    elif file.suffix.lower() == ".safetensors":
        found = _safetensors(file, n, seed, budget)
    else:
        hint = " Weights need a model: --model." if file.suffix.lower() in (".pt", ".pth", ".ckpt", ".bin") else ""
        raise UsageError(f"{file}: expected {', '.join(KINDS)}, got {file.suffix or 'a name without ending'!r}.{hint}")
    if only is not None and file.suffix.lower() != ".npz":
        if only not in found:
            raise UsageError(f"{file}: expected an array {only!r}.{suggestion(only, list(found))}")
        return {only: found[only]}
    return found


def _split(path: str | Path) -> tuple[Path, str | None]:
    """The file, and the name of one array in it where `FILE:NAME` is given and no file is called that."""
    text = str(path)
    if "\0" in text:
        raise UsageError(f"expected the path of a file, got {text!r}.")
    head, colon, name = text.rpartition(":")
    whole = Path(text).expanduser()
    if colon and not whole.exists() and Path(head).suffix.lower() in KINDS:
        return Path(head).expanduser(), name
    return whole, None


def _npy(path: Path, n: int | None, seed: int, budget: int) -> dict[str, np.ndarray]:
    with _reading(path), path.open("rb") as file:
        shape, dtype = npy_header(file, str(path), any_order=True)
        begin = file.tell()
        size = path.stat().st_size - begin
        must_be_rows(path, path.stem, shape)
        whole = prod(shape) * dtype.itemsize
        if size < whole:
            raise CorruptArtifact(
                f"{path}: expected {whole:,} bytes for {shape} of {dtype}, got {size:,}: it was cut short. Copy it "
                "again."
            )
        rows = rows_of(shape[0], n, seed)
        _must_fit(path, whole if rows is None else whole // shape[0] * len(rows), budget)
        if rows is not None:
            with suppress(UsageError):  # columns first: no row lies in one piece
                return {path.stem: npy_rows(path).take(rows)}
            _must_fit(path, whole, budget)
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
        return {path.stem: array if rows is None else array[rows]}


def _npz(path: Path, only: str | None, n: int | None, seed: int, budget: int) -> dict[str, np.ndarray]:
    with _reading(path), ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if not info.is_dir()}
        if only is not None and only not in members:
            known = ", ".join([*members][:8]) or "none at all"
            raise UsageError(f"{path}: expected an array {only!r}, got {known}.{suggestion(only, list(members))}")
        wanted = {name: info for name, info in members.items() if only in (None, name)}
        if not wanted:
            raise UsageError(f"{path}: expected at least one array, got an empty .npz.")
        total = 0
        for name, info in wanted.items():
            if info.flag_bits & 1:
                raise UsageError(f"{path}: {name!r} is encrypted. Save it anew with np.savez.")
            with archive.open(info) as member:
                shape, dtype = npy_header(cast(ZipExtFile, member), f"{path}: {name}", any_order=True)
                there = info.file_size - member.tell()
            must_be_rows(path, name, shape)
            size = prod(shape) * dtype.itemsize
            if there != size:
                raise CorruptArtifact(
                    f"{path}: {name}: expected {size:,} bytes for {shape} of {dtype}, the archive says {there:,}. "
                    "Copy or write it again."
                )
            total += size
        _must_fit(path, total, budget)
        found = {}
        for name, info in wanted.items():
            with archive.open(info) as member:
                array = np.lib.format.read_array(cast(Any, member), allow_pickle=False)
                while member.read(1 << 20):  # at its end the checksum is verified
                    pass
            rows = rows_of(len(array), n, seed)
            found[name] = array if rows is None else array[rows]
        return found


def _safetensors(path: Path, n: int | None, seed: int, budget: int) -> dict[str, np.ndarray]:
    """Arrays of a .safetensors; bfloat16 and float8 become float32, which numpy has."""
    from safetensors import SafetensorError, safe_open

    from vaescope.stats.similarity import matrix

    with _reading(path):
        path.open("rb").close()  # tells of a missing file in the system's words
        try:
            _must_fit(path, path.stat().st_size, budget)
            found = {}
            with safe_open(path, framework="pt") as file:  # torch, since numpy has no bfloat16
                for name in file.keys():  # noqa: SIM118 - no mapping
                    tensor = file.get_tensor(name)
                    must_be_rows(path, name, tuple(tensor.shape))
                    rows = rows_of(len(tensor), n, seed)
                    found[name] = matrix(tensor if rows is None else tensor[rows], f"{path}: {name}", finite=False)
        except SafetensorError as error:
            raise CorruptArtifact(f"{path}: no .safetensors, or a damaged one: {error}. Copy it again.") from error
    if not found:
        raise UsageError(f"{path}: expected at least one array, got none.")
    return found


def must_be_rows(path: object, name: str, shape: tuple[int, ...]) -> None:
    """UsageError for what has no axis of examples, or none of them."""
    if not shape or not prod(shape):
        raise UsageError(f"{path}: {name}: expected (n examples, ...), got shape {shape}.")


def must_agree(arrays: Mapping[str, Any], where: str, weights: bool = False) -> int:
    """The number of rows that all arrays have.

    Args:
        arrays: by name.
        where: the file, for messages.
        weights: whether the file could be one of weights, so that this is said.

    Raises:
        UsageError: they differ.
    """
    counts: dict[int, str] = {}
    for name, array in arrays.items():
        counts.setdefault(int(np.shape(array)[0]), name)
    if len(counts) > 1:
        (n, a), (m, b) = [*counts.items()][:2]
        hint = " If these are weights, give the model they belong to: --model, or (module, path)." if weights else ""
        raise UsageError(
            f"{where}: expected arrays of the same examples, got {n:,} rows of {a!r} and {m:,} of {b!r}.{hint}"
        )
    return next(iter(counts))


def _must_fit(path: Path, size: int, budget: int) -> None:
    if size > budget:
        raise ResourceError(
            f"{path}: {size:,} bytes once read are more than the {budget:,} of the memory budget. Take fewer rows (n), "
            "one array of the file (FILE.npz:NAME), or a larger budget."
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, in the package's own errors."""
    try:
        yield
    except (CorruptArtifact, UsageError, ResourceError):  # UsageError is a ValueError
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: expected a file, got none there. Check the path.") from None
    except _BROKEN as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptArtifact(f"{path}: cannot be read: {text[:200]}. Copy or write it again.") from error
    except MemoryError as error:
        raise ResourceError(f"{path}: there is no memory for it. Take fewer rows (n).") from error
    except OSError as error:
        raise ResourceError(
            f"{path}: cannot be read: {error.strerror or error}. Check permissions and disk."
        ) from error
