"""Runs that differ in one thing only: which pairs there are, and how alike their layers end up."""

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.runs.study import Run

What = Literal["objective", "strength", "seed", "objective and seed"]
_KEYS: dict[What, tuple[str, ...]] = {
    "objective": ("objective",),
    "strength": ("options",),
    "seed": ("seed",),
    "objective and seed": ("objective", "seed"),
}
COLUMNS = ["measure", "differ_in", "dataset", "network", "run_a", "run_b", "a", "b"]
COLUMNS += ["setting", "layer", "part", "step", "score", "reason"]

# The runs and pandas are imported where they are used: finding the measures imports every file of this folder.


def matched(runs: "Sequence[Run]", what: What) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of runs that are equal in everything but one thing.

    Args:
        runs: of a study, in its order.
        what: "objective": another objective with the same strengths and seed, so the same first weights and batches;
            "strength": the same objective with other strengths; "seed": another seed; "objective and seed": another
            objective with the same strengths and another seed, so other first weights: beside "seed", what the
            objective adds.

    >>> from vaescope.runs.read import read_study
    >>> study = read_study("quickstart")
    >>> matched(study.runs(), "seed"), matched(study.runs(), "strength"), matched(study.runs(), "objective")
    ([(0, 1), (2, 3)], [(0, 2), (1, 3)], [])
    """
    keys = _KEYS[what]
    groups: dict[str, list[int]] = defaultdict(list)
    for i, run in enumerate(runs):
        rest = {k: v for k, v in run.described().items() if k not in keys}
        groups[json.dumps(rest, sort_keys=True)].append(i)
    pairs = (pair for members in groups.values() for pair in combinations(members, 2))
    return sorted((i, j) for i, j in pairs if all(getattr(runs[i], k) != getattr(runs[j], k) for k in keys))


def value(run: "Run", what: What) -> str:
    """What a run has of the thing, for people: "beta_vae", "beta=4", "3"."""
    if what == "strength":
        return run.setting.removeprefix(run.objective).strip() or "none"
    return str(run.seed) if what == "seed" else run.objective


def shared_setting(run: "Run", what: What) -> str:
    """What runs that differ in one thing have in common, for people, the seed left out."""
    if what in ("objective", "objective and seed"):
        return value(run, "strength")
    return run.setting if what == "seed" else run.objective


def over_layers(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """One row a setting, pair of values and layer: the mean and range of the scores over the pairs.

    Args:
        pairs: `Results.differing`, of one step.

    Returns:
        measure, differ_in, dataset, network, a, b, setting, layer, part, mean, min, max, pairs (with a score).
    """
    keys = ["measure", "differ_in", "dataset", "network", "a", "b", "setting", "layer", "part"]
    grouped = pairs.groupby(keys, sort=False, observed=True)["score"]
    return grouped.agg(mean="mean", min="min", max="max", pairs="count").reset_index()


def frame(rows: Sequence[tuple[Any, ...]]) -> "pd.DataFrame":
    """Rows as the tidy table that `Results.differing` gives."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=COLUMNS).astype({"score": float, "step": int})
