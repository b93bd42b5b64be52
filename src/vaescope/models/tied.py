"""Weights that a network uses in several places, kept once."""

from typing import Any

from torch import nn


def keep_once(network: nn.Module) -> None:
    """Leave all but the first name of a shared weight out of `state_dict`, and fill them in as weights are loaded.

    Files of tensors refuse two names for one tensor.
    """
    first: dict[int, str] = {}
    again: dict[str, str] = {}
    everything = [
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    ]
    for name, tensor in everything:
        if first.setdefault(id(tensor), name) != name:
            again[name] = first[id(tensor)]

    def leave_out(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        for name in again:
            state.pop(prefix + name, None)

    def fill_in(module: nn.Module, state: dict[str, Any], prefix: str, *details: Any) -> None:
        for name, source in again.items():
            if prefix + source in state:
                state[prefix + name] = state[prefix + source]

    if again:
        network.register_state_dict_post_hook(leave_out)
        network.register_load_state_dict_pre_hook(fill_in)
