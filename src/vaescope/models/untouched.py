"""A model that may be passed through and is afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from vaescope.models.keeping import Kept


@contextmanager
def untouched(model: nn.Module, evaluation: bool = True) -> Iterator[None]:
    """Pass through a model without gradients; afterwards, also after an error, it is as it was.

    What is put back: the training mode of each module, all buffers (the same tensors with the same values and version,
    so that a graph under way holds), hooks and their order, gradients and whether parameters require them, and whatever
    attributes modules set, append to or count up as they are called: in dicts, lists and objects of the model's own
    too, with tensors, arrays and generators in them; values of parameters that require no gradients. `Kept` says how
    deep and how large.

    Not put back: values of parameters that require gradients, where a module writes them as it is called; what is
    outside the model (global variables, class attributes, variables and objects that a user's hook writes); objects of
    other libraries (a trainer, a logger) or without `__dict__`; what is deeper or larger than `Kept` keeps.

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
    kept = Kept(model)
    parameters = [(parameter, parameter.grad, parameter.requires_grad) for parameter in model.parameters()]
    tensors = tuple(tensor for tensor, _ in kept.tensors if not tensor.is_inference())
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
        kept.put_back()
        for module, mode in zip(modules, modes, strict=True):
            if module.training != mode:
                module.training = mode
        for parameter, gradient, required in parameters:
            if parameter.requires_grad != required:
                parameter.requires_grad_(required)
            if parameter.grad is not gradient:
                parameter.grad = gradient


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
