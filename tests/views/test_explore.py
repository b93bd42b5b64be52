"""What the page's script is given: arrays that hold what the results hold."""

import json

import numpy as np
import pytest
from tests.views.big_results import big_results
from tests.views.fake_results import FakeResults

from vaescope.stats.dynamics.curves import intervals
from vaescope.views.contents import content
from vaescope.views.packed import unpacked
from vaescope.views.variables import variables


def page_of(results: FakeResults):
    """The data of its page, and a reader of its arrays."""
    told = variables(content(results), {})
    return told["data"], lambda handle: unpacked(told["arrays"], handle)


@pytest.fixture(scope="module")
def whole():
    return FakeResults()


@pytest.fixture(scope="module")
def page(whole):
    return page_of(whole)


def entry(data, **keys):
    """The one entry with these keys."""
    (found,) = [e for e in data if all(e[name] == value for name, value in keys.items())]
    return found


def test_data_is_json_without_any_nan_and_says_what_its_axes_are(page, whole):
    data, _ = page
    json.dumps(data, allow_nan=False)
    assert [layer["name"] for layer in data["layers"]][:3] == ["input", "encoder.1", "encoder.2"]
    assert data["steps"] == list(whole.folder.runs[0].snapshots)
    assert [(s["objective"], s["strength"], s["runs"]) for s in data["settings"]] == [
        ("beta_vae", "beta=1", [0, 1]),
        ("beta_vae", "beta=8", [2, 3]),
    ]
    assert [(run["setting"], run["seed"], run["steps"]) for run in data["runs"]][1] == (0, 1, list(range(10)))
    assert [r["name"] for r in data["references"]] == ["final", "previous", "start", "other"]
    assert [c["name"] for c in data["controls"]][:2] == ["", "final_encoder"]


@pytest.mark.parametrize("measure", ["cka", "procrustes"])
@pytest.mark.parametrize("reference", ["final", "other"])
def test_curves_of_settings_are_the_means_and_intervals_of_the_dynamics(page, whole, measure, reference):
    data, read = page
    found = entry(data["curves"], measure=measure, reference=reference, reading="raw", control="")
    table = whole.examined("references")
    table = table[(table.measure == measure) & (table.reference == reference)]
    want = intervals(table, whole.evidence().runs)
    for name, column in (("mean", "score"), ("low", "low"), ("high", "high")):
        values = read(found["settings"][name])
        for row in want.sample(40, random_state=0).itertuples():
            setting = [s["strength"] for s in data["settings"]].index("beta=1" if "beta=1" in row.setting else "beta=8")
            place = setting, [x["name"] for x in data["layers"]].index(row.layer), data["steps"].index(row.step)
            expected = min(getattr(row, column), 1.0) if name == "high" else getattr(row, column)
            np.testing.assert_allclose(values[place], max(expected, -1), atol=6e-3)


def test_corrected_curves_take_off_the_floor(page, whole):
    data, read = page
    curves = whole.curves
    raw, corrected = (
        read(entry(data["curves"], measure="cka", reference="final", reading=r, control="")["runs"])
        for r in ("raw", "corrected")
    )
    for row in curves[(curves.measure == "cka")].sample(60, random_state=0).itertuples():
        place = (
            whole.ids.index(row.run),
            [x["name"] for x in data["layers"]].index(row.layer),
            data["steps"].index(row.step),
        )
        np.testing.assert_allclose(raw[place], row.score, atol=1e-4)
        np.testing.assert_allclose(corrected[place], max(row.corrected, -1), atol=5e-3)


def test_what_stands_behind_a_score_is_there(page, whole):
    data, read = page
    drill = entry(data["drill"], measure="cka")
    assert drill["n"] == 400
    np.testing.assert_allclose(read(drill["settings"]["null_mean"]), 0.05, atol=1e-3)
    layer = [x["name"] for x in data["layers"]].index("encoder.3")
    np.testing.assert_allclose(
        read(data["shapes"]["settings"]["participation"])[:, layer], 1 + 40 / (1 + layer), rtol=1e-3
    )
    assert "dead" in data["flags"]["words"]
    masks = {e["measure"]: read(e["mask"]).astype(int) for e in data["flags"]["settings"]}
    dead = 1 << data["flags"]["words"].index("dead")
    where = np.argwhere(np.any([mask & dead for mask in masks.values()], axis=0))
    assert {(data["layers"][k]["name"], data["steps"][s]) for _, k, s in where} == {("decoder.4", 0)}
    assert any(word == "dead" and reason for found in data["flags"]["reasons"].values() for word, reason, _ in found)


def test_latents_posterior_disentanglement_and_losses_are_those_of_the_tables(page, whole):
    data, read = page
    table = whole.examined("latents")
    kinds, kl = read(data["latents"]["runs"]["kind"]), read(data["latents"]["runs"]["kl"])
    for row in table.sample(50, random_state=0).itertuples():
        place = whole.ids.index(row.run), row.latent, data["steps"].index(row.step)
        assert data["latents"]["kinds"][int(kinds[place])] == row.kind
        np.testing.assert_allclose(kl[place], row.kl, atol=1e-3)
    for name, key, where in (("posterior", "name", "gauge"), ("disentanglement", "score", "mig")):
        found = next(e for e in data[name] if e[key] == where and e.get("codes", "mean") == "mean")
        rows = whole.examined(name)
        rows = rows if name == "posterior" else rows[(rows.score == "mig") & (rows.codes == "mean")]
        wide = rows.pivot(index="run", columns="step", values="gauge" if name == "posterior" else "value").loc[
            whole.ids
        ]
        np.testing.assert_allclose(read(found["runs"]), wide.to_numpy(), atol=5e-3)
        np.testing.assert_allclose(read(found["settings"]["mean"])[0], wide.to_numpy()[:2].mean(0), atol=5e-3)
    losses = whole.losses.pivot(index="run", columns="step", values="reconstruction").loc[whole.ids]
    np.testing.assert_allclose(read(data["losses"]["reconstruction"]), losses[data["losses"]["steps"]], rtol=1e-3)


def test_a_study_that_was_not_examined_has_its_curves_and_is_told_what_it_lacks():
    results = FakeResults(are_examined=False)
    told = variables(content(results), {})
    assert {(e["reference"], e["control"]) for e in told["data"]["curves"]} == {("final", "")}
    assert (told["data"]["drill"], told["data"]["shapes"], told["data"]["flags"]) == ([], None, None)
    assert told["data"]["latents"]["runs"]["kind"] is None
    assert "vaescope examine fake" in [gap["how"] for gap in told["missing"]]
    assert {row["reading"] for row in told["leads_table"]} == {"raw", "floor-corrected"}


def test_a_whole_study_lacks_nothing(whole):
    assert variables(content(whole), {})["missing"] == []


def test_the_three_figures_have_rows(page):
    data, _ = page
    figures = data["figures"]
    assert set(figures["curves"]["parts"]["part"]) == {"encoder", "decoder"}
    assert set(figures["curves"]["parts"]["reading"]) == {"raw", "corrected"}
    assert set(figures["leads"]["reading"]) == {"raw", "corrected", "final_encoder"}
    assert {"seed", "strength"} <= set(figures["across"]["differ_in"])
    assert all(lead > 0 for lead in figures["leads"]["lead"])


def test_of_a_large_study_all_settings_are_there_and_what_is_left_out_is_told(monkeypatch):
    monkeypatch.setattr("vaescope.views.explore.ARRAYS_BUDGET", 300_000)
    monkeypatch.setattr("vaescope.views.explore.LEAST_ROOM", 60_000)
    monkeypatch.setattr("vaescope.views.curvesets.SETTINGS_BUDGET", 60_000)
    monkeypatch.setattr("vaescope.views.curvesets.RUNS_BUDGET", 10_000)
    told = variables(content(big_results(40, seeds=2, snapshots=4)), {})
    assert len(told["arrays"]) < 400_000
    data = told["data"]
    assert len(data["settings"]) == 20
    for measure in ("cka", "procrustes"):
        found = entry(data["curves"], measure=measure, reference="final", reading="raw", control="")
        assert np.isfinite(unpacked(told["arrays"], found["settings"]["mean"])).all()
        assert unpacked(told["arrays"], found["runs"]).shape == (40, 15, 4)
        ends = entry(data["maps"]["settings"], measure=measure, against="end")
        diagonal = np.diagonal(unpacked(told["arrays"], ends["mean"]), axis1=-2, axis2=-1)
        assert np.isfinite(diagonal).all()
    assert data["maps"]["leftOut"]["cka"] > 0
    words = " ".join(told["left_out"])
    assert "families of curves" in words
    assert "similarity.parquet beside this file" in words


def test_runs_that_differ_in_the_seed_alone_have_no_other_seed_to_be_held_against(whole):
    rows = variables(content(whole), {})["across_table"]
    assert {row["ceiling"] for row in rows if row["differ_in"] == "seed"} == {"–"}
    assert "–" not in {row["ceiling"] for row in rows if row["differ_in"] == "strength"}
