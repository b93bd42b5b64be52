"""What is to be kept in mind with a score, and why. Pure functions of tidy tables.

References:
    Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures in biological and artificial
        neural networks: too few examples for the dimensions. https://arxiv.org/abs/2405.01012
    Davari et al. (2022), Reliability of CKA as a similarity measure in deep learning: a few examples that carry the
        score. https://arxiv.org/abs/2210.16156
    Ding, Denain & Steinhardt (2021), Grounding representation similarity through statistical testing: CKA and
        Procrustes see different things. https://arxiv.org/abs/2108.01661
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.stats.dynamics.readings import is_debiased

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("run", "layer", "step", "measure", "flag", "reason")
ENOUGH = 10  # examples for each dimension of the participation ratio
APART = 0.2  # the root of calibrated CKA and calibrated Procrustes
CARRIED = 0.5  # of the squared norm, by the heaviest 1 % of examples
CHANCE = 0.05
START = 0.9  # similarity to the end at step 0
UNSTEADY = 0.05  # standard deviation over halves of the probe set
FLAGS = ("few examples", "dead", "disagree", "outliers", "chance", "negative", "start", "unsteady")


def flags(readings: "pd.DataFrame", shapes: "pd.DataFrame", references: "pd.DataFrame") -> "pd.DataFrame":
    """The flags of every layer and snapshot.

    | flag | what raises it |
    |---|---|
    | few examples | fewer than 10 examples for each dimension of the layer's participation ratio |
    | dead | the layer has no variance worth the name |
    | disagree | the root of CKA and Procrustes, both calibrated, are more than 0.2 apart |
    | outliers | the heaviest 1 % of examples have more than half of the squared norm |
    | chance | the score is not above what chance gives, p > 0.05 |
    | negative | a debiased score is below 0 |
    | start | the layer is 0.9 alike its final self before the first step: when it settles says nothing |
    | unsteady | the score to the final layer differs between halves of the probe set, standard deviation > 0.05 |

    CKA is a mean of squares, Procrustes one of magnitudes: where noise is added alike to all directions, Procrustes is
    the root of CKA, so the root is what is held against it.

    Args:
        readings: of the evidence.
        shapes: of the evidence.
        references: of the evidence.

    Returns:
        run, layer, step, measure ("" for what concerns all), flag, reason (a sentence); in the order of the list above.
    """
    import pandas as pd

    rows = [
        *_few(readings, shapes),
        *_shaped(shapes),
        *_disagreeing(readings),
        *_by_chance(readings),
        *_along(references),
    ]
    rows.sort(key=lambda row: FLAGS.index(row[4]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summary(found: "pd.DataFrame") -> "pd.DataFrame":
    """How many snapshots of how many runs each flag was raised for: flag, measure, layer, runs, snapshots, example.

    Args:
        found: what `flags` gives.
    """
    keys = ["flag", "measure", "layer"]
    grouped = found.groupby(keys, sort=False, observed=True)
    table = grouped.agg(runs=("run", "nunique"), snapshots=("run", "size"), example=("reason", "first"))
    return table.reset_index()


def _few(readings: "pd.DataFrame", shapes: "pd.DataFrame") -> "Iterator[tuple[Any, ...]]":
    keys = ["run", "layer", "step"]
    both = readings[[*keys, "measure", "n"]].merge(shapes[[*keys, "participation", "dead"]], on=keys)
    ratio = both["participation"].to_numpy(float)
    few = (both["n"].to_numpy(float) < ENOUGH * ratio) & ~both["dead"].to_numpy(bool)
    yield from _rows(
        both[few],
        "few examples",
        ("n", "participation"),
        lambda n, ratio: (
            f"{n:,} examples are fewer than {ENOUGH} for each of the {ratio:,.0f} dimensions that the layer fills."
            if np.isfinite(ratio)
            else f"{n:,} examples are too few to see any direction of the layer twice."
        ),
    )


def _shaped(shapes: "pd.DataFrame") -> "Iterator[tuple[Any, ...]]":
    every = shapes.assign(measure="")
    dead = every["dead"].to_numpy(bool)
    yield from _rows(
        every[dead],
        "dead",
        ("variance",),
        lambda v: f"The layer hardly varies (total variance {v:.1e}): scores compare noise.",
    )
    heavy = (every["top_share"].to_numpy(float) > CARRIED) & ~dead
    yield from _rows(
        every[heavy],
        "outliers",
        ("top_share",),
        lambda share: f"The heaviest 1 % of examples carry {share:.0%} of the layer's squared norm.",
    )


def _disagreeing(readings: "pd.DataFrame") -> "Iterator[tuple[Any, ...]]":
    names = sorted(readings["measure"].unique(), key=lambda name: (not is_debiased(name), len(name)))
    cka, procrustes = ([name for name in names if name.startswith(kind)][:1] for kind in ("cka", "procrustes"))
    if not cka or not procrustes:
        return
    keys = ["run", "layer", "step"]
    one, other = (
        readings.loc[readings["measure"] == name[0], [*keys, "measure", "calibrated"]] for name in (cka, procrustes)
    )
    both = one.merge(other.drop(columns="measure").rename(columns={"calibrated": "other"}), on=keys)
    root = np.sqrt(both["calibrated"].to_numpy(float).clip(min=0))
    apart = np.abs(root - both["other"].to_numpy(float)) > APART
    yield from _rows(
        both[apart],
        "disagree",
        ("calibrated", "other"),
        lambda a, b: (
            f"Calibrated, {cka[0]} says {a:.2f}, with the root {max(a, 0.0) ** 0.5:.2f}, and {procrustes[0]} {b:.2f}: "
            f"what {'is shared' if max(a, 0.0) ** 0.5 > b else 'differs'} is in the directions of most variance."
        ),
    )


def _by_chance(readings: "pd.DataFrame") -> "Iterator[tuple[Any, ...]]":
    chance = readings["p"].to_numpy(float) > CHANCE
    yield from _rows(
        readings[chance],
        "chance",
        ("score", "p"),
        lambda score, p: f"A score of {score:.2f} is no more than chance gives (p = {p:.2f}).",
    )
    free = readings["measure"].map({name: is_debiased(name) for name in readings["measure"].unique()}).to_numpy(bool)
    below = free & (readings["score"].to_numpy(float) < 0)
    yield from _rows(
        readings[below],
        "negative",
        ("score",),
        lambda score: f"The debiased score is {score:.3f}: no similarity is seen.",
    )


def _along(references: "pd.DataFrame") -> "Iterator[tuple[Any, ...]]":
    final = references[references["reference"] == "final"]
    at_start = final[(final["draw"] == -1) & (final["step"] == 0)]
    yield from _rows(
        at_start[at_start["score"].to_numpy(float) >= START],
        "start",
        ("score",),
        lambda score: f"Before the first step the layer is already {score:.2f} alike its final self.",
    )
    halves = final[final["draw"] != -1]
    keys = ["run", "layer", "step", "measure"]
    spread = halves.groupby(keys, sort=False, observed=True)["score"].std().rename("spread").reset_index()
    yield from _rows(
        spread[spread["spread"].to_numpy(float) > UNSTEADY],
        "unsteady",
        ("spread",),
        lambda spread: f"Between halves of the probe set the score differs by {spread:.2f} (standard deviation).",
    )


def _rows(
    found: "pd.DataFrame", flag: str, columns: Sequence[str], reason: "Callable[..., str]"
) -> "Iterator[tuple[Any, ...]]":
    """A row for each of `found`, with a reason made of these columns."""
    heads = zip(*(found[c].tolist() for c in ("run", "layer", "step", "measure")), strict=True)
    for head, values in zip(heads, zip(*(found[c].tolist() for c in columns), strict=True), strict=True):
        yield (*head, flag, reason(*values))
