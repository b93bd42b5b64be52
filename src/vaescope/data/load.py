"""Datasets by name: from official files, which are downloaded where need be, from the user's files, or made.

A dataset that is read from files has a reader of its name, `vaescope.data.readers.<name>`, with
`read(paths, unpacked, progress, **options)`: what the dataset's class is made of, from verified files. `unpacked` is a
folder for what is unpacked once. The options of the reader are the options of the dataset.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, Final

import numpy as np

from vaescope.data.dataset import DATASETS, Dataset
from vaescope.data.fetch import cache, fetch, in_place
from vaescope.data.official import OFFICIAL, VARIANTS, OfficialFile, has_official, official_key
from vaescope.data.published import Published, TenClasses
from vaescope.data.stored import InMemory
from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.registry import suggestion

MADE: Final = frozenset({"dsprites"})
"""Datasets of which there are official files, but which are made where none are asked for."""

_READER_TAKES: Final = ("paths", "unpacked", "progress")
_SOURCES: Final = ("made", "official")


@dataclass(frozen=True)
class Described:
    """What a dataset is, known without reading it where that is possible.

    Attributes:
        image_shape: (channels, height, width).
        length: number of images.
        factors: name and number of classes of each factor of variation.
    """

    image_shape: tuple[int, int, int]
    length: int
    factors: tuple[tuple[str, int], ...]


def load_dataset(name: str, *, progress: Progress | None = None, **options: Any) -> Dataset:
    """A dataset by its registered name, e.g. "dsprites".

    Args:
        name: see `vaescope data list`.
        progress: told what is downloaded and unpacked, and asked whether to stop.
        options: what this dataset takes. Those with official files take `path`, a copy of your own (the file, or the
            folder with all of them), which is verified and used where it lies; or `mirror`, an address or a folder to
            fetch the files from. "mpi3d" takes `variant`; "dsprites" is drawn unless one of these is given, or
            `source="official"`.

    Raises:
        UsageError: no such dataset, an option it does not take, or no file at `path`.
        CorruptArtifact: a file is not the official one.
        ResourceError: a file cannot be had or read, or there is no memory for it.

    >>> len(load_dataset("dsprites"))
    737280
    """
    check_options(name, options)
    read = _reader(name)
    if read is None:
        _check_all_given(name, options)
        return DATASETS[name](**options)
    told = progress or Progress()
    if has_official(name):
        if _made(name, options):
            return DATASETS[name]()
        described(name, **options)  # an option that is wrong is told before anything is downloaded
        paths, folder = _official_paths(name, options, told), _folder(name, options)
    else:
        path = _path(name, options.get("path"))
        paths, folder = [] if path is None else [path], cache() / name
    rest = {option: value for option, value in options.items() if option not in _places(name)}
    return DATASETS[name](**read(paths, folder / "unpacked", told, **rest))


def dataset_options(name: str) -> tuple[str, ...]:
    """The names of the options `load_dataset` takes for this dataset. UsageError where there is none of this name.

    >>> dataset_options("dsprites")
    ('path', 'mirror', 'source')
    """
    member, read = DATASETS[name], _reader(name)
    if read is None:
        return tuple(signature(member).parameters)
    own = (option for option in signature(read).parameters if option not in _READER_TAKES)
    return tuple(dict.fromkeys((*_places(name), *own)))


def check_options(name: str, options: Mapping[str, object]) -> None:
    """Raise `UsageError` where there is no such dataset, or it does not take these options."""
    known = dataset_options(name)
    for option in options:
        if option not in known:
            takes = f"it takes: {', '.join(known)}" if known else "it takes none"
            raise UsageError(f"dataset {name!r}: unknown option {option!r}; {takes}.{suggestion(option, list(known))}")
    if has_official(name):
        _made(name, options)
        official_key(name, options.get("variant"))


def described(name: str, **options: Any) -> Described:
    """What a dataset is. Of one that has official files nothing is read or downloaded; others are loaded.

    Raises:
        UsageError: no such dataset or option; and what `load_dataset` raises where it is loaded.

    >>> described("mnist")
    Described(image_shape=(1, 28, 28), length=70000, factors=(('label', 10),))
    """
    check_options(name, options)
    member = DATASETS[name]
    if has_official(name):
        if issubclass(member, Published | TenClasses):
            factors, shape = member.FACTORS, member.SHAPE
            if issubclass(member, TenClasses):
                black = np.broadcast_to(np.uint8(0), (member.COUNT, *shape[1:]))  # takes no memory
                size = {option: value for option, value in options.items() if option == "size"}
                shape = member(InMemory(black), black[:, 0, 0], "", **size).image_shape
            return Described(shape, member.COUNT, tuple(zip(factors.names, factors.sizes, strict=True)))
        options = {}  # what is made is the same, and asks for no files
    dataset = load_dataset(name, **options)
    factors = tuple(zip(dataset.factor_names, dataset.factor_sizes, strict=True))
    return Described(dataset.image_shape, len(dataset), factors)


def missing_files(name: str, **options: Any) -> list[OfficialFile]:
    """What `load_dataset` would download: nothing that is in the cache, is given by `path`, or is not needed.

    Raises:
        UsageError: no such dataset or option.
    """
    check_options(name, options)
    if not has_official(name) or options.get("path") is not None or _made(name, options):
        return []
    return [file for file in _files(name, options) if not (_folder(name, options) / file.name).is_file()]


def fetch_dataset(name: str, *, progress: Progress | None = None, **options: Any) -> list[Path]:
    """The official files of a dataset, downloaded where they are not in the cache yet, and verified.

    Raises:
        UsageError: no such dataset or option, or one that has no official files.
        CorruptArtifact, ResourceError: as `load_dataset`.
    """
    check_options(name, options)
    if not has_official(name):
        having = ", ".join(name for name in DATASETS if has_official(name))
        raise UsageError(f"dataset {name!r} has no official files; those that have: {having}.")
    return _official_paths(name, options, progress or Progress())


def _check_all_given(name: str, options: Mapping[str, object]) -> None:
    """UsageError where an option without a default is wanting."""
    takes = signature(DATASETS[name]).parameters.values()
    wanting = [p.name for p in takes if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if wanting := [option for option in wanting if option not in options]:
        raise UsageError(f"dataset {name!r}: expected option {', '.join(wanting)}, got none.")


def _places(name: str) -> tuple[str, ...]:
    """The options that say where the files of a dataset are; its reader does not see them."""
    if not has_official(name):
        return ("path",)
    return ("path", "mirror", *(("variant",) if name in VARIANTS else ()), *(("source",) if name in MADE else ()))


def _reader(name: str) -> Callable[..., dict[str, Any]] | None:
    """How the files of a dataset are read; None for one that is made. Imported late, for what it may need to import."""
    module = f"vaescope.data.readers.{name}"
    return import_module(module).read if find_spec(module) is not None else None


def _made(name: str, options: Mapping[str, object]) -> bool:
    """Whether a dataset that has official files is made instead. UsageError where the options contradict each other."""
    if name not in MADE:
        return False
    source = options.get("source")
    if source not in (None, *_SOURCES):
        raise UsageError(f"dataset {name!r}: expected `source` to be one of {', '.join(_SOURCES)}, got {source!r}.")
    given = [place for place in ("path", "mirror") if options.get(place) is not None]
    if source == "made" and given:
        raise UsageError(f"dataset {name!r}: `source` made needs no files, but `{given[0]}` is given. Leave one out.")
    return source != "official" and not given


def _files(name: str, options: Mapping[str, object]) -> tuple[OfficialFile, ...]:
    return OFFICIAL[official_key(name, options.get("variant"))]


def _folder(name: str, options: Mapping[str, object]) -> Path:
    """Where the files of a dataset are kept, and what is unpacked from them."""
    return cache() / official_key(name, options.get("variant"))


def _official_paths(name: str, options: Mapping[str, object], progress: Progress) -> list[Path]:
    files, folder = _files(name, options), _folder(name, options)
    path, mirror = _path(name, options.get("path")), options.get("mirror")
    if not isinstance(mirror, str | Path | None):
        raise UsageError(f"dataset {name!r}: expected `mirror` to be an address or a folder, got {mirror!r}.")
    if path is None:
        return fetch(files, folder, mirror, progress)
    try:
        return in_place(files, path, folder, progress)
    except UsageError as error:
        instead = "draw the images instead" if name in MADE else "have the files downloaded"
        where = f"download the file from {files[0].url}" if len(files) == 1 else "give a folder with all of them"
        raise UsageError(f"dataset {name!r}: {error} Leave `path` out to {instead}, or {where}") from None


def _path(name: str, path: object) -> Path | None:
    if not isinstance(path, str | Path | None) or "\0" in str(path):
        raise UsageError(f"dataset {name!r}: expected `path` to be the path of a file or folder, got {path!r}.")
    return None if path is None else Path(path).expanduser()
