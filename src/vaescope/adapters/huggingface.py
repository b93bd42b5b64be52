"""A Recorder in Hugging Face's Trainer: `Trainer(..., callbacks=[RecorderCallback("runs/mine", probe=images)])`."""

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

try:
    from transformers import TrainerCallback, default_data_collator
    from transformers.utils import logging
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "transformers":
        raise
    raise ModuleNotFoundError(
        "vaescope.adapters.huggingface needs transformers: pip install transformers accelerate.", name=error.name
    ) from None

from torch import nn
from torch.utils.data import DataLoader

from vaescope.adapters.shell import Holder, Shell, part_of
from vaescope.errors import UsageError

LOG = logging.get_logger("transformers.vaescope")


class RecorderCallback(Holder, TrainerCallback):
    """Records what a model represents while `transformers.Trainer.train` trains it.

    It looks before the first step and then at optimiser steps (`state.global_step`), each look just before the next
    step begins, so that what the Trainer logged of the step (see its `logging_steps`) is noted with it. With
    `train(resume_from_checkpoint=...)` and the same folder, a training that was interrupted goes on with its run.
    Rank 0 records; weights spread over processes (FSDP, DeepSpeed stage 3) are refused.

    Args:
        folder: of the study; see `vaescope.Recorder`.
        submodule: dotted path of the module to look at, e.g. "vit"; "" for the model itself.
        tell: called with every new sentence; None: the log of transformers, at the level it shows by itself. Give
            `lambda text: None` for silence.
        **options: all other arguments of `vaescope.Recorder`: probe=, at=, layers=, setting=, trackers=, actions=, …
            An action that wants the optimiser is given as its class, `actions=[vaescope.FreezeSettled]`, or as a
            `functools.partial` of it with its options: the optimisers are the trainer's.
            The probe may be examples as the Trainer's datasets hold them, a dataset or a list of dicts, of which the
            columns that the model takes are stacked; or batches of your own: a dict of tensors, a DataLoader.

    Attributes:
        recorder: the `vaescope.Recorder` of the training under way or last; None before there was one.
        answers: all that became known since training began.

    Raises:
        UsageError: what `vaescope.Recorder` refuses, as training begins.

    References:
        https://huggingface.co/docs/transformers/main_classes/callback
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
        self._pending: int | None = None
        self._logged: Mapping[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Look before the first step, with the weights of the checkpoint if there is one."""
        if getattr(args, "fsdp", None) or _zero_3(args):
            raise UsageError(
                "FSDP and DeepSpeed stage 3 spread each layer over processes, so no process can look at the model. "
                "Train without, or compare checkpoints afterwards with vaescope.compare."
            )
        if not state.is_world_process_zero:
            return
        self._shell.begin(
            model,
            probe=self._probe(part_of(model, self._shell.submodule)),
            optimisers=[kwargs["optimizer"]] if kwargs.get("optimizer") is not None else [],
            steps=state.max_steps if state.max_steps > 0 else None,
            tell=self._tell or LOG.warning,
        )
        self._pending, self._logged = None, {}
        self._shell.step(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step is done; what it logs comes after."""
        self._pending = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Keep what is logged of the step that was just done; the log of the whole training is its end.

        After that log the Trainer may load the best checkpoint, whose weights are not those of the last step.
        """
        if logs and "loss" in logs:
            self._logged = logs
        elif logs and "train_runtime" in logs:
            self.on_train_end(args, state, control)

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._catch_up()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look a last time; the run is done."""
        self._catch_up()
        self._shell.end(state.global_step)

    def _probe(self, model: nn.Module) -> Any:
        """The user's probe; of examples one by one, the first n as one dict of what the model takes, as the Trainer."""
        probe: Any = self._shell.options.get("probe")
        if (
            isinstance(probe, Mapping | DataLoader)
            or not hasattr(probe, "__getitem__")
            or not hasattr(probe, "__len__")
        ):
            return probe
        if not len(probe) or not isinstance(probe[0], Mapping):
            return probe
        taken = set(signature(model.forward).parameters) & set(probe[0])
        n = min(len(probe), self._shell.options.get("n", 500))
        return default_data_collator([{name: probe[i][name] for name in taken} for i in range(n)])

    def _catch_up(self) -> None:
        """Tell the Recorder of the step before this one."""
        if self._pending is not None:
            self._shell.step(self._pending, self._logged)
            self._pending, self._logged = None, {}


def _zero_3(args: Any) -> bool:
    plugin = getattr(args, "deepspeed_plugin", None)
    return plugin is not None and getattr(plugin, "zero_stage", 0) == 3
