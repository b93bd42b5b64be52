"""A Recorder in pythae's trainers: `BaseTrainer(..., callbacks=[RecorderCallback("runs/mine", probe=images)])`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

try:
    from pythae.trainers.base_trainer.base_trainer import logger
    from pythae.trainers.training_callbacks import TrainingCallback
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "pythae":
        raise
    raise ModuleNotFoundError("vaescope.adapters.pythae needs pythae: pip install pythae.", name=error.name) from None

from torch import nn

from vaescope.adapters.shell import Holder, Shell


class RecorderCallback(Holder, TrainingCallback):
    """Records what a pythae model represents while one of pythae's trainers (or its pipeline) trains it.

    pythae counts epochs; this counts optimiser steps from the beginning of `train()`, one a batch, which is when it
    looks. The losses of an epoch, which pythae logs at its end, are noted with the first step of the next. pythae does
    not take up a training that was interrupted, so nor does this: each `train()` is a new run; give its folder or
    `run=` anew.

    Args:
        folder: of the study; see `vaescope.Recorder`.
        submodule: dotted path of the module to look at; "" for the model itself.
        tell: called with every new sentence; None: pythae's log. Give `lambda text: None` for silence.
        **options: all other arguments of `vaescope.Recorder`: probe=, at=, layers=, setting=, trackers=, actions=, …
            The probe may be images as such: they are handed to the model as pythae's datasets do, {"data": images}.
            Actions that want the optimiser, as `vaescope.FreezeSettled` does, cannot be had: pythae does not show it.

    Attributes:
        recorder: the `vaescope.Recorder` of the training under way or last; None before there was one.
        answers: all that became known since training began.

    Raises:
        UsageError: what `vaescope.Recorder` refuses, as training begins.

    References:
        Chadebec et al. (2022), pythae. https://arxiv.org/abs/2206.08309
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        submodule: str = "",
        tell: Callable[[str], object] | None = None,
        **options: Any,
    ) -> None:
        self._shell = Shell(folder, submodule, options)
        self._tell = tell
        self._steps = 0
        self._logged: Mapping[str, Any] = {}

    def on_train_begin(self, training_config: Any, **kwargs: Any) -> None:
        """Look before the first step."""
        if training_config.rank not in (0, -1):
            return
        self._steps, self._logged = 0, {}
        self._shell.begin(
            kwargs["model"],
            tell=self._tell or logger.info,
            seed=training_config.seed,
            forward=passed if not self._shell.submodule else None,
        )
        self._shell.step(0)

    def on_train_step_end(self, training_config: Any, **kwargs: Any) -> None:
        """An optimiser step is done."""
        self._steps += 1
        logged, self._logged = self._logged, {}
        self._shell.step(self._steps, logged)

    def on_log(self, training_config: Any, logs: Any, **kwargs: Any) -> None:
        """Keep the losses of the epoch until the next step."""
        self._logged = dict(logs)

    def on_train_end(self, training_config: Any, **kwargs: Any) -> None:
        """Look a last time; the run is done."""
        self._shell.end(self._steps)


def passed(model: nn.Module, batch: Any) -> Any:
    """A batch through a pythae model, which takes a mapping whose "data" are the images."""
    return model(batch if isinstance(batch, Mapping) else {"data": batch})
