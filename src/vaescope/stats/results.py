"""What a study found, read from its folder: tidy frames, and scores without loading the rest."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float32

from vaescope.errors import UsageError
from vaescope.registry import suggestion
from vaescope.stats import convergence
from vaescope.stats.compare import grid_of, kind_of, measures_of
from vaescope.stats.measure import Reason

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.models.network import Layer
    from vaescope.runs.study import Study
    from vaescope.stats.grid import Grid
    from vaescope.stats.scores import Block

# Torch, zarr and pandas are imported where they are used: finding the measures imports every file of this folder.

SIDES = ("run_a", "step_a", "layer_a", "run_b", "step_b", "layer_b")
SELECTORS = (*SIDES, "run", "step", "layer")


class Results:
    """The results of a study.

    Args:
        path: the folder that `vaescope run` or `train` wrote.

    Attributes:
        path: the folder.
        folder: the same, as the store knows it.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: its `study.json` is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        from vaescope.runs.store import StudyFolder

        self.folder = StudyFolder(path)
        self.path = self.folder.path

    def __repr__(self) -> str:
        return f"Results({str(self.path)!r}): {self.study.name}, {len(self.folder.runs)} runs"

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
            head = {"run": run.id, "dataset": run.dataset, "network": run.network, "objective": run.objective}
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

        kinds = {(run.network, run.dataset): self._layers[run.id] for run in self.folder.runs}
        rows = [
            (layer.name, layer.part, order, layer.features, layer.same_as, *kind)
            for kind, found in kinds.items()
            for order, layer in enumerate(found)
        ]
        return pd.DataFrame(rows, columns=["layer", "part", "order", "features", "same_as", "network", "dataset"])

    @property
    def losses(self) -> "pd.DataFrame":
        """Nats per example, means over the batch of a step: run, step, loss, reconstruction, kl, regularisation."""
        import pandas as pd

        names = ["loss", "reconstruction", "kl", "regularisation"]
        rows = [(run, e["step"], *(_number(e[name]) for name in names)) for run, e in self._events() if "loss" in e]
        return pd.DataFrame(rows, columns=["run", "step", *names])

    @property
    def latents(self) -> "pd.DataFrame":
        """KL of each latent in nats: run, step, latent, kl."""
        import pandas as pd

        rows = [
            (run, e["step"], latent, _number(kl))
            for run, e in self._events()
            for latent, kl in enumerate(e.get("kl_per_latent", ()))
        ]
        return pd.DataFrame(rows, columns=["run", "step", "latent", "kl"])

    def similarity(self, measure: str | list[str] | None = None, **selection: object) -> "pd.DataFrame":
        """The scores of the selected pairs, each unordered pair once, self pairs included; only their blocks are read.

        Args:
            measure: one, some, or all (None) of the study's measures.
            **selection: a value or a list of values of `run_a`, `step_a`, `layer_a`, `run_b`, `step_b`, `layer_b`, or
                of `run`, `step`, `layer` for both sides at once. A layer that only reshapes another stands for it.

        Returns:
            measure, run_a, step_a, layer_a, run_b, step_b, layer_b, score, reason, n. Rows are turned so that side a
            is what `_a` selects. A pair without a score has NaN, and the reason why: "not_computed" (not wanted by the
            study, or not compared yet), "missing" (no such snapshot), "zero_variance", "other_examples", ...

        Raises:
            UsageError: there is no such column, run, step, layer or measure.
            CorruptArtifact: a block is damaged.
        """
        import pandas as pd

        names = [*self.study.measures] if measure is None else [measure] if isinstance(measure, str) else list(measure)
        for name in names:
            self._known("measure", name, list(self.study.measures))
        masks = self._masks(selection)
        slots = [np.array(c.slots, dtype=object).reshape(-1, 2) for c in self._grid.columns]
        parts: list[tuple[Any, ...]] = []
        for number, name in enumerate(names):
            read = self._reader(name)
            for i, j in self._grid.blocks():
                (a_i, b_i), (a_j, b_j) = masks[i], masks[j]
                straight, turned = np.outer(a_i, b_j), np.outer(b_i, a_j)
                if i == j:
                    straight, turned = np.triu(straight), np.triu(turned)
                turned &= ~straight
                if not (straight.any() or turned.any()):
                    continue
                block = read(i, j)
                for chosen, (first, second), flip in ((straight, (i, j), False), (turned, (j, i), True)):
                    p, q = np.nonzero(chosen)
                    places = (q, p) if flip else (p, q)
                    parts.append((number, first, second, *places, block.score[p, q], block.reason[p, q]))
        return self._frame(pd, names, slots, parts)

    def _frame(
        self, pd: Any, names: list[str], slots: list[np.ndarray], parts: list[tuple[Any, ...]]
    ) -> "pd.DataFrame":
        sizes = [len(part[3]) for part in parts]
        empty = [np.zeros(0, np.int64)]
        number, first, second = (np.repeat([part[k] for part in parts], sizes).astype(np.int64) for k in range(3))
        a, b, score, reason = (np.concatenate([part[k] for part in parts] or empty) for k in range(3, 7))
        order = np.lexsort((b, second, a, first, number))
        number, first, second, a, b, score, reason = (v[order] for v in (number, first, second, a, b, score, reason))
        layers = [*dict.fromkeys(name for c in self._grid.columns for name, _ in c.layers)]
        steps = [np.array([s for s in part[:, 0]], np.int64) for part in slots]
        codes = [np.array([layers.index(name) for name in part[:, 1]], np.int64) for part in slots]
        runs = [c.run for c in self._grid.columns]
        start = np.cumsum([0, *(len(part) for part in slots)])
        all_steps, all_codes = np.concatenate([*steps, empty[0]]), np.concatenate([*codes, empty[0]])

        def text(found: np.ndarray, categories: list[str]) -> Any:
            return pd.Categorical.from_codes(found, categories)

        columns: dict[str, Any] = {"measure": text(number, names)}
        for side, run, place in (("a", first, a), ("b", second, b)):
            where = start[run] + place
            columns[f"run_{side}"] = text(run, runs)
            columns[f"step_{side}"] = all_steps[where]
            columns[f"layer_{side}"] = text(all_codes[where], layers)
        columns["score"] = score.astype(np.float32)
        columns["reason"] = text(reason.astype(np.int64), [r.label for r in Reason])
        n = measures_of(self.folder)
        columns["n"] = np.array([n[name] for name in names], np.int64)[number]
        return pd.DataFrame(columns)

    def scores(self, measure: str) -> "tuple[pd.DataFrame, Float32[np.ndarray, 'r r']]":
        """The whole matrix of a measure.

        Returns:
            index: run, step, layer of each representation whose snapshot there is, in order.
            matrix: float32, symmetric, NaN where not computed.

        Raises:
            UsageError: the study has no such measure.
        """
        import pandas as pd

        self._known("measure", measure, list(self.study.measures))
        snapshots = [set(self.folder.run(c.run).manifest().snapshots) for c in self._grid.columns]
        kept = [
            np.array([s in there for s, _ in c.slots], bool)
            for c, there in zip(self._grid.columns, snapshots, strict=True)
        ]
        start = np.cumsum([0, *(k.sum() for k in kept)])
        read = self._reader(measure)
        matrix = np.full((start[-1], start[-1]), np.nan, np.float32)
        for i, j in self._grid.blocks():
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

    @property
    def curves(self) -> "pd.DataFrame":
        """Similarity of each layer to itself at the end of its run, as `vaescope.stats.convergence.curves` says.

        Only runs that reached their last step, and snapshots that are there.
        """
        import pandas as pd

        rows = []
        names = list(self.study.measures)
        for i, run in enumerate(self.folder.runs):
            there = set(self.folder.run(run.id).manifest().snapshots)
            slots, end = self._grid.columns[i].slots, run.snapshots[-1]
            if end not in there:
                continue
            parts = {layer.name: layer.part for layer in self._layers[run.id]}
            place = {slot: k for k, slot in enumerate(slots)}
            for name in names:
                block = self._reader(name)(i, i)
                if (block.reason == Reason.NOT_COMPUTED).all():
                    continue
                rows += [
                    (name, run.id, layer, parts[layer], step, float(block.score[min(k, z), max(k, z)]))
                    for layer, _ in self._grid.columns[i].layers
                    for step in run.snapshots
                    if step in there
                    for k, z in [(place[step, layer], place[end, layer])]
                ]
        rows.sort(key=lambda row: names.index(row[0]))
        return convergence.curves(
            pd.DataFrame(rows, columns=list(convergence.CURVES[:6])).astype({"score": float, "step": int})
        )

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
        return convergence.lead_over_seeds(self.lead, {run.id: run.setting for run in self.folder.runs})

    @cached_property
    def _grid(self) -> "Grid":
        return grid_of(self.folder)

    @cached_property
    def _layers(self) -> "dict[str, tuple[Layer, ...]]":
        """Every layer of each run, those that only reshape another included."""
        from vaescope.runs.extract import layers

        known = {kind_of(run): run for run in self.folder.runs}
        found = {kind: layers(run) for kind, run in known.items()}
        return {run.id: found[kind_of(run)] for run in self.folder.runs}

    def _events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((run.id, event) for run in self.folder.runs for event in self.folder.run(run.id).events())

    def _reader(self, measure: str) -> "Callable[[int, int], Block]":
        """Gives the block of runs i <= j; one without scores where nothing was compared yet."""
        from vaescope.stats.scores import Block, Scores

        scores = Scores(self.path / "similarity.zarr", self._grid)
        if scores.has(measure):
            return lambda i, j: scores.get(measure, i, j)

        def nothing(i: int, j: int) -> Block:
            shape = len(self._grid.columns[i].slots), len(self._grid.columns[j].slots)
            return Block(np.full(shape, np.nan, np.float32), np.full(shape, Reason.NOT_COMPUTED, np.uint8))

        return nothing

    def _known(self, kind: str, value: object, known: list[Any]) -> None:
        if value not in known:
            names = [str(k) for k in known]
            listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
            raise UsageError(f"unknown {kind} {value!r}; known: {listed}.{suggestion(str(value), names)}")

    def _masks(self, selection: dict[str, object]) -> list[tuple[Bool[np.ndarray, " a"], Bool[np.ndarray, " a"]]]:
        """For each run, which of its representations are selected for side a and for side b."""
        for key in selection:
            self._known("selection", key, list(SELECTORS))
        chosen = {key: _listed(value) for key, value in selection.items()}
        known = {
            "run": [c.run for c in self._grid.columns],
            "step": sorted({step for c in self._grid.columns for step in c.steps}),
            "layer": [*dict.fromkeys(layer.name for found in self._layers.values() for layer in found)],
        }
        for key, values in chosen.items():
            for value in values:
                self._known(key, value, known[key.split("_")[0]])
        masks = []
        for column in self._grid.columns:
            alias = {layer.name: layer.same_as or layer.name for layer in self._layers[column.run]}
            sides = []
            for side in ("_a", "_b"):
                mask = np.ones(len(column.slots), bool)
                for name, key in [(name, name + end) for name in ("run", "step", "layer") for end in ("", side)]:
                    if key in chosen:
                        values = {alias.get(str(v), v) for v in chosen[key]} if name == "layer" else set(chosen[key])
                        mask &= [
                            {"run": column.run, "step": s, "layer": layer}[name] in values for s, layer in column.slots
                        ]
                sides.append(mask)
            masks.append((sides[0], sides[1]))
        return masks


def open(path: str | Path) -> Results:
    """The results of the study in a folder, finished or not.

    Args:
        path: the folder that `vaescope run` or `train` wrote.

    Raises:
        UsageError: there is no study there.
        CorruptArtifact: its `study.json` is damaged.
    """
    return Results(path)


def _listed(value: object) -> list[Any]:
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
