"""What all adapters share: a Recorder made when a training begins, called after its steps, and ended with it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vaescope.errors import UsageError
from vaescope.recorder import Recorder
from vaescope.registry import suggestion

Losses = Callable[[], Mapping[str, Any]]
"""Makes the losses of a step by name; called only where they are wanted, since asking a framework for them costs."""


class Shell:
    """A Recorder for a framework that calls back.

    Args:
        folder: of the study; see `vaescope.Recorder`.
        submodule: dotted path of the module to look at inside the one that is trained; "" for that itself.
        options: all other arguments of `vaescope.Recorder`.

    Attributes:
        recorder: the Recorder; None before training has begun and after it has ended.

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
        self._log_every = int(options.get("log_every", 50))
        self._next_log = 0
        self._step: int | None = None

    def begin(self, model: nn.Module, **defaults: Any) -> None:
        """Make the Recorder, before the first step.

        Args:
            model: what is trained.
            **defaults: options the framework knows; what the user gave goes before them.

        Raises:
            UsageError: there is no such submodule, or the Recorder refuses.
        """
        self.end(None)
        known = {name: value for name, value in defaults.items() if value is not None}
        self.recorder = Recorder(part_of(model, self.submodule), self.folder, **{**known, **self.options})
        self._next_log, self._step = 0, None

    def step(self, step: int, losses: Losses) -> None:
        """Tell the Recorder that so many steps are done; the same step again is passed over."""
        recorder = self.recorder
        if recorder is None or step == self._step:
            return
        self._step = step
        if recorder.due(step) or step >= self._next_log:
            recorder(step, **named(losses()))
            self._next_log = step + self._log_every
        else:
            recorder(step)

    def end(self, step: int | None) -> None:
        """End the Recorder: done at this step, or only left, to be taken up again, where there is none."""
        recorder, self.recorder = self.recorder, None
        if recorder is None:
            return
        if step is None:
            recorder.pause()
        else:
            recorder.finish(step)


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


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are single numbers, or tensors of one; a loss called "step" would be taken for the step."""
    single = {k: v for k, v in values.items() if _single(v)}
    return {("step_" if name == "step" else str(name)): value for name, value in single.items()}


def _single(value: Any) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "numel") and value.numel() == 1)
