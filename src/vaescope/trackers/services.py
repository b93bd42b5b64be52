"""Trackers that hand on to someone else's: a W&B run, MLflow and what speaks like it, anything with a `log`."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from vaescope.errors import UsageError
from vaescope.trackers.tracker import PREFIX, tagged


class WandbRun:
    """A W&B run that the training may log to as well.

    W&B drops rows whose step is below one that it has seen, and trainings count their W&B steps as they like. So the
    numbers join the row that is open, or, if they did so before, begin the next one; the step of the training is
    beside them as "vaescope/step", which their charts have as x axis. A training that gives W&B steps of its own that
    go slower than looks (`run.log(..., step=epoch)`) should use `define_metric` for them too.

    Args:
        run: a `wandb.Run`, or the module `wandb` after `wandb.init()`.

    Raises:
        UsageError: if the module is given and no run is active.
    """

    def __init__(self, run: Any) -> None:
        if isinstance(run, ModuleType):
            run = getattr(run, "run", None)
        if run is None:
            raise UsageError("There is no active W&B run: call wandb.init() first, or give the run it returns.")
        self._run = run
        self._row = -1
        run.define_metric(PREFIX + "step", hidden=True)
        run.define_metric(PREFIX + "*", step_metric=PREFIX + "step")

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        row: dict[str, float | str] = {PREFIX + "step": step, **tagged(values)}
        if texts:
            row[PREFIX + "answers"] = "\n".join(texts)
        self._row = max(self._row + 1, int(self._run.step))
        self._run.log(row, step=self._row)

    def close(self) -> None:
        """Nothing: the run belongs to whoever began it."""


class Metrics:
    """What has `log_metrics(metrics, step=...)`: the module `mlflow`, a Comet experiment, a Lightning logger.

    The sentences go to MLflow as text artifacts `vaescope/answers/step-<step>.txt`; elsewhere they are left out.

    Args:
        given: the module or object.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._mlflow = isinstance(given, ModuleType) and given.__name__ == "mlflow"

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        metrics = tagged(values)
        if self._mlflow:
            metrics = {_in_mlflow(tag): value for tag, value in metrics.items()}
        if metrics:
            self._given.log_metrics(metrics, step=step)
        if texts and self._mlflow:
            self._given.log_text("\n".join(texts), f"{PREFIX}answers/step-{step:08d}.txt")

    def close(self) -> None:
        """Nothing: the run belongs to whoever began it."""


class Plain:
    """An object with `log(values, step=...)`, where `values` are numbers by tag; the sentences are left out.

    Args:
        given: the object.
    """

    def __init__(self, given: Any) -> None:
        self._given = given

    def log(self, step: int, values: Mapping[str, float], texts: Sequence[str]) -> None:
        if metrics := tagged(values):
            self._given.log(metrics, step=step)

    def close(self) -> None:
        """Nothing: the object belongs to whoever made it."""


def _in_mlflow(tag: str) -> str:
    """A tag in the characters MLflow allows, e.g. "encoder[log_var]" as "encoder-log_var"."""
    kept = tag.replace("[", "-").replace("]", "")
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in kept)
