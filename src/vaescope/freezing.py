"""An action of the recorder: freeze what has settled, and say what that saves.

Raghu et al. freeze layers from the input on as they converge ("freeze training"); here what has converged is what
`Live` says has settled. Whether it pays is another matter: docs/live.md has what came of it on dSprites.

References:
    Raghu et al. (2017), SVCCA, section 4.1. https://arxiv.org/abs/1706.05806
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from statistics import median
from time import perf_counter
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.hooks import RemovableHandle

from vaescope.errors import UsageError
from vaescope.models.parts import BESIDE, LOG_VAR, MEAN, parts_of
from vaescope.registry import suggestion
from vaescope.stats.live.answer import Answer
from vaescope.stats.live.live import Live

PARTS = ("encoder", "decoder")
REMEMBERED = 200  # steps before the freezing of which the time is kept
_CALL = re.compile(r"(\[[^\]]*\]|\.call\d+)+$")


@dataclass
class _Held:
    """What is frozen, and what it was like before."""

    name: str
    step: int
    parameters: list[nn.Parameter]
    layers: set[str]
    live: Live | None = None
    hooks: list[RemovableHandle] = field(default_factory=list)
    norms: list[tuple[nn.Module, nn.Module, bool | None]] = field(default_factory=list)  # norm, parent, mode if apart
    seconds: list[float] = field(default_factory=list)
    told: bool = False


class FreezeSettled:
    """Freezes parts or layers of a model once `Live` says that they have settled; to be called after each observation.

    Frozen weights get no gradients (`requires_grad` is False and `grad` None), which is what makes every optimiser of
    torch.optim pass them over: neither momentum nor weight decay moves them, and their share of its work is gone. They
    stay listed in their parameter groups, so schedulers and saved states of the optimiser fit as before. The backward
    pass ends at the frozen part where nothing before it still trains. Batch norms in it (and other norms that keep
    running averages) work as in evaluation from then on, whatever `model.train()` says, so that their averages
    stay. Dropout is left as it is.

    The heads of the posterior, mean and log variance, are not taken for the encoder unless asked: they go on changing
    when it has settled. What cannot be frozen is not, and that is said once ("skipped"): weights that the given
    optimisers do not hold; training in several processes, of which the others would go on. Weights that are used
    outside of what is frozen as well go on training.

    Args:
        optimiser: the optimiser, or a list of all, that hold the weights. It is not changed, except that a hook notes
            the time of its steps.
        parts: "encoder", "decoder" or both; each is frozen as it settles.
        layers: names of layers, or globs of names, as `Live` knows them: frozen together, instead of `parts`, once each
            of them has settled or no longer changes.
        encoder: the module or modules of the encoder, where they are not called so.
        decoder: likewise.
        heads: whether the encoder includes the layers of the mean and log variance.
        drop_state: whether to forget the optimiser's state of the frozen weights (Adam's two moments), which frees its
            memory. It then begins anew when they are thawed.
        timed: steps after the freezing over which their time is measured.

    Raises:
        UsageError: no such part; nothing to freeze; LBFGS, which moves all weights as one vector.
    """

    def __init__(
        self,
        optimiser: Any,
        parts: Sequence[str] | str = ("encoder",),
        *,
        layers: Sequence[str] | str = (),
        encoder: str | Sequence[str] | None = None,
        decoder: str | Sequence[str] | None = None,
        heads: bool = False,
        drop_state: bool = False,
        timed: int = 50,
    ) -> None:
        self.parts = (parts,) if isinstance(parts, str) else tuple(parts)
        self.layers = (layers,) if isinstance(layers, str) else tuple(layers)
        for part in self.parts:
            if part not in PARTS:
                raise UsageError(
                    f"FreezeSettled: no part {part!r}, only encoder and decoder.{suggestion(part, list(PARTS))}"
                )
        if not self.parts and not self.layers:
            raise UsageError("FreezeSettled: nothing to freeze. Give parts=('encoder',) or layers=['encoder.*'].")
        self._optimisers = _each(optimiser)
        for one in self._optimisers:
            if isinstance(one, torch.optim.LBFGS):
                raise UsageError(
                    "FreezeSettled: LBFGS moves all weights as one vector; take an optimiser such as Adam."
                )
        self._encoder, self._decoder, self._heads = encoder, decoder, heads
        self._drop_state, self._timed = drop_state, timed
        self._before: deque[float] = deque(maxlen=REMEMBERED)
        self._last: float | None = None
        self._held: dict[str, _Held] = {}
        self._over: set[str] = set()  # not to be frozen (again): skipped, or thawed by hand
        self._ticks = [one.register_step_post_hook(self._ticked) for one in self._optimisers[-1:]]

    @property
    def frozen(self) -> tuple[str, ...]:
        """The parts or layers that are frozen now."""
        return tuple(self._held)

    def __call__(self, model: nn.Module, live: Live, step: int) -> tuple[Answer, ...]:
        """Freeze what has settled and is not frozen yet, and say what was saved."""
        found = [*self._savings(step)]
        for name, layers in self._asked(live):
            if name not in self._held and name not in self._over:
                found += self._freeze(model, name, layers, live, step)
        return tuple(found)

    def freeze(self, model: nn.Module, name: str, step: int, live: Live | None = None) -> tuple[Answer, ...]:
        """Freeze a part, or the layers of a glob, at once, whether it has settled or not.

        Args:
            model: the model.
            name: "encoder", "decoder", or a module's path or glob.
            step: the step, for the answer.
            live: told not to speak of what is frozen.
        """
        if name in self._held:
            return ()
        paths = [path for path, _ in model.named_modules() if path]
        layers = () if name in PARTS else [path for path in paths if fnmatchcase(path, name)]
        if name not in PARTS and not layers:
            raise UsageError(f"FreezeSettled: the model has no module {name!r}.{suggestion(name, paths)}")
        return tuple(self._freeze(model, name, layers, live, step))

    def thaw(self) -> tuple[Answer, ...]:
        """Let everything train again, as before; nothing of it is frozen again by itself.

        Norms are in the mode of the module they are in now (or in their own, if that was another before).
        """
        found = []
        for name, held in self._held.items():
            for parameter in held.parameters:
                parameter.requires_grad_(True)
            for hook in held.hooks:
                hook.remove()
            for module, parent, apart in held.norms:
                module.train(parent.training if apart is None else apart)
            if held.live is not None:
                held.live.frozen -= held.layers
            self._over.add(name)
            found.append(Answer("moved", held.step, f"{name} trains again; it was frozen at step {held.step:,}.", name))
        self._held.clear()
        self._before.clear()
        return tuple(found)

    def close(self) -> None:
        """Take the hooks off the optimisers; what is frozen stays so."""
        for hook in self._ticks:
            hook.remove()
        self._ticks = []

    def _asked(self, live: Live) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What is settled of what was asked for, by name, with its layers."""
        if not self.layers:
            yield from ((part, ()) for part in self.parts if part in live.settled)
            return
        chosen = [name for name in live.looks if any(fnmatchcase(name, glob) for glob in self.layers)]
        if not chosen:
            raise UsageError(
                f"FreezeSettled: none of the layers is called {', '.join(self.layers)}."
                f"{suggestion(self.layers[0], list(live.looks))}"
            )
        if all(name in live.settled or name in live.still for name in chosen):
            yield ", ".join(self.layers), tuple(chosen)

    def _freeze(
        self, model: nn.Module, name: str, layers: Sequence[str], live: Live | None, step: int
    ) -> Iterator[Answer]:
        self._over.add(name)  # unless it works out
        modules = _named(model, layers) if layers else self._part(model, name, live)
        inside, shared = _parameters(model, modules)
        reason = self._hindrance(model, inside)
        if reason:
            yield Answer("skipped", step, f"{name} has settled, but is not frozen: {reason}", name)
            return
        self._over.discard(name)
        looks = () if live is None else tuple(live.looks)
        held = _Held(name, step, inside, {k for k in looks if _CALL.sub("", k) in modules}, live)
        for parameter in inside:
            parameter.requires_grad_(False)
            parameter.grad = None
            for optimiser in self._optimisers if self._drop_state else ():
                optimiser.state.pop(parameter, None)
        for path in modules:
            module = model.get_submodule(path)
            if isinstance(module, _NormBase) and module.track_running_stats:
                parent = model.get_submodule(path.rpartition(".")[0])
                held.norms.append((module, parent, None if module.training == parent.training else module.training))
                held.hooks.append(module.register_forward_pre_hook(_as_in_evaluation))
                module.eval()
        self._held[name] = held
        if live is not None:
            live.frozen |= held.layers
        yield Answer("frozen", step, self._told(model, held, looks, shared), name, step)

    def _part(self, model: nn.Module, part: str, live: Live | None) -> set[str]:
        """The paths of all modules of a part: those so called, else those that the recorder took for it."""
        found = parts_of(model, self._encoder, self._decoder)
        given = getattr(found, part)
        seen = [_CALL.sub("", k) for k, look in (live.looks if live is not None else {}).items() if look.part == part]
        roots = [r for r in given or seen if self._heads or r.rpartition(".")[2] not in BESIDE["encoder"]]
        paths = _below(model, roots)
        return paths if self._heads or part != "encoder" else paths - _below(model, _heads(paths))

    def _hindrance(self, model: nn.Module, parameters: Sequence[nn.Parameter]) -> str:
        """Why these cannot be frozen; "" if they can."""
        known = {id(p) for one in self._optimisers for group in one.param_groups for p in group["params"]}
        foreign = sum(id(p) not in known for p in parameters)
        if not parameters:
            return "it has no weights of its own that train. Name its modules: FreezeSettled(..., encoder='features')."
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        if several and torch.distributed.get_world_size() > 1:
            return "this is one of several processes, and the others would go on. Freeze it in all, before they start."
        if foreign:
            return (
                f"{foreign} of its {len(parameters)} weights are not in the optimiser that was given. Give "
                "FreezeSettled all optimisers."
            )
        return ""

    def _told(self, model: nn.Module, held: _Held, looks: Sequence[str], shared: int) -> str:
        every = [p for one in self._optimisers for group in one.param_groups for p in group["params"]]
        count, whole = (sum(p.numel() for p in of) for of in (held.parameters, every))
        text = f"Froze {held.name} at step {held.step:,}: {count:,} of the optimiser's {whole:,} parameters "
        text += f"({count / whole:.0%}) no longer move and cost it no work."
        if held.norms:
            text += f" {len(held.norms)} batch norms keep their running averages."
        if shared:
            text += f" {shared} weights that are used elsewhere too go on training."
        first = min((looks.index(k) for k in held.layers), default=0)
        before = [k for k in looks[:first] if _trains(model, _CALL.sub("", k))]
        return text + (
            f" {before[0]} before it still trains, so the backward pass does not end here." if before else ""
        )

    def _savings(self, step: int) -> Iterator[Answer]:
        for held in self._held.values():
            if not held.told and len(held.seconds) >= self._timed and len(self._before) >= 10:
                held.told = True
                before, after = median(self._before), median(held.seconds)
                word = "less" if after <= before else "more"
                text = (
                    f"A step takes {after:.4f} s since {held.name} was frozen at step {held.step:,}, and took "
                    f"{before:.4f} s: {abs(1 - after / before):.0%} {word}."
                )
                yield Answer("frozen", step, text, held.name, held.step, 1 - after / before)

    def _ticked(self, *_: Any) -> None:
        now = perf_counter()
        if self._last is not None:
            if not self._held:
                self._before.append(now - self._last)
            for held in self._held.values():
                if len(held.seconds) < max(self._timed, 1):
                    held.seconds.append(now - self._last)
        self._last = now


def _each(given: Any) -> list[torch.optim.Optimizer]:
    """The optimisers themselves; those of accelerate and Lightning wrap one."""
    several = given if isinstance(given, list | tuple) else [given]
    found = [getattr(one, "optimizer", one) for one in several]
    for one in found:
        if not isinstance(one, torch.optim.Optimizer):
            raise UsageError(
                f"FreezeSettled: expected an optimiser of torch.optim, or several, got {type(one).__name__}."
            )
    return found


def _as_in_evaluation(module: nn.Module, _: Any) -> None:
    module.training = False


def _below(model: nn.Module, roots: Iterable[str]) -> set[str]:
    """The paths of these modules and of all in them."""
    return {path for path, _ in model.named_modules() for root in roots if path == root or path.startswith(f"{root}.")}


def _named(model: nn.Module, layers: Iterable[str]) -> set[str]:
    """The paths of the modules of layers, and of all in them."""
    return _below(model, {_CALL.sub("", layer) for layer in layers})


def _heads(paths: set[str]) -> set[str]:
    """Modules side by side that are called like a mean and a log variance."""
    kinds: dict[str, dict[Literal["mean", "log_var"], set[str]]] = {}
    for path in paths:
        above, _, last = path.rpartition(".")
        for kind, pattern in (("mean", MEAN), ("log_var", LOG_VAR)):
            if pattern.fullmatch(last):
                kinds.setdefault(above, {}).setdefault(kind, set()).add(path)  # type: ignore[arg-type]
    return {path for found in kinds.values() if len(found) == 2 for some in found.values() for path in some}


def _parameters(model: nn.Module, modules: set[str]) -> tuple[list[nn.Parameter], int]:
    """The weights of modules that train and are used in no other, and how many are."""
    inside: dict[int, nn.Parameter] = {}
    outside: set[int] = set()
    for path, module in model.named_modules(remove_duplicate=False):
        for parameter in module._parameters.values():
            if parameter is not None and path in modules and parameter.requires_grad:
                inside[id(parameter)] = parameter
            elif parameter is not None and path not in modules:
                outside.add(id(parameter))
    return [p for key, p in inside.items() if key not in outside], len(inside.keys() & outside)


def _trains(model: nn.Module, path: str) -> bool:
    """Whether the module of that path has weights that train."""
    found = dict(model.named_modules()).get(path)
    return found is not None and any(p.requires_grad for p in found.parameters())
