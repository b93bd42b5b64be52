"""How everything on the page was computed, in titled paragraphs. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from textwrap import dedent

from vaescope.data.dataset import DATASETS
from vaescope.models.network import NETWORKS
from vaescope.models.objective import OBJECTIVES
from vaescope.models.reconstruction import RECONSTRUCTIONS
from vaescope.runs.study import Study
from vaescope.stats.claim import CLAIMS
from vaescope.stats.code_score import CODE_SCORES
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.measure import MEASURES
from vaescope.views.maps import Extent
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


def paragraphs(
    study: Study,
    extents: Mapping[str, Extent],
    examined: Sequence[str],
    scores: Sequence[str],
    versions: str,
    recorded: bool = False,
) -> Paragraphs:
    """Training, objectives, representations, each measure and examination, intervals, limits, versions.

    Args:
        study: what was asked for.
        extents: measure -> what was computed of it.
        examined: the examinations that have a result.
        scores: the disentanglement scores that have one.
        versions: what the page was made with.
        recorded: whether somebody else trained the runs.

    Returns:
        Titles and the paragraphs under each.
    """
    told: Paragraphs = [("Training", _recorded(study) if recorded else _training(study))]
    told += [(name, _body(OBJECTIVES.get(name))) for name in study.objectives if name in OBJECTIVES]
    told.append(("Representations", _kept(study) if recorded else _representations(study)))
    for name, choice in study.measures.items():
        extent = _extent(name, choice.pairs, choice.n or study.probe.n, extents)
        told.append((titles([name])[name], [*_body(MEASURES.get(name)), extent]))
    told += [(f"Examination: {name}", _body(EXAMINATIONS.get(name))) for name in examined]
    told += [(CODE_SCORES[name].title, _body(CODE_SCORES[name])) for name in scores if name in CODE_SCORES]
    return [*told, ("Intervals", INTERVALS), ("Limits", LIMITS), ("Made with", [versions])]


def citations(
    study: Study, examined: Sequence[str], scores: Sequence[str], claims: Sequence[str]
) -> list[dict[str, object]]:
    """What to cite for exactly what was computed: titles, and the references in the docstrings of what is so called.

    Args:
        study: what was asked for.
        examined: the examinations that have a result.
        scores: the disentanglement scores that have one.
        claims: those judged.
    """
    used: list[tuple[str, str, Mapping[str, type]]] = [
        *(("Dataset", choice.name, DATASETS) for choice in study.datasets),
        *(("Network", choice.name, NETWORKS) for choice in study.networks),
        *(("Objective", name, OBJECTIVES) for name in study.objectives),
        ("Reconstruction", study.reconstruction.name, RECONSTRUCTIONS),
        *(("Measure", name, MEASURES) for name in study.measures),
        *(("Examination", name, EXAMINATIONS) for name in examined),
        *(("Score", name, CODE_SCORES) for name in scores),
        *(("Claim", name, CLAIMS) for name in claims),
    ]
    found = [
        {"title": f"{family} {name}", "references": references(registry[name].__doc__)}
        for family, name, registry in used
        if name in registry
    ]
    return [{"title": "The study's design", "references": [PAPER]}, *(entry for entry in found if entry["references"])]


PAPER = "Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399"
INTERVALS = [
    "Intervals are 95 %, over seeds: Student's, and where halves of the probe set were scored as well, widened by how "
    "much the mean moves between those halves. Runs of one seed share first weights and batches, so they are averaged "
    "before seeds are counted. With one seed there is no interval.",
    "Leads are compared with zero by a sign-flip test over seeds, corrected for the number of settings (Holm).",
    "Corrected and calibrated scores below −1 are shown as −1.",
]
LIMITS = [
    "Settling steps are interpolated in log(step + 1) between two snapshots: they are no finer than the schedule.",
    "A layer settles where it first reaches 0.9, even if it falls below again; how many do stands under the tables of "
    "settling steps.",
    "Each curve ends at 1 by construction, so every layer settles, however little it learned.",
    "A high score at step 0 says that random weights already keep what the measure looks at. Read the lead with the "
    "floor taken off.",
    "Scores on this page have two to four digits; the study's folder keeps them in full.",
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


def _recorded(study: Study) -> list[str]:
    steps = spread(study.snapshot_steps, 14)
    some = "among others " if len(steps) < len(study.snapshot_steps) else ""
    return [
        "The runs were trained by their owner; a vaescope Recorder looked on. Objectives, settings and losses are what "
        "the owner said they are.",
        f"Snapshots {some}at steps {', '.join(f'{s:,}' for s in steps)}.",
    ]


def _kept(study: Study) -> list[str]:
    return [
        f"Each layer on the same {study.probe.n:,} probe examples, passed through the model as its owner does, in "
        "evaluation mode, with the same random numbers at each snapshot. The decoder is fed from the posterior means "
        "where what it is given could be told to be codes of the posterior; else as the model feeds it.",
        "Layers wider than there are examples were kept on their principal axes, which changes no score.",
    ]


def references(doc: str | None) -> list[str]:
    """The references of a docstring, one a line."""
    found: list[str] = []
    _, _, below = cleandoc(doc or "").partition("References:\n")
    for line in dedent(below).splitlines():
        if line.startswith(" ") and found:
            found[-1] += " " + line.strip()
        elif not line.strip():
            break
        else:
            found.append(line.strip())
    return found


def _body(member: type | None) -> list[str]:
    """The paragraphs of a docstring before its sections, which are for programs, and its references, one each."""
    doc = cleandoc((member.__doc__ if member else None) or "")
    lines = [" ".join(part.split()) for part in SECTION.split(doc, maxsplit=1)[0].split("\n\n")]
    return [line for line in [*lines, *references(doc)] if line]


SECTION = re.compile(r"^(?:Args|Attributes|Raises|Returns|References|Examples?):$", re.MULTILINE)


def _extent(name: str, pairs: str, n: int, extents: Mapping[str, Extent]) -> str:
    wanted = "every pair of layers, snapshots and runs"
    if pairs == "needed":
        wanted = "all layers within a snapshot, and each layer across steps and runs"
    if name not in extents:
        return f"Asked for {wanted}, on {n:,} examples; not computed yet."
    extent = extents[name]
    text = f"Computed for {wanted}, on {n:,} examples"
    if extent.left_out:
        return f"{text}; this page was made from {extent.computed:,} of the scores."
    text += f": {extent.computed:,} scores"
    return text + (f"; {extent.missing:,} pairs not computed." if extent.missing else ".")
