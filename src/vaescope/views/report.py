"""Writes the report: one HTML file with everything in it, that works offline and without any script from elsewhere."""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.progress import Progress
from vaescope.runs.extract import Pictures
from vaescope.runs.extract import pictures as pictures_of
from vaescope.runs.store import StudyFolder, put
from vaescope.runs.study import Run
from vaescope.views import summary
from vaescope.views.contents import Content, Readable, content, objectives_beside
from vaescope.views.tiles import data_uri, grid, spread
from vaescope.views.variables import variables

__all__ = ["Readable", "objectives_beside", "report"]

PICTURE_BUDGET = 1_200_000
MOST_PICTURES = 120
LEAST_PICTURE = 3_000


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
    progress = progress or Progress()
    found = content(results, progress.check)
    made = _pictures(results, found.axes.there, progress, pictures)
    put(out, _html(found, made, results.twins()).encode("utf-8", "replace"))
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

    @property
    def without(self) -> list[str]:
        """What the reader must know of pictures that were left out."""
        if not self.left_out:
            return []
        verb = "has" if self.left_out == 1 else "have"
        few = f"{summary.counted(self.left_out, 'snapshot')} {verb} no pictures here"
        return [f"{few}: left out to keep the page small."]


def _pictures(
    results: Readable,
    steps: Mapping[str, Sequence[int]],
    progress: Progress,
    pictures: Callable[[StudyFolder, Run, int], Pictures],
) -> _Made:
    runs = {run.id: run for run in results.folder.runs}
    each = max(2, MOST_PICTURES // max(len(steps), 1))
    some = spread([run for run, found in steps.items() if found and runs[run].recorded is None], MOST_PICTURES // 2)
    chosen = {run: spread(steps[run], each) for run in some}
    total = sum(len(found) for found in chosen.values())
    each_bytes = max(LEAST_PICTURE, PICTURE_BUDGET // max(total, 1))
    progress.stage("pictures", total)
    of_ours = [found for run, found in steps.items() if runs[run].recorded is None]
    made = _Made(left_out=sum(map(len, of_ours)) - total)
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


def _html(found: Content, made: _Made, twins: Sequence[str]) -> str:
    loader = PackageLoader("vaescope.views")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "allow_nan": False, "separators": (",", ":")}
    css, script = (_joined(environment, loader, kind) for kind in ("css", "js"))
    told: dict[str, Any] = variables(found, made.shown)
    told["caveats"] += [*twins, *made.caveats]
    told["left_out"] += made.without
    return environment.get_template("report.html").render(
        **told,
        # Our own files are markup; everything else is escaped.
        css=Markup(css),  # noqa: S704
        script=Markup(script),  # noqa: S704
        hashes=Markup(f"'sha256-{_digest(script)}'"),  # noqa: S704
        style_hash=Markup(f"'sha256-{_digest(css)}'"),  # noqa: S704
        last_pictures=[
            {"label": f"{found.axes.labels[run]}, step {max(steps):,}", "uri": steps[max(steps)]["pairs"]}
            for run, steps in made.shown.items()
        ],
        no_pictures="No pictures could be made: the top of the page says why."
        if made.failed
        else "Recorded runs have no pictures: their networks are not here."
        if found.recorded
        else "No pictures yet: they need at least one snapshot.",
        picture_note=" ".join(made.without),
        walk_range=made.walk,
    )


def _joined(environment: Environment, loader: BaseLoader, kind: str) -> str:
    """The files report-*.css (or .js) in their order, then report.css."""
    names = [name for name in loader.list_templates() if name.startswith("report-") and name.endswith(f".{kind}")]
    return "\n".join(loader.get_source(environment, name)[0] for name in [*sorted(names), f"report.{kind}"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
