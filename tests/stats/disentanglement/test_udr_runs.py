"""UDR over the runs of a study."""

import numpy as np
import pytest
from tests.runs.small import small_folder

import vaescope
from vaescope.runs.extract import representations
from vaescope.runs.train import train


def test_it_is_that_of_the_final_mean_codes_of_runs_that_differ_in_the_seed(tmp_path):
    folder = small_folder(tmp_path / "s", "objectives={vae: {}, beta_vae: {beta: 4}}", "seeds=2")
    train(folder)
    found = vaescope.disentanglement.udr_of(vaescope.open(folder.path), relation="spearman", smallest=0.0)
    assert len(found) == 4
    assert set(found["runs"]) == {2}
    codes = {r.id: dict(representations(folder, r, r.snapshots[-1]))["mean"] for r in folder.runs}
    for setting, rows in found.groupby("setting"):
        expected = vaescope.disentanglement.udr([codes[run] for run in rows["run"]], relation="spearman").runs
        np.testing.assert_allclose(rows["udr"], expected, rtol=1e-6, err_msg=str(setting))


def test_settings_of_one_seed_are_left_out(tmp_path):
    folder = small_folder(tmp_path / "s", "objectives={vae: {}}")
    train(folder)
    found = vaescope.disentanglement.udr_of(vaescope.open(folder.path))
    assert list(found.columns) == ["run", "setting", "runs", "informative", "udr"]
    assert found.empty


@pytest.mark.parametrize("door", ["dynamics", "latents", "disentanglement"])
def test_the_doors_open_by_themselves(door):
    module = getattr(vaescope, door)
    names = [name for name in vars(module) if not name.startswith("_")]
    assert len(names) > 10
    assert all(getattr(module, name).__doc__ for name in names if callable(getattr(module, name)))
