"""Models in wrappers: what is inside, and the names its modules have without them."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "module")
"""The attributes in which torch.compile, FSDP, activation checkpoints, Lightning's Fabric and DataParallel keep it."""

NAMED_MODULE = ("DataParallel", "DistributedDataParallel", "AveragedModel", "DeepSpeedEngine")
"""Classes that keep it in `module`; others have a child of that name like any other."""


def wrapped(module: nn.Module) -> str:
    """The attribute in which a wrapper keeps its model, "" for a module that is no wrapper."""
    for name in INSIDE:
        if name in module._modules and (name != "module" or _is_named_module(module)):
            return name
    return ""


def inside(model: nn.Module) -> nn.Module:
    """The model in its wrappers: DataParallel, DistributedDataParallel, torch.compile and the like."""
    while name := wrapped(model):
        model = getattr(model, name)
    return model


def clean_paths(model: nn.Module) -> dict[nn.Module, str]:
    """Each module that is no wrapper and may have hooks -> its dotted path without wrappers; "" for the model itself.

    >>> model = nn.Sequential(nn.DataParallel(nn.Sequential(nn.ReLU())))
    >>> sorted(clean_paths(model).values())
    ['', '0', '0.0']
    """
    found: dict[nn.Module, str] = {}

    def walk(module: nn.Module, path: str) -> None:
        module = inside(module)
        if module in found or isinstance(module, torch.jit.ScriptModule):  # which takes no hooks
            return
        found[module] = path
        for name, child in _children(module):
            walk(child, f"{path}.{name}".removeprefix("."))

    walk(model, "")
    return found


def clean_aliases(model: nn.Module) -> dict[str, nn.Module]:
    """Every clean path of every module, those of a module that is in several places too."""
    found: dict[str, nn.Module] = {}

    def walk(module: nn.Module, path: str, above: tuple[nn.Module, ...]) -> None:
        module = inside(module)
        if module in above or isinstance(module, torch.jit.ScriptModule):
            return
        found[path] = module
        for name, child in _children(module):
            walk(child, f"{path}.{name}".removeprefix("."), (*above, module))

    walk(model, "", ())
    return found


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Those that make representations: not those that only make a layer's weights, as weight normalisation does."""
    for name, child in module._modules.items():
        if child is not None and not (name == "parametrizations" and is_parametrized(module)):
            yield name, child


def _is_named_module(module: nn.Module) -> bool:
    return any(kind.__name__ in NAMED_MODULE for kind in type(module).__mro__)
