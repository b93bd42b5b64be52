"""Answers in words while a model is trained, from one observation after another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import RepresentationError, UsageError
from vaescope.stats.convergence import HIGHEST_FLOOR
from vaescope.stats.latents.collapse import IDLE
from vaescope.stats.live import sentences
from vaescope.stats.live.answer import Answer
from vaescope.stats.live.latents import LatentWatch
from vaescope.stats.live.layer import LayerWatch, Look
from vaescope.stats.live.rules import Rules
from vaescope.stats.live.seen import FEWEST, Reading

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.observation import Observation

NUMBERS = ("previous", "start", "half", "corrected")
COLUMNS = (
    *("step", "layer", "part"),
    *(f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")),
    *("tellable", "settled_since", "still_since", "reason"),
)


class Live:
    """What has settled, what no longer changes and what has collapsed, as training goes on.

    There is no final snapshot to compare with while training goes on. So a layer has settled since step S if at every
    observation from S up to now its floor-corrected similarity to what it was at S, (s - f) / (1 - f) with f its
    similarity now to the first observation, has kept the lower end of its interval at `level` or above; if there were
    at least `patience` such observations; and if training has gone on since for as long as until S (`stretch`). In
    other words: of the (squared) way from the start, at most 1 - level was made since S, and that over a doubling of
    the steps. It says nothing of what training would yet bring: what was said is taken back ("moved") when the
    number itself falls below the level. docs/live.md has the formulas and what came of them.

    A layer that still is `highest_floor` or more similar to the start is not said to have settled, and that is said
    once, when the first layer has. A part has settled when all its layers have, those as well by the same number, and
    at least one can be told. A layer "no longer changes" since S, whatever its floor, when its similarity to S has
    stayed at `unchanged` with the lower end, under the same two conditions, and nine tenths of its way were made by S.

    Intervals are over examples, by the jackknife that leaves out each. Observations are not kept: only Gram matrices,
    float32 triangles of `examples` rows, of the first and the last observation and up to `kept` in all, log-spaced:
    n (n - 1) / 2 * 4 bytes each, 0.13 MB with 256. The same observations in the same order give the same answers.

    Args:
        level: of the floor-corrected similarity.
        patience: observations that must confirm an answer.
        confidence: of intervals.
        examples: how many of the observation's examples are looked at, the first ones.
        stretch: by what factor the steps since the first observation must have grown since S.
        unchanged: of the similarity, for "no longer changes".
        highest_floor: above it a layer cannot be told to have settled.
        idle: nats; a latent that tells less is idle.
        warm_up: steps before latents that were never used give an alarm. Where the weight of the KL term grows, give
            the steps that takes.
        kept: the most observations that are kept of a layer.
        leave_out: let a part settle by those of its layers alone that can be told.

    Attributes:
        rules: the arguments.
        answers: all there were, in order.
        frozen: layers of which nothing is said any more, as somebody keeps them from changing.

    Raises:
        UsageError: an argument is out of its range.

    References:
        Raghu et al. (2017), SVCCA, section 3.1, on freezing layers that have converged. https://arxiv.org/abs/1706.05806
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    def __init__(
        self,
        level: float = 0.98,
        patience: int = 2,
        confidence: float = 0.95,
        examples: int = 256,
        *,
        stretch: float = 2.0,
        unchanged: float = 0.999,
        highest_floor: float = HIGHEST_FLOOR,
        idle: float = IDLE,
        warm_up: int = 1_000,
        kept: int = 12,
        leave_out: bool = False,
    ) -> None:
        self.rules = Rules(
            *(level, patience, confidence, examples, stretch, unchanged, highest_floor, idle, warm_up, kept, leave_out)
        )
        self.answers: list[Answer] = []
        self.frozen: set[str] = set()
        self._layers: dict[str, LayerWatch] = {}
        self._latents = LatentWatch(self.rules)
        self._looks: dict[str, Look] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._standing: dict[str, Answer] = {}  # "settled encoder" -> the answer that holds, with its numbers of today
        self._told: dict[str, int] = {}  # the same -> the step since which it was last said to hold
        self._said: set[str] = set()
        self._step = -1
        self._n = 0

    @property
    def settled(self) -> Mapping[str, Answer]:
        """The parts and layers that have settled, as of the last observation, and the answers that said so."""
        return {answer.where: answer for answer in self._standing.values() if answer.kind == "settled"}

    @property
    def still(self) -> Mapping[str, Answer]:
        """The parts and layers that no longer change, and the answers that said so."""
        return {answer.where: answer for answer in self._standing.values() if answer.kind == "still"}

    @property
    def looks(self) -> Mapping[str, Look]:
        """What the last observation said of each layer."""
        return dict(self._looks)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that Gram matrices take now."""
        return sum(layer.nbytes for layer in self._layers.values())

    def observe(self, observation: "Observation") -> tuple[Answer, ...]:
        """Take in an observation, of a later step than all before.

        Returns:
            What has become known by it; often nothing.

        Raises:
            UsageError: the step is not later, or the examples are not as many as before.
        """
        self._check(observation)
        step = observation.step
        self._looks = {}
        for layer in observation.layers if self._n >= FEWEST else ():
            if layer.part == "input" or layer.name not in observation.representations:
                continue
            watch = self._layers.setdefault(layer.name, LayerWatch(layer.name, layer.part, self.rules))
            x = np.asarray(observation.representations[layer.name])[: self.rules.examples]
            self._looks[layer.name] = watch.look(step, x)
        self._rows += [_row(look) for look in self._looks.values()]
        found = [*self._of_number(step), *self._of_layers(), *self._of_parts(), *self._of_latents(observation)]
        self.answers += found
        return tuple(found)

    def flat(self) -> dict[str, float]:
        """The numbers of the last observation, for trackers; those that do not exist are left out.

        "similarity_to_start/<layer>" and "similarity_to_previous/<layer>"; "floor_corrected/<layer>": to what it was at
        half the steps, where the floor leaves something; "settled/<part or layer>" and "still/<layer>": the step since
        which; "information/<latent>" and "kl/<latent>" in nats; "latents/in_use", "latents/active", "latents/mixed" and
        "latents/passive".
        """
        names = {"similarity_to_start": "start", "similarity_to_previous": "previous", "floor_corrected": "half"}
        found = {
            f"{title}/{name}": float(getattr(look, of).value)
            for title, of in names.items()
            for name, look in self._looks.items()
            if of != "half" or look.tellable
        }
        found |= {key.replace(" ", "/", 1): float(a.since or 0) for key, a in self._standing.items()}
        return {name: value for name, value in (found | self._latents.numbers).items() if np.isfinite(value)}

    def table(self) -> "pd.DataFrame":
        """One row an observation and layer.

        Returns:
            step, layer, part; previous, start, half and corrected, each with _low and _high: the similarity to the
            previous and to the first observation, and floor-corrected to the one at half the steps and to the one since
            which the layer has, or may have, settled; tellable, whether its floor allows an answer;
            settled_since and still_since (None where not); reason, why there is no similarity.
        """
        import pandas as pd

        found = pd.DataFrame(self._rows, columns=list(COLUMNS))
        return found.astype({"settled_since": "Int64", "still_since": "Int64", "tellable": bool})

    def _check(self, observation: "Observation") -> None:
        n = min((len(x) for x in observation.representations.values()), default=0)
        if observation.step <= self._step:
            raise UsageError(
                f"Live: expected a step after {self._step:,}, got {observation.step:,}. Observe in the order of "
                "training; for a training that begins anew make a new Live."
            )
        if self._n not in (0, n):
            raise UsageError(f"Live: expected the same {self._n} examples at every step, got {n}.")
        self._step, self._n = observation.step, n

    def _of_number(self, step: int) -> Iterator[Answer]:
        if self._n < FEWEST and "number" not in self._said:
            self._said.add("number")
            text = f"{self._n} examples are too few for live answers about layers: take {FEWEST}, better 256, or more."
            yield Answer("warning", step, text)

    def _of_layers(self) -> Iterator[Answer]:
        for name, look in self._looks.items():
            if name in self.frozen:
                continue
            yield from self._turned(sentences.of_layer(look), "settled", name, look.tellable)
            yield from self._turned(sentences.of_still(look), "still", name, True)
            if look.reason and f"{look.reason} {name}" not in self._said:
                self._said.add(f"{look.reason} {name}")
                yield sentences.without_number(look)

    def _turned(self, answer: Answer | None, kind: str, where: str, may_begin: bool) -> Iterator[Answer]:
        """An answer where it is news, and "moved" where one no longer holds."""
        key = f"{kind} {where}"
        before = self._standing.pop(key, None)
        if answer is None or answer.kind == "moved":
            if before is not None and answer is not None:
                yield answer
            return
        if before is None and not may_begin:
            return
        since = answer.since or 0
        if before is None:
            self._told[key] = since
            yield answer
        elif since > self.rules.stretch * self._told[key]:
            yield sentences.later(answer, self._told[key])
            self._told[key] = since
        self._standing[key] = answer

    def _of_parts(self) -> Iterator[Answer]:
        parts: dict[str, list[Look]] = {}
        for name, look in self._looks.items():
            if name not in self.frozen:
                parts.setdefault(look.part, []).append(look)
        for part, looks in parts.items():
            if part != "other":
                answer = sentences.of_part(part, looks, self.rules)
                yield from self._turned(answer, "settled", part, any(look.tellable for look in looks))
        yield from self._untellable(parts)

    def _untellable(self, parts: Mapping[str, Sequence[Look]]) -> Iterator[Answer]:
        """Say once which layers cannot be told, when the first other one has settled: before, none could."""
        if not self.settled:
            return
        for part, looks in parts.items():
            new = [k for k in looks if not k.tellable and not k.reason and f"floor {k.layer}" not in self._said]
            if new:
                self._said |= {f"floor {look.layer}" for look in new}
                yield sentences.untellable(part, new, len(looks), self.rules)

    def _of_latents(self, observation: "Observation") -> Iterator[Answer]:
        mean, log_var = observation.mean, observation.log_var
        if mean is None or log_var is None:
            return
        try:
            yield from self._latents.look(observation.step, mean, log_var)
        except RepresentationError as error:
            if "posterior" not in self._said:
                self._said.add("posterior")
                text = f"The posterior is not finite at step {observation.step:,}: training may have diverged."
                yield Answer("warning", observation.step, f"{text} ({error.reason})")


def _row(look: Look) -> tuple[Any, ...]:
    readings: list[Reading] = [getattr(look, name) for name in NUMBERS]
    ends = [value for reading in readings for value in reading]
    return (look.step, look.layer, look.part, *ends, look.tellable, look.settled, look.still, look.reason)
