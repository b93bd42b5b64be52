"""What one should know before believing a comparison: of the weights, the layers and the examples of the two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vaescope.comparing.sides import Side
from vaescope.errors import UsageError

FEW = 100
"""Examples below which a score depends noticeably on which they are."""

CONSTANT = 0.9  # share of features without any variation from which a layer is told of
_COLUMNS = 4096  # looked at together


def of_weights(a: Side, b: Side, same: bool) -> list[str]:
    """What the weights of two models have in common."""
    from vaescope.models.kinship import kinship
    from vaescope.models.wrapped import inside

    assert a.module is not None  # noqa: S101
    assert b.module is not None  # noqa: S101
    if same or a.module is b.module:
        return [f"{a.name} and {b.name} are the same model."]
    found = kinship(inside(a.module).state_dict(), inside(b.module).state_dict())
    if found.shared and len(found.equal) == found.shared:
        return [f"{a.name} and {b.name} have the same weights, bit for bit, in all {found.shared} that they share."]
    lines = []
    if found.equal:
        some = ", ".join(found.equal[:3]) + (" ..." if len(found.equal) > 3 else "")
        lines.append(
            f"{len(found.equal)} of {found.shared} weights of the same name are equal, bit for bit: {some}. Were they "
            "frozen, or copied?"
        )
    if found.kin:
        lines.append(
            f"The weights of {a.name} and {b.name} are correlated (median {found.correlation:.2f}): they had the same "
            "first weights, or one was trained from the other. Scores then say how far they moved apart, not that "
            "training finds the same again."
        )
    return lines


def of_kinds(a: Any, b: Any) -> list[str]:
    """Modules of the same name that are of different kinds: the name then says nothing."""
    from vaescope.models.wrapped import clean_aliases

    mine, other = ({k: m for k, m in clean_aliases(model).items() if k and not [*m.children()]} for model in (a, b))
    shared = [k for k in mine if k in other]
    unlike = [k for k in shared if type(mine[k]) is not type(other[k])]
    if not unlike:
        return []
    some = ", ".join(f"{k} ({type(mine[k]).__name__} and {type(other[k]).__name__})" for k in unlike[:3])
    return [
        f"{len(unlike)} of {len(shared)} layers of the same name are of different kinds: {some}"
        f"{' ...' if len(unlike) > 3 else ''}. That they have the same name need not mean anything."
    ]


def of_rows(sides: Sequence[Side], reduce: Any) -> list[str]:
    """What it means that rows are locations, where they are.

    Raises:
        UsageError: layers have maps of different sizes.
    """
    if getattr(reduce, "name", reduce) != "per_location":
        return []
    counts: dict[int, str] = {}
    for side in sides:
        for label, x in side.arrays.items():
            if hasattr(x, "shape"):
                counts.setdefault(int(x.shape[0]), f"{label} of {side.name}")
    if len(counts) > 1:
        (n, first), (m, other) = [*counts.items()][:2]
        raise UsageError(
            f"reduce: per_location gives a row a location, so maps must be of one size; got {n:,} rows of {first!r} "
            f"and {m:,} of {other!r}. Choose layers with maps of one size, or reduce='average_pool'."
        )
    return [
        "Rows are locations, and those of one example are alike: intervals and p-values, which take rows for "
        "independent examples, are too narrow and too small."
    ]


def of_layers(sides: Sequence[Side]) -> list[str]:
    """Layers most of whose features never vary."""
    found: dict[str, float] = {}
    for side in sides:
        for label, x in side.arrays.items():
            if isinstance(x, np.ndarray) and x.ndim > 1 and len(x) > 1:
                share = _constant_share(x.reshape(len(x), -1))
                if CONSTANT <= share < 1:
                    found[f"{label} of {side.name}"] = share
    if not found:
        return []
    some = ", ".join(f"{label} ({share:.0%})" for label, share in [*found.items()][:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return [f"Most features never vary: {some}{more}. Such a layer says little; its units may be dead."]


def _constant_share(x: np.ndarray) -> float:
    columns = range(0, x.shape[1], _COLUMNS)
    same = sum(int((x[:, s : s + _COLUMNS] == x[:1, s : s + _COLUMNS]).all(axis=0).sum()) for s in columns)
    return same / max(1, x.shape[1])


def of_examples(n: int, interval: str | None) -> list[str]:
    """Whether there are few examples."""
    if n >= FEW:
        return []
    how = "see the intervals" if interval else "interval='jackknife' shows how much"
    return [f"n = {n} examples are few: scores depend on which they are ({how})."]
