"""What `vaescope examine` would have found in made-up results: tables by the columns of `vaescope.stats.evidence`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vaescope.stats import evidence as schema
from vaescope.stats.evidence import Evidence

NAMES = ("references", "wiring", "untrained", "readings", "shapes", "abroad", "latents", "posterior", "disentanglement")
COLUMNS = {name: getattr(schema, name.upper()) for name in NAMES}
DRAWS = 8
NOISE = 0.01
PASSIVE = 3
"""Latents that no image moves, from the snapshot at which they die."""


def frame(codes: dict[str, tuple[np.ndarray, Sequence[Any]]], **values: np.ndarray) -> pd.DataFrame:
    """Columns of few words as categories, as they come from Parquet, and columns of numbers."""
    made = {name: pd.Categorical.from_codes(at, list(words)) for name, (at, words) in codes.items()}
    return pd.DataFrame(made | values)


def ended(results: Any) -> list[int]:
    """Runs that reached their last snapshot."""
    return [i for i, run in enumerate(results.folder.runs) if results.made[run.id][-1:] == run.snapshots[-1:]]


def table_of(results: Any, name: str) -> pd.DataFrame:
    """One table of all runs that have ended."""
    runs = [i for i in ended(results) if not results.first]
    return pd.DataFrame(columns=COLUMNS[name]) if not runs else MADE[name](results, runs)[list(COLUMNS[name])]


def _layered(results: Any, runs: list[int], measures: Sequence[str], words: dict[str, tuple[str, ...]], draws: int):
    """Codes of a table with a row for every run, measure, other word, layer, step and draw; and the shape of all."""
    from tests.views.fake_results import DISTINCT

    steps = results.folder.runs[0].snapshots
    kinds = [len(found) for found in words.values()]
    shape = (len(runs), len(measures), *kinds, len(DISTINCT), len(steps), draws)
    at = [axis.ravel() for axis in np.indices(shape, np.int32)]
    codes = {"run": (at[0], [results.ids[i] for i in runs]), "measure": (at[1], measures)}
    codes |= {name: (at[2 + k], found) for k, (name, found) in enumerate(words.items())}
    parts = list(dict.fromkeys(part for _, part in DISTINCT))
    of = np.array([parts.index(part) for _, part in DISTINCT])
    codes |= {"layer": (at[-3], [layer for layer, _ in DISTINCT]), "part": (of[at[-3]], parts)}
    return codes, np.array(steps)[at[-2]], at[-1] - 1, shape


def _measures(results: Any) -> list[str]:
    return [name for name in results.study.measures if name not in results.without and name in ("cka", "procrustes")]


def _to_end(results: Any, runs: list[int], measures: Sequence[str]) -> np.ndarray:
    """(run, measure, layer, step)."""
    return np.array([[results.to_end(name, i).T for name in measures] for i in runs])


def references(results: Any, runs: list[int]) -> pd.DataFrame:
    measures, kinds = _measures(results), ("final", "previous", "start", "other")
    codes, step, draw, shape = _layered(results, runs, measures, {"reference": kinds}, DRAWS + 1)
    final = _to_end(results, runs, measures)
    previous = 1 - np.abs(np.diff(final, axis=-1, prepend=np.nan))
    found = np.stack([final, previous, final[..., ::-1], 0.9 * final], 2)
    noise = NOISE * np.random.default_rng(0).standard_normal(shape[-1]) * (np.arange(shape[-1]) > 0)
    score = (found[..., None] + noise * (1 - found[..., None])).ravel()
    against = (np.zeros(len(score), np.int8), [""])
    return frame(codes | {"against": against}, step=step, draw=draw, score=score)


def wiring(results: Any, runs: list[int]) -> pd.DataFrame:
    from tests.views.fake_results import DISTINCT

    measures, controls = _measures(results), ("final_encoder", "moving_encoder", "fixed_code", "prior", "sampled")
    codes, step, draw, _ = _layered(results, runs, measures, {"control": controls}, 1)
    final = _to_end(results, runs, measures)
    found = np.stack([final ** (1 + k / 4) for k in range(len(controls))], 2)
    table = frame(codes, step=step, draw=draw, score=found.ravel())
    return table[table["layer"].isin([layer for layer, part in DISTINCT if part == "decoder"])].reset_index(drop=True)


def untrained(results: Any, runs: list[int]) -> pd.DataFrame:
    measures = _measures(results)
    codes, step, _, _ = _layered(results, runs, measures, {"control": ("untrained", "untrained_fed")}, 3)
    found = np.repeat(np.repeat(_to_end(results, runs, measures)[:, :, None], 2, 2)[..., None], 3, -1)
    table = frame(codes, step=step, network=np.tile(np.arange(3), len(step) // 3), score=found.ravel())
    return table[table["step"] == 0].drop(columns="step").reset_index(drop=True)


def readings(results: Any, runs: list[int]) -> pd.DataFrame:
    measures = _measures(results)
    codes, step, _, _ = _layered(results, runs, measures, {}, 1)
    score = _to_end(results, runs, measures).ravel()
    null = 0.05 * np.ones_like(score)
    chance = {"null_mean": null, "null_sd": null / 5, "p": np.where(score > 0.1, 1e-4, 0.5)}
    return frame(codes, step=step, n=np.full(len(score), 400), score=score, **chance, calibrated=(score - null) / 0.95)


def shapes(results: Any, runs: list[int]) -> pd.DataFrame:
    codes, step, _, _ = _layered(results, runs, [""], {}, 1)
    count, layer = len(step), codes["layer"][0]
    values = {"features": np.full(count, 10), "participation": 1.0 + 40.0 / (1 + layer), "variance": 1.0 + layer}
    dead = (layer == 12) & (step == 0)
    table = frame(codes, step=step, n=np.full(count, 400), **values, dead=dead, top_share=np.full(count, 0.03))
    return table.drop(columns="measure")


def abroad(results: Any, runs: list[int]) -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS["abroad"])


def latents(results: Any, runs: list[int]) -> pd.DataFrame:
    first = results.folder.runs[0]
    steps, count = np.array(first.snapshots), first.latents
    run, time, latent = (axis.ravel() for axis in np.indices((len(runs), len(steps), count)))
    dead = (latent < PASSIVE) | (steps[time] == 0)
    variance = np.where(dead, 1.0, 0.05)
    return frame(
        {"run": (run, [results.ids[i] for i in runs]), "kind": (np.where(dead, 0, 2), ["passive", "mixed", "active"])},
        **{"step": steps[time], "latent": latent, "variance": variance, "variance_spread": 0.01 * variance},
        **{"mean_variance": 1 - variance, "kl": np.where(dead, 0.0, 3.0), "active_unit": ~dead},
        information=np.where(dead, 0.0, 0.5 * np.log1p((1 - variance) / variance)),
    )


def posterior(results: Any, runs: list[int]) -> pd.DataFrame:
    first = results.folder.runs[0]
    steps, count = np.array(first.snapshots), first.latents
    run, time = (axis.ravel() for axis in np.indices((len(runs), len(steps))))
    active = np.where(steps[time] == 0, 0, max(0, count - PASSIVE))
    whole = {"active": active, "mixed": 0 * active, "passive": count - active, "active_units": active}
    nats = {
        "kl": 3.0 * active,
        "mutual_information": 2.5 * active,
        "marginal_kl": 0.4 * active,
        "total_correlation": 0.1,
    }
    gauge = np.sqrt(active / count)
    ids = {"run": (run, [results.ids[i] for i in runs])}
    return frame(
        ids,
        step=steps[time],
        **whole,
        **nats,
        mean_sampled=0.98 * gauge,
        gauge=gauge,
        expected_mean_sampled=0.97 * gauge,
    )


def disentanglement(results: Any, runs: list[int]) -> pd.DataFrame:
    scores, codes = ("mig", "sap", "dci_disentanglement", "factor_vae_score"), ("mean", "sampled")
    steps = np.array(results.folder.runs[0].snapshots)
    run, time, code, score = (axis.ravel() for axis in np.indices((len(runs), len(steps), 2, len(scores))))
    value = 0.1 * (1 + score) * np.log1p(steps[time]) / math.log1p(steps[-1]) - 0.02 * code
    words = {"run": (run, [results.ids[i] for i in runs]), "codes": (code, codes), "score": (score, scores)}
    return frame(words, step=steps[time], value=value)


MADE = {name: globals()[name] for name in NAMES}


def evidence_of(results: Any) -> Evidence:
    """The same tables by the main measure, and those that need no examination."""
    from vaescope.stats.gathering import runs_of

    measure = "cka" if "cka" in results.study.measures else ""
    tables = {name: results.examined(name) for name in NAMES}
    for name in ("references", "wiring", "untrained", "abroad"):
        tables[name] = tables[name][(tables[name]["measure"] == measure).to_numpy(bool)].reset_index(drop=True)
    ends = ends_of(results, measure)
    return Evidence(results.study.name, measure, results.study.steps, runs_of(results), **tables, ends=ends)


def ends_of(results: Any, measure: str, most: int = 600) -> pd.DataFrame:
    """Some pairs of runs that have ended, those of one setting first."""
    from tests.views.fake_results import DISTINCT

    runs, count = results.folder.runs, len(DISTINCT)
    if not measure or measure in results.without:
        return pd.DataFrame(columns=list(schema.ENDS))
    there = ended(results)
    pairs = [(i, j) for i in there for j in there if i < j and runs[i].dataset == runs[j].dataset]
    pairs = sorted(pairs, key=lambda p: runs[p[0]].setting != runs[p[1]].setting)[:most]
    rows = []
    for i, j in pairs:
        whole = results.between(measure, i, j)
        score, floor = (np.diagonal(part) for part in (whole[-count:, -count:], whole[:count, -count:]))
        rows += [
            (results.ids[i], results.ids[j], layer, part, float(score[k]), float(floor[k]))
            for k, (layer, part) in enumerate(DISTINCT)
        ]
    return pd.DataFrame(rows, columns=list(schema.ENDS))
