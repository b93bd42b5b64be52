"""How alike runs are at their ends, by what they differ in, with intervals from leaving out seeds. Pure.

Pairs of runs are not independent: a run is in many of them, and runs of one seed start from the same weights. So scores
are added up by seed and seed, and the interval of whatever is computed from the sums is the jackknife's that leaves out
one seed, with all its pairs, at a time. Only pairs of different seeds are held against the seed-to-seed ceiling, since
those of one seed share their first weights.

Settings differ in how alike their seeds are. So pairs are held against what their own settings reach: ceiling and floor
count each setting as often as it is in the pairs, and pairs of settings that have no ceiling are left out.

References:
    Arvesen (1969), Jackknifing U-statistics. https://doi.org/10.1214/aoms/1177697287
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from vaescope.stats.certainty.intervals import jackknife
from vaescope.stats.dynamics.hierarchy import Estimate
from vaescope.stats.judging.deciding import At
from vaescope.stats.judging.kept import kept

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.evidence import Evidence

SAME_SETTING, STRENGTH, OBJECTIVE = "ceiling", "strength", "objective"
SAME_SEED, OTHER, FLOOR, ABROAD = "same_seed", "other", "floor", "abroad"
FEWEST_SEEDS = 3
LEAST_ROOM = 0.05
COLUMNS = ("dataset", "network", "seed", "setting", "objective", "strength")
WIDER = 1.2  # similarities near 1 are skewed: without it 8 % are called supported at a threshold, docs/claims.md


class SeedPairs:
    """Scores of pairs of runs, added up by kind of pair, settings, layer, and the seeds of both.

    Args:
        table: kind, layer (any label), part, setting_a, setting_b (numbers), seed_a, seed_b, score; NaN scores are left
            out.
        runs: how many runs have part in it.
        apart: pairs of objectives that have no strength in common, for people.
    """

    def __init__(self, table: "pd.DataFrame", runs: int, apart: tuple[str, ...] = ()) -> None:
        import pandas as pd

        layers = table[["layer", "part"]].drop_duplicates("layer")
        table = table.dropna(subset=["score"])
        self.layers: list[str] = layers["layer"].tolist()
        self.parts = np.array(layers["part"].tolist(), dtype=str)
        self.kinds: list[str] = sorted(set(table["kind"]))
        self.seeds: list[int] = sorted(set(table["seed_a"]) | set(table["seed_b"]))
        self.runs, self.apart = runs, apart
        first, second = (
            pd.Index(self.seeds).get_indexer(pd.Index(table[column])).astype(int) for column in ("seed_a", "seed_b")
        )
        settings = np.sort(table[["setting_a", "setting_b"]].to_numpy(int), axis=1)
        columns = [
            pd.Index(self.kinds).get_indexer(pd.Index(table["kind"])),
            *settings.T,
            pd.Index(self.layers).get_indexer(pd.Index(table["layer"])),
        ]
        self._cells, cell = np.unique(np.stack(columns, axis=1).astype(int), axis=0, return_inverse=True)
        cell, score = cell.reshape(-1), table["score"].to_numpy(float)
        self._total, self._count = (
            _by_seed(cell, first, second, weight, (len(self._cells), len(self.seeds)))
            for weight in (score, np.ones(len(score)))
        )
        self._place = {tuple(row): k for k, row in enumerate(self._cells.tolist())}
        self._places: dict[tuple[int, int | None], np.ndarray] = {}
        self._means: dict[int | None, Means] = {}

    def has(self, *kinds: str) -> bool:
        """Whether there are pairs of all these kinds."""
        return set(kinds) <= set(self.kinds)

    def means(self, without: int | None = None) -> "Means":
        """The means of all seeds or without the one at that place."""
        if without not in self._means:
            total, count = (
                a[:, -1] if without is None else a[:, -1] - a[:, without] for a in (self._total, self._count)
            )
            self._means[without] = Means(self, total, count)
        return self._means[without]

    def cells_of(self, kind: str) -> np.ndarray:
        """The places of the sums of a kind."""
        return np.flatnonzero(self._cells[:, 0] == self.kinds.index(kind)) if self.has(kind) else np.array([], int)

    def layers_of(self, cells: np.ndarray) -> np.ndarray:
        """The layer of each."""
        return self._cells[cells, 3]

    def beside(self, cells: np.ndarray, kind: str, side: int | None = None) -> np.ndarray:
        """The places of another kind with the same settings, or with one of them on both sides; -1 if there is none."""
        if not self.has(kind):
            return np.full(len(cells), -1)
        return self._beside(self.kinds.index(kind), side)[cells]

    def _beside(self, code: int, side: int | None) -> np.ndarray:
        if (code, side) not in self._places:
            found = np.empty(len(self._cells), int)
            for k, (_, *settings, layer) in enumerate(self._cells.tolist()):
                pair = settings if side is None else [settings[side]] * 2
                found[k] = self._place.get((code, *pair, layer), -1)
            self._places[code, side] = found
        return self._places[code, side]

    def estimates(self, statistic: Callable[["Means"], Float64[np.ndarray, " m"]]) -> list[At]:
        """Each number of a statistic of the means, at any level; without an interval for fewer than 3 seeds."""
        value = statistic(self.means())
        left_out = np.array([statistic(self.means(k)) for k in range(len(self.seeds))]).reshape(len(self.seeds), -1)
        return [self._at(float(v), left_out[:, i]) for i, v in enumerate(value)]

    def _at(self, value: float, left_out: np.ndarray) -> At:
        def estimate(level: float) -> Estimate:
            if len(left_out) < FEWEST_SEEDS or np.isnan(left_out).any():
                return Estimate(value, np.nan, np.nan, level, np.nan, len(left_out), self.runs)
            found = jackknife(value, left_out, level)
            low, high = (value + WIDER * (float(end) - value) for end in (found.low, found.high))
            return Estimate(value, low, high, level, np.nan, len(left_out), self.runs)

        return estimate


class Means:
    """Mean scores in each layer, NaN where there are none.

    Args:
        pairs: whose sums they are of.
        total: of each cell.
        count: of each cell.
    """

    def __init__(self, pairs: SeedPairs, total: np.ndarray, count: np.ndarray) -> None:
        self._pairs, self._count = pairs, np.rint(count)
        self._mean = np.append(total / np.where(self._count > 0, self._count, np.nan), np.nan)  # place -1: none

    def __getitem__(self, kind: str) -> np.ndarray:
        """Of all pairs of a kind."""
        cells = self._pairs.cells_of(kind)
        return self._over(cells, self._mean[cells])

    def ceiling(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """The score of pairs whose settings have a ceiling, and that ceiling."""
        score, ceiling, _ = self._held(kind, False)
        return score, ceiling

    def room(self, kind: str) -> np.ndarray:
        """The ceiling of such pairs less their floor."""
        _, ceiling, floor = self._held(kind, True)
        return ceiling - floor

    def position(self, kind: str) -> np.ndarray:
        """Where pairs of a kind stand between what an untrained layer has (0) and what another seed reaches (1)."""
        score, ceiling, floor = self._held(kind, True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (score - floor) / (ceiling - floor)

    def more(self, kind: str, than: str) -> np.ndarray:
        """By how much one kind is more alike than another, in pairs of the same settings."""
        cells = self._pairs.cells_of(kind)
        return self._over(cells, self._mean[cells] - self._mean[self._pairs.beside(cells, than)])

    def _held(self, kind: str, floored: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = self._pairs
        cells = pairs.cells_of(kind)
        a, b = (self._mean[pairs.beside(cells, SAME_SETTING, side)] for side in (0, 1))
        ceiling, floor = (a + b) / 2, self._mean[pairs.beside(cells, FLOOR)]
        known = ~np.isnan(ceiling + floor if floored else ceiling)
        cells, ceiling, floor = cells[known], ceiling[known], floor[known]
        score, ceiling, floor = (self._over(cells, values) for values in (self._mean[cells], ceiling, floor))
        return score, ceiling, floor

    def _over(self, cells: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The mean over settings, each as often as it has pairs."""
        known = ~np.isnan(values)
        weight, layer = self._count[cells][known], self._pairs.layers_of(cells)[known]
        size = len(self._pairs.layers)
        total, count = (np.bincount(layer, w, size) for w in (weight * values[known], weight))
        return total / np.where(count > 0, count, np.nan)


def _by_seed(
    cell: np.ndarray, first: np.ndarray, second: np.ndarray, weight: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Sums by cell: of the pairs in which each seed is, and in the last column of all."""
    found = np.zeros((shape[0], shape[1] + 1))
    np.add.at(found, (cell, first), weight)
    other = first != second
    np.add.at(found, (cell[other], second[other]), weight[other])
    np.add.at(found[:, -1], cell, weight)
    return found


def pairs_of(evidence: "Evidence") -> SeedPairs:
    """All pairs of `ends` and `abroad`, as often as they are of a kind; layers of the part "input" are left out.

    Kinds: of different seeds and one setting, "ceiling"; of different seeds and settings, "other", and "strength" where
    only that differs, "objective" where the objective does, at the strengths both objectives have, at all of theirs if
    they have none in common; of one seed and different settings, "same_seed"; "floor", the untrained layer of the one
    and the final one of the other, whenever seeds differ; "abroad", of runs that differ in the dataset alone: their
    ceiling and floor are those of the setting whose examples they are. Layers of different networks are different ones.
    """
    return kept(evidence, "pairs", lambda: _pairs_of(evidence))


def _pairs_of(evidence: "Evidence") -> SeedPairs:
    import pandas as pd

    several = evidence.runs["network"].nunique() > 1
    ends = _with_runs(evidence, evidence.ends, "run_a", "run_b", several)
    seeds, setting, objective = (ends[f"{c}_a"] != ends[f"{c}_b"] for c in ("seed", "setting", "objective"))
    comparable, apart = _comparable(evidence.runs, ends)
    kinds = {
        SAME_SETTING: seeds & ~setting,
        OTHER: seeds & setting,
        STRENGTH: seeds & setting & ~objective,
        OBJECTIVE: seeds & objective & comparable,
        SAME_SEED: ~seeds & setting,
    }
    abroad = _with_runs(evidence, evidence.abroad, "run", "run_b", several)
    parts = [ends[rows].assign(kind=kind) for kind, rows in kinds.items()]
    parts.append(ends[seeds].assign(kind=FLOOR, score=ends["floor"][seeds]))
    parts.append(abroad.assign(kind=ABROAD, setting_b=abroad["setting_a"]))
    columns = ["kind", "layer", "part", "setting_a", "setting_b", "seed_a", "seed_b", "score"]
    table = pd.concat([part[columns] for part in parts if len(part)] or [parts[0][columns]], ignore_index=True)
    return SeedPairs(table[table["part"] != "input"], len(evidence.runs), apart)


def _comparable(runs: "pd.DataFrame", pairs: "pd.DataFrame") -> tuple[np.ndarray, tuple[str, ...]]:
    """Which pairs of objectives are compared at these strengths; and the objectives with no strength in common."""
    by = ["dataset", "network", "objective"]
    strengths = {key: set(group["strength"]) for key, group in runs[[*by, "strength"]].astype(str).groupby(by)}
    keys = ["dataset_a", "network_a", "objective_a", "objective_b", "strength_a", "strength_b"]
    rows = pairs[keys].astype(str)
    kinds = rows.drop_duplicates()
    allowed, apart = [], set()
    for row in kinds.itertuples(index=False, name=None):
        place, objectives = row[:2], row[2:4]
        common = strengths[*place, objectives[0]] & strengths[*place, objectives[1]]
        if not common:
            apart.add(" and ".join(sorted(objectives)))
        allowed.append(not common or row[4] == row[5])
    found = rows.merge(kinds.assign(allowed=allowed), how="left", on=keys)["allowed"]
    return found.to_numpy(bool), tuple(sorted(apart))


def _with_runs(evidence: "Evidence", pairs: "pd.DataFrame", one: str, two: str, several: bool) -> "pd.DataFrame":
    """Pairs of runs with what is known of both; settings are numbers."""
    import pandas as pd

    known = evidence.runs.assign(setting=pd.factorize(evidence.runs["setting"].astype(str), sort=True)[0])
    place = pd.Index(known["run"].astype(str))
    at_a, at_b = (place.get_indexer(pd.Index(pairs[side].astype(str))) for side in (one, two))
    there = (at_a >= 0) & (at_b >= 0)
    found = {name: pairs[name][there].to_numpy() for name in ("layer", "part", "score")}
    found["floor"] = (pairs["floor"] if "floor" in pairs.columns else pairs["score"])[there].to_numpy()
    for side, where in (("a", at_a[there]), ("b", at_b[there])):
        found |= {f"{c}_{side}": known[c].to_numpy()[where] for c in COLUMNS}
    table = pd.DataFrame(found)
    if several:
        table["layer"] = table["network_a"].astype(str) + ", " + table["layer"].astype(str)
    return table


def roomy(pairs: SeedPairs, kind: str, layers: np.ndarray) -> np.ndarray:
    """In which of these layers training adds enough to what seeds share, for pairs of a kind to be held against it."""
    with np.errstate(invalid="ignore"):
        return pairs.means().room(kind)[layers] > LEAST_ROOM


def left_out(pairs: SeedPairs, kind: str, layers: np.ndarray) -> str:
    """Which of these layers can say nothing of pairs of a kind, and why; "" if all can."""
    room = pairs.means().room(kind)[layers]
    none, little = np.isnan(room), room <= LEAST_ROOM
    said = [
        f"{why}: {', '.join(pairs.layers[k] for k in layers[rows])}."
        for why, rows in (
            ("Left out, since no pairs have a ceiling and a floor there", none),
            (f"Left out, since training adds less than {LEAST_ROOM} to what seeds share", little),
        )
        if rows.any()
    ]
    return " ".join(said)
