"""All wanted pairs of a study, block by block, each representation prepared once."""

import json
import math
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.stats.forms.examples import Examples, Precision
from vaescope.stats.forms.form import Form
from vaescope.stats.forms.vector import Vector
from vaescope.stats.grid import Column, Grid
from vaescope.stats.measure import MEASURES, Measure, Reason
from vaescope.stats.origin import origin_of
from vaescope.stats.superblock import Group, Pending, Superblock, balanced

if TYPE_CHECKING:
    from pathlib import Path

    from vaescope.runs.pool import Pool
    from vaescope.runs.store import StudyFolder
    from vaescope.runs.study import Run
    from vaescope.stats.prepared import Prepared, Workers
    from vaescope.stats.scores import Scores

MACS_AT_ONCE = 6e12  # multiply-adds of pairs between two savings: about a minute on two cores
AT_ONCE = 4  # snapshots prepared side by side at most: each holds two layers of the whole probe set in memory

# Torch and zarr are imported where they are used: finding the measures imports every file of this folder.


def grid_of(folder: "StudyFolder") -> Grid:
    """The representations that the study of a folder plans."""
    return Grid(columns_of(folder.runs))


def columns_of(runs: "Sequence[Run]") -> tuple[Column, ...]:
    """The representations of each run that a study plans; of a recorded run, those that are there."""
    from vaescope.runs.extract import distinct_layers
    from vaescope.runs.inputs import probe_key

    found = {kind: distinct_layers(run) for kind, run in {kind_of(run): run for run in runs}.items()}
    layers = {kind: tuple((layer.name, layer.features) for layer in these) for kind, these in found.items()}
    return tuple(Column(run.id, probe_key(run), run.snapshots, layers[kind_of(run)]) for run in runs)


def kind_of(run: "Run") -> str:
    """Equal for runs whose networks have the same layers."""
    told = [run.dataset, run.dataset_options, run.network, run.network_options, run.latents]
    return json.dumps(told if run.recorded is None else [*told, run.recorded.layers], sort_keys=True)


def measures_of(folder: "StudyFolder") -> dict[str, int]:
    """The measures of the study of a folder, and the probe examples each uses."""
    study = folder.study
    return {name: choice.n or study.probe.n for name, choice in study.measures.items()}


def compare(
    folder: "StudyFolder",
    progress: Progress | None = None,
    memory_budget: int | None = None,
    executor: "Pool | None" = None,
) -> None:
    """Compute what is wanted and not there yet into `similarity.zarr`, and export it to `similarity.parquet`.

    Only runs that have ended are compared; the others count as missing until this is called again. Blocks are kept
    one by one and recognised by a digest of all they come from, so stopping at any moment loses little.

    Args:
        folder: of the study.
        progress: told of each snapshot and block.
        memory_budget: bytes to work in; a quarter of the machine's memory if None. It does not change the scores.
        executor: whose workers compare; this process if None, and for recorded runs, which may grow meanwhile. The
            scores are the same to the last bit.

    Raises:
        Interrupted: a stop was asked for.
        ResourceError: nothing can be written, another process works on this study, or the workers of one piece of
            work died each time.
        CorruptArtifact: a snapshot is damaged.
    """
    from vaescope.runs.machine import memory_budget as quarter
    from vaescope.stats.prepared import Prepared, Workers
    from vaescope.stats.scores import Scores
    from vaescope.stats.spread import spread

    with folder.writing(), Workers() as workers:
        scores = Scores(folder.path / "similarity.zarr", grid_of(folder))
        measures = measures_of(folder)
        scores.create(measures)
        prepared = Prepared(folder.path / "prepared")
        budget = memory_budget or quarter()
        comparison = Comparison(folder, scores, prepared, workers, progress or Progress(), budget)
        if folder.recorded:
            folder.keep_view()
        all_ended = comparison.run() if executor is None or folder.recorded else spread(comparison, executor)
        scores.export(folder.path / "similarity.parquet", measures)
        if all_ended:
            shutil.rmtree(prepared.path, ignore_errors=True)


class Comparison:
    """One call of `compare`."""

    def __init__(
        self,
        folder: "StudyFolder",
        scores: "Scores",
        prepared: "Prepared",
        workers: "Workers",
        progress: Progress,
        budget: int,
    ) -> None:
        self.folder, self.scores, self.prepared = folder, scores, prepared
        self.workers, self.progress, self.budget = workers, progress, budget
        self.grid = scores.grid
        self.origin = origin_of(folder, self.grid)
        groups: dict[tuple[type[Form], int, Precision], list[Measure[Any]]] = {}
        for name, n in measures_of(folder).items():
            measure = MEASURES[name]()
            precision = folder.study.measures[name].precision
            groups.setdefault((measure.form_for(n, self.grid.widths), n, precision), []).append(measure)
        self.groups = [Group(*key, tuple(found)) for key, found in groups.items()]

    def run(self) -> bool:
        """Do what is pending; whether every run of the study had ended."""
        pending = {group: self.pending(group) for group in self.groups}
        self.prepare(self.needed(pending))
        self.progress.stage("comparing", sum(len(blocks) for blocks in pending.values()))
        for group, blocks in pending.items():
            for part in self.parts(group, blocks):
                self.progress.check()
                Superblock(self, group, part).fill()
        return self.origin.all_ended

    def parts(self, group: Group, pending: "Pending", least: int = 1) -> Iterator["Pending"]:
        """The pending blocks, some at a time: as many as share what is read, and are done in about a minute.

        Args:
            group: whose blocks they are.
            pending: the blocks.
            least: how many parts there should be at least, where there are runs enough.
        """
        most = 1
        if issubclass(group.form, Vector):
            reps = math.sqrt(MACS_AT_ONCE / max(1, group.n * group.n / 2))
            most = max(1, int(reps) // max(1, self.grid.width))
        for runs in self.grid.groups():
            spans = balanced(len(runs), min(most, max(1, len(runs) // math.ceil(math.sqrt(2 * least)))))
            place = {i: k for k, span in enumerate(spans) for i in runs[span.start : span.stop]}
            parts: dict[tuple[int, int], Pending] = {}
            for (i, j), measures in pending.items():
                if i in place and j in place:
                    parts.setdefault((place[i], place[j]), {})[i, j] = measures
            yield from (parts[key] for key in sorted(parts))

    def pending(self, group: Group, among: Collection[tuple[int, int]] | None = None) -> "Pending":
        """The blocks that lack a measure of the group: all of the study's, or those among some."""
        found: Pending = {}
        for i, j in self.grid.comparable() if among is None else among:
            self.progress.check()
            todo = [m for m in group.measures if not self.scores.done(m.name, i, j, self.origin.digest(m.name, i, j))]
            if todo:
                found[i, j] = todo
        return found

    def file(self, group: Group, i: int, step: int, layer: str) -> "Path":
        """Where a form lies. The input is the same for all snapshots with one probe set."""
        source = ["input"] if layer == "input" else [layer, step, self.origin.snapshots[i][step]]
        if group.precision != "exact":
            source.append(group.precision)
        return self.prepared.file(group.form, group.n, [self.grid.columns[i].examples, self.origin.probes[i], *source])

    def needed(self, pending: Mapping[Group, "Pending"]) -> dict[Group, set[int]]:
        """The runs of which each group's forms are needed."""
        return {group: {k for pair in blocks for k in pair} for group, blocks in pending.items()}

    def prepare(self, runs: Mapping[Group, Collection[int]]) -> None:
        """Make the forms of these runs that are not there yet."""
        work: list[tuple[int, int, dict[str, list[Group]]]] = []
        claimed: set[Path] = set()
        for i in sorted(set().union(*runs.values())):
            for step in sorted(self.origin.snapshots[i]):
                lacking: dict[str, list[Group]] = {}
                for layer, _ in self.grid.columns[i].layers:
                    self.progress.check()
                    for group in runs:
                        path = self.file(group, i, step, layer)
                        if i in runs[group] and path not in claimed and not self.prepared.has(path):
                            claimed.add(path)
                            lacking.setdefault(layer, []).append(group)
                work.append((i, step, lacking))
        self.progress.stage("preparing", len(work))
        from vaescope.runs.crew import Shared, each, side_by_side
        from vaescope.runs.machine import threads_kept

        shared = Shared(self.progress)
        with threads_kept():
            at_once = side_by_side(len(work), min(AT_ONCE, max(1, self.budget // self._snapshot_bytes())))
            each(lambda part: self._prepare_snapshot(*part, shared), work, at_once, shared)

    def _snapshot_bytes(self) -> int:
        """Memory for one snapshot while it is prepared: two layers of all examples, and matrices of n x n."""
        from vaescope.models.pair import LITTLE

        n, most = self.folder.study.probe.n, max((group.n for group in self.groups), default=0)
        return max(LITTLE, 8 * n * max(self.grid.widths, default=1)) + 24 * most * most

    def _prepare_snapshot(self, i: int, step: int, lacking: Mapping[str, Sequence[Group]], progress: Progress) -> None:
        """One pass over the layers on one core, so that the bits do not depend on how many there are."""
        import torch

        from vaescope.runs.extract import representations

        torch.set_num_threads(1)
        if lacking:
            with closing(representations(self.folder, self.folder.runs[i], step, progress)) as found:
                for layer, x in found:
                    progress.check()
                    shared: dict[tuple[int, Precision], Examples] = {}
                    for group in lacking.get(layer, ()):
                        key = group.n, group.precision
                        examples = shared.setdefault(key, Examples(x[: group.n], group.precision))
                        self.prepared.write(self.file(group, i, step, layer), made(group.form, examples))
        progress.advance()


def made(form: type[Form], x: Examples) -> Form | Reason:
    """A representation's form, or the reason why it has none."""
    try:
        return form.of(x)
    except RepresentationError as error:
        return Reason[error.reason.upper()]
