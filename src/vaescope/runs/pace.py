"""When a recorder looks at a training: its schedule, within a budget of the time that passes."""

import math
import time
from collections.abc import Mapping

import torch
from torch import nn

from vaescope.runs.budget import Budget
from vaescope.runs.schedules import Schedule


class Pace:
    """The pace of one training.

    What is due and not allowed stays due, so that it comes later; several that have become due are one.

    Args:
        schedule: when looks are due.
        budget: what they may cost.
        model: on whose device work is waited for before time is taken, so that a training's is not counted as ours.
    """

    def __init__(self, schedule: Schedule, budget: Budget, model: nn.Module) -> None:
        self._schedule, self._budget, self._model = schedule, budget, model
        self._next = schedule(-1)
        self._began: tuple[float, int] | None = None
        self._now = 0.0

    def due(self, step: int) -> bool:
        """Whether a look is due at this step."""
        return self._next is not None and step >= self._next

    def allows(self, step: int) -> bool:
        """Whether it is allowed now."""
        self._now = self._clock()
        if self._began is None:
            self._began = (self._now, step)
        return self._budget.allows(self._now - self._began[0], step - self._began[1])

    def took(self, step: int) -> None:
        """A look at this step, which `allows` was asked about, has been taken."""
        self._next = self._schedule(step)
        self._budget.took(self._clock() - self._now)

    @property
    def looks(self) -> int:
        """How many there were."""
        return self._budget.looks

    @property
    def overhead(self) -> Mapping[str, float]:
        """What they cost: "seconds", "looks", and "share" of the training's own time since the first."""
        elapsed = self._clock() - self._began[0] if self._began is not None else 0.0
        training = elapsed - self._budget.spent
        share = self._budget.spent / training if training > 0 else math.nan
        return {"seconds": self._budget.spent, "looks": self._budget.looks, "share": share}

    def _clock(self) -> float:
        if torch.cuda.is_initialized() and any(p.is_cuda for p in self._model.parameters()):
            torch.cuda.synchronize()
        return time.perf_counter()
