"""The scripts behind the figures of the documents run, at a small size."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
QUICK = sorted(f.name for f in FOLDER.glob("*.py") if "--quick" in f.read_text())


@pytest.mark.parametrize("script", QUICK)
def test_a_benchmark_runs(script, tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, str(FOLDER / script), "--quick"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    assert re.search(r"\d", result.stdout)


def test_every_script_has_its_row():
    table = (FOLDER / "README.md").read_text()
    assert [f.name for f in FOLDER.glob("*.py") if f.name not in table] == []
    assert len(QUICK) >= 5
