"""What a study found, read from its folder: tidy frames, and scores without loading the rest."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from jaxtyping import Float32

from vaescope.errors import UsageError, VaescopeError
from vaescope.stats import convergence, logged, matched
from vaescope.stats.compare import grid_of, kind_of, measures_of
from vaescope.stats.measure import Reason
from vaescope.stats.origin import Origin, origin_of
from vaescope.stats.selection import Part, masks, must_know, tidy, turned_pairs

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.models.network import Layer
    from vaescope.runs.study import Study
    from vaescope.stats.evidence import Evidence
    from vaescope.stats.grid import Grid
    from vaescope.stats.judge import Verdicts
    from vaescope.stats.scores import Block

# Torch, zarr and pandas are imported where they are used: finding the measures imports every file of this folder.


class Results:
    """The results of a study.

    Args:
        path: the folder that `vaescope run` or `train` wrote, or a `Recorder`. Of a training that goes on, what was
            there when it was last compared.

    Attributes:
        path: the folder.
        folder: the same, as the store knows it.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: its `study.json` is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        from vaescope.runs.store import StudyFolder

        self.folder = StudyFolder(path, as_compared=True)
        self.path = self.folder.path

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r}): {self.study.name}, {len(self.folder.runs)} runs"

    def _repr_html_(self) -> str:
        # Views see results, never the reverse: only a notebook that shows them asks for their picture.
        try:
            _ = self._grid  # what was passed from Python may be lacking now
            return import_module("vaescope.views.notebook").results_html(self)
        except VaescopeError as error:
            return f"<pre>{escape(repr(self))}\n{escape(str(error))}</pre>"

    @property
    def study(self) -> "Study":
        """The study with every default filled in."""
        return self.folder.study

    @property
    def runs(self) -> "pd.DataFrame":
        """One row a run: run, dataset, network, objective, its options, seed, state, step, reason, snapshots."""
        import pandas as pd

        rows, options = [], dict.fromkeys(key for run in self.folder.runs for key in run.options)
        for run in self.folder.runs:
            m = self.folder.run(run.id).manifest()
            dataset, network = self.study.called(run)
            head = {"run": run.id, "dataset": dataset, "network": network, "objective": run.objective}
            tail = {
                "seed": run.seed,
                "state": m.state,
                "step": m.step,
                "reason": m.reason,
                "snapshots": len(m.snapshots),
            }
            rows.append(head | {key: run.options.get(key) for key in options} | tail)
        return pd.DataFrame(rows)

    @property
    def layers(self) -> "pd.DataFrame":
        """One row a layer of each network and dataset: layer, part, order, features, same_as, network, dataset."""
        import pandas as pd

        kinds = {self.study.called(run)[::-1]: self._layers[run.id] for run in self.folder.runs}
        rows = [
            (layer.name, layer.part, order, layer.features, layer.same_as, *kind)
            for kind, found in kinds.items()
            for order, layer in enumerate(found)
        ]
        return pd.DataFrame(rows, columns=["layer", "part", "order", "features", "same_as", "network", "dataset"])

    @property
    def snapshot_steps(self) -> dict[str, tuple[int, ...]]:
        """Run -> the steps of the snapshots that are there, ascending."""
        return {run.id: tuple(sorted(self.folder.run(run.id).manifest().snapshots)) for run in self.folder.runs}

    @property
    def losses(self) -> "pd.DataFrame":
        """Nats per example, means over the batch of a step: run, step, loss, reconstruction, kl, regularisation."""
        return logged.losses(self._events())

    @property
    def notes(self) -> "pd.DataFrame":
        """What else the objectives logged, such as capacities and total correlations: run, step, note, value."""
        return logged.notes(self._events())

    @property
    def latents(self) -> "pd.DataFrame":
        """KL of each latent in nats: run, step, latent, kl."""
        return logged.latents(self._events())

    def similarity(self, measure: str | list[str] | None = None, **selection: object) -> "pd.DataFrame":
        """The scores of the selected pairs, each unordered pair once, self pairs included; only their blocks are read.

        Args:
            measure: one, some, or all (None) of the study's measures.
            **selection: a value or a list of values of `run_a`, `step_a`, `layer_a`, `run_b`, `step_b`, `layer_b`, or
                of `run`, `step`, `layer` for both sides at once. A layer that only reshapes another stands for it.

        Returns:
            measure, run_a, step_a, layer_a, run_b, step_b, layer_b, score, reason, n. Rows are turned so that side a
            is what `_a` selects. A pair without a score has NaN, and the reason why: "not_computed" (not wanted by the
            study, or not compared since a run changed), "missing" (no such snapshot), "zero_variance",
            "other_examples", ...

        Raises:
            UsageError: there is no such column, run, step, layer or measure.
            CorruptArtifact: a block is damaged.
        """
        names = [measure] if isinstance(measure, str) else list(measure or self.study.measures)
        for name in names:
            must_know("measure", name, list(self.study.measures))
        same_as = {run: {x.name: x.same_as or x.name for x in found} for run, found in self._layers.items()}
        chosen = masks(self._grid, same_as, selection)
        parts: list[Part] = []
        origin = origin_of(self.folder, self._grid)
        for number, name in enumerate(names):
            read = self._reader(name, origin)
            for i, j in self._grid.blocks():
                pairs = turned_pairs(i, j, chosen[i], chosen[j])
                if any(mask.any() for _, mask in pairs):
                    block = read(i, j)
                    for turned, mask in pairs:
                        p, q = np.nonzero(mask)
                        ends = (j, i, q, p) if turned else (i, j, p, q)
                        parts.append((number, *ends, block.score[p, q], block.reason[p, q]))
        n = measures_of(self.folder)
        return tidy(self._grid, names, [n[name] for name in names], parts)

    def differing(self, what: matched.What, measure: str | None = None, step: int | None = None) -> "pd.DataFrame":
        """How alike each layer is between runs that are equal in everything but one thing.

        Args:
            what: "objective" (the same strengths and seed), "strength" (the same objective and seed), "seed", or
                "objective and seed" (the same strengths).
            measure: of the study; its first if None.
            step: of the snapshots compared; the last if None.

        Returns:
            One row a pair of runs and layer: measure, differ_in, dataset, network, run_a, run_b, a, b (objectives,
            strengths or seeds), setting (what they share), layer, part, step, score, reason.

        Raises:
            UsageError: the study has no such measure.
        """
        measure = measure or next(iter(self.study.measures))
        must_know("measure", measure, list(self.study.measures))
        must_know("thing to differ in", what, list(get_args(matched.What)))
        from vaescope.stats.gathering import differing_scores

        return differing_scores(self, what, measure, step)

    def scores(
        self, measure: str, only: "Mapping[str, Collection[int]] | None" = None
    ) -> "tuple[pd.DataFrame, Float32[np.ndarray, 'r r']]":
        """The whole matrix of a measure, or that of some snapshots: 4 bytes for each pair of representations.

        Args:
            measure: of the study.
            only: run -> the steps that are wanted; all snapshots if None.

        Returns:
            index: run, step, layer of each representation whose snapshot there is, in order.
            matrix: float32, symmetric, NaN where not computed.

        Raises:
            UsageError: the study has no such measure.
        """
        import pandas as pd

        must_know("measure", measure, list(self.study.measures))
        snapshots = self.snapshot_steps
        there = (
            snapshots if only is None else {run: set(steps) & {*only.get(run, ())} for run, steps in snapshots.items()}
        )
        kept = [np.array([step in there[c.run] for step, _ in c.slots], bool) for c in self._grid.columns]
        start = np.cumsum([0, *(k.sum() for k in kept)])
        read = self.blocks(measure)
        matrix = np.full((start[-1], start[-1]), np.nan, np.float32)
        for i, j in self._grid.blocks():
            if not kept[i].any() or not kept[j].any():
                continue
            part = read(i, j).score[np.ix_(kept[i], kept[j])]
            if i == j:
                part = np.triu(part) + np.triu(part, 1).T
            matrix[start[i] : start[i + 1], start[j] : start[j + 1]] = part
            matrix[start[j] : start[j + 1], start[i] : start[i + 1]] = part.T
        rows = [
            (c.run, step, layer)
            for c, k in zip(self._grid.columns, kept, strict=True)
            for (step, layer), there in zip(c.slots, k, strict=True)
            if there
        ]
        return pd.DataFrame(rows, columns=["run", "step", "layer"]), matrix

    def examined(self, name: str) -> "pd.DataFrame":
        """What an examination found, of all runs that have ended: its columns, with `run` in front.

        Args:
            name: "references", "wiring", "latents", ...: `vaescope list examinations` shows them.

        Raises:
            UsageError: there is no such examination.
            CorruptArtifact: a table is damaged.
        """
        from vaescope.stats.census import Census
        from vaescope.stats.examined import joined
        from vaescope.stats.subject import Subject

        census = Census(self.folder)
        return joined([Subject(self.folder, run, census=census) for run in self.folder.runs], name)

    def twins(self) -> list[str]:
        """Settings whose runs ended with the same weights bit for bit, a sentence each."""
        from vaescope.stats.gathering import twins_of

        return twins_of(self)

    def evidence(self) -> "Evidence":
        """The tables that claims are judged by, as far as they are there."""
        from vaescope.stats.gathering import evidence_of

        return evidence_of(self)

    @property
    def claims(self) -> "Verdicts":
        """The verdict on each claim, as `vaescope list claims` shows them."""
        from vaescope.stats.judge import judge

        return judge(self.evidence())

    @property
    def curves(self) -> "pd.DataFrame":
        """Similarity of each layer to itself at the end of its run, as `vaescope.stats.convergence.curves` says.

        Only runs that reached their last step, and snapshots that are there. Measures for which larger is not more
        similar are left out: the floor, 1 at the end and 0.9 as settled mean nothing for a distance.
        """
        from vaescope.stats.gathering import own_scores

        return convergence.curves(own_scores(self))

    @property
    def settling(self) -> "pd.DataFrame":
        """When each layer settles, as `vaescope.stats.convergence.settling` says."""
        return convergence.settling(self.curves)

    @property
    def lead(self) -> "pd.DataFrame":
        """How far the encoder is ahead in each run, as `vaescope.stats.convergence.lead` says."""
        return convergence.lead(self.settling)

    @property
    def lead_over_seeds(self) -> "pd.DataFrame":
        """The lead of each setting over its seeds, as `vaescope.stats.convergence.lead_over_seeds` says."""
        return convergence.lead_over_seeds(self.lead, {run.id: self.study.setting_of(run) for run in self.folder.runs})

    def blocks(self, measure: str) -> "Callable[[int, int], Block]":
        """Gives the scores of runs i <= j of the study by number, places as `slots_of` says."""
        return self._reader(measure, origin_of(self.folder, self._grid))

    def slots_of(self, i: int) -> tuple[tuple[int, str], ...]:
        """(step, layer) of each representation of run number i, in the order of its scores."""
        return self._grid.columns[i].slots

    def parts_of(self, run: str) -> dict[str, str]:
        """Layer -> part, of the layers of a run that have a representation of their own, in order."""
        return {layer.name: layer.part for layer in self._layers[run] if not layer.same_as}

    @cached_property
    def _grid(self) -> "Grid":
        try:
            return grid_of(self.folder)
        except UsageError as error:
            raise UsageError(
                f"{error} What was passed from Python is read with it again: `with vaescope.lent(...)` around "
                f"`vaescope.open({str(self.path)!r})`."
            ) from None

    @cached_property
    def _layers(self) -> "dict[str, tuple[Layer, ...]]":
        """Every layer of each run, those that only reshape another included."""
        from vaescope.runs.extract import layers

        found = {kind: layers(run) for kind, run in {kind_of(run): run for run in self.folder.runs}.items()}
        return {run.id: found[kind_of(run)] for run in self.folder.runs}

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((run.id, event) for run in self.folder.runs for event in self.folder.run(run.id).events())

    def _reader(self, measure: str, origin: Origin) -> "Callable[[int, int], Block]":
        """Blocks without scores where they are not there, or of what has changed since."""
        from vaescope.stats.scores import Block, Scores, unanswered

        scores = Scores(self.path / "similarity.zarr", self._grid)
        begun = scores.has(measure, measures_of(self.folder)[measure])

        def read(i: int, j: int) -> Block:
            if not self._grid.same_examples(i, j):
                return unanswered(self._grid, self.study.measures[measure].pairs, i, j, Reason.OTHER_EXAMPLES)
            if begun and scores.digest(measure, i, j) == origin.digest(measure, i, j):
                return scores.get(measure, i, j)
            return unanswered(self._grid, "all", i, j, Reason.NOT_COMPUTED)

        return read


def open(path: str | Path) -> Results:
    """The results of the study in a folder, finished or not.

    Args:
        path: the folder that `vaescope run` or `train` wrote.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: its `study.json` is damaged.
    """
    return Results(path)
