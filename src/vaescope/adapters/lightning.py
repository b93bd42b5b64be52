"""A Recorder in Lightning's Trainer: `Trainer(callbacks=[RecorderCallback("runs/mine", probe=images)])`.

For `import lightning`; with `import pytorch_lightning` take the callback of `vaescope.adapters.pytorch_lightning`.
Lightning 2.6; the releases 2.6.2 and 2.6.3 were withdrawn.
"""

from collections.abc import Callable
from typing import final

from vaescope.adapters.fitting import Fitting
from vaescope.errors import UsageError

try:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.utilities.rank_zero import rank_zero_info
except ImportError:
    raise UsageError(
        "vaescope.adapters.lightning needs Lightning: pip install 'vaescope[lightning]'. With the package "
        "pytorch-lightning, take RecorderCallback from vaescope.adapters.pytorch_lightning."
    ) from None


@final
class RecorderCallback(Fitting, Callback):
    __doc__ = Fitting.__doc__

    def _log(self) -> Callable[[str], object]:
        return rank_zero_info
