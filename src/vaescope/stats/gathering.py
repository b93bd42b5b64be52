"""From the folder of a study to the tables that claims and figures are made of."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vaescope.stats import evidence as schema
from vaescope.stats import matched
from vaescope.stats.census import Census
from vaescope.stats.course import EXAMPLES
from vaescope.stats.evidence import Evidence
from vaescope.stats.halves import halved
from vaescope.stats.measure import MEASURES, Reason

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.study import Run, Study
    from vaescope.stats.results import Results

MOST_RUNS = 120  # of one dataset and network that are compared at their ends: whole settings, evenly chosen

# pandas is imported where it is used: finding the measures imports every file of this folder.


def main_similarity(study: "Study") -> str:
    """The measure by which claims are judged: debiased CKA if the study has it, else its first similarity.

    "" where it has distances only.
    """
    there = {name: MEASURES.get(name) for name in study.measures}
    known = [name for name, measure in there.items() if measure is not None and measure.larger_is_more_similar]
    return "cka" if "cka" in known else known[0] if known else ""


def evidence_of(results: "Results") -> Evidence:
    """All that the claims of a study are judged by, as far as it is there."""
    measure = main_similarity(results.study)

    def by_measure(name: str, columns: Sequence[str]) -> "pd.DataFrame":
        found = results.examined(name)
        return _columns(found[found["measure"].astype(str) == measure], columns)

    return Evidence(
        study=results.study.name,
        measure=measure,
        steps=results.study.steps,
        runs=runs_of(results),
        references=_of_the_study(results, measure, by_measure("references", schema.REFERENCES)),
        wiring=by_measure("wiring", schema.WIRING),
        untrained=by_measure("untrained", schema.UNTRAINED),
        readings=_columns(results.examined("readings"), schema.READINGS),
        shapes=_columns(results.examined("shapes"), schema.SHAPES),
        abroad=by_measure("abroad", schema.ABROAD),
        ends=ends_of(results, measure),
        latents=_columns(results.examined("latents"), schema.LATENTS),
        posterior=_columns(results.examined("posterior"), schema.POSTERIOR),
        disentanglement=_columns(results.examined("disentanglement"), schema.DISENTANGLEMENT),
        last={run.id: run.snapshots[-1] for run in results.folder.runs if run.recorded is not None},
    )


def runs_of(results: "Results") -> "pd.DataFrame":
    """The runs that reached their last snapshot, and how they differ: the columns of `evidence.RUNS`."""
    import pandas as pd

    study, there = results.study, results.snapshot_steps
    rows = []
    for run in results.folder.runs:
        if run.snapshots[-1] not in there[run.id]:
            continue
        dataset, network = study.called(run)
        strength = run.setting.removeprefix(run.objective).strip()
        setting = ", ".join([dataset, network, run.setting])
        rows.append(
            (run.id, dataset, network, run.objective, strength or "none", strength_of(study, run), setting, run.seed)
        )
    return pd.DataFrame(rows, columns=list(schema.RUNS))


def strength_of(study: "Study", run: "Run") -> float:
    """The number that says how strongly the objective of a run regularises.

    The value of the one option that the study varies for this objective, or, where it varies none, of its only numeric
    option; NaN where there is none, there are several, or the one has no number in this run.
    """
    varied = [k for k, v in study.objectives[run.objective].items() if isinstance(v, list) and len(v) > 1]
    numeric = [k for k, v in run.options.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    chosen = varied or numeric
    return float(cast(Any, run.options[chosen[0]])) if len(chosen) == 1 and chosen[0] in numeric else float("nan")


def ends_of(results: "Results", measure: str) -> "pd.DataFrame":
    """How alike the same layer of two runs is at their ends, for pairs of runs on one dataset with one network.

    Returns:
        run_a, run_b, layer, part, score, floor, as `Evidence.ends`; of more than `MOST_RUNS` runs of a kind, all pairs
        of the runs of some settings, evenly chosen.
    """
    import pandas as pd

    if not measure:
        return pd.DataFrame(columns=list(schema.ENDS))
    study, folder, read = results.study, results.folder, results.blocks(measure)
    parts = {run.id: results.parts_of(run.id) for run in folder.runs}
    slots = {run.id: {slot: k for k, slot in enumerate(results.slots_of(i))} for i, run in enumerate(folder.runs)}
    tables: list[tuple[np.ndarray, ...]] = []
    heads: list[tuple[str, str, tuple[str, ...]]] = []
    for i, j in _pairs(study, folder.runs):
        a, b = folder.runs[i], folder.runs[j]
        shared = tuple(layer for layer in parts[a.id] if layer in parts[b.id])
        block = read(i, j)
        end_a, end_b, start_a, start_b = (
            np.array([slots[run.id].get((step, layer), -1) for layer in shared])
            for run, step in ((a, a.snapshots[-1]), (b, b.snapshots[-1]), (a, 0), (b, 0))
        )
        ok = np.where(block.reason == Reason.OK, block.score, np.nan)
        score = _picked(ok, end_a, end_b)
        if np.isnan(score).all():
            continue
        crossed = np.stack([_picked(ok, start_a, end_b), _picked(ok, end_a, start_b)])
        known = ~np.isnan(crossed)
        floor = np.where(known.any(0), np.where(known, crossed, 0).sum(0) / np.maximum(known.sum(0), 1), np.nan)
        heads.append((a.id, b.id, shared))
        tables.append((score, floor))
    rows = [
        (a, b, layer, parts[a][layer], score, floor)
        for (a, b, layers), (scores, floors) in zip(heads, tables, strict=True)
        for layer, score, floor in zip(layers, scores.tolist(), floors.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(schema.ENDS))


def own_scores(results: "Results") -> "pd.DataFrame":
    """Similarity of each layer at each snapshot to itself at the end of its run: what `convergence.curves` takes."""
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    names = [name for name in results.study.measures if MEASURES[name].larger_is_more_similar]
    readers = {name: results.blocks(name) for name in names}
    there = results.snapshot_steps
    for i, run in enumerate(results.folder.runs):
        end = run.snapshots[-1]
        if end not in there[run.id]:
            continue
        parts, place = results.parts_of(run.id), {slot: k for k, slot in enumerate(results.slots_of(i))}
        for name in names:
            block = readers[name](i, i)
            if (block.reason == Reason.NOT_COMPUTED).all():
                continue
            rows += [
                (name, run.id, layer, part, step, float(block.score[min(k, z), max(k, z)]))
                for layer, part in parts.items()
                for step in there[run.id]
                for k, z in [(place[step, layer], place[end, layer])]
            ]
    rows.sort(key=lambda row: names.index(row[0]))
    return pd.DataFrame(rows, columns=["measure", "run", "layer", "part", "step", "score"]).astype(
        {"score": float, "step": int}
    )


def differing_scores(results: "Results", what: matched.What, measure: str, step: int | None) -> "pd.DataFrame":
    """What `Results.differing` says."""
    read, runs = results.blocks(measure), results.folder.runs
    places = [{slot: k for k, slot in enumerate(results.slots_of(i))} for i in range(len(runs))]
    rows: list[tuple[Any, ...]] = []
    for i, j in matched.matched(runs, what):
        at = [runs[side].snapshots[-1] if step is None else step for side in (i, j)]  # recorded runs end where they end
        block = read(i, j)
        names = [matched.value(runs[side], what) for side in (i, j)]
        head = measure, what, *results.study.called(runs[i]), runs[i].id, runs[j].id, *names
        for layer, part in results.parts_of(runs[i].id).items():
            ends = [places[side].get((end, layer)) for side, end in zip((i, j), at, strict=True)]
            if ends[0] is None or ends[1] is None:
                continue
            score, reason = block.score[ends[0], ends[1]], Reason(int(block.reason[ends[0], ends[1]])).label
            rows.append((*head, matched.shared_setting(runs[i], what), layer, part, at[0], score, reason))
    return matched.frame(rows)


def _picked(block: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The scores at these places, NaN where a place is -1."""
    return np.where((rows >= 0) & (columns >= 0), block[rows, columns], np.nan)


def _pairs(study: "Study", runs: "Sequence[Run]") -> list[tuple[int, int]]:
    """Pairs of runs on one dataset with one network: all pairs of the runs of as many settings as there is room for."""
    kinds: dict[tuple[str, str], dict[str, list[int]]] = {}
    for i, run in enumerate(runs):
        kinds.setdefault(study.called(run), {}).setdefault(run.setting, []).append(i)
    pairs: list[tuple[int, int]] = []
    for settings in kinds.values():
        members = list(settings.values())
        room = max(2, MOST_RUNS * len(members) // sum(map(len, members)))
        if len(members) > room:
            members = [members[round(k * (len(members) - 1) / (room - 1))] for k in range(room)]
        pairs += combinations(sorted(i for found in members for i in found), 2)
    return sorted(pairs)


def _of_the_study(results: "Results", measure: str, references: "pd.DataFrame") -> "pd.DataFrame":
    """The curves with the study's own scores, of all its examples, where curves were followed on fewer.

    Draw -1 becomes the study's score. What halves of the fewer examples are off by is shrunk to what halves of all
    would be off by, since variance goes with 1 / n, and set around it. Cells that the study has not compared stay.
    """
    import pandas as pd

    choice = results.study.measures.get(measure)
    if choice is None or not len(references):
        return references
    all_, fewer = choice.n or results.study.probe.n, halved(measure, min(results.study.probe.n, EXAMPLES), 0).examples
    if all_ <= fewer:
        return references
    keys = ["run", "layer", "step", "reference"]
    full = references[references["draw"] == -1]
    cells = pd.MultiIndex.from_frame(full[keys].astype({"run": str, "layer": str, "reference": str}))
    known = pd.Series(_study_scores(results, measure, full), index=cells)
    followed = pd.Series(full["score"].to_numpy(np.float64), index=cells)
    rows = cells.get_indexer(
        pd.MultiIndex.from_frame(references[keys].astype({"run": str, "layer": str, "reference": str}))
    )
    score = references["score"].to_numpy(np.float64)
    there, base = (np.where(rows >= 0, found.to_numpy()[rows], np.nan) for found in (known, followed))
    better = there + (score - base) * np.sqrt(fewer / all_)
    return references.assign(score=np.where(np.isnan(better), score, better))


def _study_scores(results: "Results", measure: str, cells: "pd.DataFrame") -> np.ndarray:
    """The study's score of each cell of the curves, NaN where it has none."""
    read, runs = results.blocks(measure), results.folder.runs
    numbers = {run.id: i for i, run in enumerate(runs)}
    places = [{slot: k for k, slot in enumerate(results.slots_of(i))} for i in range(len(runs))]
    there = {run: dict(zip(steps[1:], steps, strict=False)) for run, steps in results.snapshot_steps.items()}
    found = np.full(len(cells), np.nan)
    names = [cells[name].astype(str).to_numpy() for name in ("run", "layer", "reference", "against")]
    order = np.lexsort((names[3], names[0]))
    pair, block = (-1, -1), None
    for row, run, layer, reference, against, step in zip(
        order.tolist(), *(n[order].tolist() for n in names), cells["step"].to_numpy()[order].tolist(), strict=True
    ):
        i = numbers[run]
        j = numbers[against] if reference == "other" else i
        if (min(i, j), max(i, j)) != pair:
            pair = (min(i, j), max(i, j))
            block = read(*pair)
        at = {"start": 0, "previous": there[run].get(step, -1)}.get(reference, runs[j].snapshots[-1])
        a, b = places[i].get((step, layer), -1), places[j].get((at, layer), -1)
        if a < 0 or b < 0 or block is None:
            continue
        a, b = (min(a, b), max(a, b)) if i == j else (a, b) if i < j else (b, a)
        if block.reason[a, b] == Reason.OK:
            found[row] = block.score[a, b]
    return found


def twins_of(results: "Results") -> list[str]:
    """What `Results.twins` says."""
    study = results.study
    groups = Census(results.folder).twins()
    counts = Counter(tuple(sorted({study.setting_of(run) for run in group})) for group in groups)
    return [
        f"{' and '.join(settings)} end with the same weights, bit for bit, in {count} seed(s): one training each, "
        "counted once for every setting."
        for settings, count in counts.items()
    ]


def _columns(frame: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """These columns, empty ones where the table has them not."""
    return frame.reindex(columns=list(columns)).reset_index(drop=True)
