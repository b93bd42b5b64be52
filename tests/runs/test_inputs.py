import pytest
from typer.testing import CliRunner

import vaescope
from vaescope.cli import app
from vaescope.errors import UsageError

SMALL = ["seeds=1", "steps=2", "batch_size=4", "probe.n=16", "snapshots=[0]", "objectives={vae: {}}", "measures=[cka]"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["datasets=[{name: shapes, side: 16}]", "networks=[linear, residual]"], "32 to 256 pixels"),
        (["datasets=[shapes]", "networks=[linear, {name: residual, width: 30}]"], "expected a multiple of 8"),
        (["datasets=[shapes]", "networks=[linear]", "batch_size=3000", "batches.order=contiguous"], "none to train on"),
    ],
)
def test_what_cannot_begin_is_told_before_anything_else_is_trained(tmp_path, changes, told):
    with pytest.raises(UsageError, match=told):
        vaescope.run(vaescope.load_study("quickstart", [*SMALL, *changes]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    settings = [word for change in (*SMALL, *changes) for word in ("--set", change)]
    result = CliRunner().invoke(app, ["train", "quickstart", "--out", str(tmp_path / "train"), *settings])
    assert result.exit_code == 2
    assert not (tmp_path / "train").exists()
