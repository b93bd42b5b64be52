"""The course of a run: one pass over its snapshots, for the curves, the readings and the shapes of its layers.

A pass costs far more than what is asked of it, so that three examinations share one. At most the layers of five
snapshots are in memory: the final one, the first, the one before, the one at hand, and another seed's final one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vaescope.stats.chance import Chance
from vaescope.stats.forms.examples import Examples
from vaescope.stats.halves import HalvedCKA, halved
from vaescope.stats.shape import Shape, shape_of

if TYPE_CHECKING:
    from vaescope.models.network import Layer
    from vaescope.runs.study import Run
    from vaescope.stats.subject import Subject

EXAMPLES = 300  # of the probe set: halves of them are what intervals are made of
BOTH = ("cka", "cka_biased")  # where a study has one of them, the other costs nothing more
REFERENCES_OF_COSTLY = ("final", "other")

Prepared = dict[str, dict[str, Any]]  # layer -> what `Halved.shared` names -> what is compared


@dataclass(frozen=True)
class Course:
    """What one pass found.

    Attributes:
        references: measure, layer, part, step, reference, against, draw, score.
        readings: measure, layer, part, step, n, score, null_mean, null_sd, p, calibrated.
        shapes: (layer, step, shape) of each representation.
    """

    references: list[tuple[Any, ...]] = field(default_factory=list)
    readings: list[tuple[Any, ...]] = field(default_factory=list)
    shapes: list[tuple["Layer", int, Shape]] = field(default_factory=list)


def examples_of(subject: "Subject") -> int:
    """How many examples the course of a run is followed on: the first of the probe set."""
    return min(subject.n, EXAMPLES)


def course_of(subject: "Subject") -> Course:
    """Pass over all snapshots of a run, from the first to the last."""
    return _Pass(subject).made()


class _Pass:
    def __init__(self, subject: "Subject") -> None:
        self.subject = subject
        n = examples_of(subject)
        self.layers = {layer.name: layer for layer in subject.layers}
        self.curves = [halved(name, n) for name in subject.measures]
        extra = [name for name in BOTH if name not in subject.measures]
        self.read = [*self.curves, *(halved(name, n, 0) for name in extra if len(extra) < len(BOTH))]
        self.plain = halved("cka", n)  # for the shapes, whatever the study measures
        self.input: Shape | None = None

    def made(self) -> Course:
        subject, found = self.subject, Course()
        steps, other = subject.steps, subject.next_seed
        if not steps:
            return found
        last = subject.run.snapshots[-1]
        references: dict[str, Prepared] = {}
        if other is not None:
            references["other"] = {name: made for name, made, _ in self._layers(other.snapshots[-1], other)}
        end: list[Shape] = []
        if last in steps:
            references["final"] = {}
            for name, made, shape in self._layers(last):
                references["final"][name] = made
                end.append(shape)
        chances = [Chance(measure) for measure in self.read]
        names = [*self.layers]
        for step in steps:
            now: Prepared = {}
            if step == 0:
                references["start"] = now
            walk = zip(names, references["final"].values(), end, strict=True) if step == last else self._layers(step)
            for name, made, shape in walk:
                layer = self.layers[name]
                now[name] = made
                found.shapes.append((layer, step, shape))
                if name == "input":
                    continue  # the same at every step
                head = (name, layer.part, step)
                against = "" if other is None else other.id
                found.references.extend(self._references(head, made, references, against))
                if "final" in references:
                    found.readings.extend(self._readings(head, made, references["final"][name], chances))
                subject.progress.check()
            references["previous"] = now
        return found

    def _layers(self, step: int, run: "Run | None" = None) -> Iterator[tuple[str, dict[str, Any], Shape]]:
        """The layers of a snapshot, ready to be compared, and their shapes; those of the input are made once."""
        n = self.plain.examples
        for name, x in self.subject.representations(step, run, n):
            forms: dict[str, Any] = {}
            shared: dict[int, Examples] = {}
            for measure in (self.plain, *self.read):
                if measure.shared not in forms:
                    examples = shared.setdefault(measure.examples, measure.examples_of(x))
                    forms[measure.shared] = None if name == "input" else measure.prepare(examples)
            if name != "input":
                shape = shape_of(shared[n].x, forms[self.plain.shared])
            elif self.input is None:
                shape = self.input = shape_of(shared[n].x, self.plain.prepare(shared[n]))
            else:
                shape = self.input
            yield name, forms, shape

    def _references(
        self, head: tuple[str, str, int], made: dict[str, Any], references: dict[str, Prepared], against: str
    ) -> Iterator[tuple[Any, ...]]:
        for measure in self.curves:
            cheap = isinstance(measure, HalvedCKA)
            for reference, layers in references.items():
                if not (cheap or reference in REFERENCES_OF_COSTLY):
                    continue
                theirs = layers.get(head[0])
                scores = measure.scores(made[measure.shared], theirs[measure.shared] if theirs else None)
                run = against if reference == "other" else ""
                for draw, score in zip(measure.draws, scores.tolist(), strict=True):
                    yield (measure.name, *head, reference, run, draw, score)

    def _readings(
        self, head: tuple[str, str, int], made: dict[str, Any], end: dict[str, Any], chances: "list[Chance]"
    ) -> Iterator[tuple[Any, ...]]:
        for measure, chance in zip(self.read, chances, strict=True):
            x, y = made[measure.shared], end[measure.shared]
            read = chance.of(head[0], x, y, float(measure.scores(x, y)[0]))
            yield (measure.name, *head, measure.examples, *read)
