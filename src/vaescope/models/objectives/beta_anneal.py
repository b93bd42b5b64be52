"""The β-VAE whose β grows, once or in cycles."""

from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

from jaxtyping import Float
from torch import Tensor

from vaescope.errors import UsageError
from vaescope.models.objective import OBJECTIVES, Forward, Objective
from vaescope.models.options import above, at_least, one_of, whole
from vaescope.models.reconstruction import Noted
from vaescope.models.schedule import cyclical, linear

Shape = Literal["linear", "cyclical"]
CYCLES, RATIO = 4, 0.5


@OBJECTIVES.register
@final
@dataclass(frozen=True, kw_only=True)
class BetaAnneal(Objective):
    """KL annealing: reconstruction + β_t KL, where β_t grows from 0 to β; after `steps` steps it is the β-VAE.

    "linear": β_t = β min(1, t / T). "cyclical": M times within T steps, a straight rise from 0 to β over the share R
    of the cycle, then β. β_t is noted as "beta".

    Attributes:
        beta: β, the last value. At least 0.
        steps: T, how long the annealing takes. At least 1.
        shape: "linear" or "cyclical".
        cycles: M, of "cyclical" only. At least 1.
        ratio: R, of "cyclical" only. Above 0 and at most 1.

    Raises:
        UsageError: if an option is out of its range, or `cycles` or `ratio` is set where the shape is linear.

    References:
        Bowman et al. (2016), KL cost annealing (linear): https://arxiv.org/abs/1511.06349
        Fu et al. (2019) (cyclical; its defaults): https://arxiv.org/abs/1903.10145
    """

    name: ClassVar[str] = "beta_anneal"
    beta: float = 1.0
    steps: int = 100_000
    shape: Shape = "linear"
    cycles: int = CYCLES
    ratio: float = RATIO

    def __post_init__(self) -> None:
        at_least(0, beta=self.beta)
        whole(1, steps=self.steps, cycles=self.cycles)
        one_of(get_args(Shape), shape=self.shape)
        above(0, ratio=self.ratio)
        if self.ratio > 1:
            raise UsageError(f"ratio must be a number of at most 1, got {self.ratio!r}.")
        if self.shape == "linear" and (self.cycles, self.ratio) != (CYCLES, RATIO):
            raise UsageError(
                f"cycles and ratio belong to shape 'cyclical', got cycles {self.cycles} and ratio {self.ratio} with "
                "shape 'linear'; leave them out or set shape to 'cyclical'."
            )

    def regularisation(self, forward: Forward, kl: Float[Tensor, " d"], step: int) -> Noted:
        linearly = self.shape == "linear"
        share = linear(step, self.steps) if linearly else cyclical(step, self.steps, self.cycles, self.ratio)
        beta = self.beta * share
        return Noted(beta * kl.sum(), {"beta": beta})
