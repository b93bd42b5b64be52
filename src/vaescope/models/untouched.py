"""A model that may be passed through and is afterwards as it was."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

COPIED = (dict, OrderedDict, defaultdict, Counter, list, set, deque)


@contextmanager
def untouched(model: nn.Module, evaluation: bool = True) -> Iterator[None]:
    """Pass through a model without gradients; afterwards, also after an error, it is as it was.

    What is put back: the training mode of each module, all buffers (the same tensors with the same values and version,
    so that a graph under way holds), hooks and their order, gradients and whether parameters require them, and whatever
    attributes modules set, append to or count up as they are called; tensors among them with their values. Not put
    back: values of parameters that a module writes as it is called, what is in objects of the model's own.

    Modes are set module by module, not by `model.eval()`, since some models do more in `train` than to set the mode
    (merge weights, or keep normalisation layers in evaluation mode). `torch.compile` is out of force meanwhile, since
    compiled code calls no hooks. Gradients are off by `no_grad` and not by inference mode: what a model makes once and
    keeps, as a table of positions, must be fit for training later.

    Args:
        model: any.
        evaluation: whether all modules are in evaluation mode; else each is as it is set.
    """
    modules = list(model.modules())
    modes = [module.training for module in modules]
    kept = [_Kept(module) for module in modules]
    parameters = [(parameter, parameter.grad, parameter.requires_grad) for parameter in model.parameters()]
    tensors = tuple(tensor for was in kept for tensor, _ in was.tensors if not tensor.is_inference())
    try:
        if evaluation:
            for module in modules:
                if "training" in vars(module):
                    vars(module)["training"] = False  # at once: what `nn.Module` asks as it sets one takes longer
                else:
                    module.training = False
        with torch.no_grad(), _eager(), _plain_attention(), _same_version(tensors):
            yield
    finally:
        for module, mode, was in zip(modules, modes, kept, strict=True):
            was.put_back()
            if module.training != mode:
                module.training = mode
        for parameter, gradient, required in parameters:
            if parameter.requires_grad != required:
                parameter.requires_grad_(required)
            if parameter.grad is not gradient:
                parameter.grad = gradient


class _Kept:
    """The attributes of one module: which objects they are, and what is in those that are known to change."""

    def __init__(self, module: nn.Module) -> None:
        self.attributes = vars(module)
        self.were = dict(self.attributes)
        self.inside = {name: _copy(value) for name, value in self.were.items() if type(value) in COPIED and value}
        self.empty = [value for value in self.were.values() if type(value) in COPIED and not value]
        buffers = self.were.get("_buffers", {}).values()
        tensors = [value for value in (*buffers, *self.were.values()) if _is_plain(value)]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def put_back(self) -> None:
        """Make the module what it was when this was made."""
        now = self.attributes
        if now.keys() != self.were.keys() or any(now[name] is not value for name, value in self.were.items()):
            now.clear()
            now.update(self.were)
        for name, values in self.inside.items():
            _fill(self.were[name], values)
        for value in self.empty:
            if value:
                value.clear()
        for tensor, values in self.tensors:
            if not _same(tensor, values):
                _write(tensor, values)


def _write(tensor: Tensor, values: Tensor) -> None:
    """By `data`: a graph under way that holds the tensor must not take this for a change."""
    if tensor.shape == values.shape and tensor.dtype == values.dtype:
        tensor.data.copy_(values)
    else:
        tensor.data = values


def _is_plain(value: Any) -> bool:
    return type(value) is Tensor and value.layout == torch.strided and value.device.type != "meta"


def _copy(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else list(value)


def _fill(value: Any, inside: list[Any]) -> None:
    """Put back what was in a container, where that changed."""
    now = _copy(value)
    same = len(now) == len(inside) and all(
        a is b or (isinstance(a, tuple) and isinstance(value, dict) and a[0] is b[0] and a[1] is b[1])
        for a, b in zip(now, inside, strict=True)
    )
    if not same:
        value.clear()
        if isinstance(value, dict):
            for key, inner in inside:
                value[key] = inner
        else:
            value.update(inside) if isinstance(value, set) else value.extend(inside)


def _same(tensor: Tensor, values: Tensor) -> bool:
    return tensor.shape == values.shape and tensor.dtype == values.dtype and torch.equal(tensor, values)


@contextmanager
def _eager() -> Iterator[None]:
    """No compiled code, where there may be some: PyTorch's compiler is imported once something was compiled."""
    if "_dynamo" not in vars(torch):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def _same_version(tensors: tuple[Tensor, ...]) -> Iterator[None]:
    """A graph under way goes by versions; `untouched` gives the tensors the values that belong to theirs."""
    with cast(Any, torch.autograd)._unsafe_preserve_version_counter(tensors):
        yield


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Transformer layers call their modules: PyTorch's fused path for inference passes them by, hooks and all."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
