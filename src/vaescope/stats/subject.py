"""A run as examinations see it: its snapshots on the probe set, and the runs it is compared with."""

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from vaescope.progress import Progress
from vaescope.stats.census import Census
from vaescope.stats.measure import MEASURES

if TYPE_CHECKING:
    from vaescope.data.dataset import Dataset
    from vaescope.models.network import Layer, Network
    from vaescope.runs.store import StudyFolder
    from vaescope.runs.study import Run
    from vaescope.stats.course import Course
    from vaescope.stats.latents.codes import Codes

MOST_EXAMPLES = 1000  # of the probe set, in examinations; some look at fewer, and say so

# Torch and the store are imported where they are used: finding the measures imports every file of this folder.


@dataclass(frozen=True)
class Subject:
    """A run that has ended.

    Attributes:
        folder: of the study.
        run: the run.
        progress: asked whether to stop.
        census: of the study's runs; made where none is given.
    """

    folder: "StudyFolder"
    run: "Run"
    progress: Progress = field(default_factory=Progress)
    census: Census = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.census is None:
            object.__setattr__(self, "census", Census(self.folder))

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The snapshots that are there, ascending."""
        return self.steps_of(self.run)

    @property
    def n(self) -> int:
        """How many examples are looked at: the first of the probe set."""
        return min(self.folder.study.probe.n, MOST_EXAMPLES)

    @property
    def measures(self) -> tuple[str, ...]:
        """The similarities of the study: not its distances."""
        return tuple(m for m in self.folder.study.measures if MEASURES[m].larger_is_more_similar)

    @cached_property
    def layers(self) -> "tuple[Layer, ...]":
        """The layers that have a representation of their own, in order."""
        from vaescope.runs.extract import distinct_layers

        return distinct_layers(self.run)

    @cached_property
    def dataset(self) -> "Dataset":
        """What the run was trained on."""
        from vaescope.runs.inputs import dataset_of

        return dataset_of(self.run)

    @property
    def examples(self) -> int:
        """How many examples the run was trained on, as far as that is known."""
        return len(self.dataset) if self.run.recorded is None else self.run.recorded.examples

    @cached_property
    def indices(self) -> np.ndarray:
        """Which examples are looked at, (n,)."""
        from vaescope.runs.inputs import probe_of

        return probe_of(self.folder, self.run).indices[: self.n]

    @cached_property
    def images(self) -> Float[np.ndarray, "n c h w"]:
        """The examples, float32 in [0, 1]."""
        return self.dataset.images(self.indices)

    @cached_property
    def noise(self) -> Float[np.ndarray, "n d"]:
        """ε of the layer `sampled`: that of every other comparison of the study."""
        from vaescope.runs.probe import probe_noise

        return probe_noise(self.folder.study.probe.n, self.run.latents, self.folder.study.probe.seed)[: self.n].numpy()

    def network(self, step: int, run: "Run | None" = None) -> "Network":
        """The network of a snapshot, of this run if no other is named, in evaluation mode."""
        from vaescope.runs.extract import load

        return load(self.folder, run or self.run, step)

    def representations(
        self, step: int, run: "Run | None" = None, n: int | None = None
    ) -> Generator[tuple[str, Float[np.ndarray, "n p"]], None, None]:
        """Every distinct layer of a snapshot on this run's examples, in order, float32; decoders see mean codes.

        Args:
            step: of the snapshot.
            run: whose snapshot; this run's if None.
            n: how many of the examples, the first ones; all if None.
        """
        import torch

        from vaescope.runs.extract import flat, recorded

        if self.run.recorded is not None:
            for name, value in recorded(self.folder, run or self.run, step):
                self.progress.check()
                yield name, value[: self.n][:n]
            return
        network = self.network(step, run)
        images, noise = torch.from_numpy(self.images[:n]), torch.from_numpy(self.noise[:n])
        for name, value in network.walk(images, noise, self.progress.check):
            yield name, flat(value)

    @cached_property
    def course(self) -> "Course":
        """What one pass over the snapshots finds; several examinations share it."""
        from vaescope.stats.course import course_of

        return course_of(self)

    @cached_property
    def codes(self) -> "tuple[Codes, ...]":
        """What the encoder says of the examples at each snapshot; without snapshots whose codes are not finite."""
        from vaescope.stats.latents.codes import codes

        return tuple(codes(self))

    def steps_of(self, run: "Run") -> tuple[int, ...]:
        """The snapshots of a run that are there, ascending; none of a run that has not ended."""
        return self.census.steps(run)

    def finished(self, run: "Run") -> bool:
        """Whether a run has its last snapshot."""
        return self.census.finished(run)

    @cached_property
    def next_seed(self) -> "Run | None":
        """The run that differs in the seed alone and comes next among the finished ones, the first after the last."""
        same = [r for r in self.census.equal_but(self.run, ["seed"]) if r == self.run or self.finished(r)]
        place = same.index(self.run)
        return same[(place + 1) % len(same)] if len(same) > 1 else None

    @cached_property
    def abroad(self) -> "tuple[Run, ...]":
        """The finished runs that differ in the dataset alone."""
        others = self.census.equal_but(self.run, ["dataset", "dataset_options"])
        return tuple(r for r in others if r != self.run and self.finished(r))
