"""Posterior collapse while a model is trained: latents that stop to tell anything of the examples, or never begin."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from vaescope.stats.latents.kinds import KINDS, kinds
from vaescope.stats.latents.posterior import information, kl_per_latent
from vaescope.stats.live.answer import Answer
from vaescope.stats.live.rules import Rules
from vaescope.stats.live.wording import numbers, step_name

ADVICE = "Early in training, and while the weight of the KL term grows, this can be normal."


@dataclass
class LatentWatch:
    """What the latents tell, observation by observation, and when to say so.

    A latent is in use when it has told at least `in_use` nats (`posterior.information`) at `patience` observations in a
    row, and idle when it has told less than `idle` nats, half of that; one between these, or that moves to and fro,
    stays what it was. An alarm is raised for those that
    were in use and are idle, and, once, when more than half have never been in use in the first `warm_up` steps: until
    then silence is normal.

    Attributes:
        rules: idle, in_use, patience and warm_up.
        told: information of each latent at the last observation, nats.
    """

    rules: Rules
    told: Float64[np.ndarray, " d"] = field(default_factory=lambda: np.zeros(0))
    _warm: bool = False
    _observed: int = 0
    _runs: Float64[np.ndarray, " d"] = field(
        default_factory=lambda: np.zeros(0)
    )  # observations in a row; below zero: idle
    _since: list[int] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)
    _ever: set[int] = field(default_factory=set)
    _alarmed: set[int] = field(default_factory=set)
    _numbers: dict[str, float] = field(default_factory=dict)

    def look(self, step: int, mean: np.ndarray, log_var: np.ndarray) -> Iterator[Answer]:
        """Take in the posterior at a step, (n, d) each; finite.

        Raises:
            RepresentationError: "non_finite" values.
        """
        self.told = information(mean, log_var)
        if np.isnan(self.told).any():
            self.told = np.zeros(len(self.told))
        found = kinds(log_var)
        kl = kl_per_latent(mean, log_var)
        self._numbers = {f"information/{k}": float(v) for k, v in enumerate(self.told)}
        self._numbers |= {f"kl/{k}": float(v) for k, v in enumerate(kl)}
        self._numbers |= {f"latents/{kind}": float(found.count(kind)) for kind in KINDS}
        if len(self._runs) != len(self.told):
            self._runs, self._since = np.zeros(len(self.told)), [step] * len(self.told)
        self._numbers["latents/in_use"] = float((self.told >= self.rules.idle).sum())
        now = (self.told >= self.rules.in_use) * 1.0 - (self.told < self.rules.idle)  # 1 in use, -1 idle, 0 between
        changed = now != np.sign(self._runs)
        for k in np.flatnonzero(changed):
            self._since[k] = step
        self._runs = np.where(changed, now, self._runs + now)
        self._observed += 1
        yield from self._changes(step)

    @property
    def numbers(self) -> dict[str, float]:
        """Information, KL and kinds at the last observation, by name."""
        return dict(self._numbers)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """The latents for which an alarm stands."""
        return tuple(sorted(self._alarmed))

    def _changes(self, step: int) -> Iterator[Answer]:
        patience, count = self.rules.patience, len(self.told)
        firm_use = set(np.flatnonzero(self._runs >= patience).tolist())
        firm_idle = set(np.flatnonzero(self._runs <= -patience).tolist())
        lost = sorted(firm_idle & self._used)
        back = sorted(firm_use & self._alarmed)
        self._used = (self._used | firm_use) - firm_idle
        self._ever |= firm_use
        if lost:
            self._alarmed |= set(lost)
            yield self._answer("collapse", step, self._lost(lost), lost)
        if back:
            self._alarmed -= set(back)
            text = f"{numbers('Latent', back)} {_tell(back)} again of the examples, {self._least(back)}."
            yield self._answer("recovered", step, text, back)
        if step >= self.rules.warm_up and not self._warm and self._observed >= patience:
            self._warm = True
            never = sorted(set(np.flatnonzero(self.told < self.rules.idle).tolist()) - self._ever)
            if 2 * len(never) > count:
                self._alarmed |= set(never)
                yield self._answer("collapse", step, self._never(never, step), never)

    def _answer(self, kind: str, step: int, text: str, which: list[int]) -> Answer:
        told = self.told[which]
        extreme = float(told.max() if kind == "collapse" else told.min())
        since = max(self._since[k] for k in which)
        return Answer(kind, step, text, since=since, value=extreme, latents=tuple(which))  # type: ignore[arg-type]

    def _lost(self, which: list[int]) -> str:
        left = len(self._used)
        since = step_name(max(self._since[k] for k in which))
        if not left:
            return (
                f"Posterior collapse: none of {len(self.told)} latents tells anything of the examples any more; the "
                f"last went idle at step {since} (less than {self.rules.idle:g} nats each)."
            )
        return (
            f"{numbers('Latent', which)} told something of the examples and no longer {_do(which)}, since step "
            f"{since}: less than {self.rules.idle:g} nats. {left} of {len(self.told)} latents are in use."
        )

    def _never(self, which: list[int], step: int) -> str:
        count = len(self.told)
        who = f"None of {count} latents has" if len(which) == count else f"{len(which)} of {count} latents have not"
        listed = "" if len(which) == count else f" ({numbers('latent', which)})"
        return (
            f"{who} told anything of the examples{listed} up to step {step_name(step)}: less than "
            f"{self.rules.idle:g} nats each. {ADVICE}"
        )

    def _least(self, which: list[int]) -> str:
        return f"{float(self.told[which].min()):.2f} nats" + (" or more" if len(which) > 1 else "")


def _tell(which: list[int]) -> str:
    return "tells something" if len(which) == 1 else "tell something"


def _do(which: list[int]) -> str:
    return "does" if len(which) == 1 else "do"
