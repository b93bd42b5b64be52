"""Values of a module taken out of a pass, or put into it, by name."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vaescope.errors import UsageError
from vaescope.models.outputs import described
from vaescope.models.wrapped import clean_aliases
from vaescope.registry import suggestion

Does = Callable[[str, Tensor], Tensor | None]
"""What is done with the value of a named layer: None leaves it, a tensor of the same shape takes its place."""

_NAME = re.compile(r"(?P<path>.*?)(?:\.call(?P<call>\d+))?(?P<keys>(?:\[[^\[\]]+\])*)")


@dataclass(frozen=True)
class Site:
    """Where in a pass a value is: a layer name in parts.

    Attributes:
        name: as it was given: "encoder.3", "encoder.3.call2", "encoder[0]", "output" for what the model returns.
        path: of the module, as `named_modules` has it.
        call: which of its calls in a pass, from 1.
        keys: where the tensor is in what the call returned.
    """

    name: str
    path: str
    call: int = 1
    keys: tuple[str, ...] = ()


def site_of(model: nn.Module, name: str) -> Site:
    """The place a layer name stands for.

    Raises:
        UsageError: the model has no such module.
    """
    found = _NAME.fullmatch(name)
    known = [path for path in clean_aliases(model) if path]
    path, call, keys = (found["path"], found["call"], found["keys"]) if found else (name, None, "")
    if path == "output" and "output" not in known:
        path = ""
    elif path not in known:
        parameter = path in dict(model.named_parameters()) and f" It names a parameter; its module is {_owner(path)!r}."
        raise UsageError(
            f"{type(model).__name__} has no layer {name!r}; expected the dotted path of a module, or 'output'."
            f"{parameter or suggestion(path, known)}"
        )
    return Site(name, path, int(call or 1), tuple(re.findall(r"\[([^\[\]]+)\]", keys)))


@contextmanager
def at(model: nn.Module, sites: Sequence[Site], does: Does) -> Generator[Callable[[], None], None, None]:
    """Within the block, each pass of the model tells of the values at these sites and takes what is given instead.

    Yields:
        To be called before each pass: calls of a module are counted from there.

    Raises:
        UsageError: in a pass: what is there is no tensor.
    """
    counts: Counter[nn.Module] = Counter()
    modules, wanted = clean_aliases(model), dict[nn.Module, list[Site]]()
    for site in sites:
        wanted.setdefault(modules[site.path], []).append(site)

    def ends(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        counts[module] += 1
        for site in wanted[module]:
            if site.call == counts[module]:
                value = _picked(output, site)
                instead = does(site.name, value)
                if instead is not None:
                    output = _put(output, site.keys, instead.to(value.dtype))
        return output

    handles = [module.register_forward_hook(ends, with_kwargs=True) for module in wanted]
    try:
        yield counts.clear
    finally:
        for handle in handles:
            handle.remove()


def _owner(path: str) -> str:
    return path.rpartition(".")[0]


def _picked(output: Any, site: Site) -> Tensor:
    value = output
    for key in site.keys:
        try:
            value = value[int(key)] if key.lstrip("-").isdigit() else _named(value, key)
        except (LookupError, TypeError, AttributeError):
            raise UsageError(f"layer {site.name}: there is no [{key}] in {described(value)}.") from None
    if isinstance(value, Tensor) and value.dim() > 0:
        return value
    keys = _keys(value)
    hint = f" Name one: {', '.join(f'{site.name}[{key}]' for key in keys[:3])}." if keys else ""
    raise UsageError(f"layer {site.name}: expected a tensor (n, ...), got {described(value)}.{hint}")


def _keys(value: Any) -> list[Any]:
    """Where tensors are in what was returned."""
    if isinstance(value, tuple | list):
        return [k for k, item in enumerate(value) if isinstance(item, Tensor)]
    items = value if isinstance(value, Mapping) else vars(value) if hasattr(value, "__dataclass_fields__") else {}
    return [k for k, item in items.items() if isinstance(item, Tensor)]


def _named(value: Any, key: str) -> Any:
    return value[key] if isinstance(value, Mapping) else getattr(value, key)


def _put(output: Any, keys: Sequence[str], value: Tensor) -> Any:
    """What was returned, with another tensor in one place: containers are copied, never changed."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(output, tuple | list):
        place = int(key) % len(output)
        items = [_put(item, rest, value) if k == place else item for k, item in enumerate(output)]
        return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
    changed = copy(output)
    if isinstance(output, Mapping):
        changed[key] = _put(output[key], rest, value)  # type: ignore[index]
    else:
        object.__setattr__(changed, key, _put(getattr(output, key), rest, value))
    return changed
