"""What runs logged as they trained, as tidy frames. Pure functions of events."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Events = Iterable[tuple[str, dict[str, Any]]]
LOSSES = ("loss", "reconstruction", "kl", "regularisation")
KNOWN = {"step", "kl_per_latent", *LOSSES}

# pandas is imported where it is used: finding the measures imports every file of this folder.


def losses(events: Events) -> "pd.DataFrame":
    """What `Results.losses` says, of (run, event) pairs."""
    import pandas as pd

    rows = [(run, e["step"], *(_number(e.get(name)) for name in LOSSES)) for run, e in events if "loss" in e]
    return pd.DataFrame(rows, columns=["run", "step", *LOSSES])


def notes(events: Events) -> "pd.DataFrame":
    """What `Results.notes` says."""
    import pandas as pd

    rows = [
        (run, e["step"], name, _number(value))
        for run, e in events
        for name, value in e.items()
        if name not in KNOWN and isinstance(value, int | float | None)
    ]
    return pd.DataFrame(rows, columns=["run", "step", "note", "value"])


def latents(events: Events) -> "pd.DataFrame":
    """What `Results.latents` says."""
    import pandas as pd

    rows = [
        (run, e["step"], latent, _number(kl))
        for run, e in events
        for latent, kl in enumerate(e.get("kl_per_latent", ()))
    ]
    return pd.DataFrame(rows, columns=["run", "step", "latent", "kl"])


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
