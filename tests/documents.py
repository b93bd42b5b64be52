"""The code blocks of the documents: finding them, and running each kind.

A page's blocks run from top to bottom in one namespace and one folder. A comment directly above a block excuses it:

    <!-- not run: why -->                   (a reason, in words)
    <!-- run by: tests/models/test_x.py --> (a test file that reads this page)
    <!-- setup:
    code that runs there, and that readers need not see
    -->
"""

import doctest
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from typer.testing import CliRunner

from tests.conftest import REPOSITORY
from vaescope.cli import app
from vaescope.data.dataset import DATASETS
from vaescope.models.network import NETWORKS
from vaescope.models.objective import OBJECTIVES
from vaescope.models.reconstruction import RECONSTRUCTIONS
from vaescope.pipeline import load_study
from vaescope.stats.claim import CLAIMS
from vaescope.stats.code_score import CODE_SCORES
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.measure import MEASURES
from vaescope.views.figure import FIGURES

REGISTRIES = (DATASETS, NETWORKS, OBJECTIVES, RECONSTRUCTIONS, MEASURES, EXAMINATIONS, CODE_SCORES, CLAIMS, FIGURES)
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+|~~~+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$", re.M | re.S
)
COMMENT = re.compile(r"<!-- (not run|run by):([^\n]*)-->\n *\Z")
SETUP = re.compile(r"<!-- setup:\n(.*?)-->", re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
HIDDEN_CODE = re.compile(r"\{(code|code-block|code-cell|sourcecode|doctest|testcode|highlight|parsed-literal)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: the first word after the fence, "" if there is none.
        text: what is in it, without the indent of the fence.
        line: of the fence, counted from 1.
        excuse: "not run", "run by" or "".
        reason: what the excuse says.
    """

    language: str
    text: str
    line: int
    excuse: str = ""
    reason: str = ""


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, and every setup, in order."""
    found = []
    for match in FENCE.finditer(page):
        before = COMMENT.search(page[: match.start()])
        excuse, reason = before.groups() if before else ("", "")
        text = re.sub(rf"^{match['indent']}", "", match["body"], flags=re.M)
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(match["info"].strip().partition(" ")[0], text, line, excuse, reason.strip()))
    for match in SETUP.finditer(page):
        found.append(Block("python", match[1], page.count("\n", 0, match.start()) + 1))
    return sorted(found, key=lambda block: block.line)


def faults(block: Block, page: str) -> list[str]:
    """Why a block is neither run nor excused; what is wrong with its excuse."""
    if HIDDEN_CODE.match(block.language):
        return ["a directive that shows code: use a plain fence"]
    if block.excuse == "not run":
        return [] if len(block.reason.split()) >= 3 else ["an excuse without a reason"]
    if block.excuse == "run by":
        test = REPOSITORY / block.reason
        named = test.is_file() and Path(page).name in test.read_text()
        return [] if named else [f"{block.reason} is no test that reads {page}"]
    if block.language in ("python", "yaml", "toml", "console") or block.language.startswith("{"):
        return []
    if block.language in ("", "text"):
        looks = re.search(r"^\s*(>>>|\$ |import |from \w+ import )", block.text, re.MULTILINE)
        return ["code in a block without a language"] if looks else []
    return [f"nobody knows how to run {block.language!r}"]


@contextmanager
def as_it_was(name: str) -> Iterator[ModuleType]:
    """A module of that name for a page; what the page registers is gone afterwards."""
    kept = [dict(registry._find()) for registry in REGISTRIES]
    module = sys.modules[name] = ModuleType(name)
    try:
        yield module
    finally:
        del sys.modules[name]
        for registry, members in zip(REGISTRIES, kept, strict=True):
            registry._members.clear()
            registry._members.update(members)


def run(block: Block, page: str, module: ModuleType, folder: Path) -> None:
    """Run one block that is not excused; an AssertionError or what it raises tells what is wrong."""
    if block.excuse:
        return
    if block.language == "python" and ">>>" in block.text:
        run_examples(block, page, module)
    elif block.language == "python":
        padded = "\n" * block.line + block.text  # tracebacks name the line of the page
        exec(compile(padded, page, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - our own pages
    elif block.language == "console":
        for command in commands(block.text):
            run_command(command)
    elif block.language == "yaml":
        run_study(block.text, folder)
    elif block.language == "toml":
        run_entry_points(block.text)


def run_examples(block: Block, page: str, module: ModuleType) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, module.__dict__, page, page, block.line)
    test.globs = module.__dict__  # one namespace a page, not a copy
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append, clear_globs=False)
    assert result.attempted, f"{page}:{block.line}: no example"
    assert not result.failed, "".join(told)


def commands(text: str) -> list[list[str]]:
    """The commands of a console block, split into words; what they print follows `$ `-lines and is passed over."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    words = [shlex.split(line, comments=True) for line in (prompted or lines)]
    return [w for w in words if w]


def run_command(words: list[str]) -> None:
    """Run one of ours; look up what another names."""
    if words[0] == "vaescope":
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{shlex.join(words)}: exit code {result.exit_code}: {result.output}"
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = re.fullmatch(r"(?:vaescope|\.)(?:\[([\w,]+)\])?", words[2])
        assert named, f"{shlex.join(words)}: not this package"
        assert set((named[1] or "dev").split(",")) <= set(extras), f"{words[2]}: no such extra"
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets, f"make {words[1]}: no such target"
    else:
        raise AssertionError(f"{shlex.join(words)}: not a command that can be tried here; excuse it")


def run_study(text: str, folder: Path) -> None:
    """A whole study, or some keys of one."""
    path = folder / "shown.yaml"
    whole = [f"{key}: {value}" for key, value in {"name": "shown", "objectives": "{vae: {}}"}.items()]
    missing = [line for line in whole if not re.search(rf"^{line.partition(':')[0]}:", text, re.MULTILINE)]
    path.write_text("\n".join([*missing, text]))
    assert load_study(path).runs()


def run_entry_points(text: str) -> None:
    """Entry points are in groups that exist."""
    points = tomllib.loads(text)["project"]["entry-points"]
    assert set(points) <= {registry.group for registry in REGISTRIES}
