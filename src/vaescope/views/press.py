"""Writes the figures of a study: pictures, their data, and a page of captions; nothing is asked of a network."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd
import vl_convert

from vaescope.errors import UsageError, VaescopeError
from vaescope.progress import Progress
from vaescope.runs.store import put
from vaescope.stats.gathering import main_similarity
from vaescope.stats.results import Results
from vaescope.stats.selection import must_know
from vaescope.views import theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.evidence import Evidence
    from vaescope.stats.judge import Verdicts

Format = Literal["svg", "png", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)
PPI = 300.0
CAPTIONS = "captions.md"
_SECTION = re.compile(r"^## (\w+): .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write(
    results: Results,
    out: Path,
    names: Sequence[str] | None = None,
    formats: Sequence[str] = FORMATS,
    progress: Progress | None = None,
    width: Width | None = None,
) -> list[Path]:
    """Draw figures of a study and write them to a folder.

    Each figure becomes one file a format, and a CSV with what is drawn; `captions.md` has their captions and says why
    others are missing. A figure for which the study has nothing is left out, and told. Pictures are 3.3 or 6.9 inches
    wide: PNG at 300 dots per inch, SVG and PDF as outlines with live text.

    Args:
        results: the study, finished or not.
        out: the folder; made where it is not there.
        names: of figures; all if None.
        formats: "svg", "png", "pdf".
        progress: told of every figure.
        width: "column" or "page"; what each figure is made for if None.

    Returns:
        The files, in the order they were written.

    Raises:
        UsageError: there is no such figure or format, or `out` is a file.
        ResourceError: a file cannot be written; those written before are whole.
    """
    progress, out = progress or Progress(), Path(out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder to write figures to. Choose another --out.")
    for name in formats:
        must_know("format", name, list(FORMATS))
    chosen = {name: FIGURES[name] for name in dict.fromkeys(FIGURES if names is None else names)}
    kept, files, told, missing = _Kept.of(results), [], {}, {}
    progress.stage("figures", len(chosen))
    for name, figure in chosen.items():
        progress.check()
        found = _drawn(figure(), kept, width)
        if isinstance(found, str):
            missing[name] = found
            progress.say(f"{name}: not drawn: {found}.")
        else:
            table, spec = found
            for kind in formats:
                put(out / f"{name}.{kind}", picture(spec, kind))
                files.append(out / f"{name}.{kind}")
            put(out / f"{name}.csv", table.to_csv(index=False).encode())
            files.append(out / f"{name}.csv")
            told[name] = _section(figure(), table, formats)
        progress.advance(note=name)
    if told or missing:
        put(out / CAPTIONS, _captions(kept, out, told, missing).encode())
        files.append(out / CAPTIONS)
    return files


def picture(spec: dict[str, Any], kind: str) -> bytes:
    """A Vega-Lite chart as a picture, with letters and outlines in points; what is not in it is not fetched.

    Args:
        spec: the chart; a pixel counts as a point.
        kind: "svg", "png" or "pdf".
    """
    nowhere: list[str] = []
    if kind == "png":
        return vl_convert.vegalite_to_png(spec, ppi=PPI, scale=1, allowed_base_urls=nowhere)
    if kind == "pdf":
        return vl_convert.vegalite_to_pdf(spec, allowed_base_urls=nowhere)
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=nowhere)
    return re.sub(
        r'(<svg[^>]*?) width="([\d.]+)" height="([\d.]+)"', r'\1 width="\2pt" height="\3pt"', svg, count=1
    ).encode()


def _drawn(figure: Figure, results: Results, width: Width | None) -> tuple[pd.DataFrame, dict[str, Any]] | str:
    """The table and the chart of a figure, or why there is none."""
    try:
        table = figure.table(results)
        if not len(table):
            return figure.missing(results) if (results.runs["state"] == "done").any() else "no run has finished"
        wide = width or figure.width
        chart = figure.chart(table, width=wide)
    except VaescopeError as error:  # a damaged snapshot, say: the other figures do not need it
        return str(error).rstrip(".")
    except ImportError as error:
        return f"the package {error.name} is not installed: pip install {_package(error.name)}"
    spec = theme.fitted(chart, theme.total(wide))
    return table, {**spec, "description": f"{figure.title}. {figure.caption}"}


def _package(module: str | None) -> str:
    first = (module or "").partition(".")[0]
    return {"sklearn": "scikit-learn"}.get(first, first)


def _section(figure: Figure, table: pd.DataFrame, formats: Sequence[str]) -> str:
    name, note = figure.name, figure.note(table)
    shown = f"![{figure.title}]({name}.{formats[0]})\n\n" if formats else ""
    return f"## {name}: {figure.title}\n\n{shown}{figure.caption}{' ' + note if note else ''} Data: `{name}.csv`.\n\n"


def _captions(results: Results, out: Path, told: dict[str, str], missing: dict[str, str]) -> str:
    """The page of captions; those of figures drawn before and not now are kept."""
    measure = main_similarity(results.study)
    head = f"# Figures of {results.study.name}\n\n"
    head += f"Similarities are {wording.measure(measure)} unless something else is said.\n\n" if measure else ""
    there = out / CAPTIONS
    before = there.read_text(encoding="utf-8", errors="replace") if there.is_file() else ""
    sections = {m[1]: m[0].partition("\n## ")[0].strip() + "\n\n" for m in _SECTION.finditer(before)}
    sections = {k: v for k, v in sections.items() if k in FIGURES and k not in missing} | told
    text = head + "".join(sections[name] for name in sorted(sections))
    if missing:
        text += "## Not drawn\n\n" + "".join(f"- {name}: {why}.\n" for name, why in missing.items())
    return text


class _Kept(Results):
    """Results that read what several figures need only once; nobody trains while figures are drawn."""

    @classmethod
    def of(cls, results: Results) -> Results:
        return cls(results.path) if type(results) is Results else results

    @cached_property
    def _evidence(self) -> "Evidence":
        return super().evidence()

    def evidence(self) -> "Evidence":
        return self._evidence

    @cached_property
    def _snapshot_steps(self) -> dict[str, tuple[int, ...]]:
        return super().snapshot_steps

    @property
    def snapshot_steps(self) -> dict[str, tuple[int, ...]]:
        return self._snapshot_steps

    @cached_property
    def _claims(self) -> "Verdicts":
        return super().claims

    @property
    def claims(self) -> "Verdicts":
        return self._claims
