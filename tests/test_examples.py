"""The examples run as plain scripts, as they are shown on the site."""

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.documents import as_it_was, blocks, faults, run

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
PAGES = REPOSITORY / "docs" / "examples"
SLOW = {"lightning_vae"}  # more than 20 s of one core


def markdown(text):
    """What the markdown cells of a script in the percent format say."""
    cells = re.findall(r"^# %% \[markdown\]\n((?:#.*\n)*)", text, re.MULTILINE)
    return "\n\n".join(re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in cells)


def test_every_example_is_a_page_and_every_page_an_example():
    shown = re.findall(r"\{example\} (\S+)", "".join(page.read_text() for page in PAGES.glob("*.md")))
    assert sorted(shown) == [path.name for path in EXAMPLES]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_begins_with_a_title_and_shows_code_only_where_it_is_run(path, tmp_path, monkeypatch):
    text = path.read_text()
    assert text.startswith("# %% [markdown]\n# # ")
    assert not re.search(r"^# %%(?! \[markdown\]$).", text, re.MULTILINE)
    shown = blocks(markdown(text))
    assert [fault for block in shown for fault in faults(block, path.name)] == []
    monkeypatch.chdir(tmp_path)
    with as_it_was("page") as module:
        for block in shown:
            run(block, path.name, module, tmp_path)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.slow if path.stem in SLOW else ()) for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_an_example_runs(path, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "Traceback" not in ran.stderr, ran.stderr[-3000:]
    assert ran.stdout.strip()
