"""Simulated studies in which the truth is known, as evidence.

A layer is the probe set (n, d) with its dimensions scaled: x * s. Training moves log s from where it starts to where it
ends, along a logistic of log2(step + 1) whose midpoint is the layer's time. Encoders scale the inputs; the codes are
scaled inputs too; decoders scale the codes they are fed with, so that a decoder fed by its own encoder sees codes that
move. Scores are debiased CKA of these representations, exactly: with a = s^2 and b = t^2, the U-centred inner product
of x * s and x * t is a' M b for a matrix M of the centred probe set (Song et al. 2012, equation 5), so that a study
takes milliseconds; `test_claims.py` holds it against the library's measure.

Samples are codes beside noise in dimensions of its own, for the same reason.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from vaescope.stats.evidence import (
    ABROAD,
    DISENTANGLEMENT,
    ENDS,
    LATENTS,
    POSTERIOR,
    READINGS,
    REFERENCES,
    RUNS,
    SHAPES,
    UNTRAINED,
    WIRING,
    Evidence,
)

N, D, LATENT_SIZE = 400, 10, 10
STEPS = np.array([0, *(2**k for k in range(13))])
HALVES = 3
ENCODER, LATENT, DECODER = ("encoder.1", "encoder.2", "encoder.3"), ("mean", "log_var"), ("decoder.1", "decoder.2")
LAYERS = {**dict.fromkeys(ENCODER, "encoder"), **dict.fromkeys(LATENT, "latent"), **dict.fromkeys(DECODER, "decoder")}
MIDPOINT, WIDTH = 5.0, 0.7  # of the encoder's logistic, in doublings
NOT_SIMULATED = {"untrained": UNTRAINED, "latents": LATENTS, "disentanglement": DISENTANGLEMENT}
PATTERNS = np.random.default_rng([2205, 8399]).standard_normal((40, D))


@dataclass(frozen=True)
class Truth:
    """What is true of the studies.

    Attributes:
        lead: by how many doublings decoders are later than encoders.
        lead_last: the same in the last setting, if it is another.
        encoder_change, code_change, decoder_change: how far training moves log s; little leaves a high floor.
        time_noise: standard deviation over runs of each part's time, in doublings.
        scale_noise: of log s at the end, over runs.
        seed_groups: of what all runs of a seed share in log s at the end of encoder.3.
        encoder_depends: how far apart strengths end, in log s of encoder.1.
        latent_depends: the same of the layer mean; log_var is twice as far.
        dataset_depends: how far apart datasets end, in log s of the decoder; of the encoder `encoder_dataset`.
        actives: active latents at each strength, the mean over runs.
        gauge_off, gauge_noise: what is added to CKA(mean, sampled), and its standard deviation.
        excess: what Procrustes gives by chance where examples are few.
        probe: which probe set all studies share; each has its own if it is -1.
        objectives, strengths, datasets, networks: of the grid.
    """

    lead: float = 0.0
    lead_last: float | None = None
    encoder_change: float = 1.0
    code_change: float = 0.2
    decoder_change: float = 1.0
    time_noise: float = 0.3
    scale_noise: float = 0.1
    seed_groups: float = 0.0
    encoder_depends: float = 0.0
    latent_depends: float = 0.0
    dataset_depends: float = 0.0
    encoder_dataset: float = 0.0
    actives: tuple[float, ...] = (8.0, 8.0)
    gauge_off: float = 0.0
    gauge_noise: float = 0.02
    excess: float = 0.0
    probe: int = -1
    objectives: tuple[str, ...] = ("beta_vae", "beta_tc_vae")
    strengths: tuple[float, ...] = (1.0, 4.0)
    datasets: tuple[str, ...] = ("one",)
    networks: tuple[str, ...] = ("conv",)


class Probe:
    """Debiased CKA of scaled columns of a matrix, by squares of the scales."""

    def __init__(self, x):
        x = x - x.mean(axis=0)
        n, gram, squares = len(x), x.T @ x, x**2
        norms = squares.sum(axis=0)
        among = squares.T @ squares
        self.m = gram**2 - (1 + 2 / (n - 2)) * among + np.outer(norms, norms) / ((n - 1) * (n - 2))

    def cka(self, a, b):
        """Over the last axis of squares of scales, broadcast."""
        self_a, self_b = (np.einsum("...i,ij,...j->...", s, self.m, s) for s in (a, b))
        cross = np.einsum("...i,ij,...j->...", a, self.m, b)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cross / np.sqrt(self_a * self_b)

    def all_pairs(self, a, b):
        """(r, d), (s, d) -> (r, s)."""
        return (a @ self.m @ b.T) / np.sqrt(self.cka_norm(a)[:, None] * self.cka_norm(b))

    def cka_norm(self, a):
        return np.einsum("...i,ij,...j->...", a, self.m, a)


def progress(midpoint):
    """(r,) midpoints -> (r, t) shares of the way at each snapshot, 0 at step 0 and 1 at the end."""
    time = np.log2(STEPS + 1.0)
    way = 1 / (1 + np.exp(-(time - midpoint[:, None]) / WIDTH))
    way = way - way[:, :1]
    return way / way[:, -1:]


def simulate(truth: Truth, seeds: int, seed: int, of: tuple[str, ...] = ("leads", "pairs", "latents", "chance")):
    """A study of so many seeds, as `Evidence`; with those of its tables that are asked for."""
    rng = np.random.default_rng([seed, seeds, 5])
    runs = grid(truth, seeds)
    examples = np.random.default_rng([truth.probe, 3]) if truth.probe >= 0 else rng
    x, noise, codes = examples.standard_normal((3, N, D))
    halves = [np.arange(N), *(np.sort(rng.permutation(N)[: N // 2]) for _ in range(HALVES))]
    scales, ways = movements(truth, runs, rng)
    squares = {  # layer -> (r, t, d)
        layer: np.exp(
            2 * (start + ways["decoder" if LAYERS[layer] == "decoder" else "encoder"][..., None] * (end - start))
        )
        for layer, (start, end) in scales.items()
    }
    own = {layer: squares[layer] for layer in DECODER}
    squares |= {layer: own[layer] * squares["mean"] for layer in DECODER}
    probes, noisy, prior = ([Probe(z[rows]) for rows in halves] for z in (x, np.concatenate([x, noise], axis=1), codes))
    tables = {
        "references": pd.DataFrame(columns=list(REFERENCES)),
        "wiring": pd.DataFrame(columns=list(WIRING)),
        "ends": pd.DataFrame(columns=list(ENDS)),
        "abroad": pd.DataFrame(columns=list(ABROAD)),
        "posterior": pd.DataFrame(columns=list(POSTERIOR)),
        "readings": pd.DataFrame(columns=list(READINGS)),
        "shapes": pd.DataFrame(columns=list(SHAPES)),
    }
    if "leads" in of:
        tables |= courses(runs, squares, own, probes, noisy, prior)
    if "pairs" in of:
        tables |= {"ends": ends(runs, squares, probes[0]), "abroad": abroad(runs, squares, probes[0])}
    if "latents" in of:
        tables["posterior"] = final_posterior(truth, runs, noisy[0], rng)
    if "chance" in of:
        ids = runs["run"].tolist()
        tables |= {"readings": chance_readings(truth, ids, rng), "shapes": shapes(ids)}
    nothing = {name: pd.DataFrame(columns=list(c)) for name, c in NOT_SIMULATED.items()}
    return Evidence("simulated", "cka", int(STEPS[-1]), runs, **tables, **nothing)


def courses(runs, squares, own, probes, noisy, prior):
    """The curves towards the ends of runs, and of decoders fed otherwise; draw -1 and then halves."""
    other = [next_seed(runs, i) for i in range(len(runs))]
    seeds = runs["seed"].nunique()
    references, wiring = [], []
    for layer, s in squares.items():
        if LAYERS[layer] == "latent":
            continue
        for draw, probe in enumerate(probes, -1):
            references.append((layer, "final", draw, probe.cka(s, s[:, -1:])))
            if seeds > 1:
                references.append((layer, "other", draw, probe.cka(s, s[other][:, -1:])))
    for layer, s in own.items():
        fed = {
            "final_encoder": (probes, s * squares["mean"][:, -1:]),
            "fixed_code": (probes, s),
            "prior": (prior, s),
            "sampled": (noisy, np.concatenate([s * squares["mean"], 0.3 * s], axis=-1)),
        }
        for control, (chosen, feed) in fed.items():
            wiring += [(layer, control, draw, p.cka(feed, feed[:, -1:])) for draw, p in enumerate(chosen, -1)]
    ids = runs["run"].tolist()
    return {
        "references": long_table(references, "reference", ids).assign(against="")[list(REFERENCES)],
        "wiring": long_table(wiring, "control", ids)[list(WIRING)],
    }


def grid(truth, seeds):
    rows = []
    for dataset, network, objective, strength, seed in product(
        truth.datasets, truth.networks, truth.objectives, truth.strengths, range(seeds)
    ):
        setting = f"{dataset}, {network}, {objective} beta={strength:g}"
        run = f"{dataset}-{network}-{objective}-{strength:g}-seed{seed}"
        rows.append((run, dataset, network, objective, f"beta={strength:g}", strength, setting, seed))
    return pd.DataFrame(rows, columns=list(RUNS))


def movements(truth, runs, rng):
    """Where log s of each layer starts and ends, (r, 1, d), and how far each part is at each snapshot, (r, t)."""
    count = len(runs)
    setting, dataset, strength = (
        runs[c].astype("category").cat.codes.to_numpy() for c in ("setting", "dataset", "strength_value")
    )
    grouped = rng.standard_normal((runs["seed"].max() + 1, D))[runs["seed"]]
    changes = {"encoder": truth.encoder_change, "latent": truth.code_change, "decoder": truth.decoder_change}
    depends = {"encoder.1": truth.encoder_depends, "mean": truth.latent_depends, "log_var": 2 * truth.latent_depends}
    elsewhere = {"encoder": truth.encoder_dataset, "latent": 0.0, "decoder": truth.dataset_depends}
    groups = {"encoder.3": truth.seed_groups}
    scales = {}
    for k, (layer, part) in enumerate(LAYERS.items()):
        end = changes[part] * PATTERNS[k] + depends.get(layer, 0.0) * PATTERNS[10 + strength]
        end = end + elsewhere[part] * PATTERNS[20 + dataset] + groups.get(layer, 0.0) * grouped
        if changes[part] > 0:
            end = end + truth.scale_noise * rng.standard_normal((count, D))
        scales[layer] = np.zeros((1, 1, D)), np.broadcast_to(end, (count, D))[:, None]
    lead = np.full(count, truth.lead)
    if truth.lead_last is not None:
        lead[setting == setting[-1]] = truth.lead_last
    early, late = (truth.time_noise * rng.standard_normal(count) for _ in range(2))
    return scales, {"encoder": progress(MIDPOINT + early), "decoder": progress(MIDPOINT + lead + late)}


def next_seed(runs, i):
    same = runs.index[runs["setting"] == runs["setting"][i]].tolist()
    return same[(same.index(i) + 1) % len(same)]


def long_table(blocks, kind, ids):
    """Blocks of (layer, kind, draw, (r, t)) as a tidy table, its words categories as in tables from disk."""
    count, snapshots = blocks[0][3].shape
    size = count * snapshots

    def words(values, codes):
        return pd.Categorical.from_codes(codes, categories=values)

    def of_blocks(place, values):
        return np.repeat([values.index(b[place]) for b in blocks], size)

    layers, kinds, parts = list(LAYERS), sorted({b[1] for b in blocks}), sorted(set(LAYERS.values()))
    layer = of_blocks(0, layers)
    table = {
        "run": words(ids, np.tile(np.repeat(np.arange(count), snapshots), len(blocks))),
        "measure": words(["cka"], np.zeros(len(layer), int)),
        "layer": words(layers, layer),
        "part": words(parts, np.array([parts.index(LAYERS[name]) for name in layers])[layer]),
        "step": np.tile(STEPS, count * len(blocks)),
        kind: words(kinds, of_blocks(1, kinds)),
        "draw": np.repeat([b[2] for b in blocks], size),
        "score": np.concatenate([b[3].ravel() for b in blocks]),
    }
    return pd.DataFrame(table)


def ends(runs, squares, probe):
    kind = (runs["dataset"] + runs["network"]).to_numpy()
    a, b = np.triu_indices(len(runs), 1)
    a, b = a[kind[a] == kind[b]], b[kind[a] == kind[b]]
    ids, parts = runs["run"].to_numpy(), []
    for layer, s in squares.items():
        crossed = probe.all_pairs(s[:, 0], s[:, -1])
        rows = {"run_a": ids[a], "run_b": ids[b], "layer": layer, "part": LAYERS[layer]}
        rows |= {"score": probe.all_pairs(s[:, -1], s[:, -1])[a, b], "floor": (crossed[a, b] + crossed[b, a]) / 2}
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)[list(ENDS)]


def abroad(runs, squares, probe):
    ids, datasets = runs["run"].to_numpy(), runs["dataset"].to_numpy()
    alike = (runs["network"] + runs["objective"] + runs["strength"] + runs["seed"].astype(str)).to_numpy()
    a, b = np.nonzero((alike[:, None] == alike) & (datasets[:, None] != datasets))
    parts = []
    for layer, s in squares.items():
        rows = {"run": ids[a], "measure": "cka", "dataset_b": datasets[b], "run_b": ids[b], "layer": layer}
        parts.append(pd.DataFrame(rows | {"part": LAYERS[layer], "score": probe.cka(s[a, -1], s[b, -1])}))
    return pd.concat(parts, ignore_index=True)[list(ABROAD)]


def final_posterior(truth, runs, noisy, rng):
    """Whole numbers of active latents around what the strength leaves; the others are noise in the samples."""
    place = runs["strength_value"].map({s: k for k, s in enumerate(truth.strengths)}).to_numpy()
    wanted = np.array(truth.actives)[place] + 0.6 * rng.standard_normal(len(runs))
    active = np.clip(np.rint(wanted), 0, LATENT_SIZE).astype(int)
    on = np.arange(LATENT_SIZE) < active[:, None]
    mean = np.concatenate([on, np.zeros_like(on)], axis=1).astype(float)
    sampled = np.concatenate([on, ~on], axis=1).astype(float)
    measured = noisy.cka(mean, sampled) + truth.gauge_off + truth.gauge_noise * rng.standard_normal(len(runs))
    table = pd.DataFrame({"run": runs["run"], "step": int(STEPS[-1]), "active": active, "mixed": 0})
    table["passive"] = LATENT_SIZE - active
    table["mean_sampled"], table["gauge"] = measured, np.sqrt(active / LATENT_SIZE)
    return table.reindex(columns=list(POSTERIOR))


def chance_readings(truth, ids, rng):
    rows = []
    for run in ids:
        more = 0.03 * rng.standard_normal()
        for layer, step in product(("encoder.1", "decoder.2", "mean"), (0, 64)):
            few = layer != "mean"
            noise = 0.01 * rng.standard_normal(2)
            null = (truth.excess + more if few else 0.02) + noise[0]
            rows.append(
                (run, "procrustes", layer, LAYERS[layer], step, N, 0.7 + max(null, 0.0), null, 0.01, np.nan, np.nan)
            )
            rows.append((run, "cka", layer, LAYERS[layer], step, N, 0.7, noise[1], 0.01, np.nan, np.nan))
        rows.append((run, "cka", "mean", "latent", int(STEPS[-1]), N, 1.0, 0.0, 0.01, np.nan, np.nan))
        rows.append((run, "procrustes", "mean", "latent", int(STEPS[-1]), N, 1.0, 0.1, 0.01, np.nan, np.nan))
    return pd.DataFrame(rows, columns=list(READINGS))


def shapes(ids):
    rows = [
        (run, layer, LAYERS[layer], step, N, D, 2.0 if layer == "mean" else 80.0, 1.0, False, 0.01)
        for run in ids
        for layer in ("encoder.1", "decoder.2", "mean")
        for step in (0, 64, int(STEPS[-1]))
    ]
    return pd.DataFrame(rows, columns=list(SHAPES))
