"""Writes the report: one HTML file with everything in it, that works offline and without any script from elsewhere."""

import base64
import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.runs.extract import Pictures
from vaescope.runs.extract import pictures as pictures_of
from vaescope.runs.store import StudyFolder, put
from vaescope.runs.study import Run, Study
from vaescope.stats import convergence
from vaescope.stats.matched import What
from vaescope.stats.measure import MEASURES
from vaescope.views import method, page, summary, tables
from vaescope.views.differing import Compared, objective_tables
from vaescope.views.matrix import BUDGET, Packed, pack
from vaescope.views.thinning import thinned
from vaescope.views.tiles import data_uri, grid, spread

PICTURE_BUDGET = 1_400_000
MOST_PICTURES = 120
LEAST_PICTURE = 3_000
DISTANCES_ONLY = (
    "This study has distances only: 0.9 as settled and floors mean nothing for those, so there is no finding. Add a "
    "similarity, such as cka, to its measures."
)


@runtime_checkable
class Readable(Protocol):
    """What the report reads of `vaescope.stats.results.Results`."""

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
    def scores(
        self, measure: str, only: Mapping[str, Collection[int]] | None = None
    ) -> tuple[pd.DataFrame, np.ndarray]: ...
    def differing(self, what: What, measure: str | None = None) -> pd.DataFrame: ...


def report(
    results: Readable,
    out: Path,
    progress: Progress | None = None,
    pictures: Callable[[StudyFolder, Run, int], Pictures] = pictures_of,
) -> Path:
    """Write the report of a study, finished or not.

    Args:
        results: the study as `vaescope.open` gives it.
        out: the HTML file.
        progress: told of every snapshot's pictures.
        pictures: makes the pictures of a snapshot.

    Returns:
        `out`.

    Raises:
        UsageError: `out` is a folder.
        ResourceError: the file cannot be written; told before any work where that can be known.
    """
    out = Path(out)
    _must_be_writable(out)
    curves = results.curves
    settling = convergence.settling(curves)
    lead = convergence.lead(settling)
    over_seeds = convergence.lead_over_seeds(
        lead, {run.id: results.study.setting_of(run) for run in results.folder.runs}
    )
    read = {name: getattr(results, name) for name in ("runs", "layers", "losses", "latents")}
    frames = page.Frames(**read, curves=curves, settling=settling, lead=lead, over_seeds=over_seeds)
    there = results.snapshot_steps
    shown = thinned(
        there,
        int((frames.layers["same_as"] == "").groupby([frames.layers["network"], frames.layers["dataset"]]).sum().max()),
    )
    whole = shown == there
    budget = BUDGET // len(results.study.measures)
    packed = {
        name: pack(*(results.scores(name) if whole else results.scores(name, shown)), budget)
        for name in results.study.measures
    }
    steps = page.snapshot_steps(frames, packed)
    scores = {name: found for name, found in packed.items() if found.computed}
    thin = "" if whole else _thinned(there, shown)
    made = _pictures(results, steps, progress or Progress(), pictures)
    put(out, _html(results, frames, steps, scores, made, thin).encode("utf-8", "replace"))
    return out


def _must_be_writable(out: Path) -> None:
    """Raise now what would otherwise be noticed only after all pictures were made."""
    folder = out.parent
    if out.is_dir():
        raise UsageError(f"{out} is a folder: expected a file to write. Give a file in it: {out / 'report.html'}.")
    if not folder.is_dir():
        wrong = "is not a folder" if folder.exists() else "does not exist"
        raise ResourceError(f"{out} cannot be written: {folder} {wrong}. Make that folder, or choose another file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResourceError(
            f"{out} cannot be written: no permission to write in {folder}. Change that, or choose another file."
        )


@dataclass
class _Made:
    """The pictures of the page.

    Attributes:
        shown: run -> step -> its two pictures as data URIs.
        walk: how far traversals go, in words.
        left_out: how many snapshots have none because the page must stay small.
        failed: how many have none because they could not be made.
        reason: why the first of these could not.
    """

    shown: dict[str, dict[int, dict[str, str]]] = field(default_factory=dict)
    walk: str = ""
    left_out: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def caveats(self) -> list[str]:
        """What the reader must know of pictures that could not be made."""
        if not self.failed:
            return []
        verb = "has" if self.failed == 1 else "have"
        why = f": {self.reason}" if self.failed == 1 else f"; the first of them because {self.reason}"
        return [f"{summary.counted(self.failed, 'snapshot')} {verb} no pictures{why}"]


def _pictures(
    results: Readable,
    steps: Mapping[str, list[int]],
    progress: Progress,
    pictures: Callable[[StudyFolder, Run, int], Pictures],
) -> _Made:
    runs = {run.id: run for run in results.folder.runs}
    each = max(2, MOST_PICTURES // max(len(steps), 1))
    chosen = {run: spread(found, each) for run, found in steps.items()}
    chosen = dict(list(chosen.items())[: MOST_PICTURES // 2])
    total = sum(len(found) for found in chosen.values())
    each_bytes = max(LEAST_PICTURE, PICTURE_BUDGET // max(total, 1))
    progress.stage("pictures", total)
    made = _Made(left_out=sum(len(found) for found in steps.values()) - total)
    for run, found in chosen.items():
        for step in found:
            progress.check()
            try:
                seen = pictures(results.folder, runs[run], step)
            except CorruptArtifact as error:
                made.failed += 1
                made.reason = made.reason or str(error).replace(f"{results.folder.path}{os.sep}", "")
                continue
            pairs = data_uri(grid([seen.originals, seen.reconstructions]), each_bytes // 3)
            made.shown.setdefault(run, {})[step] = {
                "pairs": pairs,
                "walk": data_uri(grid(list(seen.traversals)), each_bytes * 2 // 3),
            }
            low, high = (f"{value:g}".replace("-", "−") for value in (seen.values[0], seen.values[-1]))
            made.walk = f" from {low} to {high} prior standard deviations"
            progress.advance()
    return made


def _html(
    results: Readable,
    frames: page.Frames,
    steps: Mapping[str, list[int]],
    scores: Mapping[str, Packed],
    made: _Made,
    thin: str,
) -> str:
    environment = Environment(loader=PackageLoader("vaescope.views"), autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False, "separators": (",", ":")}
    sources = environment.loader
    if sources is None:
        raise AssertionError("a loader was given")
    css, script = (sources.get_source(environment, f"report.{kind}")[0] for kind in ("css", "js"))
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=page.vega_lite())
    distances = [name for name in results.study.measures if method.is_distance(name)]
    measure = method.main_measure([*results.study.measures])
    labels = tables.run_labels(frames.runs)
    raw, corrected = (summary.lead(frames.lead, measure, c, frames.runs) for c in ("raw", "corrected"))
    title = method.titles([measure])[measure]
    return environment.get_template("report.html").render(
        # Our own files and the bundle are markup; everything else is escaped.
        css=Markup(css),  # noqa: S704
        bundle=Markup(bundle),  # noqa: S704
        script=Markup(script),  # noqa: S704
        hashes=Markup(" ".join(f"'sha256-{_digest(text)}'" for text in (bundle, script))),  # noqa: S704
        version=version("vaescope"),
        name=results.study.name,
        main=title,
        setting=summary.setting(frames.runs, results.study.steps),
        lede=summary.headline(raw, corrected),
        caveats=[*summary.caveats(frames.runs, labels), *made.caveats],
        finding=[DISTANCES_ONLY]
        if measure in distances
        else summary.finding(raw, corrected, summary.floors(frames.settling, measure), title),
        distances=", ".join(method.titles(distances).values()),
        cards=page.cards(frames, scores, measure),
        never=page.never(frames, measure),
        runs=page.run_rows(frames, measure),
        more_runs=f"{len(frames.runs) - page.MOST_ROWS:,} more runs are in the study's folder."
        if len(frames.runs) > page.MOST_ROWS
        else "",
        relapses=page.relapses(frames),
        settling=page.settling_rows(frames),
        has_scores=bool(scores),
        has_curves=len(frames.curves) > 0,
        has_losses=len(tables.losses_table(frames.losses)) > 0,
        has_pictures=bool(made.shown),
        last_pictures=[
            {"label": f"{labels[run]}, step {max(found)}", "uri": found[max(found)]["pairs"]}
            for run, found in made.shown.items()
        ],
        no_pictures="No pictures could be made: the top of the page says why."
        if made.failed
        else "No pictures yet: they need at least one snapshot.",
        picture_note=_without_pictures(made.left_out),
        walk_range=made.walk,
        over_seeds=page.over_seeds_rows(frames, measure),
        thinned=thin,
        differing=[] if measure in distances else objectives_beside(results, measure),
        method=method.paragraphs(results.study, scores, _docs(results.study), _versions()),
        data=page.data(frames, results.study, steps, scores, made.shown),
    )


def objectives_beside(results: Readable, measure: str) -> list[Compared]:
    """How much objectives differ at the same strength, as the page and the terminal tell it."""
    pairs = results.differing("objective", measure)
    across: tuple[What, ...] = ("objective and seed", "seed")
    return objective_tables(pairs, *(results.differing(what, measure) for what in across)) if len(pairs) else []


def _thinned(there: Mapping[str, Sequence[int]], shown: Mapping[str, Sequence[int]]) -> str:
    all_, some = (sum(len(steps) for steps in found.values()) for found in (there, shown))
    return (
        f"{some:,} of {all_:,} snapshots are shown here, evenly spaced: the page must stay small. The scores of "
        "all are in similarity.parquet beside it."
    )


def _without_pictures(count: int) -> str:
    if not count:
        return ""
    verb = "has" if count == 1 else "have"
    return f"{summary.counted(count, 'snapshot')} {verb} no pictures here: left out to keep the page small."


def _docs(study: Study) -> dict[str, str | None]:
    return {name: MEASURES[name].__doc__ if name in MEASURES else None for name in study.measures}


def _versions() -> str:
    return ", ".join(
        f"{name} {version(name)}" for name in ("vaescope", "torch", "numpy", "altair", "vl-convert-python")
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
