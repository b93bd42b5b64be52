"""All that a page is made of, read once from the results of a study."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from vaescope.runs.store import StudyFolder
from vaescope.runs.study import Study
from vaescope.stats import convergence
from vaescope.stats.claim import Verdict
from vaescope.stats.dynamics.flags import flags
from vaescope.stats.dynamics.leads import leads
from vaescope.stats.dynamics.settling import settling_steps
from vaescope.stats.evidence import Evidence
from vaescope.stats.judge import judge
from vaescope.stats.matched import What
from vaescope.views import method, page
from vaescope.views.axes import Axes, axes
from vaescope.views.curvesets import Curves, curves
from vaescope.views.differing import Compared, objective_tables
from vaescope.views.explore import Examined, Explored, explored
from vaescope.views.maps import Scored
from vaescope.views.opening import Opening, opening

TABLES = ("readings", "shapes", "latents", "posterior", "disentanglement")
ALL = ("references", "wiring", *TABLES, "untrained", "abroad")


@runtime_checkable
class Readable(Protocol):
    """What a page reads of `vaescope.stats.results.Results`."""

    @property
    def study(self) -> Study: ...
    @property
    def folder(self) -> StudyFolder: ...
    @property
    def runs(self) -> pd.DataFrame: ...
    @property
    def layers(self) -> pd.DataFrame: ...
    @property
    def losses(self) -> pd.DataFrame: ...
    @property
    def latents(self) -> pd.DataFrame: ...
    @property
    def curves(self) -> pd.DataFrame: ...
    @property
    def snapshot_steps(self) -> dict[str, tuple[int, ...]]: ...
    def blocks(self, measure: str) -> Callable[[int, int], Scored]: ...
    def slots_of(self, i: int) -> tuple[tuple[int, str], ...]: ...
    def differing(self, what: What, measure: str | None = None) -> pd.DataFrame: ...
    def examined(self, name: str) -> pd.DataFrame: ...
    def twins(self) -> list[str]: ...
    def evidence(self) -> Evidence: ...


@dataclass(frozen=True)
class Content:
    """What stands on a page, before it is words and numbers.

    Attributes:
        study: the study.
        folder: where it lies.
        measure: the main one: its first similarity, or its first distance.
        frames: tidy frames of the results.
        evidence: what verdicts are made from.
        verdicts: on all claims; none where the study has distances only, or nothing to judge by.
        opening: the first figures.
        explored: what can be explored.
        differing: objectives beside each other.
        examined: examinations that have a result.
        scores: disentanglement scores that have one.
        recorded: whether somebody else trained the runs.
    """

    study: Study
    folder: str
    measure: str
    frames: page.Frames
    evidence: Evidence
    verdicts: tuple[Verdict, ...]
    opening: Opening
    explored: Explored
    differing: list[Compared]
    examined: tuple[str, ...]
    scores: tuple[str, ...]
    recorded: bool = False

    @property
    def axes(self) -> Axes:
        """Along which everything is counted."""
        return self.explored.axes


def content(results: Readable, tick: Callable[[], object] = lambda: None) -> Content:
    """Read what a page is made of.

    Args:
        results: the study as `vaescope.open` gives it.
        tick: called now and then, for those who want to stop.
    """
    study, runs = results.study, results.folder.runs
    frames = _frames(results)
    tick()
    there = results.snapshot_steps
    along = axes(study, runs, frames.runs, frames.layers, there, _computed(results, frames.curves))
    measure = method.main_measure([*study.measures])
    lines = _curves(results, along, frames.curves)
    tick()
    evidence = results.evidence()
    tick()
    found = explored(
        along,
        lines,
        frames.settling,
        frames.losses,
        frames.latents,
        Examined(**{name: getattr(evidence, name) for name in TABLES}),
        flags(evidence.readings, evidence.shapes, evidence.references),
        results.blocks,
        results.slots_of,
        {name: choice.pairs == "all" for name, choice in study.measures.items()},
        tick,
    )
    similar = not method.is_distance(measure)
    judged = similar and len(evidence.runs) > 0 and len(along.measures) > 0
    return Content(
        study=study,
        folder=results.folder.path.name,
        measure=measure,
        frames=frames,
        evidence=evidence,
        verdicts=judge(evidence) if judged else (),
        opening=opening(found.curves, measure, evidence),
        explored=found,
        differing=objectives_beside(results, measure) if similar else [],
        examined=tuple(name for name in ALL if len(getattr(evidence, name))),
        scores=tuple(str(name) for name in evidence.disentanglement["score"].unique()),
        recorded=any(run.recorded is not None for run in runs),
    )


def objectives_beside(results: Readable, measure: str) -> list[Compared]:
    """How much objectives differ at the same strength, as the page and the terminal tell it."""
    pairs = results.differing("objective", measure)
    across: tuple[What, ...] = ("objective and seed", "seed")
    return objective_tables(pairs, *(results.differing(what, measure) for what in across)) if len(pairs) else []


def _frames(results: Readable) -> page.Frames:
    curves = results.curves
    settling, lead = _settled(curves)
    settings = {run.id: results.study.setting_of(run) for run in results.folder.runs}
    read = {name: getattr(results, name) for name in ("runs", "layers", "losses", "latents")}
    return page.Frames(
        **read,
        curves=curves,
        settling=settling,
        lead=lead,
        over_seeds=convergence.lead_over_seeds(lead, settings),
    )


def _settled(curves: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `convergence.settling` and `convergence.lead` give, of all curves at once."""
    if not len(curves):
        settling = convergence.settling(curves)
        return settling, convergence.lead(settling)
    found = {reading: settling_steps(curves, reading=reading) for reading in ("raw", "corrected")}
    keys = list(convergence.SETTLING[:4])
    settling = found["raw"][keys].assign(raw=found["raw"]["step"], corrected=found["corrected"]["step"])
    floors = curves.drop_duplicates(keys)[[*keys, "floor"]]
    settling = settling.merge(floors, on=keys, how="left")[list(convergence.SETTLING)]
    ahead = {reading: leads(table).rename(columns={"lead": reading}) for reading, table in found.items()}
    lead = ahead["raw"][["measure", "run", "raw"]].merge(ahead["corrected"][["measure", "run", "corrected"]])
    return settling, lead[list(convergence.LEAD)]


def _computed(results: Readable, curves: pd.DataFrame) -> list[str]:
    """The measures that have any score: known from curves, or found in some run compared with itself."""
    known = {str(name) for name in curves.loc[curves["score"].notna(), "measure"].unique()}
    there, made = results.snapshot_steps, []
    begun = [i for i, run in enumerate(results.folder.runs) if there[run.id]]
    for name in results.study.measures:
        read = results.blocks(name)
        if name in known or any(np.isfinite(read(i, i).score).any() for i in begun):
            made.append(name)
    return made


def _curves(results: Readable, along: Axes, own: pd.DataFrame) -> Curves:
    """The curves of all measures. Their tables, by far the largest, are let go before the evidence is read."""
    tables = (results.examined(name) for name in ("references", "wiring", "readings"))
    return curves(along, own, *tables)
