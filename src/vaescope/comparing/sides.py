"""One of the two that are compared: a model, a checkpoint, arrays or their file, told apart and made uniform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.comparing.arrayfiles import must_agree, read_arrays
from vaescope.errors import RepresentationError, UsageError
from vaescope.registry import suggestion

if TYPE_CHECKING:
    from torch import nn

ONLY = "x"
"""The label of an array that came alone."""


@dataclass
class Side:
    """One of the two.

    Attributes:
        name: what messages call it.
        arrays: label -> representation, or a function that loads it; filled in later where there is a model.
        module: the model, None once it is captured or where there is none.
        notes: what one should know of how it was read.
    """

    name: str
    arrays: dict[str, Any] = field(default_factory=dict)
    module: "nn.Module | None" = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What holds for both.

    Attributes:
        n: examples to take at most, None for all.
        seed: of that choice.
        budget: bytes to hold.
        trust_pickle: whether pickles are opened.
        shown: whether there is a model, which examples are shown: these then decide which rows of arrays are taken.
    """

    n: int | None
    seed: int
    budget: int
    trust_pickle: bool
    shown: bool


def positive(value: Any, name: str) -> int:
    """`value` itself; UsageError where it is no whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name}: expected a whole number of at least 1, got {value!r}.")
    return value


def is_module(x: Any) -> bool:
    """Whether `x` is a model, without importing torch for those who have none."""
    return any(t.__name__ == "Module" and t.__module__ == "torch.nn.modules.module" for t in type(x).__mro__)


def has_model(given: Any) -> bool:
    """Whether it is a model, or one with its weights."""
    return is_module(given) or (isinstance(given, tuple) and bool(given) and is_module(given[0]))


def titles_of(a: Any, b: Any, names: tuple[str, str] | None) -> tuple[str, str]:
    """What the two are called: given names, names of files, or classes where they differ."""
    if names is not None:
        if len(names) != 2 or names[0] == names[1]:
            raise UsageError(f"names: expected two different names, got {names!r}.")
        return str(names[0]), str(names[1])
    paths = [_path_of(side) for side in (a, b)]
    for cut in (lambda p: p.stem, lambda p: f"{p.parent.name}/{p.stem}", str):
        titles = [default if p is None else cut(p) for p, default in zip(paths, ("a", "b"), strict=True)]
        if titles[0] != titles[1]:
            break
    classes = [type(side).__name__ if is_module(side) else None for side in (a, b)]
    if None not in classes and classes[0] != classes[1]:
        titles = [str(name) for name in classes]
    return (titles[0], titles[1]) if titles[0] != titles[1] else (f"{titles[0]} (a)", f"{titles[1]} (b)")


def _path_of(given: Any) -> Path | None:
    if isinstance(given, tuple) and len(given) == 2:
        given = given[1]
    return Path(given) if isinstance(given, str | Path) else None


def side_of(given: Any, name: str, asked: Asked) -> Side:
    """What was given, as far as it can be known without passing data through it."""
    if isinstance(given, tuple) and len(given) == 2 and is_module(given[0]):
        from vaescope.comparing.checkpoints import filled

        module: Any = given[0]
        weights: Any = given[1]
        if not isinstance(weights, str | Path | Mapping):
            raise UsageError(f"{name}: expected (model, path or state dict), got {type(weights).__qualname__}.")
        copy, notes = filled(module, weights, asked.trust_pickle, name)
        return Side(name, module=copy, notes=notes)
    if is_module(given):
        model: Any = given
        return Side(name, module=model)
    if isinstance(given, str | Path):
        arrays: dict[str, Any] = dict(
            read_arrays(given, None if asked.shown else asked.n, asked.seed, asked.budget // 2)
        )
        must_agree(arrays, str(given), str(given).endswith(".safetensors"))
        return Side(name, arrays)
    if isinstance(given, Mapping):
        if not given:
            raise UsageError(f"{name}: expected at least one representation, got an empty dict.")
        return Side(name, {str(k): read(x, f"{k} of {name}") for k, x in given.items()})
    if hasattr(given, "__array__") or hasattr(given, "__dlpack__"):
        return Side(name, {ONLY: read(given, name)})
    raise UsageError(
        f"{name}: expected a model, (model, path to weights), a dict of arrays or a path, got "
        f"{type(given).__module__}.{type(given).__qualname__}."
    )


def is_loader(x: Any) -> bool:
    """Whether it is a function that loads an array, and no array itself."""
    return callable(x) and not hasattr(x, "shape")


def read(x: Any, name: str) -> Any:
    """An array of any library as numpy's or torch's; what loads one stays as it is.

    Args:
        x: with `__array__` (JAX, TensorFlow, pandas) or `__dlpack__`, also on another device where torch can read it.
        name: what messages call it.

    Raises:
        RepresentationError: "unsupported_type"; "shape_mismatch" where it has no rows.
    """
    if is_loader(x):
        return x
    if not isinstance(x, np.ndarray) and not any(t.__module__ == "torch" for t in type(x).__mro__):
        try:
            x = np.asarray(x) if hasattr(x, "__array__") or not hasattr(x, "__dlpack__") else _by_dlpack(x)
        except Exception as error:
            raise RepresentationError(
                f"{name}: numpy cannot read a {type(x).__module__}.{type(x).__qualname__}: {error}. Move it to the CPU "
                "and convert it to a numpy array first.",
                "unsupported_type",
            ) from error
    if isinstance(x, np.ndarray) and x.dtype.kind == "V" and "float" in x.dtype.name:  # bfloat16 as JAX gives it
        x = x.astype(np.float32)
    if not x.shape:
        raise RepresentationError(f"{name}: expected (n examples, ...), got one number.", "shape_mismatch")
    return x


def _by_dlpack(x: Any) -> Any:
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError):
        import torch

        return torch.from_dlpack(x)


def picked(side: Side, layers: Any) -> dict[str, Any]:
    """The arrays whose labels are asked for, in their order."""
    if layers is None:
        return side.arrays
    patterns = [layers] if isinstance(layers, str) else list(layers) if isinstance(layers, Sequence) else [layers]
    kept: set[str] = set()
    for pattern in patterns:
        if isinstance(pattern, str):
            found = {k for k in side.arrays if k == pattern or fnmatchcase(k, pattern)}
        elif hasattr(pattern, "search"):
            found = {k for k in side.arrays if pattern.search(k)}
        else:
            raise UsageError(
                f"layers: expected labels, globs or patterns for the arrays of {side.name}, got {pattern!r}."
            )
        if not found:
            known = ", ".join([*side.arrays][:8])
            hint = suggestion(str(pattern), list(side.arrays))
            raise UsageError(f"layers: {side.name} has nothing called {pattern!r}; there are: {known}.{hint}")
        kept |= found
    return {k: x for k, x in side.arrays.items() if k in kept}
