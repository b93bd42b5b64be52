"""The documents: every code block runs or says why not, every public name and member is in the reference."""

import ast
import re
import shutil

import pytest

import vaescope
from tests.conftest import REPOSITORY
from tests.documents import REGISTRIES, as_it_was, blocks, commands, faults, run

ELSEWHERE = {"README.md"}  # its blocks are run by pytest itself and tests/test_readme.py
PAGES = sorted(
    str(path.relative_to(REPOSITORY))
    for path in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
    if path.name not in ELSEWHERE
)
SHOWN = {  # listings in docstrings that other tests run
    "src/vaescope/testing/__init__.py: def test_my_measure_conforms(name, check):": "tests/stats/test_measures.py",
}
TINY = (
    "steps=20",
    "batch_size=8",
    "seeds=1",
    "probe.n=64",
    "snapshots.count=4",
    "measures.procrustes.n=32",
    "objectives={beta_vae: {beta: [4]}}",
    "examinations=[references, latents, posterior]",
)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study that is done, as small as can be; pages get a copy of it."""
    folder = tmp_path_factory.mktemp("documents") / "study"
    vaescope.run(vaescope.load_study("quickstart", list(TINY)), folder)
    return folder


def page(name):
    return (REPOSITORY / name).read_text()


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run_or_excused(name):
    wrong = [f"{name}:{b.line}: {fault}" for b in blocks(page(name)) for fault in faults(b, name)]
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in PAGES if any(b.language for b in blocks(page(name)))])
def test_the_blocks_of_a_page_run(name, request, tmp_path, monkeypatch):
    shown = [b for b in blocks(page(name)) if not b.excuse and b.language in ("python", "console", "yaml", "toml")]
    if any("my-study" in b.text for b in shown):
        shutil.copytree(request.getfixturevalue("studied"), tmp_path / "my-study")
    monkeypatch.chdir(tmp_path)
    with as_it_was("page") as module:
        for block in shown:
            run(block, name, module, tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\n1 / 0\n```", None),
        ("```js\nalert()\n```", "nobody knows how to run 'js'"),
        ("```\n$ rm -r x\n```", "code in a block without a language"),
        ("```{code-block} python\n1 / 0\n```", "a directive that shows code"),
        ("<!-- not run: -->\n```bash\nx\n```", "an excuse without a reason"),
        ("<!-- not run: it needs a cluster -->\n```bash\nx\n```", None),
        ("<!-- not run: it needs a cluster -->\n\nText.\n\n```bash\nx\n```", "nobody knows how to run 'bash'"),
        ("<!-- run by: tests/test_errors.py -->\n```python\nx\n```", "tests/test_errors.py is no test that reads"),
        ("<!-- run by: tests/no.py -->\n```python\nx\n```", "tests/no.py is no test that reads"),
    ],
)
def test_a_block_that_nobody_runs_is_found(text, fault):
    (block,) = blocks(text)
    found = faults(block, "docs/a-page.md")
    assert bool(found) == bool(fault)
    assert fault is None or found[0].startswith(fault)


@pytest.mark.parametrize(
    "text",
    [
        "```python\n1 / 0\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "```console\n$ vaescope no-such-command\n```",
        "```console\nvaescope list no-such-family\n```",
        '```console\npip install "vaescope[nothing]"\n```',
        "```console\nmake nothing\n```",
        "```console\ncurl example.org\n```",
        "```yaml\nno_such_key: 1\n```",
        '```toml\n[project.entry-points."vaescope.nothing"]\na = "b"\n```',
    ],
)
def test_a_block_that_is_wrong_fails(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(text)
    with as_it_was("page") as module, pytest.raises(Exception, match=r"(?s).*"):
        run(block, "docs/a-page.md", module, tmp_path)


def test_blocks_of_one_page_share_their_names_and_leave_no_member_behind(tmp_path):
    text = "<!-- setup:\nx = 1\n-->\n\n```python\ny = x + 1\n```\n\n```python\n>>> y\n2\n\n```"
    before = [list(registry) for registry in REGISTRIES]
    with as_it_was("page") as module:
        for block in blocks(text):
            run(block, "page.md", module, tmp_path)
        REGISTRIES[0]._members["left"] = object
        assert module.y == 2
    assert [list(registry) for registry in REGISTRIES] == before


def test_commands_are_told_from_what_they_print():
    assert commands("$ vaescope a \\\n    b  # why\nprinted\n") == [["vaescope", "a", "b"]]
    assert commands("# why\nvaescope a 'b c'\n") == [["vaescope", "a", "b c"]]


def referenced():
    """Page of the reference -> the arguments of each directive on it."""
    text = "".join(path.read_text() for path in (REPOSITORY / "docs" / "api").glob("*.md"))
    return [m.split() for m in re.findall(r"^```\{reference\} (.*)$", text, re.M)], re.findall(
        r"^```\{members\} (\w+)", text, re.M
    )


def test_every_public_name_is_in_the_reference():
    named = {f"{module}.{name}" for module, *names in referenced()[0] for name in names}
    stub = ast.parse((REPOSITORY / "src/vaescope/__init__.pyi").read_text())
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    doors = {a.name for node in imports if node.module is None for a in node.names}
    public = {f"vaescope.{a.name}" for node in imports if node.module for a in node.names}
    for door in doors:
        tree = ast.parse((REPOSITORY / f"src/vaescope/{door}.py").read_text())
        passed = [a for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names]
        public |= {f"vaescope.{door}.{a.asname}" for a in passed if a.asname}
    members = {f"vaescope.disentanglement.{score.__name__}" for score in REGISTRIES[6].values()}
    contracts = {"vaescope.disentanglement.CODE_SCORES", "vaescope.disentanglement.CodeScore"}
    assert sorted(public - members - contracts - named) == []


def test_every_family_is_in_the_reference():
    assert sorted(referenced()[1]) == sorted(registry.group.removeprefix("vaescope.") for registry in REGISTRIES)


def test_docstrings_show_code_only_where_it_is_run():
    """Doctests are run by pytest; a fence or an indented listing in a docstring would not be."""
    found = []
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                lines = [line.strip() for line in text.splitlines()]
                code = [
                    line for line in lines if re.match(r"```|import \w+$|from \S+ import |def \w+\(|with .*:$", line)
                ]
                found += [f"{path.relative_to(REPOSITORY)}: {line}" for line in code]
    assert [line for line in found if line not in SHOWN] == []
