"""The promises about the whole: where effects live, what is never called, what an import costs, how families lie.

Each check is a function from a parsed file to its findings, so that the last tests can feed it sources it must find.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest

from vaescope.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "vaescope"
FILES = sorted(SOURCE.rglob("*.py"))
SHELL = {"cli.py", "cli_data.py", "cli_findings.py", "cli_models.py", "console.py", "statuses.py", "__main__.py"}
VERBS = set(
    re.findall(
        r"`((?:(?:data|models|runs|stats|views|testing|comparing|trackers|adapters)/)?(?:readers/)?[a-z0-9_]+\.py)`",
        (ROOT / "docs" / "architecture.md").read_text().split("## ")[0],
    )
)
NOUNS = [
    f
    for f in FILES
    if f.relative_to(SOURCE).as_posix() not in VERBS | SHELL
    and f.parent.relative_to(SOURCE).as_posix() != "data/readers"
]
MOST_LINES = 350
VAGUE = {"utils", "util", "helpers", "helper", "misc", "common"}
ALLOWED = {"comparing/checkpoints.py": ["torch.load", "torch.load", "torch.load(weights_only=False)"]}
"""Files that open pickles, where somebody said --trust-pickle."""
BORROWS = "models/randomness.py"
"""The one file that sets global random states, and puts them back: models draw from nothing else."""
HEAVY = {"torch", "pandas", "altair", "zarr", "pyarrow"}


def words(text: str) -> set[str]:
    return set(text.split())


EFFECTS = words("""
    os pathlib subprocess shutil tempfile glob mmap fcntl time datetime sched logging socket ssl http urllib requests
    signal sys platform resource atexit threading multiprocessing asyncio getpass ctypes sqlite3
""")
FILE_CALLS = words("""
    open read_text write_text read_bytes write_bytes save_file load_file unlink mkdir np.load np.save np.savez
    np.savez_compressed np.loadtxt np.savetxt np.genfromtxt np.fromfile np.memmap torch.save zarr.open_group
    zarr.open_array pd.read_csv pd.read_parquet
""")
FILE_METHODS = words("read_text write_text read_bytes write_bytes save_file load_file unlink mkdir")
SCREEN_CALLS = words("print input exit quit sys.exit os._exit SystemExit")
CODE_FROM_DATA = words("pickle cPickle _pickle dill cloudpickle joblib marshal shelve yaml")
UNSAFE_CALLS = words("eval exec compile __import__ torch.load os.system os.popen pd.read_pickle")
UNSAFE_OPTIONS = {
    ("allow_pickle", True),
    ("shell", True),
    ("weights_only", False),
    ("typ", "unsafe"),
    ("autoescape", False),
}
SEEDED = words("Generator SeedSequence BitGenerator PCG64 PCG64DXSM Philox SFC64")
TORCH_DRAWS = words(
    "rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial normal poisson"
)
IN_PLACE_DRAWS = words("""
    normal_ uniform_ random_ bernoulli_ exponential_ trunc_normal_ orthogonal_ kaiming_normal_ kaiming_uniform_
    xavier_normal_ xavier_uniform_
""")
HIDDEN_DRAWS = words("rsample dropout Dropout")
GLOBAL_SEEDS = words("seed manual_seed manual_seed_all set_rng_state")
TRUE_NAMES = {"numpy": "np", "pandas": "pd"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` as written, with numpy as np and pandas as pd; "" in front where the receiver is no plain name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    first = TRUE_NAMES.get(node.id, node.id) if isinstance(node, ast.Name) else ""
    return ".".join([first, *reversed(parts)])


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in the file, as far as its name is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def effects(tree: ast.AST) -> list[str]:
    """Files, clocks, signals, processes."""
    found = [name for name in imported(tree) if name.split(".")[0] in EFFECTS or name.startswith("io.open")]
    found += [name for name, _ in calls(tree) if name in FILE_CALLS or name.split(".")[-1] in FILE_METHODS]
    return found + [name for name, _ in calls(tree) if name.endswith(".open") and name != "Image.open"]


def talk(tree: ast.AST) -> list[str]:
    """Writing to the screen and ending the process."""
    found = [name for name in imported(tree) if name.split(".")[0] in {"rich", "typer"}]
    found += [name for name, _ in calls(tree) if name in SCREEN_CALLS]
    written = [dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return found + [name for name in written if name in {"sys.stdout", "sys.stderr"}]


def unsafe(tree: ast.AST) -> list[str]:
    """Whatever makes code out of data, and shells."""
    found = [name for name in imported(tree) if name.split(".")[0] in CODE_FROM_DATA or name in UNSAFE_CALLS]
    for name, call in calls(tree):
        options = {(k.arg, k.value.value) for k in call.keywords if isinstance(k.value, ast.Constant)}
        found += [name] * (name in UNSAFE_CALLS) + [f"{name}({k}={v})" for k, v in options & UNSAFE_OPTIONS]
        if name == "YAML" and ("typ", "safe") not in options:
            found.append("YAML without typ='safe'")
    return found


def bare(name: str) -> bool:
    """Whether an imported function draws; imported by itself it could not be told from others where it is called."""
    return name.rpartition(".")[2] in TORCH_DRAWS | IN_PLACE_DRAWS | HIDDEN_DRAWS | GLOBAL_SEEDS | {"default_rng"}


def hidden_randomness(tree: ast.AST) -> list[str]:
    """Draws from a generator that nobody passed, and seeding those generators."""
    found = [name for name in imported(tree) if name.split(".")[0] in {"random", "secrets"}]
    found += [name for name in imported(tree) if name.startswith(("numpy.random.", "torch.")) and bare(name)]
    for name, call in calls(tree):
        *receiver, function = name.split(".")
        given = any(k.arg == "generator" for k in call.keywords)
        if receiver == ["np", "random"]:
            hidden = function not in SEEDED and not (function == "default_rng" and (call.args or call.keywords))
        elif function in TORCH_DRAWS:
            hidden = receiver == ["torch"] and not given
        elif function in GLOBAL_SEEDS:
            hidden = receiver[:1] == ["torch"]
        else:
            hidden = function in HIDDEN_DRAWS or (function in IN_PLACE_DRAWS and not given)
        found += [name] * hidden
    return found


def registrations(tree: ast.Module) -> list[str]:
    """The classes of a file that a decorator puts into a family."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(dotted(d).endswith(".register") for d in node.decorator_list)
    ]


def vague(file: Path) -> list[str]:
    """The parts of a path that say nothing."""
    return [part for part in Path(file.as_posix().lower()).with_suffix("").parts if part in VAGUE]


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    command = [sys.executable, "-c", f"{statement}\nimport sys; print(*{HEAVY!r} & set(sys.modules))"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(result.stdout.split())


def families() -> list[Registry[type]]:
    """Every registry of the package, found by its assignment."""
    found = []
    for file in FILES:
        for name in re.findall(r"^([A-Z_]+)(?:: [^=]+)? = Registry\(", file.read_text(), re.MULTILINE):
            module = ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts)
            found.append(getattr(import_module(module), name))
    return found


def members() -> list[type]:
    """Every registered class of this package."""
    return [member for family in families() for member in family.values() if member.__module__.startswith("vaescope.")]


def cites(member: type) -> bool:
    """Whether a docstring says where to read about its subject."""
    return re.search(r"References:\n.*https?://", getdoc(member) or "", re.DOTALL) is not None


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def test_the_verbs_of_the_architecture_exist():
    assert {verb for verb in VERBS if not (SOURCE / verb).is_file()} == set()
    assert len(VERBS) >= 9


@pytest.mark.parametrize("file", NOUNS, ids=name_of)
def test_nouns_touch_no_files_clocks_or_signals(file):
    assert effects(parsed(file)) == []


@pytest.mark.parametrize("file", [f for f in FILES if f.name not in SHELL], ids=name_of)
def test_only_the_command_line_prints_and_exits(file):
    assert talk(parsed(file)) == []


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_file_makes_code_out_of_data(file):
    assert unsafe(parsed(file)) == ALLOWED.get(name_of(file), [])


def test_pickles_are_opened_in_one_function():
    tree = parsed(SOURCE / "comparing" / "checkpoints.py")
    assert [f.name for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and unsafe(f)] == ["_unpickled"]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_draw_has_its_own_generator(file):
    found = hidden_randomness(parsed(file))
    assert (found != []) == (name_of(file) == BORROWS), found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_files_are_short_and_their_names_say_something(file):
    assert len(file.read_text().splitlines()) <= MOST_LINES
    assert vague(file.relative_to(SOURCE)) == []


def test_importing_the_package_and_its_command_line_is_cheap():
    assert loaded_by("import vaescope, vaescope.cli") == set()


def test_help_answers_without_the_heavy_packages():
    command = [sys.executable, "-X", "importtime", "-m", "vaescope", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "run" in result.stdout
    assert set(re.findall(r"\|\s+(\w+)$", result.stderr, re.MULTILINE)) & HEAVY == set()


def test_there_are_nine_families():
    assert {family.group for family in families()} == {
        "vaescope.datasets",
        "vaescope.networks",
        "vaescope.objectives",
        "vaescope.reconstructions",
        "vaescope.measures",
        "vaescope.examinations",
        "vaescope.code_scores",
        "vaescope.claims",
        "vaescope.figures",
    }
    assert all(len(family) > 0 for family in families())


def test_every_member_cites_where_it_comes_from():
    assert [m.__qualname__ for m in members() if not cites(m)] == []


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_family_member_has_a_file_to_itself(file):
    assert len(registrations(parsed(file))) <= 1


def test_members_live_in_the_folder_their_family_searches():
    for family in families():
        homes = {m.__module__.rpartition(".")[0] for m in family.values() if m in members()}
        assert homes == {family.package}


def test_every_change_leaves_a_fragment():
    fragments = [f for f in (ROOT / "changes").glob("*.md") if f.name != "README.md"]
    assert fragments
    for fragment in fragments:
        assert re.fullmatch(r"\d+\.(feature|fix|change|removal)\.md", fragment.name), fragment.name
        assert fragment.read_text().strip()


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (effects, "import os.path"),
        (effects, "from pathlib import Path"),
        (effects, "def f():\n    from time import sleep"),
        (effects, "from io import open"),
        (effects, "open('x')"),
        (effects, "folder.joinpath('x').write_text('y')"),
        (effects, "import numpy\nnumpy.load(path)"),
        (effects, "zarr.open_group(path)"),
        (effects, "self.path.open('ab')"),
        (talk, "print(1)"),
        (talk, "import sys\nsys.exit(3)"),
        (talk, "raise SystemExit(3)"),
        (talk, "sys.stderr.write('x')"),
        (talk, "from rich import print as say"),
        (unsafe, "torch.load(path)"),
        (unsafe, "from torch import load\nload(path)"),
        (unsafe, "import pickle"),
        (unsafe, "eval(text)"),
        (unsafe, "import yaml"),
        (unsafe, "YAML()"),
        (unsafe, "np.load(path, allow_pickle=True)"),
        (unsafe, "subprocess.run(line, shell=True)"),
        (unsafe, "Environment(autoescape=False)"),
        (hidden_randomness, "torch.manual_seed(0)"),
        (hidden_randomness, "torch.cuda.manual_seed_all(0)"),
        (hidden_randomness, "torch.randn(3)"),
        (hidden_randomness, "torch.randn_like(x)"),
        (hidden_randomness, "np.random.seed(0)"),
        (hidden_randomness, "numpy.random.normal(0, 1)"),
        (hidden_randomness, "np.random.default_rng()"),
        (hidden_randomness, "x.normal_()"),
        (hidden_randomness, "nn.init.xavier_uniform_(w)"),
        (hidden_randomness, "Normal(0, 1).rsample()"),
        (hidden_randomness, "import random"),
        (hidden_randomness, "from torch import Tensor, randn"),
        (hidden_randomness, "from numpy.random import default_rng"),
        (registrations, "@MEASURES.register\n@final\nclass A: ..."),
    ],
)
def test_each_check_finds_what_it_is_for(check, source):
    assert check(ast.parse(source)) != []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (effects, "import io\nbuffer = io.BytesIO()\nImage.open(buffer)"),
        (talk, "logger.exit()\nfrom vaescope.progress import Progress"),
        (unsafe, "model.eval()\nre.compile('x')\nYAML(typ='safe', pure=True)"),
        (
            hidden_randomness,
            "torch.randn(3, generator=g)\nnp.random.default_rng(0).normal()\ng = torch.Generator().manual_seed(1)",
        ),
        (registrations, "class A: ..."),
    ],
)
def test_each_check_lets_the_innocent_pass(check, source):
    assert check(ast.parse(source)) == []


def test_vague_names_uncited_members_and_heavy_imports_are_found():
    assert vague(Path("stats/utils.py")) == ["utils"]
    assert vague(Path("misc/cka.py")) == ["misc"]
    assert not cites(type("Uncited", (), {"__doc__": "One.\n\nReferences:\n    A paper.\n"}))
    assert loaded_by("import pandas") >= {"pandas"}
