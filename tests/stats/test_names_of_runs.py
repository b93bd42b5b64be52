import json

import numpy as np
import pytest

import vaescope
from vaescope.runs.read import read_study
from vaescope.views import report
from vaescope.views.report import objectives_beside
from vaescope.views.tables import run_labels

SMALL = [
    "seeds=1",
    "steps=2",
    "batch_size=4",
    "probe.n=16",
    "snapshots=[0]",
    "measures=[cka]",
    "latents=2",
    "examinations=[]",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(0)
    paths = [folder / "a.npy", folder / "b.npy"]
    for path, side in zip(paths, (16, 20), strict=True):
        np.save(path, rng.integers(0, 256, (20, side, side), np.uint8))
    study = [
        "objectives={beta_vae: {beta: 1}, beta_tc_vae: {beta: 1}}",
        f"datasets=[{{name: array, path: '{paths[0]}'}}, {{name: array, path: '{paths[1]}'}}]",
        "networks=[linear, conv]",
    ]
    found = vaescope.run(vaescope.load_study("quickstart", [*SMALL, *study]), folder / "out")
    return found, [f"array (path={path})" for path in paths]


def test_datasets_of_one_name_are_told_apart_by_their_options(results):
    found, names = results
    assert list(dict.fromkeys(found.runs["dataset"])) == names
    assert not any("(array-" in label for label in run_labels(found.runs).values())  # no id was needed
    inputs = found.layers.query("layer == 'input'").set_index(["dataset", "network"])["features"]
    assert inputs.to_dict() == {(n, k): f for n, f in zip(names, (256, 400), strict=True) for k in ("linear", "conv")}


def test_leads_are_over_the_seeds_of_one_dataset_and_network(results):
    found, names = results
    settings = {f"{n}, {k}, {o} beta=1" for n in names for k in ("linear", "conv") for o in ("beta_vae", "beta_tc_vae")}
    assert set(found.lead_over_seeds["setting"]) == settings
    assert set(found.lead_over_seeds["n"]) <= {0, 1}


def test_objectives_are_compared_dataset_by_dataset_and_network_by_network(results):
    found, names = results
    assert [pair.dataset for pair in objectives_beside(found, "cka")] == [
        f"{name} with {network}" for name in names for network in ("linear", "conv")
    ]
    for pair in objectives_beside(found, "cka"):
        assert not any("to" in text for row in pair.rows for text in row["texts"])  # one pair of runs each


def test_the_page_has_each_dataset_and_network_as_a_setting_of_its_own(results, tmp_path):
    found, names = results
    text = report.report(found, tmp_path / "report.html").read_text()
    data = json.loads(text[text.index('id="data">') + 10 : text.index("</script>", text.index('id="data">'))])
    kinds = {(setting["dataset"], setting["network"]) for setting in data["settings"]}
    assert kinds == {(name, network) for name in names for network in ("linear", "conv")}


def test_names_and_settings_are_as_short_as_they_can_be():
    one = read_study("quickstart")
    assert one.called(one.runs()[0]) == ("dsprites", "conv")
    assert one.setting_of(one.runs()[0]) == "beta_vae beta=1"
    several = read_study(
        "quickstart",
        ["datasets=[mpi3d, {name: mpi3d, variant: real}, shapes]", "networks=[{name: residual, width: 8, norm: none}]"],
    )
    assert list(dict.fromkeys(several.called(run) for run in several.runs())) == [
        (name, "residual") for name in ("mpi3d", "mpi3d (variant=real)", "shapes")
    ]
    assert several.setting_of(several.runs()[-1]) == "shapes, beta_vae beta=8"
