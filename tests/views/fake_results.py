"""Results as `vaescope.open` gives them, from made-up numbers: encoder layers settle early, decoder layers late."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tests.views.fake_examined import COLUMNS, evidence_of, table_of

from vaescope.runs.study import Run, Study
from vaescope.stats import convergence, matched
from vaescope.stats.evidence import Evidence

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
class FakeBlock:
    score: np.ndarray


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
        are_examined: whether `vaescope examine` has been there.
    """

    study: Study = field(default_factory=study)
    diverged: int | None = None
    without: tuple[str, ...] = ()
    snapshots: int | None = None
    first: int = 0
    are_examined: bool = True

    def __post_init__(self) -> None:
        self.path = Path("fake")
        self.folder = FakeFolder(self.study.runs())
        self.ids = [run.id for run in self.folder.runs]
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
            step = np.array(sorted({*range(0, last + 1, 50), *self.made[run.id]}), int)
            beta = float(run.options.get("beta", 1))
            reconstruction = 60 + 2780 * np.exp(-step / 90) + 2 * np.sin(step + run.seed)
            kl = (18 - beta / 4) * (1 - np.exp(-step / 150))
            terms = {"reconstruction": reconstruction, "kl": kl, "regularisation": beta * kl}
            rows.append(pd.DataFrame({"run": run.id, "step": step, "loss": reconstruction + beta * kl} | terms))
        return pd.concat(rows, ignore_index=True)

    @property
    def latents(self) -> pd.DataFrame:
        rows = []
        for run in self.folder.runs:
            step, latent = (axis.ravel() for axis in np.meshgrid(self.made[run.id], range(run.latents), indexing="ij"))
            kl = np.maximum(0.0, 3.2 - 0.5 * latent) * (1 - np.exp(-step / 150))
            rows.append(pd.DataFrame({"run": run.id, "step": step.astype(int), "latent": latent.astype(int), "kl": kl}))
        return pd.concat(rows, ignore_index=True)

    @property
    def snapshot_steps(self) -> dict[str, tuple[int, ...]]:
        return self.made

    def differing(self, what: matched.What, measure: str | None = None) -> pd.DataFrame:
        measure = measure or next(iter(self.study.measures))
        rows = []
        for i, j in matched.matched(self.folder.runs, what):
            a, b = self.folder.runs[i], self.folder.runs[j]
            ends = np.diagonal(self.between(measure, i, j)[-len(DISTINCT) :, -len(DISTINCT) :])
            there = a.snapshots[-1] in self.made[self.ids[i]] and b.snapshots[-1] in self.made[self.ids[j]]
            head = (measure, what, a.dataset, a.network, self.ids[i], self.ids[j])
            head += (matched.value(a, what), matched.value(b, what), matched.shared_setting(a, what))
            for (layer, part), score in zip(DISTINCT, ends, strict=True):
                rows.append((*head, layer, part, a.steps, float(score) if there else math.nan, ""))
        return matched.frame(rows)

    def scores(self, measure: str, only=None) -> tuple[pd.DataFrame, np.ndarray]:
        index, matrix = self.everything(measure)
        if only is None:
            return index, matrix
        kept = [step in only.get(run, ()) for run, step in zip(index.run, index.step, strict=True)]
        return index[kept].reset_index(drop=True), matrix[np.ix_(kept, kept)]

    def everything(self, measure: str) -> tuple[pd.DataFrame, np.ndarray]:
        """All representations that are there, and the scores of each with each."""
        runs = range(len(self.folder.runs))
        there = [[k for k, (step, _) in enumerate(self.slots_of(i)) if step in self.made[self.ids[i]]] for i in runs]
        index = [(self.ids[i], *self.slots_of(i)[k]) for i in runs for k in there[i]]
        rows = [np.hstack([self.between(measure, i, j)[there[i]][:, there[j]] for j in runs]) for i in runs]
        return pd.DataFrame(index, columns=["run", "step", "layer"]), np.vstack(rows)

    def slots_of(self, i: int) -> tuple[tuple[int, str], ...]:
        return tuple((step, layer) for step in self.folder.runs[i].snapshots for layer, _ in DISTINCT)

    def blocks(self, measure: str):
        """The upper triangle of a run with itself, as the store has it; NaN where there is no snapshot."""

        def read(i: int, j: int) -> FakeBlock:
            score = self.between(measure, i, j)
            for place, run in ((np.s_[:, None], i), (np.s_[None], j)):
                score = np.where(self._there(run)[place], score, np.nan)
            return FakeBlock(np.where(np.tri(len(score), k=-1) > 0, np.nan, score) if i == j else score)

        return read

    def between(self, measure: str, i: int, j: int) -> np.ndarray:
        """The scores of all planned representations of run i with those of run j."""
        (depth, floor, learned, step), (depth_b, floor_b, learned_b, step_b) = self._grown(i), self._grown(j)
        if measure in self.without:
            return np.full((len(depth), len(depth_b)), np.nan, np.float32)
        near = np.exp(-np.abs(depth[:, None] - depth_b) * 0.22)
        both = np.sqrt(floor[:, None] * floor_b)
        grown = both + (1 - both) * (1 - np.abs(learned[:, None] - learned_b))
        other = (1.0 if i == j else 0.93) - 0.02 * (near < 0.1)
        score = near * grown * other - 0.03 * (near < 0.08)
        score = score + 0.03 * (1 - score) * self._noise(i, j, len(score))
        if i == j:
            np.fill_diagonal(score, 1)
        if self.study.measures[measure].pairs == "needed":
            same = (step[:, None] == step_b) & (i == j)
            score[~(same | (depth[:, None] == depth_b))] = np.nan
        return score.astype(np.float32)

    def _noise(self, i: int, j: int, size: int) -> np.ndarray:
        """The same for (j, i), turned: no two runs are quite alike, which is what makes a page large."""
        noise = np.random.default_rng([min(i, j), max(i, j)]).uniform(-1, 1, (size, size)).astype(np.float32)
        noise = noise if i <= j else noise.T
        return np.triu(noise) + np.triu(noise, 1).T if i == j else noise

    def _there(self, i: int) -> np.ndarray:
        return np.repeat(np.isin(self.folder.runs[i].snapshots, self.made[self.ids[i]]), len(DISTINCT))

    def _grown(self, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Depth, floor, what is learned, and step of each planned representation of a run."""
        run = self.folder.runs[i]
        step = np.repeat(np.array(run.snapshots, float), len(DISTINCT))
        depth = np.tile(np.arange(len(DISTINCT), dtype=float), len(run.snapshots))
        parts = [part for _, part in DISTINCT]
        pace, floor = (np.tile([table[part] for part in parts], len(run.snapshots)) for table in (PACE, FLOOR))
        pace = pace * (1 + 0.02 * depth + 0.05 * (run.seed + 0.6 * (i % 4)))
        time = np.log1p(step) / np.log1p(run.steps)
        learned = np.where(pace == 0, 1, np.clip(time / np.maximum(pace, 1e-9), 0, 1) ** 2)
        floor = np.where(np.tile(np.array(parts) == "input", len(run.snapshots)), floor, floor - 0.012 * depth)
        return depth, floor, learned, step

    def examined(self, name: str) -> pd.DataFrame:
        return table_of(self, name) if self.are_examined else pd.DataFrame(columns=COLUMNS[name])

    def twins(self) -> list[str]:
        return []

    def evidence(self) -> Evidence:
        return evidence_of(self)

    def parts_of(self, run: str) -> dict[str, str]:
        return dict(DISTINCT)

    @property
    def curves(self) -> pd.DataFrame:
        tables = []
        layers, parts = zip(*DISTINCT, strict=True)
        for measure in self.study.measures:
            for i, run in enumerate(self.folder.runs):
                if measure in self.without or self.made[run.id][-1:] != run.snapshots[-1:]:
                    continue
                made = np.isin(run.snapshots, self.made[run.id])
                score = self.to_end(measure, i)
                step = np.broadcast_to(np.array(run.snapshots)[made], (len(DISTINCT), made.sum()))
                tables.append((measure, run.id, step, score[made].T))
        count = [step.shape[1] for _, _, step, _ in tables]
        return convergence.curves(
            pd.DataFrame(
                {
                    "measure": np.repeat([t[0] for t in tables], np.multiply(count, len(DISTINCT)).astype(int)),
                    "run": np.repeat([t[1] for t in tables], np.multiply(count, len(DISTINCT)).astype(int)),
                    "layer": [layer for c in count for layer in layers for _ in range(c)],
                    "part": [part for c in count for part in parts for _ in range(c)],
                    "step": np.concatenate([np.zeros(0, int), *(t[2].ravel() for t in tables)]),
                    "score": np.concatenate([np.zeros(0), *(t[3].ravel() for t in tables)]),
                }
            )
        )

    def to_end(self, measure: str, i: int) -> np.ndarray:
        """Similarity of each layer at each planned snapshot to itself at the end, (step, layer)."""
        run, count = self.folder.runs[i], len(DISTINCT)
        score = self.between(measure, i, i)[:, -count:].reshape(len(run.snapshots), count, count)
        return score[:, np.arange(count), np.arange(count)].astype(float)

    @property
    def settling(self) -> pd.DataFrame:
        return convergence.settling(self.curves)

    @property
    def lead(self) -> pd.DataFrame:
        return convergence.lead(self.settling)
