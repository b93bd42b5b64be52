"""How alike runs are at their ends, by what they differ in, with intervals from leaving out seeds. Pure.

Pairs of runs are not independent: a run is in many of them, and runs of one seed start from the same weights. So scores
are added up by seed and seed, and the interval of whatever is computed from the sums is the jackknife's that leaves out
one seed, with all its pairs, at a time. Only pairs of different seeds are held against the seed-to-seed ceiling, since
those of one seed share their first weights.

References:
    Arvesen (1969), Jackknifing U-statistics. https://doi.org/10.1214/aoms/1177697287
"""

from collections.abc import Callable, Mapping
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

Means = Mapping[str, np.ndarray]
"""For each kind of pair its mean score in each layer, NaN where there is none."""

SAME_SETTING, STRENGTH, OBJECTIVE = "ceiling", "strength", "objective"
SAME_SEED, OTHER, FLOOR, ABROAD = "same_seed", "other", "floor", "abroad"
FEWEST_SEEDS = 3
WIDER = 1.2  # similarities near 1 are skewed: without it 8 % are called supported at a threshold, docs/claims.md


class SeedPairs:
    """Scores of pairs of runs, added up by kind of pair, layer, and the seeds of both.

    Args:
        table: kind, layer (any label), part, seed_a, seed_b, score; NaN scores are left out.
        runs: how many runs have part in it.
    """

    def __init__(self, table: "pd.DataFrame", runs: int) -> None:
        import pandas as pd

        table = table.dropna(subset=["score"])
        layers = table[["layer", "part"]].drop_duplicates("layer")
        self.layers: list[str] = layers["layer"].tolist()
        self.parts = np.array(layers["part"].tolist(), dtype=str)
        self.kinds: list[str] = sorted(set(table["kind"]))
        self.seeds: list[int] = sorted(set(table["seed_a"]) | set(table["seed_b"]))
        self.runs = runs
        where = [
            pd.Index(names).get_indexer(pd.Index(table[column]))
            for column, names in (
                ("kind", self.kinds),
                ("seed_a", self.seeds),
                ("seed_b", self.seeds),
                ("layer", self.layers),
            )
        ]
        shape = (len(self.kinds), len(self.seeds), len(self.seeds), len(self.layers))
        self._total, self._count = np.zeros(shape), np.zeros(shape)
        np.add.at(self._total, tuple(where), table["score"].to_numpy(float))
        np.add.at(self._count, tuple(where), 1.0)
        self._means: dict[int | None, dict[str, np.ndarray]] = {}

    def has(self, *kinds: str) -> bool:
        """Whether there are pairs of all these kinds."""
        return set(kinds) <= set(self.kinds)

    def means(self, without: int | None = None) -> dict[str, np.ndarray]:
        """The mean score of each kind of pair in each layer, of all seeds or without the one at that place."""
        if without not in self._means:
            self._means[without] = self._mean(without)
        return self._means[without]

    def _mean(self, without: int | None) -> dict[str, np.ndarray]:
        kept = np.ones(len(self.seeds), bool)
        if without is not None:
            kept[without] = False
        total, count = (a[:, kept][:, :, kept].sum(axis=(1, 2)) for a in (self._total, self._count))
        with np.errstate(invalid="ignore"):
            return dict(zip(self.kinds, total / np.where(count > 0, count, np.nan), strict=True))

    def estimates(self, statistic: Callable[[Means], Float64[np.ndarray, " m"]]) -> list[At]:
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


def pairs_of(evidence: "Evidence") -> SeedPairs:
    """All pairs of `ends` and `abroad`, as often as they are of a kind; layers of the part "input" are left out.

    Kinds: of different seeds and one setting, "ceiling"; of different seeds and settings, "other", and "strength" where
    only that differs, "objective" where the objective does; of one seed and different settings, "same_seed"; "floor",
    the untrained layer of the one and the final one of the other, whenever seeds differ; "abroad", of runs that differ
    in the dataset alone. Layers of different networks are different ones.
    """
    return kept(evidence, "pairs", lambda: _pairs_of(evidence))


def _pairs_of(evidence: "Evidence") -> SeedPairs:
    import pandas as pd

    several = evidence.runs["network"].nunique() > 1
    ends = _with_runs(evidence, evidence.ends, "run_a", "run_b", several)
    seeds, setting, objective = (ends[f"{c}_a"] != ends[f"{c}_b"] for c in ("seed", "setting", "objective"))
    kinds = {
        SAME_SETTING: seeds & ~setting,
        OTHER: seeds & setting,
        STRENGTH: seeds & setting & ~objective,
        OBJECTIVE: seeds & objective,
        SAME_SEED: ~seeds & setting,
    }
    parts = [ends[rows].assign(kind=kind) for kind, rows in kinds.items()]
    parts.append(ends[seeds].assign(kind=FLOOR, score=ends["floor"][seeds]))
    parts.append(_with_runs(evidence, evidence.abroad, "run", "run_b", several).assign(kind=ABROAD))
    columns = ["kind", "layer", "part", "seed_a", "seed_b", "score"]
    table = pd.concat([part[columns] for part in parts if len(part)] or [parts[0][columns]], ignore_index=True)
    return SeedPairs(table[table["part"] != "input"], len(evidence.runs))


def _with_runs(evidence: "Evidence", pairs: "pd.DataFrame", one: str, two: str, several: bool) -> "pd.DataFrame":
    """Pairs of runs with the seed, setting and objective of both."""
    import pandas as pd

    known = evidence.runs
    place = pd.Index(known["run"].astype(str))
    at_a, at_b = (place.get_indexer(pd.Index(pairs[side].astype(str))) for side in (one, two))
    there = (at_a >= 0) & (at_b >= 0)
    found = {name: pairs[name][there].to_numpy() for name in ("layer", "part", "score")}
    found["floor"] = (pairs["floor"] if "floor" in pairs.columns else pairs["score"])[there].to_numpy()
    for side, where in (("a", at_a[there]), ("b", at_b[there])):
        found |= {f"{c}_{side}": known[c].to_numpy()[where] for c in ("network", "seed", "setting", "objective")}
    table = pd.DataFrame(found)
    if several:
        table["layer"] = table["network_a"].astype(str) + ", " + table["layer"].astype(str)
    return table


def position(means: Means, kind: str) -> np.ndarray:
    """Where pairs of a kind stand between what an untrained layer has (0) and what another seed reaches (1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (means[kind] - means[FLOOR]) / (means[SAME_SETTING] - means[FLOOR])
