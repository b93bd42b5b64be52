"""An untrained copy of any model: what its architecture gives without what it learned."""

from copy import deepcopy

import torch
from torch import nn

from vaescope.errors import UsageError
from vaescope.models.making import drawing_from
from vaescope.models.network import Network, initialise


def afresh(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy with first weights that depend on the generator alone; the model is not changed.

    Modules with `reset_parameters` draw their weights as when they were made. The entries of parameters that no such
    module has are put in another order, which keeps their scale. A network of this package that begins with Glorot's
    weights does so again.

    Raises:
        UsageError: the model cannot be copied.
    """
    try:
        fresh = deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be copied for an untrained control ({type(error).__name__}: {error}). Pass "
            "an untrained model, untrained=..., or untrained=False."
        ) from error
    for module in fresh.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    if isinstance(fresh, Network) and fresh.initialisation == "glorot":
        initialise(fresh, generator)
        return fresh.requires_grad_(False)
    drawn = set()
    with drawing_from(generator), torch.no_grad():
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
                drawn |= {id(p) for p in module.parameters(recurse=False)}
        for parameter in fresh.parameters():
            if id(parameter) not in drawn:
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return fresh.requires_grad_(False)
