"""A Recorder in Lightning's Trainer: `Trainer(callbacks=[RecorderCallback("runs/mine", probe=images)])`.

For `import lightning`; with `import pytorch_lightning` take the callback of `vaescope.adapters.pytorch_lightning`: a
Trainer takes callbacks of its own import name only. Lightning 2.6; its releases 2.6.2 and
2.6.3 were withdrawn.
"""

from collections.abc import Callable

try:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.utilities import rank_zero_info
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "lightning":
        raise
    raise ModuleNotFoundError(
        "vaescope.adapters.lightning needs lightning: pip install 'vaescope[lightning]'. With the package "
        "pytorch-lightning, use vaescope.adapters.pytorch_lightning.",
        name=error.name,
    ) from None

from vaescope.adapters.fitting import Fitting


class RecorderCallback(Fitting, Callback):
    """Records what a `LightningModule` represents while `Trainer.fit` trains it.

    It looks before the first step and then at optimiser steps (`trainer.global_step`: one a batch, fewer where
    gradients are accumulated, one for each optimiser where there are several), notes the metrics that the module logs,
    and ends with the fit. A fit that stops with an error, Ctrl-C included, leaves the run open, and
    `fit(ckpt_path=...)` with the same folder goes on with it. Where training is distributed, rank 0 records; weights
    spread over processes (FSDP, DeepSpeed stage 3) are refused.

    Args:
        folder: of the study; see `vaescope.Recorder`.
        submodule: dotted path of the module to look at, e.g. "vae"; "" for the LightningModule itself.
        to_loggers: whether the numbers go to the Trainer's loggers too, under "vaescope/".
        tell: called with every new sentence; None: Lightning's log. Give `lambda text: None` for silence.
        **options: all other arguments of `vaescope.Recorder`: probe=, at=, layers=, setting=, trackers=, actions=, …
            An action that wants the optimiser is given as its class, `actions=[vaescope.FreezeSettled]`, or as a
            `functools.partial` of it with its options: the optimisers are the trainer's.

    Attributes:
        recorder: the `vaescope.Recorder` of the training under way or last; None before there was one.
        answers: all that became known since training began.

    Raises:
        UsageError: what `vaescope.Recorder` refuses, as training begins.

    References:
        https://lightning.ai/docs/pytorch/stable/extensions/callbacks.html
    """

    def _log(self) -> Callable[[str], object]:
        return rank_zero_info
