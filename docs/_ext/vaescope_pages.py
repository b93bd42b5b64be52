"""What the pages of the site are given by the code: tables of the registry, reference pages, examples, the changelog.

Each directive writes MyST text and has it parsed in its place, so no file is made in the source folder.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
KINDS = {"feature": "New", "change": "Changed", "fix": "Mended", "removal": "Removed"}
WORDS = {"orthogonal": "rotations", "scaling": "scale", "translation": "shifts", "permutation": "order of features"}


def families() -> dict[str, Any]:
    """Every registry by the name its entry-point group has."""
    from vaescope.data.dataset import DATASETS
    from vaescope.models.network import NETWORKS
    from vaescope.models.objective import OBJECTIVES
    from vaescope.models.reconstruction import RECONSTRUCTIONS
    from vaescope.stats.claim import CLAIMS
    from vaescope.stats.code_score import CODE_SCORES
    from vaescope.stats.examination import EXAMINATIONS
    from vaescope.stats.measure import MEASURES
    from vaescope.views.figure import FIGURES

    found = (DATASETS, NETWORKS, OBJECTIVES, RECONSTRUCTIONS, MEASURES, EXAMINATIONS, CODE_SCORES, CLAIMS, FIGURES)
    return {registry.group.removeprefix("vaescope."): registry for registry in found}


def measure_table() -> str:
    """A row a measure: what it asks, ignores, whether chance pulls it up, what a pair costs."""
    from vaescope.stats.measure import MEASURES

    lines = ["| measure | what it ignores | same, different | unbiased | symmetric | metric | least n | a pair costs |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    unit = MEASURES["cka"]().pair_flops(1000, 1000, 1000)
    for name, measure in MEASURES.items():
        low, high = (f"{bound:g}" for bound in measure.bounds)
        same, other = (high, low) if measure.larger_is_more_similar else (low, high)
        kept = measure.invariant_to
        turned = kept - {"permutation"} if "orthogonal" in kept else kept  # a new order is a rotation
        ignored = "any linear map" if "linear" in kept else ", ".join(w for t, w in WORDS.items() if t in turned)
        flags = ("yes" if flag else "no" for flag in (measure.debiased, measure.symmetric, measure.metric))
        times = measure().pair_flops(1000, 1000, 1000) / unit
        cost = f"{times:,.0f}" if times >= 2 else f"{times:.2g}"
        cells = (f"[`{name}`](#{anchor('measures', name)})", ignored or "nothing", f"{same}, {other}", *flags)
        lines.append(f"| {' | '.join(cells)} | {measure.minimum_n} | {cost} |")
    return "\n".join(lines)


def anchor(family: str, name: str) -> str:
    """The target of a member on its reference page."""
    return f"{family}-{name}".replace("_", "-")


def members(family: str, level: int = 3) -> str:
    """The reference of all members of a registry, each under a heading of that level."""
    parts = []
    for name, member in families()[family].items():
        parts.append(f"({anchor(family, name)})=\n{'#' * level} `{name}`\n")
        path = f"{member.__module__}.{member.__qualname__}"
        parts.append(f"```{{eval-rst}}\n.. autoclass:: {path}\n```\n")
    return "\n".join(parts)


def reference(module: str, names: list[str]) -> str:
    """The reference of objects that a module offers; all of `__all__` where none are named."""
    from importlib import import_module

    owner = import_module(module)
    parts = []
    for name in names or sorted(owner.__all__):
        found = getattr(owner, name)
        if inspect.isclass(found):
            kind, options = (
                "class",
                "\n   :members:" + ("\n   :show-inheritance:" if issubclass(found, Exception) else ""),
            )
        else:
            kind, options = ("function", "") if callable(found) else ("data", "")
        parts.append(f"```{{eval-rst}}\n.. auto{kind}:: {module}.{name}{options}\n```\n")
    return "\n".join(parts)


def cells_of(text: str) -> Iterator[tuple[str, str]]:
    """The cells of a script in the percent format: ("markdown" or "python", text)."""
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        if head.strip() == "[markdown]":
            yield "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()
        elif body.strip():
            yield "python", body.strip("\n")


def example(path: Path) -> str:
    """A script as a page."""
    shown = [f"```python\n{text}\n```" if kind == "python" else text for kind, text in cells_of(path.read_text())]
    return "\n\n".join([*shown, f"Run it: `python examples/{path.name}`."])


def changelog(folder: Path) -> str:
    """The fragments of the next version, newest first."""
    found = [f for f in folder.glob("*.*.md") if f.name.split(".")[1] in KINDS]
    found.sort(key=lambda f: (-int(f.name.split(".")[0]), list(KINDS).index(f.name.split(".")[1])))
    return "\n\n".join(f"**{KINDS[f.name.split('.')[1]]}.** {f.read_text().strip()}" for f in found)


def commands() -> str:
    """The help of every command, as the terminal shows it."""
    from typer.main import get_command

    from vaescope.cli import app

    found: list[tuple[str, Any]] = []
    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [(f"{name} {n}", c) for n, c in inner.items()] if inner else [(name, command)]
    parts = []
    for name, command in found:
        with command.make_context(f"vaescope {name}", [], resilient_parsing=True) as context:
            shown = command.get_help(context)
        parts.append(f"({anchor('command', name.replace(' ', '-'))})=\n## `{name}`\n\n```text\n{shown.strip()}\n```")
    return "\n\n".join(parts)


def as_rst(lines: list[str]) -> list[str]:
    """A docstring of this package as reStructuredText: signs that mean something there are escaped, references a list.

    Args:
        lines: of a docstring in Google style whose text is plain, with `code` in single backticks and doctests.
    """
    made: list[str] = []
    place = 0
    while place < len(lines):
        title = lines[place].strip()
        if title in ("References:", "Returns:"):
            end = place + 1
            while end < len(lines) and (lines[end].startswith(" ") or not lines[end].strip()):
                end += 1
            body = [line for line in lines[place + 1 : end] if line.strip()]
            made += _sources(body) if title == "References:" else _returned(body)
            place = end
        elif title.startswith(">>>"):
            while place < len(lines) and lines[place].strip():
                made.append(lines[place])
                place += 1
        else:
            made.append(_escaped(lines[place]))
            place += 1
    return made


def _sources(body: list[str]) -> list[str]:
    """A list of references: one ends with its address."""
    items: list[str] = []
    for line in body:
        if items and "http" not in items[-1]:
            items[-1] += f" {_escaped(line.strip())}"
        else:
            items.append(f"    * {_escaped(line.strip())}")
    return ["References:", *items, ""]


def _returned(body: list[str]) -> list[str]:
    """What is returned; the columns of a table ("name: what it is") as a list."""
    outer = min(len(line) - len(line.lstrip()) for line in body)
    joined: list[str] = []
    for line in body:
        if joined and line[outer] == " ":
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line.strip())
    table = len(joined) < len(body) or sum(": " in line for line in joined) > 1
    made = [":returns:"]
    for line in joined:
        item = table and re.match(r"\w[\w, ]*(\([^)]*\))?(: |$)", line)
        if made[-1].startswith("    ") and bool(item) != made[-1].startswith("    * "):
            made.append("")
        made.append(f"    {'* ' if item else ''}{_escaped(line)}")
    return ["", *made, ""]


def _escaped(line: str) -> str:
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else re.sub(r"([|*\\]|(?<=\w)_(?!\w))", r"\\\1", p) for p in parts)


class Written(SphinxDirective):
    """A directive whose body is text that a function writes."""

    optional_arguments: ClassVar[int] = 100
    has_content: ClassVar[bool] = False

    def text(self) -> str:
        raise NotImplementedError

    def depends_on(self, path: Path) -> Path:
        """Have the page made again when this file changes."""
        self.env.note_dependency(str(path))
        return path

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True)


class MeasureTable(Written):
    """`{measure-table}`."""

    def text(self) -> str:
        return measure_table()


class Members(Written):
    """`{members} measures 2`: the level of the headings, 3 if not said."""

    def text(self) -> str:
        return members(self.arguments[0], int(self.arguments[1]) if len(self.arguments) > 1 else 3)


class Reference(Written):
    """`{reference} vaescope similarity run`."""

    def text(self) -> str:
        return reference(self.arguments[0], self.arguments[1:])


class Example(Written):
    """`{example} vision_transformer.py`."""

    def text(self) -> str:
        return example(self.depends_on(ROOT / "examples" / self.arguments[0]))


class Commands(Written):
    """`{commands}`."""

    def text(self) -> str:
        return commands()


class Contributing(Written):
    """`{contributing}`."""

    def text(self) -> str:
        text = self.depends_on(ROOT / "CONTRIBUTING.md").read_text()
        text = re.sub(r"\]\(docs/([\w-]+\.md)", r"](\1", text)  # it lies one folder up
        return re.sub(r"\[([^]]+)\]\(changes/README\.md\)", r"`\1`", text).partition("\n")[2]


class Changelog(Written):
    """`{changelog}`."""

    def text(self) -> str:
        for file in (ROOT / "changes").glob("*.md"):
            self.depends_on(file)
        return changelog(ROOT / "changes")


def _prepare(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def _offline(app: Sphinx, error: Exception | None) -> None:
    """Warn of pages and styles that load something from the network; addresses to follow are no matter."""
    if error is not None or app.builder.name not in ("html", "dirhtml"):
        return
    source = r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\ssrc="
    loads = rf'(?:{source}|<link\b[^>]*\shref=)["\']?(?:https?:)?//'
    for path in [*Path(app.outdir).rglob("*.html"), *Path(app.outdir).rglob("*.css")]:
        pattern = loads if path.suffix == ".html" else r"(?:@import|url\()\s*[\"']?(?:url\([\"']?)?(?:https?:)?//"
        if found := re.search(pattern, path.read_text()):
            logger.warning("%s loads from the network: %s", path.name, found[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx."""
    app.add_directive("measure-table", MeasureTable)
    app.add_directive("members", Members)
    app.add_directive("reference", Reference)
    app.add_directive("example", Example)
    app.add_directive("changelog", Changelog)
    app.add_directive("commands", Commands)
    app.add_directive("contributing", Contributing)
    app.connect("autodoc-process-docstring", _prepare, priority=100)
    app.connect("build-finished", _offline)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
