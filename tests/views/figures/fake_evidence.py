"""Evidence of a study that was never run: encoder layers settle early, decoder layers late; results that have it."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd

from vaescope.stats.claim import Reading, Verdict
from vaescope.stats.evidence import Evidence

LAYERS = {f"encoder.{k}": "encoder" for k in (1, 2, 3, 4, 6)}
LAYERS |= {"mean": "latent", "log_var": "latent", "sampled": "latent"}
LAYERS |= {f"decoder.{k}": "decoder" for k in range(1, 7)}
PACE = {"encoder": 20.0, "latent": 120.0, "decoder": 600.0}
FLOOR = {"encoder": 0.7, "latent": 0.4, "decoder": 0.2}
STRENGTHS = {"beta_vae": [1, 4, 8], "annealed_vae": [5, 25, 75]}
KEYS = {"beta_vae": "beta", "annealed_vae": "c_max"}
STEPS = (0, 1, 10, 100, 1000, 3000)
CONTROLS = ("final_encoder", "moving_encoder", "fixed_code", "prior", "sampled")


def fake_evidence(datasets=("dsprites",), seeds=3, steps=STEPS, draws=2, strengths=None) -> Evidence:
    """All tables, made from one rule and a little noise."""
    rng = np.random.default_rng([2205, seeds])
    runs = _runs(datasets, seeds, strengths or STRENGTHS)
    at = np.array(steps)
    references, wiring, untrained, latents, posterior, scores = [], [], [], [], [], []
    for run in runs.itertuples():
        for place, (layer, part) in enumerate(LAYERS.items()):
            pace = PACE[part] * 2 ** rng.normal(0, 0.2) * (1 + 0.05 * place)
            for draw in range(-1, draws):
                grown = np.log1p(at / pace) / np.log1p(at[-1] / pace)
                value = FLOOR[part] + (1 - FLOOR[part]) * grown - rng.uniform(0, 0.01) * (at < at[-1])
                for kind, score in (("final", value), ("start", 1 - grown * 0.6), ("other", value * 0.8)):
                    against = "" if kind != "other" else "another"
                    references += [
                        (run.run, "cka", layer, part, s, kind, against, draw, v) for s, v in zip(at, score, strict=True)
                    ]
                previous = [(s, 0.8 + 0.1 * k / len(at)) for k, s in enumerate(at) if k]
                references += [(run.run, "cka", layer, part, s, "previous", "", draw, v) for s, v in previous]
                if part == "decoder":
                    for number, control in enumerate(CONTROLS):
                        found = np.clip(value + 0.05 * number * (1 - grown), 0, 1)
                        wiring += [
                            (run.run, "cka", control, layer, part, s, draw, v) for s, v in zip(at, found, strict=True)
                        ]
            untrained.append((run.run, "cka", "untrained", 0, layer, part, FLOOR[part] - 0.05))
            if part == "decoder":
                untrained.append((run.run, "cka", "untrained_fed", 0, layer, part, FLOOR[part] + 0.1))
        for number, step in enumerate(steps):
            active = min(10, 2 * number) - run.strength_value // 30
            active = int(max(active, 0))
            mixed, alike = int(active < 10), np.sqrt(active / 10)
            kinds = {"active": active, "mixed": mixed, "passive": 10 - active - mixed}
            measured = alike * rng.uniform(0.95, 1)
            same = {"mean_sampled": measured, "gauge": alike, "expected_mean_sampled": measured}
            posterior.append({"run": run.run, "step": step, **kinds, **same})
            latent = {"run": run.run, "step": step, "kind": "active", "variance": 0.1, "kl": 1.0, "active_unit": True}
            latents += [latent | {"latent": k} for k in range(10)]
            for codes, share in (("mean", 1.0), ("sampled", 0.9)):
                scores += [(run.run, step, n, c, share * v * number / 10) for n, v in SCORES.items() for c in (codes,)]
    from vaescope.stats import evidence as schema

    def frame(rows, names):
        return pd.DataFrame(rows, columns=list(names))

    return Evidence(
        study="made up",
        measure="cka",
        steps=steps[-1],
        runs=runs,
        references=frame(references, schema.REFERENCES),
        wiring=frame(wiring, schema.WIRING),
        untrained=frame(untrained, schema.UNTRAINED),
        readings=frame([], schema.READINGS),
        shapes=frame([], schema.SHAPES),
        abroad=frame(_abroad(runs), schema.ABROAD),
        ends=_ends(runs, rng),
        latents=pd.DataFrame(latents).reindex(columns=list(schema.LATENTS)),
        posterior=pd.DataFrame(posterior).reindex(columns=list(schema.POSTERIOR)),
        disentanglement=frame([(r, s, c, n, v) for r, s, n, c, v in scores], schema.DISENTANGLEMENT),
    )


SCORES = {"mig": 0.4, "sap": 0.3, "dci_disentanglement": 0.7, "beta_vae_score": 1.5, "factor_vae_score": 1.2}


def _runs(datasets, seeds, strengths) -> pd.DataFrame:
    rows = []
    for dataset in datasets:
        for objective, values in strengths.items():
            for value in values:
                for seed in range(seeds):
                    strength = f"{KEYS.get(objective, 'x')}={value}"
                    setting = f"{dataset}, conv, {objective} {strength}"
                    run = f"{dataset}-{objective}-{value}-{seed}"
                    rows.append((run, dataset, "conv", objective, strength, float(value), setting, seed))
    from vaescope.stats.evidence import RUNS

    return pd.DataFrame(rows, columns=list(RUNS))


def _abroad(runs) -> list[tuple]:
    rows = []
    for a in runs.itertuples():
        for b in runs.itertuples():
            if a.dataset != b.dataset and a.run.partition("-")[2] == b.run.partition("-")[2]:
                drop = {"encoder": 0.1, "latent": 0.4, "decoder": 0.5}
                rows += [(a.run, "cka", b.dataset, b.run, x, part, 0.9 - drop[part]) for x, part in LAYERS.items()]
    return rows


def _ends(runs, rng) -> pd.DataFrame:
    from vaescope.stats.evidence import ENDS

    rows, all_ = [], list(runs.itertuples())
    for i, a in enumerate(all_):
        for b in all_[i + 1 :]:
            if a.dataset != b.dataset:
                continue
            for layer, part in LAYERS.items():
                loss = 0.02 * (a.seed != b.seed) + (0.2 if part == "latent" else 0.03) * (a.strength != b.strength)
                loss += 0.05 * (a.objective != b.objective)
                rows.append((a.run, b.run, layer, part, 0.95 - loss - rng.uniform(0, 0.01), FLOOR[part]))
    return pd.DataFrame(rows, columns=list(ENDS))


def verdicts() -> tuple[Verdict, ...]:
    """Two claims with readings of every kind."""

    def reading(name, word, estimate, low, high, p=0.01):
        title = name.replace("_", " ")
        return Reading(
            name, title, estimate, low, high, 0.0, word, 18, 3, p, "" if word != "undecided" else "few seeds"
        )

    first = Verdict(
        "encoder_first",
        "undecided",
        reading("raw", "supported", 2.1, 1.2, 3.0),
        (
            reading("floor_corrected", "not supported", -0.1, -0.4, 0.2),
            reading("final_encoder", "undecided", 0.3, -0.8, 1.4),
            reading("prior", "undecided", float("nan"), float("nan"), float("nan")),
        ),
        "One sees it only where nothing is controlled.",
    )
    second = Verdict(
        "collapse_gauge",
        "supported",
        reading("raw", "supported", 0.9, 0.8, 1.0),
        (reading("latents", "supported", 0.8, 0.7, 0.9),),
        "So it is.",
    )
    return first, second


@dataclass
class FakeResults:
    """As much of `Results` as figures made of evidence read."""

    found: Evidence = field(default_factory=fake_evidence)
    claims: tuple[Verdict, ...] = field(default_factory=verdicts)

    def evidence(self) -> Evidence:
        return self.found

    @property
    def folder(self):
        return SimpleNamespace(runs=())  # nobody else trained any

    @property
    def curves(self) -> pd.DataFrame:
        return pd.DataFrame(columns=["measure", "run", "layer", "part", "step", "score", "floor", "corrected"])

    @property
    def study(self):
        return SimpleNamespace(name=self.found.study, steps=self.found.steps, measures={"cka": None}, latents=10)
