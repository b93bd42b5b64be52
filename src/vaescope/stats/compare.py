"""All wanted pairs of a study, block by block, each representation prepared once."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.progress import Progress
from vaescope.stats.grid import Column, Grid
from vaescope.stats.measure import MEASURES, Form, Measure, Reason
from vaescope.stats.origin import origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from vaescope.runs.store import StudyFolder
    from vaescope.runs.study import Run, Study
    from vaescope.stats.prepared import Prepared, Workers
    from vaescope.stats.scores import Block, Scores

AT_ONCE = 4  # snapshots prepared side by side at most: each holds two layers of the whole probe set in memory

# Torch and zarr are imported where they are used: finding the measures imports every file of this folder.


def grid_of(folder: "StudyFolder") -> Grid:
    """The representations that the study of a folder plans."""
    return Grid(columns_of(folder.study))


def columns_of(study: "Study") -> tuple[Column, ...]:
    """The representations of each run that a study plans."""
    from vaescope.runs.extract import distinct_layers
    from vaescope.runs.inputs import probe_key

    runs = study.runs()
    found = {kind: distinct_layers(run) for kind, run in {kind_of(run): run for run in runs}.items()}
    layers = {kind: tuple((layer.name, layer.features) for layer in these) for kind, these in found.items()}
    return tuple(Column(run.id, probe_key(run), run.snapshots, layers[kind_of(run)]) for run in runs)


def kind_of(run: "Run") -> str:
    """Equal for runs whose networks have the same layers."""
    return json.dumps([run.dataset, run.dataset_options, run.network, run.network_options, run.latents], sort_keys=True)


def measures_of(folder: "StudyFolder") -> dict[str, int]:
    """The measures of the study of a folder, and the probe examples each uses."""
    study = folder.study
    return {name: choice.n or study.probe.n for name, choice in study.measures.items()}


def compare(folder: "StudyFolder", progress: Progress | None = None) -> None:
    """Compute what is wanted and not there yet into `similarity.zarr`, and export it to `similarity.parquet`.

    Only runs that have ended are compared; the others count as missing until this is called again. Blocks are kept
    one by one and recognised by a digest of all they come from, so stopping at any moment loses little.

    Raises:
        Interrupted: a stop was asked for.
        ResourceError: nothing can be written, or another process works on this study.
        CorruptArtifact: a snapshot is damaged.
    """
    from vaescope.stats.prepared import Prepared, Workers
    from vaescope.stats.scores import Scores

    with folder.writing(), Workers() as workers:
        scores = Scores(folder.path / "similarity.zarr", grid_of(folder))
        measures = measures_of(folder)
        scores.create(measures)
        prepared = Prepared(folder.path / "prepared")
        all_ended = Comparison(folder, scores, prepared, workers, progress or Progress()).run()
        scores.export(folder.path / "similarity.parquet", measures)
        if all_ended:
            shutil.rmtree(prepared.path, ignore_errors=True)


@dataclass(frozen=True)
class Group:
    """Measures that share prepared forms: one form, one n."""

    form: type[Form]
    n: int
    measures: tuple[Measure[Any], ...]


class Comparison:
    """One call of `compare`."""

    def __init__(
        self,
        folder: "StudyFolder",
        scores: "Scores",
        prepared: "Prepared",
        workers: "Workers",
        progress: Progress,
    ) -> None:
        self.folder, self.scores, self.prepared = folder, scores, prepared
        self.workers, self.progress = workers, progress
        self.grid = scores.grid
        self.origin = origin_of(folder, self.grid)
        groups: dict[tuple[type[Form], int], list[Measure[Any]]] = {}
        for name, n in measures_of(folder).items():
            measure = MEASURES[name]()
            groups.setdefault((measure.form, n), []).append(measure)
        self.groups = [Group(form, n, tuple(found)) for (form, n), found in groups.items()]

    def run(self) -> bool:
        """Do what is pending; whether every run of the study had ended."""
        pending = {group: self._pending(group) for group in self.groups}
        self._prepare(pending)
        self.progress.stage("comparing", sum(len(blocks) for blocks in pending.values()))
        for group, blocks in pending.items():
            for (i, j), measures in blocks.items():
                self.progress.check()
                self._block(group, i, j, measures)
                self.progress.advance()
        return self.origin.all_ended

    def _pending(self, group: Group) -> dict[tuple[int, int], list[Measure[Any]]]:
        found: dict[tuple[int, int], list[Measure[Any]]] = {}
        for i, j in self.grid.blocks():
            self.progress.check()
            todo = [m for m in group.measures if not self.scores.done(m.name, i, j, self.origin.digest(m.name, i, j))]
            if todo:
                found[i, j] = todo
        return found

    def _file(self, group: Group, i: int, step: int, layer: str):
        """Where a form lies. The input is the same for all snapshots with one probe set."""
        source = ["input"] if layer == "input" else [layer, step, self.origin.snapshots[i][step]]
        return self.prepared.file(group.form, group.n, [self.grid.columns[i].examples, self.origin.probes[i], *source])

    def _prepare(self, pending: Mapping[Group, Mapping[tuple[int, int], Sequence[Measure[Any]]]]) -> None:
        runs = {
            group: {k for i, j in blocks if self.grid.same_examples(i, j) for k in (i, j)}
            for group, blocks in pending.items()
        }
        work: list[tuple[int, int, dict[str, list[Group]]]] = []
        claimed: set[Path] = set()
        for i in sorted(set().union(*runs.values())):
            for step in sorted(self.origin.snapshots[i]):
                lacking: dict[str, list[Group]] = {}
                for layer, _ in self.grid.columns[i].layers:
                    self.progress.check()
                    for group in self.groups:
                        path = self._file(group, i, step, layer)
                        if i in runs[group] and path not in claimed and not self.prepared.has(path):
                            claimed.add(path)
                            lacking.setdefault(layer, []).append(group)
                work.append((i, step, lacking))
        self.progress.stage("preparing", len(work))
        from vaescope.runs.crew import Shared, each, side_by_side
        from vaescope.runs.machine import threads_kept

        shared = Shared(self.progress)
        with threads_kept():
            each(lambda part: self._prepare_snapshot(*part, shared), work, side_by_side(len(work), AT_ONCE), shared)

    def _prepare_snapshot(self, i: int, step: int, lacking: Mapping[str, Sequence[Group]], progress: Progress) -> None:
        """One pass over the layers on one core, so that the bits do not depend on how many there are."""
        import torch

        from vaescope.runs.extract import representations

        torch.set_num_threads(1)
        if lacking:
            with closing(representations(self.folder, self.folder.runs[i], step, progress)) as found:
                for layer, x in found:
                    progress.check()
                    for group in lacking.get(layer, ()):
                        try:
                            made = group.form.begin(x[: group.n])
                        except RepresentationError as error:
                            made = Reason[error.reason.upper()]
                        self.prepared.write(self._file(group, i, step, layer), made)
        progress.advance()

    def _block(self, group: Group, i: int, j: int, measures: Sequence[Measure[Any]]) -> None:
        rows = self._side(group, i)
        columns = rows if i == j else self._side(group, j)
        blocks = {m: self._empty(m, i, j) for m in measures}
        if self.grid.same_examples(i, j):
            sides = {m: (self._reasons(m, group.n, rows), self._reasons(m, group.n, columns)) for m in measures}
            for m, (a, b) in sides.items():
                why = np.where(a[:, None] != Reason.OK, a[:, None], b)
                blocks[m].reason[:] = np.where(blocks[m].reason == Reason.NOT_COMPUTED, Reason.NOT_COMPUTED, why)
            self._fill(group, rows, columns, blocks)
        for m, block in blocks.items():
            self.scores.put(m.name, i, j, block, self.origin.digest(m.name, i, j))

    def _empty(self, measure: Measure[Any], i: int, j: int) -> "Block":
        from vaescope.stats.scores import Block

        wanted = self.grid.wanted(self.folder.study.measures[measure.name].pairs, i, j)
        reason = np.where(wanted, Reason.OTHER_EXAMPLES, Reason.NOT_COMPUTED).astype(np.uint8)
        return Block(np.full(wanted.shape, np.nan, np.float32), reason)

    def _side(self, group: Group, i: int) -> list[Form | Reason]:
        """The form of every representation of a run, or why there is none."""
        return [
            self.prepared.read(self._file(group, i, step, layer), group.form)
            if step in self.origin.snapshots[i]
            else Reason.MISSING
            for step, layer in self.grid.columns[i].slots
        ]

    def _reasons(self, measure: Measure[Any], n: int, side: Sequence[Form | Reason]) -> np.ndarray:
        found = np.array([form if isinstance(form, Reason) else Reason.OK for form in side], np.uint8)
        for place, form in enumerate(side):
            if not isinstance(form, Reason):
                try:
                    measure.enough(n)
                    measure.accept(form)
                except RepresentationError as error:
                    found[place] = Reason[error.reason.upper()]
        return found

    def _fill(
        self,
        group: Group,
        rows: Sequence[Form | Reason],
        columns: Sequence[Form | Reason],
        blocks: Mapping[Measure[Any], "Block"],
    ) -> None:
        """Compute the scores of the pairs whose reason is OK: one product for all measures of the group."""
        kept = (
            [k for k, form in enumerate(rows) if isinstance(form, Form)],
            [k for k, f in enumerate(columns) if isinstance(f, Form)],
        )
        if not kept[0] or not kept[1]:
            return
        xs = [rows[k] for k in kept[0]]
        ys = xs if rows is columns else [columns[k] for k in kept[1]]
        places = np.ix_(*kept)
        ok = {m: block.reason[places] == Reason.OK for m, block in blocks.items()}
        wanted = np.logical_or.reduce([*ok.values()])
        upper = np.triu(np.ones(wanted.shape, bool)) if rows is columns else np.ones(wanted.shape, bool)
        products = group.form.products(xs, ys, wanted & upper, self.workers, self.progress)
        for m, block in blocks.items():
            found = m.scores(products, xs, ys)
            if rows is columns:
                found = np.where(upper, found, found.T)
            block.score[places] = np.where(ok[m], found, np.nan)
