"""Results as `vaescope.open` gives them, from made-up numbers: encoder layers settle early, decoder layers late."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from vaescope.runs.study import Run, Study
from vaescope.stats import convergence, matched

LAYERS = [
    ("input", "input", 4096, ""),
    ("encoder.1", "encoder", 32768, ""),
    ("encoder.2", "encoder", 8192, ""),
    ("encoder.3", "encoder", 4096, ""),
    ("encoder.4", "encoder", 1024, ""),
    ("encoder.5", "encoder", 1024, "encoder.4"),
    ("encoder.6", "encoder", 256, ""),
    ("mean", "latent", 10, ""),
    ("log_var", "latent", 10, ""),
    ("sampled", "latent", 10, ""),
    ("decoder.1", "decoder", 256, ""),
    ("decoder.2", "decoder", 1024, ""),
    ("decoder.3", "decoder", 4096, ""),
    ("decoder.4", "decoder", 8192, ""),
    ("decoder.5", "decoder", 32768, ""),
    ("decoder.6", "decoder", 4096, ""),
]
DISTINCT = [(name, part) for name, part, _, same in LAYERS if not same]
FLOOR = {"input": 1.0, "encoder": 0.78, "latent": 0.42, "decoder": 0.31}
PACE = {"input": 0.0, "encoder": 0.3, "latent": 0.5, "decoder": 0.75}


def study(**changes) -> Study:
    """The quickstart's grid of four runs, with `changes`."""
    keys = {
        "name": "quickstart",
        "datasets": ["dsprites"],
        "networks": ["conv"],
        "objectives": {"beta_vae": {"beta": [1, 8]}},
        "seeds": 2,
        "steps": 700,
        "optimiser": {"lr": 1e-3},
        "measures": {"cka": {"pairs": "all"}, "procrustes": {"pairs": "needed", "n": 256}},
    }
    return Study.model_validate(keys | changes)


@dataclass
class FakePictures:
    """Originals, reconstructions (k, c, h, w), traversals (latents, values, c, h, w); uint8."""

    originals: np.ndarray
    reconstructions: np.ndarray
    traversals: np.ndarray
    values: tuple[float, ...] = (-2.0, 2.0)


def fake_pictures(folder: object, run: Run, step: int) -> FakePictures:
    """Blobs that grow sharper with the steps."""
    rng = np.random.default_rng(run.seed)
    y, x = np.mgrid[:64, :64]
    sharp = 0.06 + 0.6 * math.log1p(step) / math.log1p(run.steps)

    def blob(cx: float, cy: float, r: float, k: float) -> np.ndarray:
        return (255 / (1 + np.exp(k * (np.hypot(x - cx, y - cy) - r)))).astype(np.uint8)[None]

    places = [(rng.uniform(16, 48), rng.uniform(16, 48), rng.uniform(6, 13)) for _ in range(8)]
    walk = [
        [blob(32 + (i - 3) * j, 32 + (i - 3) * (j % 3), 9 + j / 3, sharp) for i in range(7)] for j in range(run.latents)
    ]
    return FakePictures(
        np.stack([blob(*p, 6.0) for p in places]), np.stack([blob(*p, sharp) for p in places]), np.array(walk)
    )


@dataclass
class FakeFolder:
    runs: tuple[Run, ...]
    path: Path = Path("fake")


@dataclass
class FakeResults:
    """The attributes of `vaescope.stats.results.Results` that the report reads.

    Args:
        diverged: position of a run that stops at its fourth snapshot with NaN.
        without: measures of the study that were not computed at all.
        snapshots: how many snapshots each run has so far (None: all planned).
        first: no snapshot is kept before this step.
    """

    study: Study = field(default_factory=study)
    diverged: int | None = None
    without: tuple[str, ...] = ()
    snapshots: int | None = None
    first: int = 0

    def __post_init__(self) -> None:
        self.path = Path("fake")
        self.folder = FakeFolder(self.study.runs())
        self.made = {
            run.id: tuple(s for s in run.snapshots if s >= self.first)[: 4 if i == self.diverged else self.snapshots]
            for i, run in enumerate(self.folder.runs)
        }

    @property
    def runs(self) -> pd.DataFrame:
        rows = []
        for i, run in enumerate(self.folder.runs):
            made = self.made[run.id]
            state = "diverged" if i == self.diverged else "done" if made[-1:] == run.snapshots[-1:] else "running"
            rows.append(
                {"run": run.id, "dataset": run.dataset, "network": run.network, "objective": run.objective}
                | run.options
                | {"seed": run.seed, "state": state, "step": made[-1] if made else 0}
                | {"reason": "loss is nan" if state == "diverged" else "", "snapshots": len(made)}
            )
        return pd.DataFrame(rows)

    @property
    def layers(self) -> pd.DataFrame:
        kinds = dict.fromkeys((run.network, run.dataset) for run in self.folder.runs)
        rows = [(*layer, i, *kind) for kind in kinds for i, layer in enumerate(LAYERS)]
        frame = pd.DataFrame(rows, columns=["layer", "part", "features", "same_as", "order", "network", "dataset"])
        return frame[["layer", "part", "order", "features", "same_as", "network", "dataset"]]

    @property
    def losses(self) -> pd.DataFrame:
        rows = []
        for run in self.folder.runs:
            last = max(self.made[run.id], default=-1)
            for step in sorted({*range(0, last + 1, 50), *self.made[run.id]}):
                reconstruction = 60 + 2780 * math.exp(-step / 90) + 2 * math.sin(step + run.seed)
                kl = (18 - float(run.options.get("beta", 1))) * (1 - math.exp(-step / 150))
                beta = float(run.options.get("beta", 1))
                rows.append((run.id, step, reconstruction + beta * kl, reconstruction, kl, beta * kl))
        return pd.DataFrame(rows, columns=["run", "step", "loss", "reconstruction", "kl", "regularisation"])

    @property
    def latents(self) -> pd.DataFrame:
        rows = [
            (run.id, step, latent, max(0.0, 3.2 - 0.5 * latent) * (1 - math.exp(-step / 150)))
            for run in self.folder.runs
            for step in self.made[run.id]
            for latent in range(run.latents)
        ]
        return pd.DataFrame(rows, columns=["run", "step", "latent", "kl"])

    @property
    def snapshot_steps(self) -> dict[str, tuple[int, ...]]:
        return self.made

    def differing(self, what: matched.What, measure: str | None = None) -> pd.DataFrame:
        index, matrix = self.scores(measure or next(iter(self.study.measures)))
        at = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
        rows = []
        for i, j in matched.matched(self.folder.runs, what):
            a, b = self.folder.runs[i], self.folder.runs[j]
            shared = matched.shared_setting(a, what)
            for layer, part in DISTINCT:
                ends = [at.get((run.id, run.steps, layer)) for run in (a, b)]
                score = math.nan if None in ends else float(matrix[ends[0], ends[1]])
                head = (measure, what, a.dataset, a.network, a.id, b.id, matched.value(a, what), matched.value(b, what))
                rows.append((*head, shared, layer, part, a.steps, score, ""))
        return matched.frame(rows)

    def scores(self, measure: str, only=None) -> tuple[pd.DataFrame, np.ndarray]:
        index, matrix = self.everything(measure)
        if only is None:
            return index, matrix
        kept = [step in only.get(run, ()) for run, step in zip(index.run, index.step, strict=True)]
        return index[kept].reset_index(drop=True), matrix[np.ix_(kept, kept)]

    def everything(self, measure: str) -> tuple[pd.DataFrame, np.ndarray]:
        rows = [
            (run.id, step, layer) for run in self.folder.runs for step in self.made[run.id] for layer, _ in DISTINCT
        ]
        index = pd.DataFrame(rows, columns=["run", "step", "layer"])
        if measure in self.without:
            return index, np.full((len(rows), len(rows)), np.nan, np.float32)
        where = {layer: i for i, (layer, _) in enumerate(DISTINCT)}
        part = index.layer.map(dict(DISTINCT))
        last = {run.id: run.steps for run in self.folder.runs}
        depth = index.layer.map(where).to_numpy(float)
        seeds = {run.id: run.seed + 0.6 * i for i, run in enumerate(self.folder.runs)}
        pace = part.map(PACE).to_numpy(float) * (1 + 0.02 * depth + 0.05 * index.run.map(seeds).to_numpy(float))
        time = np.log1p(index.step.to_numpy(float)) / np.log1p(index.run.map(last).to_numpy(float))
        learned = np.where(pace == 0, 1, np.clip(time / np.maximum(pace, 1e-9), 0, 1) ** 2)
        floor = part.map(FLOOR).to_numpy(float) - 0.012 * depth * (part != "input").to_numpy()
        near = np.exp(-np.abs(depth[:, None] - depth) * 0.22)
        both = np.sqrt(floor[:, None] * floor)
        grown = both + (1 - both) * (1 - np.abs(learned[:, None] - learned))
        run = index.run.to_numpy()
        other = np.where(run[:, None] == run, 1.0, 0.93) - 0.02 * (near < 0.1)
        score = near * grown * other - 0.03 * (near < 0.08)
        np.fill_diagonal(score, 1)
        if self.study.measures[measure].pairs == "needed":
            step, layer = index.step.to_numpy(), index.layer.to_numpy()
            same = (run[:, None] == run) & (step[:, None] == step)
            score[~(same | (layer[:, None] == layer))] = np.nan
        return index, score.astype(np.float32)

    @property
    def curves(self) -> pd.DataFrame:
        rows = []
        for measure in self.study.measures:
            if measure in self.without:
                continue
            index, matrix = self.scores(measure)
            at = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
            for run in self.folder.runs:
                if self.made[run.id][-1:] != run.snapshots[-1:]:
                    continue
                for layer, part in DISTINCT:
                    end = at[run.id, run.steps, layer]
                    floor = float(matrix[at[run.id, 0, layer], end]) if not self.first else math.nan
                    for step in self.made[run.id]:
                        score = float(matrix[at[run.id, step, layer], end])
                        corrected = (score - floor) / (1 - floor) if floor < 1 else math.nan  # also without a floor
                        rows.append((measure, run.id, layer, part, step, score, floor, corrected))
        names = ["measure", "run", "layer", "part", "step", "score", "floor", "corrected"]
        return pd.DataFrame(rows, columns=names)

    @property
    def settling(self) -> pd.DataFrame:
        return convergence.settling(self.curves)

    @property
    def lead(self) -> pd.DataFrame:
        return convergence.lead(self.settling)
