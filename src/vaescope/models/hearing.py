"""Forward hooks on any model: first all calls of a pass and what they give, then those that are wanted, and no more."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from vaescope.models.calls import Call, Return, listening, only_reshapes
from vaescope.models.nested import Steps, at, leaves, suffix
from vaescope.models.network import UNCHANGED

OUTPUT = "output"
"""The layer that a model itself returns; "model_output" where a module has this name."""


@dataclass(frozen=True)
class Heard:
    """A tensor that a call gave in a pass.

    Attributes:
        name: of the layer: the module's path, ".call2" for its second call in a pass, and the way into what it returns.
        call: which call; `Call()` for what the model, or the caller's function, returned.
        steps: the way to the tensor in what was returned.
        shape: of the tensor, examples first where it has a row for each.
        dtype: of its numbers.
        innermost: whether the call called no other module.
        unchanged: whether it is what the call was given, perhaps in another shape.
        fixed: whether its rows are no examples: there are as many for fewer examples.
    """

    name: str
    call: Call
    steps: Steps
    shape: tuple[int, ...]
    dtype: torch.dtype
    innermost: bool = True
    unchanged: bool = False
    fixed: bool = False

    def has_rows(self, n: int) -> bool:
        """Whether there is one row of numbers for each of n examples."""
        return self.shape[:1] == (n,) and 0 not in self.shape and not self.fixed


def overheard(
    model: nn.Module,
    paths: Mapping[nn.Module, str],
    run: Callable[[], Any],
    failed: Callable[[str, Exception], Exception],
) -> list[Heard]:
    """All that is given in a pass, in the order in which calls return.

    Args:
        model: what is passed through.
        paths: the modules that are listened to, and their names.
        run: passes one batch.
        failed: makes an error of one that was raised in a pass, given where that was.
    """
    found: list[Heard] = []
    counts: Counter[str] = Counter()

    def hear(back: Return) -> None:
        path = back.call.path
        if not path:
            return
        counts[path] += 1  # as they return: a module that calls itself returns its inner call first
        call = Call(path, counts[path])
        again = f".call{call.count}" if call.count > 1 else ""
        found.extend(_tensors(back, call, path + again))

    with listening(model, hear, paths) as under_way:
        try:
            output = run()
        except Exception as error:
            where = under_way[-1] if under_way else None
            text = "" if where is None else f"{where.call.path or 'the model'} ({type(where.module).__name__})"
            if where is not None and where.given is not None:
                text += f" given {tuple(where.given.shape)} of {where.given.dtype}"
            raise failed(text, error) from error
    name, alone = output_name(paths.values()), not found
    found += [Heard(name + suffix(way), Call(), way, _shape(x), x.dtype, alone) for way, x in leaves(output)]
    return _told_apart(found)


def output_name(paths: Any) -> str:
    """What the model's own return is called, given the paths of its modules."""
    return f"model_{OUTPUT}" if OUTPUT in paths else OUTPUT


def without_fixed(heard: Sequence[Heard], n: int, fewer: Sequence[Heard], k: int) -> list[Heard]:
    """What was heard of n examples, given what was heard of the first k: what did not change its length is fixed.

    So a table that happens to have as many rows as a batch has examples is told from a layer.
    """
    lengths = {h.name: h.shape[:1] for h in fewer}
    return [replace(h, fixed=h.shape[:1] == (n,) and lengths.get(h.name, (k,)) != (k,)) for h in heard]


def _told_apart(found: list[Heard]) -> list[Heard]:
    """No name twice, even where a module is called as the second call of another would be."""
    names: set[str] = set()
    apart = []
    for heard in found:
        name = heard.name
        while name in names:
            name += "'"
        names.add(name)
        apart.append(replace(heard, name=name))
    return apart


def _shape(value: Tensor) -> tuple[int, ...]:
    """Of a tensor; () for one whose numbers are not laid out in full: nested, sparse, quantised."""
    return tuple(value.shape) if _is_dense(value) else ()


def _is_dense(value: Tensor) -> bool:
    return not value.is_nested and value.layout == torch.strided and not value.is_quantized


def _tensors(back: Return, call: Call, name: str) -> Iterator[Heard]:
    for steps, value in leaves(back.output):
        unchanged = isinstance(back.module, UNCHANGED) and not back.module.training
        if back.given is not None and _is_dense(value) and _is_dense(back.given):
            unchanged = unchanged or only_reshapes(back.given, back.version, value)
        yield Heard(name + suffix(steps), call, steps, _shape(value), value.dtype, back.innermost, unchanged)


class Enough(BaseException):
    """The last wanted layer has run. No `Exception`, so that no model takes it for an error of its own."""


class Hearing:
    """Hooks on the wanted calls alone.

    Args:
        wanted: layer -> its call and the way to its tensor.
        modules: path -> module.
        stop: whether a pass may end once the last wanted call has returned.
    """

    def __init__(self, wanted: Mapping[str, tuple[Call, Steps]], modules: Mapping[str, nn.Module], stop: bool) -> None:
        self._tensors: dict[Call, list[tuple[str, Steps]]] = {}
        for name, (call, steps) in wanted.items():
            self._tensors.setdefault(call, []).append((name, steps))
        self._modules = {path: modules[path] for path in dict.fromkeys(call.path for call in self._tensors) if path}
        self._stop = stop and Call() not in self._tensors

    @contextmanager
    def attached(self) -> Iterator[Callable[[Callable[[], Any], Callable[[str, Any], None]], list[str]]]:
        """Hooks are there meanwhile.

        Yields:
            A function of (run, keep): passes a batch by `run()`; `keep` is told each wanted layer and what it gave, at
            the moment in which it returned. It returns the layers whose calls did not come.
        """
        left: dict[Call, list[tuple[str, Steps]]] = {}
        counts: Counter[str] = Counter()
        keeps: list[Callable[[str, Any], None]] = []
        errors: list[Exception] = []

        def came(call: Call, output: Any) -> None:
            try:
                for name, steps in left.pop(call, ()):
                    keeps[-1](name, at(output, steps))
            except Exception as error:  # must not reach the model, which might catch it
                errors.append(error)
                raise Enough from error

        def hook(path: str) -> Callable[[nn.Module, Any, Any], None]:
            def ends(module: nn.Module, args: Any, output: Any) -> None:
                counts[path] += 1
                came(Call(path, counts[path]), output)
                if self._stop and not left:
                    raise Enough

            return ends

        def passing(run: Callable[[], Any], keep: Callable[[str, Any], None]) -> list[str]:
            left.clear()
            left.update(self._tensors)
            counts.clear()
            keeps[:] = [keep]
            errors.clear()
            try:
                came(Call(), run())
            except Enough:
                left.clear()
            finally:
                keeps.clear()
            if errors:
                raise errors[0]
            return [name for missing in left.values() for name, _ in missing]

        handles = [module.register_forward_hook(hook(path)) for path, module in self._modules.items()]
        try:
            yield passing
        finally:
            for handle in handles:
                handle.remove()


def may_stop(modules: Sequence[nn.Module]) -> bool:
    """Whether a pass may be broken off: not where others have hooks, which may come in pairs, as those that offload."""
    shared = vars(torch.nn.modules.module)
    everywhere = any(shared.get(f"_global_forward_{kind}hooks") for kind in ("", "pre_"))
    own = any(m._forward_hooks or m._forward_pre_hooks or hasattr(m, "_hf_hook") for m in modules)
    return not everywhere and not own
