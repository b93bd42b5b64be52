"""One layer while it is trained: what is kept of it, and what it is held against."""

from dataclasses import dataclass

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.models.network import Part
from vaescope.stats.live.rules import Rules
from vaescope.stats.live.seen import NOTHING, UNMOVED, Reading, Seen, scores, seen
from vaescope.stats.live.watch import Watch

ARRIVED = 0.9  # floor-corrected: a layer that does not change has nine tenths of its (squared) way behind it


@dataclass(frozen=True)
class Look:
    """What one observation says of a layer.

    Attributes:
        step: of the observation.
        layer: its name.
        part: where it belongs.
        previous: similarity to the previous observation.
        start: similarity to the first one: the floor.
        half: floor-corrected similarity to the latest kept observation at no more than half the time since the first.
        corrected: the same, to the step since which it has settled, or which may turn out to be that.
        tellable: whether the floor leaves something to be corrected.
        unmoved: whether it is what it was at the start, up to rounding.
        settled: the step since which it has settled or, where it is not tellable, would have; None if it has not.
        still: the step since which it does not change; None if it does.
        lost: the step since which it was said to have settled, where that no longer holds.
        moving: the step since which it was said to be still, where that no longer holds.
        kept: similarity to the step `still` or `moving`.
        reason: why there is no similarity, as "zero_variance"; "" where there is one.
    """

    step: int
    layer: str
    part: Part
    previous: Reading = NOTHING
    start: Reading = NOTHING
    half: Reading = NOTHING
    corrected: Reading = NOTHING
    tellable: bool = False
    unmoved: bool = False
    settled: int | None = None
    still: int | None = None
    lost: int | None = None
    moving: int | None = None
    kept: Reading = NOTHING
    reason: str = ""


class LayerWatch:
    """A layer over time.

    Args:
        name: of the layer.
        part: where it belongs.
        rules: what counts as settled and as still.
    """

    def __init__(self, name: str, part: Part, rules: Rules) -> None:
        self.name, self.rules = name, rules
        self.part: Part = part
        self._kept: dict[int, Seen] = {}
        self._previous = -1
        self._settled, self._still = (Watch(rules.patience, rules.stretch) for _ in range(2))

    @property
    def nbytes(self) -> int:
        """Bytes of memory that what is kept takes."""
        return sum(found.nbytes for found in self._kept.values())

    def look(self, step: int, x: np.ndarray) -> Look:
        """Take in the layer at a step, later than all before."""
        try:
            now = seen(step, x)
        except RepresentationError as error:
            return self._nothing(step, error.reason)
        if not self._kept:
            self._keep(now, step)
            return Look(step, self.name, self.part)
        found = self._compared(now)
        self._settled.add(step)
        self._still.add(step)
        self._keep(now, next(iter(self._kept)))
        return found

    def _compared(self, now: Seen) -> Look:
        steps, rules = list(self._kept), self.rules
        origin, elapsed = steps[0], now.step - steps[0]
        every = scores(now, list(self._kept.values()))
        plain = dict(zip(steps, every.readings(rules.confidence), strict=True))
        corrected = dict(zip(steps, every.corrected(0, rules.confidence), strict=True))
        tellable = plain[origin].value < rules.highest_floor
        margins = {s: _above(rules.level, found) for s, found in corrected.items()}
        lost = self._settled.judge(elapsed, margins, origin)
        both = {s: _lower(_above(rules.unchanged, plain[s]), _above(ARRIVED, corrected[s])) for s in steps}
        moving = self._still.judge(elapsed, both, origin)
        since = self._settled.since
        first = next(iter(self._settled.candidates), None)
        half = [s for s in steps[1:] if 2 * (s - origin) <= elapsed]
        then = self._still.since if moving is None else moving
        told = next((s for s in (since, lost, first) if s is not None), None)
        return Look(
            *(now.step, self.name, self.part),
            previous=plain.get(self._previous, NOTHING),
            start=plain[origin],
            half=corrected[half[-1]] if half else NOTHING,
            corrected=NOTHING if told is None else corrected[told],
            tellable=tellable,
            unmoved=1 - plain[origin].value < UNMOVED,
            settled=since,
            still=self._still.since,
            lost=lost,
            moving=moving,
            kept=NOTHING if then is None else plain[then],
        )

    def _nothing(self, step: int, reason: str) -> Look:
        """No similarity: whatever was believed or might have been is not any more."""
        lost, moving = self._settled.since, self._still.since
        self._settled, self._still = (Watch(self.rules.patience, self.rules.stretch) for _ in range(2))
        self._previous = -1
        return Look(step, self.name, self.part, lost=lost, moving=moving, reason=reason)

    def _keep(self, now: Seen, origin: int) -> None:
        """Keep this observation, and let go of those that cannot matter or are too many.

        Those that no candidate needs go first, once the time since the start is four times theirs; then whichever
        leaves the smallest gap in log time.
        """
        self._kept[now.step] = now
        self._previous = now.step
        needed = {origin, now.step, *self._settled.candidates, *self._still.candidates}
        old = [s for s in self._kept if s not in needed and 4 * (s - origin) < now.step - origin]
        self._drop(old)
        watches = (self._settled, self._still)
        firm = {origin, now.step} | {w.since for w in watches} | {next(iter(w.candidates), None) for w in watches}
        while len(self._kept) > self.rules.kept:
            steps = list(self._kept)
            times = np.log1p(np.array(steps) - origin)
            gaps = {s: times[k + 2] - times[k] for k, s in enumerate(steps[1:-1]) if s not in firm}
            if not gaps:
                break
            self._drop([min(gaps, key=lambda s: gaps[s])])

    def _drop(self, steps: list[int]) -> None:
        for step in steps:
            del self._kept[step]
        for watch in (self._settled, self._still):
            watch.forget(steps)


def _above(level: float, found: Reading) -> Reading:
    return Reading(*(value - level for value in found))


def _lower(a: Reading, b: Reading) -> Reading:
    """Both must be kept; NaN is not."""
    return Reading(*(min(p, q) if p == p and q == q else float("nan") for p, q in zip(a, b, strict=True)))
