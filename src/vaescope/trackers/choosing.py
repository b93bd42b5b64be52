"""What a user gives as a tracker, made into one."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from vaescope.errors import UsageError
from vaescope.registry import suggestion
from vaescope.trackers.files import JsonLines, TensorBoard
from vaescope.trackers.services import Metrics, Plain, WandbRun
from vaescope.trackers.tracker import Guarded, Tracker

NAMES = ("jsonl", "tensorboard", "wandb", "mlflow")


def tracker_of(given: object, folder: str | Path) -> Tracker:
    """A tracker of a name or of an object that takes numbers.

    Args:
        given: "jsonl" (the file answers.jsonl in the folder), "tensorboard" (event files in its subfolder
            tensorboard), "wandb" (the active run), "mlflow" (the active run), or an object: a `Tracker`, a
            `SummaryWriter`, a `wandb.Run`, the module `mlflow`, or anything with `log_metrics(values, step=...)` or
            `log(values, step=...)`.
        folder: where the trackers that write files put them.

    Returns:
        The tracker; a `Tracker` is returned as it is.

    Raises:
        UsageError: if it is no tracker, or what it needs is not installed.
    """
    if isinstance(given, str):
        return _named(given, Path(folder))
    if isinstance(given, type):
        raise UsageError(f"A tracker is an object, but got the class {given.__name__}: give an instance of it.")
    if callable(getattr(given, "add_scalar", None)):
        return TensorBoard(given)
    if callable(getattr(given, "define_metric", None)):
        return WandbRun(given)
    if callable(getattr(given, "log_metrics", None)):
        return Metrics(given)
    if callable(getattr(given, "log", None)):
        return _with_log(given)
    raise UsageError(
        f"A tracker is one of {', '.join(NAMES)} or an object with log(step, values, texts) or log(values, step=...), "
        f"but got {type(given).__name__}."
    )


def guarded(
    given: object, folder: str | Path, run: str = "run", tell: Callable[[str], object] | None = None
) -> Guarded:
    """A tracker that never raises; see `tracker_of` and `Guarded`.

    Args:
        given: as for `tracker_of`.
        folder: of the study; what writes files of its own puts them beside the run's: `<folder>/runs/<run>/`.
        run: name of the run.
        tell: takes the message of a failure; without it, it is a warning.

    Raises:
        UsageError: as `tracker_of`.
    """
    if isinstance(given, Guarded):
        return given
    name = given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__)
    return Guarded(tracker_of(given, Path(folder) / "runs" / run), str(name), tell)


def _named(name: str, folder: Path) -> Tracker:
    if name not in NAMES:
        raise UsageError(
            f"There is no tracker {name!r}: the names are {', '.join(NAMES)}.{suggestion(name, list(NAMES))}"
        )
    if name == "jsonl":
        return JsonLines(folder / "answers.jsonl")
    if name == "tensorboard":
        return TensorBoard(folder / "tensorboard")
    try:
        module = import_module(name)
    except ImportError:
        raise UsageError(f"The tracker {name!r} needs the package of that name: pip install {name}.") from None
    return WandbRun(module) if name == "wandb" else Metrics(module)


def _with_log(given: Any) -> Tracker:
    """Told apart by the arguments of `log`: a `Tracker` takes step, values and texts."""
    try:
        names = list(inspect.signature(given.log).parameters)
    except (TypeError, ValueError):
        names = []
    if names[:3] == ["step", "values", "texts"] and callable(getattr(given, "close", None)):
        return given
    return Plain(given)
