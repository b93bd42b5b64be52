"""The callback of `vaescope.adapters.lightning`, for those who write `import pytorch_lightning`."""

from collections.abc import Callable

try:
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.utilities import rank_zero_info
except ModuleNotFoundError as error:
    if str(error.name).partition(".")[0] != "pytorch_lightning":
        raise
    raise ModuleNotFoundError(
        "vaescope.adapters.pytorch_lightning needs pytorch-lightning: pip install pytorch-lightning. With the package "
        "lightning, use vaescope.adapters.lightning.",
        name=error.name,
    ) from None

from vaescope.adapters.fitting import Fitting


class RecorderCallback(Fitting, Callback):
    """Records what a `LightningModule` represents while `pytorch_lightning.Trainer.fit` trains it.

    Its arguments and ways are those of `vaescope.adapters.lightning.RecorderCallback`.

    References:
        https://lightning.ai/docs/pytorch/stable/extensions/callbacks.html
    """

    def _log(self) -> Callable[[str], object]:
        return rank_zero_info
