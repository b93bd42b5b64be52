"""What there is to choose from, and what to cite for it."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

from vaescope.data.dataset import DATASETS
from vaescope.models.network import NETWORKS
from vaescope.models.objective import OBJECTIVES
from vaescope.models.reconstruction import RECONSTRUCTIONS
from vaescope.runs.read import built_in_studies
from vaescope.runs.study import Study
from vaescope.stats.claim import CLAIMS
from vaescope.stats.examination import EXAMINATIONS, examined
from vaescope.stats.measure import MEASURES
from vaescope.views.figure import FIGURES

PAPER = "Bonheme & Grzes (2022), How do Variational Autoencoders Learn? https://arxiv.org/abs/2205.08399"


@dataclass(frozen=True)
class Member:
    """A registered name and the first line of its docstring."""

    name: str
    summary: str


def _members(registry: Mapping[str, type]) -> list[Member]:
    return [Member(name, (inspect.getdoc(member) or "").partition("\n")[0]) for name, member in registry.items()]


def catalogue() -> dict[str, list[Member]]:
    """Every family and its members."""
    return {
        "datasets": _members(DATASETS),
        "networks": _members(NETWORKS),
        "objectives": _members(OBJECTIVES),
        "reconstructions": _members(RECONSTRUCTIONS),
        "measures": _members(MEASURES),
        "examinations": _members(EXAMINATIONS),
        "claims": [Member(name, claim.statement) for name, claim in CLAIMS.items()],
        "figures": [Member(name, figure.title) for name, figure in FIGURES.items()],
        "studies": [Member(*item) for item in built_in_studies().items()],
    }


MEASURE_COLUMNS = ("measure", "range", "alike is", "symmetric", "metric", "ignores", "least n", "")


def measure_rows() -> list[tuple[object, ...]]:
    """What each measure declares, under `MEASURE_COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for member in _members(MEASURES):
        m = MEASURES[member.name]
        low, high = (f"{bound:g}" for bound in m.bounds)
        ignored = ", ".join(sorted(m.invariant_to)) or "nothing"
        alike = "large" if m.larger_is_more_similar else "small"
        yes = ["yes" if flag else "no" for flag in (m.symmetric, m.metric)]
        rows.append((member.name, f"{low} to {high}", alike, *yes, ignored, m.minimum_n, member.summary))
    return rows


def references(study: Study) -> dict[str, list[str]]:
    """The references of everything a study uses, from the docstrings; the paper this is about comes first."""
    used = [
        *((f"dataset {c.name}", DATASETS[c.name]) for c in study.datasets),
        *((f"network {c.name}", NETWORKS[c.name]) for c in study.networks),
        *((f"objective {name}", OBJECTIVES[name]) for name in study.objectives),
        (f"reconstruction {study.reconstruction.name}", RECONSTRUCTIONS[study.reconstruction.name]),
        *((f"measure {name}", MEASURES[name]) for name in study.measures),
        *((f"examination {name}", EXAMINATIONS[name]) for name in examined(study)),
    ]
    return {"the study's design": [PAPER]} | {name: cited(member) for name, member in used}


def cited(member: type) -> list[str]:
    """The lines under "References:" of a docstring."""
    text = inspect.getdoc(member) or ""
    found = re.search(r"^References:\n((?:[ \t]+\S.*\n?)+)", text, re.MULTILINE)
    lines = [line.strip() for line in found.group(1).splitlines()] if found else []
    joined: list[str] = []
    for line in lines:
        if joined and "http" not in joined[-1]:
            joined[-1] += f" {line}"
        else:
            joined.append(line)
    return joined
