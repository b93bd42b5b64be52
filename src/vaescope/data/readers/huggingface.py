"""Opens a dataset of the Hugging Face library; its Arrow files stay on the disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from vaescope.data.options import Option, number, text, whole
from vaescope.data.pictures import Files, Pictures
from vaescope.data.readers.image_folder import CHANNELS
from vaescope.data.rows import fingerprint
from vaescope.data.stored import LARGEST, SMALLEST, Factors, Pixels
from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.registry import suggestion

_WHO = "huggingface"


def read(
    paths: Sequence[Path],
    unpacked: Path,
    progress: Progress,
    repository: Option = None,
    subset: Option = None,
    revision: Option = None,
    split: Option = None,
    image: Option = None,
    labels: Option = None,
    size: Option = None,
    channels: Option = None,
    scale: Option = None,
) -> dict[str, Any]:
    """What `HuggingFace` is made of.

    Args:
        paths: a folder written by `save_to_disk`; none where `repository` is given.
        unpacked: not used: downloads go to the cache of the Hugging Face library.
        progress: not used.
        repository: a dataset of the hub, e.g. "ylecun/mnist".
        subset: its configuration, where it has several.
        revision: its branch, tag or commit; a commit makes the study repeatable.
        split: "train" where it is left out.
        image: the column of the images. Left out, the only one of type Image, or else of two or three axes.
        labels: the columns that become factors, "label" or "shape, colour". Left out, those of type ClassLabel.
        size: as for `image_folder`; for columns of type Image only.
        channels: likewise.
        scale: what is white, for columns of numbers.

    Raises:
        UsageError: no such folder, dataset, split or column; or the library is not installed.
        CorruptArtifact: the folder is damaged.
        ResourceError: the hub cannot be reached.
    """
    table = _opened(paths, text(_WHO, "repository", repository), subset, revision, text(_WHO, "split", split))
    side = whole(_WHO, "size", size, SMALLEST, LARGEST)
    mode = text(_WHO, "channels", channels, tuple(CHANNELS))
    column = _image_column(table, text(_WHO, "image", image))
    if not len(table):
        raise UsageError(f"dataset {_WHO!r}: expected images, got an empty split.")
    pixels: Pixels
    if _kind(table, column) == "Image":
        pixels = Pictures(_Encoded(table, column), side, None if mode is None else CHANNELS[mode])
    elif side or mode:
        raise UsageError(f"dataset {_WHO!r}: column {column!r} holds numbers, without `size` and `channels`.")
    else:
        pixels = _Numbers(table, column)
    return {
        "pixels": pixels,
        "fingerprint": f"huggingface-{_fingerprint(table)}-{column}-{side}-{mode}",
        "factors": _factors(table, text(_WHO, "labels", labels)),
        "scale": number(_WHO, "scale", scale),
    }


class _Encoded:
    """The picture files of a column of type Image."""

    def __init__(self, table: Any, column: str) -> None:
        from datasets import Image

        self._table, self._column = table.select_columns([column]).cast_column(column, Image(decode=False)), column

    def __len__(self) -> int:
        return len(self._table)

    def read(self, index: int) -> bytes:
        held = self._table[index][self._column]
        if held is None:
            raise UsageError(f"{self.where(index)}: holds no picture. Leave such rows out: dataset.filter(...).")
        if held["bytes"] is not None:
            return held["bytes"]
        return Files(Path(), [held["path"]]).read(0)

    def where(self, index: int) -> str:
        return f"dataset {_WHO!r}: row {index}, column {self._column!r}"


class _Numbers:
    """The arrays of a column of type Array2D or Array3D, or of nested lists of one shape."""

    def __init__(self, table: Any, column: str) -> None:
        self._table, self._column = table.select_columns([column]).with_format("numpy"), column
        declared = getattr(table.features[column], "dtype", None)
        first = self._table[0][column]
        self.dtype = np.dtype(declared) if declared and declared != "list" else first.dtype
        self.shape = (len(table), *first.shape)

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for position, found in enumerate(self._table[indices.tolist()][self._column] if len(indices) else ()):
            if found.shape != self.shape[1:]:
                raise UsageError(
                    f"dataset {_WHO!r}: row {indices[position]}: expected {self.shape[1:]} as in the first row, got "
                    f"{found.shape}. Make all images one size."
                )
            rows[position] = found
        return rows


def _opened(paths: Sequence[Path], repository: str | None, subset: Option, revision: Option, split: str | None) -> Any:
    """The split as a `datasets.Dataset`."""
    if (repository is None) == (not paths):
        raise UsageError(
            f"dataset {_WHO!r}: expected `repository`, of the hub, or `path`, a local folder: one of them."
        )
    try:
        import datasets
    except ImportError as error:
        raise UsageError('datasets of Hugging Face need its library: pip install "vaescope[huggingface]"') from error
    with _told(repository or str(paths[0])), _quietly():
        if repository is not None:
            return datasets.load_dataset(
                repository,
                text(_WHO, "subset", subset),
                split=split or "train",
                revision=text(_WHO, "revision", revision),
            )
        found = datasets.load_from_disk(str(paths[0]))
    if not isinstance(found, datasets.DatasetDict):
        if split is not None:
            raise UsageError(f"{paths[0]}: holds one split, without a name, got split {split!r}. Leave `split` out.")
        return found
    known = [str(name) for name in found]
    if (split or "train") not in known:
        wrong = split or "train"
        raise UsageError(f"{paths[0]}: expected one of its splits, {', '.join(known)}, got {wrong!r}.")
    return found[split or "train"]


@contextmanager
def _told(where: str) -> Iterator[None]:
    """The library's errors as the package's own."""
    try:
        yield
    except ConnectionError as error:
        raise ResourceError(
            f"{where}: the hub cannot be reached: {_first(error)}. Save it to disk elsewhere."
        ) from error
    except (FileNotFoundError, ValueError) as error:  # no such folder or dataset, configuration or split
        raise UsageError(
            f"{where}: expected a Hugging Face dataset, got: {_first(error)} Give "
            "`repository` as on the hub, or as `path` the folder that `save_to_disk` wrote."
        ) from error
    except OSError as error:
        raise ResourceError(
            f"{where}: cannot be read: {_first(error)}. Check permissions, disk and network."
        ) from error
    except Exception as error:  # whatever it makes of damaged files
        raise CorruptArtifact(
            f"{where}: expected a Hugging Face dataset, got: {_first(error)}. Save it anew."
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's own progress bars, which do not know the terminal is taken."""
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _kind(table: Any, column: str) -> str:
    return type(table.features[column]).__name__


def _image_column(table: Any, column: str | None) -> str:
    known = list(table.features)
    if column is not None:
        if column not in known:
            raise UsageError(
                f"dataset {_WHO!r}: expected `image` to be one of the columns {', '.join(known)}, got {column!r}."
                f"{suggestion(column, known)}"
            )
        return column
    for kinds in (["Image"], ["Array2D", "Array3D"]):
        found = [name for name in known if _kind(table, name) in kinds]
        if len(found) == 1:
            return found[0]
    told = ", ".join(f"{name} ({_kind(table, name)})" for name in known)
    raise UsageError(f"dataset {_WHO!r}: which column are the images? It has: {told}. Give `image`.")


def _factors(table: Any, labels: str | None) -> Factors | None:
    """The factors, from these columns separated by commas."""
    if labels is None:
        names = [name for name in table.features if _kind(table, name) == "ClassLabel"]
    else:
        names = [name.strip() for name in labels.split(",") if name.strip()]
    for name in names:
        if name not in table.features:
            raise UsageError(
                f"dataset {_WHO!r}: expected `labels` among the columns {', '.join(table.features)}, got {name!r}."
            )
    if not names:
        return None
    columns = table.select_columns(names).with_format("numpy")[:]
    if any(np.ndim(columns[name]) != 1 for name in names):
        raise UsageError(f"dataset {_WHO!r}: expected a number per image in each of {', '.join(names)}.")
    observed = Factors.observed(names, np.stack([columns[name] for name in names], axis=1))
    classes, values = np.array(observed.classes, np.int64), list(observed.values)
    for position, name in enumerate(names):
        if _kind(table, name) == "ClassLabel" and columns[name].min() >= 0:  # -1 stands for no label
            classes[:, position] = columns[name]  # a split need not have all classes
            values[position] = tuple(float(number) for number in range(table.features[name].num_classes))
    return Factors(observed.names, tuple(values), classes)


def _fingerprint(table: Any) -> str:
    """Of the Arrow files; of what the library says where there are none."""
    files = sorted(file["filename"] for file in table.cache_files)
    said = [fingerprint(Path(file)) for file in files] or [table._fingerprint]
    return blake2b("/".join([*said, str(len(table))]).encode(), digest_size=8).hexdigest()


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
