"""A trained study without training: snapshots are a few bytes, representations are drawn from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from vaescope.models.network import Layer
from vaescope.progress import Progress
from vaescope.runs import extract
from vaescope.runs.inputs import probe_key
from vaescope.runs.manifest import Artifact, Manifest
from vaescope.runs.store import StudyFolder, put_json
from vaescope.runs.study import Run, Study

LAYERS = (
    Layer("input", "input", 40),
    Layer("encoder.1", "encoder", 60),
    Layer("encoder.2", "encoder", 60, "encoder.1"),
    Layer("mean", "latent", 3),
    Layer("decoder.1", "decoder", 20),
)
DISTINCT = tuple(layer for layer in LAYERS if not layer.same_as)
N = 24


@dataclass
class World:
    """What the fake extract gives, and what was asked of it."""

    asked: list[tuple[str, int]] = field(default_factory=list)
    spoiled: dict[tuple[str, int, str], np.ndarray] = field(default_factory=dict)
    layers: dict[str, tuple[Layer, ...]] = field(default_factory=dict)

    def layers_of(self, run: Run) -> tuple[Layer, ...]:
        return self.layers.get(run.network, LAYERS)

    def representation(self, folder: StudyFolder, run: Run, step: int, layer: str, p: int) -> np.ndarray:
        given = self.spoiled.get((run.id, step, layer))
        if given is not None:
            return given
        n = folder.study.probe.n
        data = np.random.default_rng(len(run.dataset)).standard_normal((n, 40), dtype=np.float32)
        if layer == "input":
            return data
        version = folder.run(run.id).manifest().snapshots[step].sha256
        rng = np.random.default_rng([*version.encode(), *layer.encode()])
        return np.tanh(data @ rng.standard_normal((40, p), dtype=np.float32)) + np.float32(1 / (1 + step))

    def representations(
        self, folder: StudyFolder, run: Run, step: int, progress: Progress | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        self.asked.append((run.id, step))
        for layer in self.layers_of(run):
            if not layer.same_as:
                yield layer.name, self.representation(folder, run, step, layer.name, layer.features)


def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(extract, "layers", made.layers_of)
    monkeypatch.setattr(extract, "distinct_layers", lambda run: tuple(x for x in made.layers_of(run) if not x.same_as))
    monkeypatch.setattr(extract, "representations", made.representations)
    return made


def study(**changes) -> Study:
    keys = {
        "name": "fake",
        "objectives": {"beta_vae": {"beta": [1, 8]}},
        "seeds": 2,
        "steps": 9,
        "snapshots": [0, 3, 9],
        "probe": {"n": N},
        "measures": {
            "cka": {"pairs": "all"},
            "cka_biased": {"pairs": "needed"},
            "procrustes": {"pairs": "needed", "n": 16},
        },
    }
    return Study.model_validate(keys | changes)


def trained(path: Path, state: str = "done", **changes) -> StudyFolder:
    folder = StudyFolder.create(path, study(**changes))
    probes = {probe_key(run): {"sha256": run.dataset, "indices": list(range(N))} for run in folder.runs}
    put_json(path / "probe.json", {"format_version": 1, "datasets": probes})
    for run in folder.runs:
        finish(folder, run, state)
    return folder


def finish(
    folder: StudyFolder, run: Run, state: str = "done", steps: tuple[int, ...] | None = None, version: str = ""
) -> None:
    steps = run.snapshots if steps is None else steps
    snapshots = {s: Artifact(f"step-{s}", 1, f"{run.id} {s} {version}") for s in steps}
    folder.run(run.id).save(Manifest(state, max(steps, default=0), "" if state == "done" else "nan", snapshots))
