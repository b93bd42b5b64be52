"""How often verdicts are right on simulated studies, and how often a claim at its threshold is called supported.

    python benchmarks/claims.py [--studies 200] [--processes 2] [--claims encoder_first ...] [--quick] [--calibrate]
        [--only clear|threshold|grids]

Prints three tables, for 3, 5 and 10 seeds: shares of studies in which the verdict is right, undecided or the opposite,
where the effect is clear; and the share called "supported" where the statistic lies exactly at its threshold, with all
controls and by the main reading alone; and, of claims about the lead, the same where snapshots are elsewhere or farther
apart, where neither word is right at the threshold. `--calibrate` finds where the threshold lies
(tests/stats/claims/cases.py).
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.stats.claims import simulated
from tests.stats.claims.cases import BOUNDARIES, CLEAR, GRIDS, LEADS, Case, boundary
from tests.stats.claims.simulated import simulate

from vaescope.stats.evidence import Evidence
from vaescope.stats.judge import judge
from vaescope.stats.judging.kept import kept
from vaescope.stats.judging.leading import CONTROLS, CORRECTED, RAW, lead_values

SEEDS = (3, 5, 10)
MANY = 40
BATCH = 20
QUICK = 4
ON_GRIDS = 5  # seeds
KINDS: tuple[str, ...] = ("supported", "undecided", "not supported")


def words(case: Case, seeds: int, numbers: Sequence[int]) -> list[tuple[str, str, str]]:
    """What simulated studies say: the verdict, the main reading, the reading without controls."""
    studies = [simulate(case.truth, seeds, number, case.of) for number in numbers]
    if case.of == LEADS:
        remember_leads(studies)
    found = [judge(study, [case.claim])[0] for study in studies]
    if len(studies) <= QUICK:
        again = [judge(simulate(case.truth, seeds, number, case.of), [case.claim])[0] for number in numbers]
        assert [(v.word, v.why) for v in again] == [(v.word, v.why) for v in found]
    return [(v.word, v.readings[0].word, v.plain.word) for v in found]


def remember_leads(studies: Sequence[Evidence]) -> None:
    """Compute the leads of the runs of many studies at once: they are a run's own, and tables have a cost of their own.

    `--quick` holds them against those of each study alone.
    """
    tables = {}
    for name in ("runs", "references", "wiring"):
        parts = [getattr(study, name) for study in studies]
        ids = [
            pd.Categorical(part["run"]).rename_categories(lambda run, k=k: f"{k}/{run}") for k, part in enumerate(parts)
        ]
        tables[name] = pd.concat(parts, ignore_index=True).assign(run=union_categoricals(ids))
    whole = replace(studies[0], **tables)
    for how in (RAW, CORRECTED, *CONTROLS):
        values = lead_values(whole, how)
        owner = values["run"].str.split("/", n=1, expand=True) if len(values) else pd.DataFrame({0: [], 1: []})
        for k, study in enumerate(studies):
            own = (owner[0] == str(k)).to_numpy()
            kept(study, ("lead", how), partial(values[own].assign, run=owner[1][own]))


def words_on(grid: str, case: Case, seeds: int, numbers: Sequence[int]) -> list[tuple[str, str, str]]:
    """The same of studies whose snapshots are those of a grid."""
    usual, simulated.STEPS = simulated.STEPS, np.array(GRIDS[grid])
    try:
        return words(case, seeds, numbers)
    finally:
        simulated.STEPS = usual


def shares(pool, case: Case, seeds: int, studies: int, grid: str = "") -> np.ndarray:
    """(3, 3): verdict, main reading, plain reading by supported, undecided, not supported."""
    batches = [range(first, min(first + BATCH, studies)) for first in range(0, studies, BATCH)]
    asked = partial(words_on, grid) if grid else words
    found = [said for batch in pool.map(partial(asked, case, seeds), batches) for said in batch]
    return np.array([[np.mean([f[k] == kind for f in found]) for kind in KINDS] for k in range(3)])


def on_grids(pool, claims, studies: int) -> None:
    """Print the table of claims about the lead on other grids."""
    chosen = [c for c in claims if BOUNDARIES[c][-1] == LEADS and c != "fully_connected"]
    clear = [c for c in CLEAR if c.claim in chosen and c.right != "undecided" and not c.title.startswith("together")]
    print(
        f"\nSnapshots elsewhere, of {studies} studies of {ON_GRIDS} seeds. At the threshold: supported; not supported,"
    )
    print("in brackets by the main reading alone. Else right / undecided / wrong")
    columns = [*(f"{c}, threshold" for c in chosen), *(f"{c.claim}: {c.title}" for c in clear)]
    print("| snapshots | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for grid in GRIDS:
        cells = []
        for claim in chosen:
            verdict, main, _ = 100 * shares(pool, boundary(claim), ON_GRIDS, studies, grid)
            cells.append(f"{verdict[0]:.0f}; {verdict[2]:.0f} ({main[0]:.0f}; {main[2]:.0f})")
        for case in clear:
            by = dict(zip(KINDS, 100 * shares(pool, case, ON_GRIDS, studies, grid)[0], strict=True))
            wrong = 100 - by[case.right] - by["undecided"]
            cells.append(f"{by[case.right]:.0f} / {by['undecided']:.0f} / {abs(wrong):.0f}")
        print(f"| {grid} | " + " | ".join(cells) + " |", flush=True)


def estimated(case: Case, reading: str, number: int) -> float:
    """The statistic in a study of very many seeds."""
    verdict = judge(simulate(case.truth, MANY, number, case.of), [case.claim])[0]
    return next(r.estimate for r in verdict.readings if r.name == reading)


def calibrate(pool, claims) -> None:
    """Bisect for the number at which a claim's statistic is at its threshold."""
    for claim in claims:
        _, name, (low, high), reading, _ = BOUNDARIES[claim]
        threshold = judge(simulate(boundary(claim, low).truth, 3, 0), [claim])[0].readings[0].threshold

        def excess(number, claim=claim, reading=reading, threshold=threshold):
            case = boundary(claim, number)
            return float(np.mean(list(pool.map(partial(estimated, case, reading), range(1000, 1012))))) - threshold

        ends = excess(low), excess(high)
        for _ in range(12 if low < high else 0):
            share = np.clip(ends[0] / (ends[0] - ends[1]), 0.1, 0.9)  # along the chord, but never a tiny step
            middle = low + share * (high - low)
            value = excess(middle)
            low, high, ends = (
                (middle, high, (value, ends[1])) if (value > 0) == (ends[0] > 0) else (low, middle, (ends[0], value))
            )
            if abs(value) < 0.001:
                break
        nearest = low if abs(ends[0]) < abs(ends[1]) else high
        print(f'    "{claim}": {nearest:.3f},  # {name}; off by {min(ends, key=abs):+.4f}', flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--claims", nargs="*", default=list(BOUNDARIES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--only", choices=["clear", "threshold", "grids"])
    asked = parser.parse_args()
    studies, sizes = (QUICK, SEEDS[:1]) if asked.quick else (asked.studies, SEEDS)
    with ProcessPoolExecutor(asked.processes) as pool:
        if asked.calibrate:
            calibrate(pool, asked.claims)
            return
        if asked.only in (None, "grids"):
            on_grids(pool, asked.claims, studies)
        if asked.only in (None, "threshold"):
            print(
                f'Called "supported" at the threshold, of {studies} studies (the controls allowed; main reading alone)'
            )
            print("| claim | " + " | ".join(f"{s} seeds" for s in sizes) + " |\n|---|" + "---|" * len(sizes))
            for claim in asked.claims:
                found = [shares(pool, boundary(claim), seeds, studies) for seeds in sizes]
                cells = [f"{100 * f[0, 0]:.1f} %; {100 * f[1, 0]:.1f} %" for f in found]
                print(f"| {claim} | " + " | ".join(cells) + " |", flush=True)
        if asked.only in (None, "clear"):
            print(f"\nRight / undecided / wrong where the effect is clear, of {studies} studies; and plain as foreseen")
            print(
                "| claim | truth | right | "
                + " | ".join(f"{s} seeds" for s in sizes)
                + " |\n|---|---|---|"
                + "---|" * len(sizes)
            )
            for case in (c for c in CLEAR if c.claim in asked.claims):
                cells = []
                for seeds in sizes:
                    verdict, _, plain = shares(pool, case, seeds, studies)
                    by = dict(zip(KINDS, verdict, strict=True))
                    right = by[case.right]
                    undecided = 0.0 if case.right == "undecided" else by["undecided"]
                    cell = " / ".join(f"{100 * x:.0f}" for x in (right, undecided, max(0.0, 1 - right - undecided)))
                    if case.plain:
                        cell += f"; plain {case.plain} {100 * dict(zip(KINDS, plain, strict=True))[case.plain]:.0f}"
                    cells.append(cell)
                print(f"| {case.claim} | {case.title} | {case.right} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
