"""How everything on the page was computed, in titled paragraphs. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from textwrap import dedent

from vaescope.runs.study import Study
from vaescope.stats.measure import MEASURES
from vaescope.views.matrix import Packed
from vaescope.views.tiles import spread

Paragraphs = list[tuple[str, list[str]]]
LONGEST_TITLE = 40


def titles(measures: Sequence[str]) -> dict[str, str]:
    """Measure -> what its axis is called: how its description begins, or its name where that says too little."""
    found = {name: _opening(MEASURES[name].__doc__ if name in MEASURES else None) or name for name in measures}
    shared = {title for title, times in Counter(found.values()).items() if times > 1}
    return {name: f"{title} ({name})" if title in shared else title for name, title in found.items()}


def main_measure(measures: Sequence[str]) -> str:
    """The first that is a similarity, as floors and 0.9 as settled mean nothing for distances; else the first."""
    return next((name for name in measures if not is_distance(name)), measures[0])


def is_distance(name: str) -> bool:
    """Whether a known measure says 0 of equal representations."""
    return name in MEASURES and not MEASURES[name].larger_is_more_similar


def _opening(doc: str | None) -> str:
    """The words before the first punctuation, if they are few enough for an axis."""
    words = " ".join(re.split(r"[,:;.(]|\n\n", cleandoc(doc or ""), maxsplit=1)[0].split())
    return words if len(words) <= LONGEST_TITLE else ""


def paragraphs(study: Study, scores: Mapping[str, Packed], docs: Mapping[str, str | None], versions: str) -> Paragraphs:
    """Training, representations, each measure with its references and extent, limits, versions.

    Args:
        study: what was asked for.
        scores: what was computed of it.
        docs: measure -> docstring of its class.
        versions: what the page was made with.

    Returns:
        Titles and the paragraphs under each.
    """
    told: Paragraphs = [("Training", _training(study)), ("Representations", _representations(study))]
    for name, choice in study.measures.items():
        extent = _extent(name, choice.pairs, choice.n or study.probe.n, scores)
        told.append((titles([name])[name], [*_measure_lines(docs.get(name)), extent]))
    return [*told, ("Limits", LIMITS), ("Made with", [versions])]


LIMITS = [
    "Settling steps are interpolated in log(step + 1) between two snapshots: they are no finer than the schedule.",
    "A layer settles where it first reaches 0.9, even if it falls below again; how many do stands under the tables of "
    "settling steps.",
    "Each curve ends at 1 by construction, so every layer settles, however little it learned.",
    "A high score at step 0 says that random weights already keep what the measure looks at. Read the lead with the "
    "floor taken off.",
    "Scores on this page have four digits; the study's folder keeps them in full.",
]


def _training(study: Study) -> list[str]:
    seeds = ", ".join(str(s) for s in study.seed_list[:12]) + (" …" if len(study.seed_list) > 12 else "")
    optimiser = ", ".join(f"{k} {v}" for k, v in study.optimiser.model_dump().items() if k != "name")
    steps = spread(study.snapshot_steps, 14)
    some = "among others " if len(steps) < len(study.snapshot_steps) else ""
    return [
        f"{study.steps:,} steps of {study.batch_size} examples, {study.latents} latents, {study.optimiser.name} "
        f"({optimiser}); seeds {seeds}.",
        f"Snapshots {some}at steps {', '.join(f'{s:,}' for s in steps)}.",
        "Runs of one seed share initial weights, batches and noise, whatever their objective.",
    ]


def _representations(study: Study) -> list[str]:
    return [
        f"Each layer on the same {study.probe.n:,} probe examples of its dataset, drawn without replacement by seed "
        f"{study.probe.seed}.",
        "The decoder is fed from the posterior mean; the sampled representation uses one fixed draw of noise. Layers "
        "that only reshape another are left out.",
    ]


def _measure_lines(doc: str | None) -> list[str]:
    """The paragraphs of a docstring; each of its references is one of its own."""
    if not doc:
        return []
    body, _, references = cleandoc(doc).partition("References:\n")
    lines = [" ".join(part.split()) for part in body.split("\n\n")]
    for line in dedent(references).splitlines():
        if line.startswith(" ") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return [line for line in lines if line]


def _extent(name: str, pairs: str, n: int, scores: Mapping[str, Packed]) -> str:
    wanted = "every pair of layers, snapshots and runs"
    if pairs == "needed":
        wanted = "all layers within a snapshot, and each layer across steps and runs"
    if name not in scores:
        return f"Asked for {wanted}, on {n:,} examples; not computed yet."
    packed = scores[name]
    text = f"Computed for {wanted}, on {n:,} examples: {packed.computed:,} scores"
    text += f"; {packed.missing:,} pairs not computed." if packed.missing else "."
    if packed.left_out:
        text += f" {packed.left_out:,} pairs of runs are left out of this page for its size."
    return text
