"""Choosing pairs of representations by what they are called, and putting their scores into a tidy frame. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Bool

from vaescope.errors import UsageError
from vaescope.registry import suggestion
from vaescope.stats.grid import Grid
from vaescope.stats.measure import Reason

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("run", "step", "layer")
SELECTORS = (*(kind + side for side in ("_a", "_b", "") for kind in KINDS),)
SHOWN = 20

Mask = Bool[np.ndarray, " _"]
Part = tuple[int, int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def must_know(kind: str, value: object, known: Sequence[object]) -> None:
    """Raise `UsageError` with what is known if `value` is not among it."""
    if value not in known:
        names = [str(k) for k in known]
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        raise UsageError(f"unknown {kind} {value!r}; known: {listed}.{suggestion(str(value), names)}")


def masks(
    grid: Grid, same_as: Mapping[str, Mapping[str, str]], selection: Mapping[str, object]
) -> list[tuple[Mask, Mask]]:
    """For each run, which of its representations are selected for side a and which for side b.

    Args:
        grid: all representations.
        same_as: run -> every layer of its network -> the layer whose representation it has, perhaps itself.
        selection: `SELECTORS` -> a value or several.

    Raises:
        UsageError: there is no such selector, run, step or layer.
    """
    for key in selection:
        must_know("selection", key, SELECTORS)
    chosen = {key: _listed(value) for key, value in selection.items()}
    known = {
        "run": [c.run for c in grid.columns],
        "step": sorted({step for c in grid.columns for step in c.steps}),
        "layer": [*dict.fromkeys(layer for layers in same_as.values() for layer in layers)],
    }
    for key, values in chosen.items():
        kind = key.split("_")[0]
        for value in values:
            must_know(kind, value, known[kind])
    found = []
    for column in grid.columns:
        steps, layers = zip(*column.slots, strict=True)
        has = {"run": [column.run] * len(steps), "step": steps, "layer": layers}
        sides = []
        for side in ("_a", "_b"):
            mask = np.ones(len(steps), bool)
            for kind in KINDS:
                for values in [chosen[key] for key in (kind, kind + side) if key in chosen]:
                    if kind == "layer":
                        values = [same_as[column.run].get(value, value) for value in values]
                    mask &= [value in values for value in has[kind]]
            sides.append(mask)
        found.append((sides[0], sides[1]))
    return found


def turned_pairs(i: int, j: int, first: tuple[Mask, Mask], second: tuple[Mask, Mask]) -> list[tuple[bool, np.ndarray]]:
    """The selected pairs of runs i <= j, each unordered pair once.

    Args:
        i: of the run of the rows.
        j: of the run of the columns.
        first: what of run i is selected for sides a and b.
        second: what of run j is.

    Returns:
        Two masks over the block: pairs whose row is side a, and (True) those that are to be turned round.
    """
    straight, turned = np.outer(first[0], second[1]), np.outer(first[1], second[0])
    if i == j:
        straight, turned = np.triu(straight), np.triu(turned)
    return [(False, straight), (True, turned & ~straight)]


def tidy(grid: Grid, measures: Sequence[str], n: Sequence[int], parts: Sequence[Part]) -> "pd.DataFrame":
    """One row a pair, ordered by measure, side a, side b.

    Args:
        grid: all representations.
        measures: names.
        n: probe examples of each measure.
        parts: (measure, run a, run b, place in run a, place in run b, score, reason), the first three of them one
            number for the whole part, the others an array.
    """
    import pandas as pd

    sizes = [len(part[3]) for part in parts]
    heads = np.array([part[:3] for part in parts], np.int64).reshape(-1, 3)
    number, run_a, run_b = np.repeat(heads, sizes, axis=0).T
    none = [np.zeros(0, np.int64)]
    a, b, score, reason = (np.concatenate([part[k] for part in parts] or none) for k in (3, 4, 5, 6))
    order = np.lexsort((b, run_b, a, run_a, number))
    number, run_a, run_b, a, b, score, reason = (v[order] for v in (number, run_a, run_b, a, b, score, reason))

    layers = {name: code for code, name in enumerate(dict.fromkeys(name for c in grid.columns for name, _ in c.layers))}
    start = np.cumsum([0, *(len(c.slots) for c in grid.columns)])
    steps = np.array([step for c in grid.columns for step, _ in c.slots], np.int64)
    codes = np.array([layers[layer] for c in grid.columns for _, layer in c.slots], np.int64)

    def text(found: np.ndarray, names: Sequence[str]) -> Any:
        return cast(Any, pd.Categorical).from_codes(found.astype(np.int32), list(names))

    columns: dict[str, Any] = {"measure": text(number, measures)}
    for side, run, place in (("a", run_a, a), ("b", run_b, b)):
        where = start[run] + place
        columns[f"run_{side}"] = text(run, [c.run for c in grid.columns])
        columns[f"step_{side}"] = steps[where]
        columns[f"layer_{side}"] = text(codes[where], list(layers))
    columns["score"] = score.astype(np.float32)
    columns["reason"] = text(reason, [r.label for r in Reason])
    columns["n"] = np.array(n, np.int64)[number]
    return pd.DataFrame(columns)


def _listed(value: object) -> list[Any]:
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
