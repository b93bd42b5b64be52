"""What the modules of a model hold at one moment, to be put back: containers, objects, tensors, arrays, generators."""

import types
from abc import ABC
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from inspect import getmodule
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaescope.models.randomness import KINDS, restored, state

CONTAINERS = (OrderedDict, dict, list, set, deque)
ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), type, torch.dtype, torch.device, torch.Size))
ATOMS |= {types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType, nn.Parameter}
INTERNAL = frozenset(vars(nn.Module())) - {"training"}  # kept as they are, and what is in them is not looked into
FRAMEWORKS = {"torch", "numpy", "lightning", "pytorch_lightning", "lightning_fabric", "accelerate"}
PLAIN_BASES = {"abc", "typing", "typing_extensions", "collections", "collections.abc", "_collections_abc"}
PYTHON = types.__file__.removesuffix("types.py")  # the folder of the standard library

DEPTH = 4  # levels of containers and objects in one another below an attribute of a module
WALKED = 2**13  # items that are looked into, of the whole model
ITEMS = 2**17  # in containers below the attributes themselves, of the whole model
EACH, ALL = 2**24, 2**26  # bytes of a tensor or array below them, or of an array; and of all together
FROZEN = 2**25  # bytes of all parameters without gradients


class Kept:
    """A model at the moment this is made; `put_back` makes it so again.

    Attributes of modules are kept with what is in them: dicts, lists, sets, deques, tuples, namespaces and objects of
    the model's own (`_own`), one in another to `DEPTH`; plain tensors and NumPy arrays with their values, generators
    with their state. Buffers and tensors that are attributes of a module are always kept; what lies deeper, and arrays,
    up to the bounds above, nearest first; so data sets that a model holds are not copied. Of parameters, values are
    kept of those that require no gradient (codebooks that a model writes itself), the smallest first, up to `FROZEN`
    bytes, and of embeddings with `max_norm`, which PyTorch scales as they are looked up.

    Attributes:
        tensors: each tensor whose values are kept, and these.
    """

    def __init__(self, model: nn.Module) -> None:
        modules = list(model.modules())
        self.tensors: list[tuple[Tensor, Tensor]] = []
        self._containers: list[tuple[Any, type, list[Any]]] = []
        self._empty: list[tuple[Any, type]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._generators: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        self._walks, self._items, self._bytes = WALKED, ITEMS, ALL
        self._packages = {_top(type(module)) for module in modules} - FRAMEWORKS
        self._natures: dict[type, Any] = dict.fromkeys(ATOMS)
        self._keep_all(modules)
        self._keep_parameters(modules)

    def put_back(self) -> None:
        """Make everything what it was."""
        for value, base, inside in self._containers:
            _fill(value, base, inside)
        for value, base in self._empty:
            if len(value):
                base.clear(value)  # type: ignore[attr-defined]
        for tensor, values in self.tensors:
            if not _same(tensor, values):
                _write(tensor, values)
        for array, values in self._arrays:
            if array.shape == values.shape and array.dtype == values.dtype:
                np.copyto(array, values)
        for generator, was in self._generators:
            restored(generator, was)

    def _keep_all(self, modules: Iterable[nn.Module]) -> None:
        level: list[Any] = []
        for module in modules:
            attributes = vars(module)
            self._containers.append((attributes, dict, _inside(attributes, dict)))
            for name, value in attributes.items():
                if name not in INTERNAL:
                    if type(value) not in ATOMS:
                        level.append(value)
                elif type(value) in (dict, OrderedDict):
                    self._contained(value, type(value))
            level += attributes.get("_buffers", {}).values()
        for depth in range(DEPTH + 1):
            level = list(chain.from_iterable(self._kept(value, depth) for value in level if type(value) not in ATOMS))

    def _kept(self, value: Any, depth: int) -> Collection[Any]:
        """Keep one thing; what is in it, to be looked into."""
        kind = type(value)
        if kind not in self._natures:
            self._natures[kind] = self._nature(kind)
        nature = self._natures[kind]
        if nature is None or id(value) in self._seen:
            return ()
        self._seen.add(id(value))
        if nature is tuple:
            return self._walked(value)
        if nature is Tensor:
            if _is_plain(value) and (depth == 0 or self._affordable(value.nbytes)):
                self.tensors.append((value, value.detach().clone()))
        elif nature is np.ndarray:
            if value.flags.writeable and not value.dtype.hasobject and self._affordable(value.nbytes):
                self._arrays.append((value, value.copy()))
        elif nature is KINDS:
            self._generators.append((value, state(value)))
        else:
            inside = vars(value) if nature is object else value
            base = dict if nature is object else nature
            if depth:
                if len(inside) > self._items:
                    return ()
                self._items -= len(inside)
            self._contained(inside, base)
            own = (vars(value),) if nature is not object and hasattr(value, "__dict__") else ()
            return (*self._walked(base.values(inside) if issubclass(base, dict) else inside), *own)
        return ()

    def _walked(self, values: Collection[Any]) -> Collection[Any]:
        if len(values) > self._walks:
            return ()
        self._walks -= len(values)
        return values

    def _contained(self, value: Any, base: type) -> None:
        if len(value):
            self._containers.append((value, base, _inside(value, base)))
        else:
            self._empty.append((value, base))

    def _affordable(self, size: int) -> bool:
        if size > min(EACH, self._bytes):
            return False
        self._bytes -= size
        return True

    def _keep_parameters(self, modules: Iterable[nn.Module]) -> None:
        found: dict[int, Tensor] = {}
        scaled: dict[int, Tensor] = {}
        for module in modules:
            for parameter in vars(module).get("_parameters", {}).values():
                if type(parameter) is nn.Parameter and _is_strided(parameter):
                    if vars(module).get("max_norm") is not None:
                        scaled[id(parameter)] = parameter
                    elif not parameter.requires_grad:
                        found[id(parameter)] = parameter
        left = FROZEN
        for parameter in sorted(found.values(), key=lambda parameter: parameter.nbytes):
            left -= parameter.nbytes
            if left < 0:
                break
            scaled[id(parameter)] = parameter
        self.tensors += [(parameter, parameter.detach().clone()) for parameter in scaled.values()]

    def _nature(self, kind: type) -> Any:
        if kind in (Tensor, np.ndarray):
            return kind
        if kind in KINDS:
            return KINDS
        for base in (tuple, *CONTAINERS):
            if issubclass(kind, base):
                return base
        return object if self._own(kind) else None

    def _own(self, kind: type) -> bool:
        """Whether objects of a class are the model's own.

        A namespace, or of a class (with all of its bases) that is not of Python, nor of a framework, nor installed,
        save from a package that modules of the model are of too. So trainers, loggers, data loaders and optimisers,
        which may have threads, are left alone.
        """
        if kind is types.SimpleNamespace:
            return True
        bases = [base for base in kind.__mro__ if base not in (object, ABC) and base.__module__ not in PLAIN_BASES]
        return (
            kind.__dictoffset__ != 0
            and not FRAMEWORKS & {_top(base) for base in bases}
            and all(_top(base) in self._packages or not _installed(base) for base in bases)
        )


def _top(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


def _installed(kind: type) -> bool:
    """Whether a class is Python's or of an installed package; what was typed in or lies in a folder is not."""
    module = getmodule(kind)
    if module is None or module.__name__ == "__main__":
        return False
    where = getattr(module, "__file__", None)
    return where is None or where.startswith(PYTHON) or "site-packages" in where or "dist-packages" in where


def _inside(value: Any, base: Any) -> list[Any]:
    return [*base.keys(value), *base.values(value)] if issubclass(base, dict) else list(base.__iter__(value))


def _fill(value: Any, base: Any, inside: list[Any]) -> None:
    """Put back what was in a container, where that changed; by its base, whatever its class does as items are set."""
    now = _inside(value, base)
    if len(now) == len(inside) and all(map(is_, now, inside)):
        return
    base.clear(value)
    if issubclass(base, dict):
        half = len(inside) // 2
        for key, inner in zip(inside[:half], inside[half:], strict=True):
            base.__setitem__(value, key, inner)
    else:
        base.update(value, inside) if base is set else base.extend(value, inside)


def _is_strided(value: Tensor) -> bool:
    return value.layout == torch.strided and value.device.type != "meta"


def _is_plain(value: Any) -> bool:
    return type(value) is Tensor and _is_strided(value)


def _same(tensor: Tensor, values: Tensor) -> bool:
    return tensor.shape == values.shape and tensor.dtype == values.dtype and torch.equal(tensor, values)


def _write(tensor: Tensor, values: Tensor) -> None:
    """By `data`: a graph under way that holds the tensor must not take this for a change."""
    if tensor.shape == values.shape and tensor.dtype == values.dtype:
        tensor.data.copy_(values)
    else:
        tensor.data = values
