"""What the callbacks for both import names of Lightning share: a Recorder around `Trainer.fit`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vaescope.adapters.shell import Holder, Shell
from vaescope.errors import UsageError

SHARDED = ("FSDPStrategy", "ModelParallelStrategy")


class Fitting(Holder, ABC):
    """The hooks of a Lightning callback that hold a Recorder; `vaescope.adapters.lightning` documents them."""

    def __init__(
        self,
        folder: str | Path,
        *,
        submodule: str = "",
        to_loggers: bool = True,
        tell: Callable[[str], object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._shell = Shell(folder, submodule, options)
        self._to_loggers = to_loggers
        self._tell = tell
        self._from: Mapping[str, Any] = {}

    @property
    def state_key(self) -> str:
        """What tells this callback from others of its kind in a checkpoint."""
        run = self._shell.options.get("run", "run")
        return f"vaescope.RecorderCallback(run={run!r}, submodule={self._shell.submodule!r})"

    def state_dict(self) -> dict[str, Any]:
        """Where the training is recorded; what was seen of it is in that folder, not in the checkpoint."""
        return {"folder": str(self._shell.folder.resolve())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember where the training that the checkpoint is of was recorded."""
        self._from = dict(state_dict)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Look before the first step: after the sanity check, with the weights of the checkpoint if there is one."""
        strategy = trainer.strategy
        if type(strategy).__name__ in SHARDED or getattr(strategy, "zero_stage_3", False):
            raise UsageError(
                f"{type(strategy).__name__} spreads each layer over processes, so no process can look at the model. "
                "Train with 'ddp' or on one device, or compare checkpoints afterwards with vaescope.compare."
            )
        if not trainer.is_global_zero:
            return
        tell = self._tell or self._log()
        loggers = trainer.loggers if self._to_loggers else []
        self._shell.begin(
            pl_module,
            trackers=loggers,
            optimisers=trainer.optimizers,
            steps=_planned(trainer, pl_module),
            tell=tell,
        )
        before, folder = self._from.get("folder"), self._shell.folder.resolve()
        if before is not None and Path(before) != folder and trainer.global_step > 0:
            tell(f"The checkpoint is of a training recorded in {before}; what follows is recorded in {folder}.")
        self._shell.step(trainer.global_step)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tell the Recorder, once an optimiser step, not for each batch that gradients are accumulated over."""
        self._shell.step(trainer.global_step, lambda: _losses(trainer, outputs))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Look a last time; the run is done."""
        self._shell.end(trainer.global_step)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave the run as it is, so that a fit from a checkpoint goes on with it."""
        self._shell.end(None)

    @abstractmethod
    def _log(self) -> Callable[[str], object]:
        """The framework's own log, which both import names have one of."""


def _losses(trainer: Any, outputs: Any) -> dict[str, Any]:
    """The metrics the module logged, and the loss it returned."""
    found = dict(trainer.callback_metrics)
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    if isinstance(loss, Tensor):
        found.setdefault("loss", loss)
    return found


def _planned(trainer: Any, module: Any) -> int | None:
    """Optimiser steps of the whole fit; None where nobody knows."""
    if not module.automatic_optimization:
        return None
    steps = trainer.estimated_stepping_batches
    return int(steps) if 0 < steps < float("inf") else None
