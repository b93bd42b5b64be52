"""What all adapters share: a Recorder made when a training begins, called after its steps, and ended with it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vaescope.errors import UsageError
from vaescope.recorder import Recorder
from vaescope.registry import suggestion
from vaescope.stats.live.answer import Answer

if TYPE_CHECKING:
    from vaescope.stats.results import Results

Losses = Callable[[], Mapping[str, Any]]
"""Makes the losses of a step by name; called only where they are wanted, since asking a framework for them costs."""


class Shell:
    """A Recorder for a framework that calls back.

    Args:
        folder: of the study; see `vaescope.Recorder`.
        submodule: dotted path of the module to look at inside the one that is trained; "" for that itself.
        options: all other arguments of `vaescope.Recorder`.

    Attributes:
        recorder: the Recorder of the training under way or last; None before there was one.
        open: whether training is under way.

    Raises:
        UsageError: an option is given that the adapter sets itself.
    """

    def __init__(self, folder: str | Path, submodule: str, options: Mapping[str, Any]) -> None:
        if "model" in options:
            raise UsageError("The trainer knows the model: leave model= out; submodule= names a part of it.")
        self.folder = Path(folder)
        self.submodule = submodule
        self.options = dict(options)
        self.recorder: Recorder | None = None
        self.open = False
        self._log_every = int(options.get("log_every", 50))
        self._next_log = 0
        self._step: int | None = None

    def begin(
        self,
        model: nn.Module,
        trackers: Sequence[object] = (),
        optimisers: Sequence[object] = (),
        probe: Any = None,
        **defaults: Any,
    ) -> None:
        """Make the Recorder, before the first step.

        Args:
            model: what is trained.
            trackers: of the framework, beside those the user gave.
            optimisers: of the framework, for actions that are given as a class (or a `functools.partial` of one), as
                nobody has optimisers before the training begins; none where the framework shows none.
            probe: what the framework makes of the probe the user gave.
            **defaults: options the framework knows; what the user gave goes before them.

        Raises:
            UsageError: there is no such submodule, an action wants optimisers that nobody shows, or the Recorder
                refuses.
        """
        self.end(None)
        options = {name: value for name, value in defaults.items() if value is not None} | self.options
        options["trackers"] = [*_several(self.options.get("trackers", ())), *trackers]
        options["actions"] = [_ready(action, optimisers) for action in _several(self.options.get("actions", ()))]
        if probe is not None:
            options["probe"] = probe
        self.recorder = Recorder(part_of(model, self.submodule), self.folder, **options)
        self.open = True
        self._next_log, self._step = 0, None

    def step(self, step: int, losses: Mapping[str, Any] | Losses | None = None) -> None:
        """Tell the Recorder that so many steps are done; the same step again is passed over.

        Args:
            step: how many.
            losses: by name; or what makes them, which is asked where they are wanted only.
        """
        recorder = self.recorder
        if recorder is None or not self.open or step == self._step:
            return
        self._step = step
        if callable(losses):
            wanted = recorder.due(step) or step >= self._next_log
            self._next_log = step + self._log_every if wanted else self._next_log
            losses = losses() if wanted else None
        recorder(step, **named(losses or {}))

    def end(self, step: int | None) -> None:
        """End the Recorder: done at this step, or only left, to be taken up again, where there is none."""
        if self.recorder is not None and self.open:
            self.open = False
            if step is None:
                self.recorder.pause()
            else:
                self.recorder.finish(step)


class Holder:
    """What every callback shows of its Recorder."""

    _shell: Shell

    @property
    def recorder(self) -> Recorder | None:
        """The `vaescope.Recorder` of the training under way or last; None before there was one."""
        return self._shell.recorder

    @property
    def answers(self) -> list[Answer]:
        """All that became known since training began."""
        recorder = self._shell.recorder
        return recorder.answers if recorder is not None else []

    def results(self) -> "Results":
        """What was recorded, compared as far as it has come: the results of the study in the folder.

        Raises:
            UsageError: nothing was recorded yet.
        """
        if self._shell.recorder is None:
            raise UsageError("Nothing was recorded yet: train first, or open another folder with vaescope.open.")
        return self._shell.recorder.results()


def part_of(model: nn.Module, submodule: str) -> nn.Module:
    """The module at a dotted path; the model itself for "".

    Raises:
        UsageError: there is none.
    """
    if not submodule:
        return model
    found = dict(model.named_modules())
    if submodule not in found:
        top = ", ".join(repr(name) for name, _ in model.named_children()) or "none"
        raise UsageError(
            f"submodule={submodule!r}: {type(model).__name__} has no such module.{suggestion(submodule, list(found))} "
            f"Its first level: {top}."
        )
    return found[submodule]


def _several(given: Any) -> list[Any]:
    """One or several things as several."""
    return list(given) if isinstance(given, list | tuple) else [given]


def _ready(action: Any, optimisers: Sequence[object]) -> Any:
    """The action itself, or what its class makes of the optimisers."""
    made = action.func if isinstance(action, partial) else action
    if not isinstance(made, type):
        return action
    if not optimisers:
        raise UsageError(f"{made.__name__} needs the optimiser, which this trainer does not show to callbacks.")
    return action(list(optimisers))


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are single numbers, or tensors of one; a loss called "step" would be taken for the step."""
    single = {k: v for k, v in values.items() if _single(v)}
    return {("logged_step" if name == "step" else str(name)): value for name, value in single.items()}


def _single(value: Any) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "numel") and value.numel() == 1)
