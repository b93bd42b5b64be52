"""`vaescope compare-files` as a person meets it."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from vaescope.cli import app
from vaescope.comparing.checkpoints import filled
from vaescope.comparing.compare import compare
from vaescope.runs.capture import capture

FACTORY = """
from torch import nn

def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 3))

def small():
    return nn.Sequential(nn.Linear(16, 5), nn.Linear(5, 2))

def wrong():
    return nn.Sequential(nn.Linear(7, 7))
"""


def call(*words):
    return CliRunner().invoke(app, ["compare-files", *(str(w) for w in words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Weights of three models, examples, and representations in files."""
    path = tmp_path_factory.mktemp("files")
    (path / "nets_for_comparing.py").write_text(FACTORY)
    sys.path.insert(0, str(path))
    space = import_module("nets_for_comparing")
    sys.path.remove(str(path))
    with torch.random.fork_rng():
        for k in (1, 2):
            torch.manual_seed(k)
            save_file(space.mlp().state_dict(), path / f"seed{k}.safetensors")
            torch.save({"state_dict": space.mlp().state_dict()}, path / f"seed{k}.ckpt")
        save_file(space.small().state_dict(), path / "small.safetensors")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 16))
    np.save(path / "x.npy", x)
    np.save(path / "bytes.npy", rng.integers(0, 256, (150, 4, 4), np.uint8))
    np.savez(path / "a.npz", enc0=x, enc1=np.tanh(x), dec=x[:, :3])
    np.savez(path / "b.npz", enc0=x + rng.standard_normal(x.shape), enc1=np.tanh(x), out=x[:, 3:6])
    return path


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_representations_in_files_are_compared():
    result = call("a.npz", "b.npz", "--interval", "--null")
    assert result.exit_code == 0, result.output
    assert re.search(r"enc1 +enc1 +1\.00 +1\.00 to 1\.00", result.output)
    assert "a (3 layers) with b (3 layers), on 150 examples" in result.output
    assert "1 layer gave the same numbers in both, bit for bit: enc1." in result.output
    assert "more similar than chance" in result.output
    assert "Intervals (95%" in result.output


def test_one_file_is_compared_with_itself():
    result = call("a.npz", "--layers", "enc*")
    assert result.exit_code == 0, result.output
    assert "a with itself: 2 layers" in result.output
    assert "dec" not in result.output


def test_checkpoints_are_compared_through_a_factory_of_the_current_folder():
    model = "nets_for_comparing:mlp"
    result = call("seed1.safetensors", "seed2.safetensors", "--model", model, "--data", "x.npy", "--out", "t.csv")
    assert result.exit_code == 0, result.output
    made = import_module("nets_for_comparing").mlp()
    expected = compare((made, "seed1.safetensors"), (made, "seed2.safetensors"), np.load("x.npy"))
    assert np.allclose(pd.read_csv("t.csv")["score"], expected.table()["score"])
    assert "on 150 examples" in result.output


def test_two_factories_bytes_and_fewer_examples():
    words = ["seed1.safetensors", "small.safetensors", "--model", "nets_for_comparing.py:mlp"]
    result = call(*words, "--model-b", "nets_for_comparing.py:small", "--data", "x.npy", "--n", 60)
    assert result.exit_code == 0, result.output
    assert "seed1 (3 layers) with small (2 layers), on 60 examples" in result.output
    result = call("seed1.safetensors", "--model", "nets_for_comparing:mlp", "--data", "bytes.npy", "--out", "t.json")
    assert result.exit_code == 0, result.output
    made = json.loads(Path("t.json").read_text())
    assert made["n"] == 150
    assert made["summary"]
    assert len(made["pairs"]) == 9


def test_a_checkpoint_and_representations_of_the_same_examples():
    model, _ = filled(import_module("nets_for_comparing").mlp(), "seed1.safetensors")
    np.savez("captured.npz", **capture(model, np.load("x.npy")))
    words = ["captured.npz", "seed1.safetensors", "--model", "nets_for_comparing:mlp", "--data", "x.npy"]
    for more in ([], ["--n", 60]):
        result = call(*words, *more)
        assert result.exit_code == 0, result.output
        assert "All 3 layers of the same name gave the same numbers" in result.output


def test_a_dataset_is_shown():
    Path("for_images.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())\n"
    )
    save_file(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).state_dict(), "images.safetensors")
    words = ["images.safetensors", "--model", "for_images:make", "--data", "dsprites", "--n", 50]
    result = call(*words, "--reduce", "channel_mean")
    assert result.exit_code == 0, result.output
    assert "on 50 examples" in result.output


def test_tables_and_pictures_are_written_and_pages_fetch_nothing(tmp_path):
    begins = {
        "t.csv": b"layer_a,",
        "t.parquet": b"PAR1",
        "t.json": b"{",
        "m.svg": b"<svg",
        "m.png": b"\x89PNG",
        "m.html": b"",
    }
    files = [tmp_path / name for name in begins]
    result = call("a.npz", "b.npz", *(word for file in files for word in ("--out", file)))
    assert result.exit_code == 0, result.output
    for file in files:
        assert f"Written: {file}" in result.output
        assert file.read_bytes().startswith(begins[file.name])
    pd.testing.assert_frame_equal(pd.read_parquet(files[1]), pd.read_csv(files[0]), check_dtype=False)
    assert len(files[-2].read_bytes()) > 5000
    assert "enc1" in files[-1].read_text()
    assert not re.findall(r'<script[^>]*src="http', files[-1].read_text())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.npz", "b.npz"], r"none\.npz: expected a file, got none there"),
        (["seed1.ckpt", "seed2.ckpt"], "weights need the model they belong to"),
        (["seed1.safetensors", "seed2.safetensors"], "If these are weights, give the model"),
        (["seed1.safetensors", "--model", "nets_for_comparing:mlp"], "--data: a model needs examples"),
        (["seed1.safetensors", "--model", "nets_for_comparing:mpl", "--data", "x.npy"], "Did you mean 'mlp'"),
        (["seed1.safetensors", "--model", "nets_for_comparing:wrong", "--data", "x.npy"], "are missing: 0.weight"),
        (["seed1.safetensors", "--model", "nets_for_comparing:mlp", "--data", "bytes.npz"], "expected a file"),
        (["seed1.safetensors", "--model", "nets_for_comparing:mlp", "--data", "dsprits"], "Did you mean 'dsprites'"),
        (["none.safetensors", "--model", "nets_for_comparing:mlp", "--data", "x.npy"], "expected a file of weights"),
        (["seed1.ckpt", "--model", "nets_for_comparing:mlp", "--data", "x.npy"], "is a pickle"),
        (["small.safetensors", "--model", "nets_for_comparing:small", "--data", "bytes.npy"], "failed on a batch"),
        (["a.npz", "b.npz", "--measure", "ckaa"], "Did you mean 'cka'"),
        (["a.npz", "b.npz", "--layers", "zzz"], "has nothing called 'zzz'"),
        (["a.npz", "b.npz", "--data", "x.npy"], "no model to show it to"),
        (["a.npz", "b.npz", "--out", "t.xls"], "expected a file ending in .csv"),
        (["a.npz", "x.npy", "--n", "0"], "'--n': Input should be"),
    ],
)
def test_what_goes_wrong_is_told_without_a_traceback(words, told):
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert re.search(told, result.output)
    assert "Traceback" not in result.output


def test_damaged_files_have_their_exit_code():
    Path("cut.npz").write_bytes(Path("a.npz").read_bytes()[:500])
    Path("cut.safetensors").write_bytes(Path("seed1.safetensors").read_bytes()[:50])
    assert call("cut.npz", "b.npz").exit_code == 3
    words = ["cut.safetensors", "--model", "nets_for_comparing:mlp", "--data", "x.npy"]
    assert call(*words).exit_code == 3


def test_pickles_are_opened_when_trusted():
    words = ["seed1.ckpt", "seed2.ckpt", "--model", "nets_for_comparing:mlp", "--data", "x.npy"]
    assert call(*words).exit_code == 2
    assert call(*words, "--trust-pickle").exit_code == 0


def test_help_is_given_without_torch():
    asked = "import sys, vaescope.cli as c\ntry:\n    c.app(['compare-files', '--help'])\nfinally:\n"
    asked += "    print('HEAVY', {'torch', 'pandas', 'altair'} & set(sys.modules))"
    command = [sys.executable, "-c", asked]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "--trust-pickle" in result.stdout
    assert "HEAVY set()" in result.stdout, result.stdout[-300:] + result.stderr[-300:]
