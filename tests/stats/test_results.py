"""Results: the frames, and selections of scores."""

import numpy as np
import pytest
from fakes import LAYERS, finish, trained, world

from vaescope.errors import UsageError
from vaescope.stats.compare import compare
from vaescope.stats.measure import MEASURES
from vaescope.stats.results import Results, open
from vaescope.stats.scores import Scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        world(patch)
        made = trained(tmp_path_factory.mktemp("results") / "s")
        events = '{"step": 0, "loss": 3.0, "reconstruction": 2.0, "kl": 1.0, "regularisation": 1.0, '
        events += '"kl_per_latent": [0.25, 0.75]}\n'
        made.run(made.runs[0].id).events_path.write_text(events + events.replace('"loss": 3.0', '"loss": null'))
        compare(made)
        yield made


@pytest.fixture
def results(folder, monkeypatch):
    world(monkeypatch)
    return open(folder.path)


def test_runs_have_a_column_for_each_option(results):
    frame = results.runs
    assert list(frame.columns) == [
        "run", "dataset", "network", "objective", "beta", "seed", "state", "step", "reason", "snapshots"
    ]  # fmt: skip
    assert frame.beta.tolist() == [1, 1, 8, 8]
    assert set(frame.state) == {"done"}
    assert set(frame.snapshots) == {3}


def test_layers_say_which_only_reshape_another(results):
    frame = results.layers
    assert frame.layer.tolist() == [layer.name for layer in LAYERS]
    assert dict(zip(frame.layer, frame.same_as, strict=True))["encoder.2"] == "encoder.1"
    assert list(frame.columns) == ["layer", "part", "order", "features", "same_as", "network", "dataset"]


def test_losses_and_latents_come_from_the_events(results, folder):
    losses, latents = results.losses, results.latents
    assert list(losses.columns) == ["run", "step", "loss", "reconstruction", "kl", "regularisation"]
    assert losses.run.tolist() == [folder.runs[0].id] * 2
    assert losses.loss.tolist()[0] == 3
    assert np.isnan(losses.loss.tolist()[1])
    assert latents[["latent", "kl"]].to_numpy()[:2].tolist() == [[0, 0.25], [1, 0.75]]


def test_all_pairs_are_there_once(results):
    frame = results.similarity("cka")
    count = 4 * 3 * 4
    assert len(frame) == count * (count + 1) // 2
    pairs = {frozenset([(r.run_a, r.step_a, r.layer_a), (r.run_b, r.step_b, r.layer_b)]) for r in frame.itertuples()}
    assert len(pairs) == len(frame)
    assert list(frame.columns) == [
        "measure", "run_a", "step_a", "layer_a", "run_b", "step_b", "layer_b", "score", "reason", "n"
    ]  # fmt: skip


def test_a_pair_is_found_from_both_ends_and_turned_to_the_selection(results, folder):
    one, two = folder.runs[0].id, folder.runs[3].id
    ends = {"run_a": one, "step_a": 0, "layer_a": "mean"}, {"run_b": two, "step_b": 9, "layer_b": "decoder.1"}
    there = results.similarity("cka", **ends[0], **ends[1])
    swapped = {k[:-1] + ("b" if k.endswith("a") else "a"): v for k, v in (ends[0] | ends[1]).items()}
    back = results.similarity("cka", **swapped)
    assert len(there) == len(back) == 1
    assert there.run_a.tolist() == [one] == back.run_b.tolist()
    assert there.layer_b.tolist() == ["decoder.1"] == back.layer_a.tolist()
    assert there.score.tolist() == back.score.tolist()


def test_the_rows_are_those_of_the_whole_frame(results, folder):
    _, matrix = results.scores("cka")
    frame = results.similarity("cka")
    index = {tuple(key): k for k, key in enumerate(results.scores("cka")[0].itertuples(index=False, name=None))}
    for row in frame.iloc[::37].itertuples():
        i, j = index[row.run_a, row.step_a, row.layer_a], index[row.run_b, row.step_b, row.layer_b]
        assert row.score == matrix[i, j] == matrix[j, i]


def test_pairs_within_one_selection_are_there_once_with_the_self_pairs(results, folder):
    frame = results.similarity("cka", run=folder.runs[1].id, step=3)
    assert len(frame) == 4 * 5 // 2
    assert (frame.layer_a.astype(str) == frame.layer_b.astype(str)).sum() == 4


def test_a_selection_of_one_side_that_fits_both_ends_gives_the_pair_once(results):
    frame = results.similarity("cka", layer_a=["mean", "input"], step=0)
    pairs = {frozenset([(r.run_a, r.layer_a), (r.run_b, r.layer_b)]) for r in frame.itertuples()}
    assert len(pairs) == len(frame)
    assert set(frame.layer_a.astype(str)) == {"mean", "input"}


def test_a_layer_that_only_reshapes_another_stands_for_it(results):
    assert results.similarity("cka", layer="encoder.2", step=9).equals(
        results.similarity("cka", layer="encoder.1", step=9)
    )


def test_several_measures_come_one_after_the_other(results):
    frame = results.similarity(["procrustes", "cka"], layer="mean", step=9)
    assert frame.measure.astype(str).tolist() == ["procrustes"] * 10 + ["cka"] * 10
    assert set(frame.n[frame.measure == "procrustes"]) == {16}


def test_what_is_not_wanted_says_so(results, folder):
    frame = results.similarity("procrustes", step_a=0, step_b=9, layer_a="mean", layer_b="input")
    assert set(frame.reason) == {"not_computed"}
    assert frame.score.isna().all()


def test_only_the_blocks_that_are_needed_are_read(results, folder, monkeypatch):
    read, true = [], Scores.get
    monkeypatch.setattr(Scores, "get", lambda self, m, i, j: read.append((m, i, j)) or true(self, m, i, j))
    results.similarity("cka", run_a=folder.runs[2].id, run_b=folder.runs[1].id)
    assert read == [("cka", 1, 2)]


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        ({"layers": "mean"}, "unknown selection 'layers'; known: .*Did you mean 'layer'"),
        ({"layer": "encoder.11"}, "unknown layer 'encoder.11'; .*Did you mean 'encoder.1'"),
        ({"step": 4}, "unknown step 4; known: 0, 3, 9"),
        ({"run_a": "nothing"}, "unknown run 'nothing'"),
        ({"measure": "ckb"}, "unknown measure 'ckb'; known: cka, cka_biased, procrustes.*Did you mean 'cka'"),
    ],
)
def test_unknown_selections_are_told_with_what_is_known(results, selection, told):
    with pytest.raises(UsageError, match=told):
        results.similarity(**selection)


def test_a_selection_of_nothing_is_an_empty_frame_with_its_columns(results):
    frame = results.similarity("cka", layer=[])
    assert len(frame) == 0
    assert "score" in frame.columns


def test_numpy_steps_and_tuples_select_too(results):
    assert len(results.similarity("cka", step=np.array([0, 3]), layer=("mean",))) == 8 * 9 // 2


def test_the_matrix_is_symmetric_with_ones_and_its_index_fits(results):
    for name in ("cka", "procrustes"):
        index, matrix = results.scores(name)
        assert index.columns.tolist() == ["run", "step", "layer"]
        assert matrix.dtype == np.float32
        assert matrix.shape == (len(index), len(index))
        assert np.array_equal(matrix, matrix.T, equal_nan=True)
        assert np.allclose(matrix.diagonal(), 1, atol=1e-6)
    assert np.isnan(results.scores("procrustes")[1]).any()


def test_curves_end_at_one_and_hold_the_layers_of_all_measures(results, folder):
    frame = results.curves
    assert len(frame) == 3 * 4 * 3 * 4
    assert np.allclose(frame.score[frame.step == 9], 1, atol=1e-6)
    assert list(frame.columns) == ["measure", "run", "layer", "part", "step", "score", "floor", "corrected"]
    picked = results.similarity("cka", run=folder.runs[0].id, layer="mean", step_a=0, step_b=9)
    row = frame.query("measure == 'cka' and layer == 'mean' and step == 0 and run == @folder.runs[0].id")
    assert row.score.tolist() == picked.score.tolist()


def test_settling_and_lead_follow_from_the_curves(results):
    assert list(results.settling.columns) == ["measure", "run", "layer", "part", "floor", "raw", "corrected"]
    assert len(results.settling) == 3 * 4 * 4
    assert list(results.lead.columns) == ["measure", "run", "raw", "corrected"]
    assert results.lead_over_seeds.n.max() == 2


def test_before_comparing_scores_are_not_computed(tmp_path, monkeypatch):
    world(monkeypatch)
    results = Results(trained(tmp_path / "s").path)
    assert set(results.similarity("cka", step=0).reason) == {"not_computed"}
    assert np.isnan(results.scores("cka")[1]).all()
    assert len(results.curves) == len(results.settling) == len(results.lead) == 0
    assert list(results.curves.columns)[-1] == "corrected"


@pytest.mark.parametrize("state", ["done", "diverged", "running"])
def test_scores_of_a_run_that_has_changed_since_are_not_computed_until_the_next_compare(tmp_path, monkeypatch, state):
    world(monkeypatch)
    made = trained(tmp_path / "s")
    compare(made)
    results, changed = Results(made.path), made.runs[2].id
    before = results.similarity()
    finish(made, made.runs[2], state, version="retrained")
    for now in (results, Results(made.path)):
        frame = now.similarity()
        stale = (frame.run_a == changed) | (frame.run_b == changed)
        assert set(frame.reason[stale]) == {"not_computed"}
        assert frame.score[stale].isna().all()
        assert frame[~stale].equals(before[~stale])
        index, matrix = now.scores("cka")
        of_changed = (index.run == changed).to_numpy()
        assert np.isnan(matrix[of_changed]).all()
        assert np.isfinite(matrix[~of_changed][:, ~of_changed]).all()
        assert set(now.curves.run) == {run.id for run in made.runs} - {changed}
    finish(made, made.runs[2], version="retrained")
    compare(made)
    after = results.similarity("cka", run=changed)
    assert set(after.reason) == {"ok"}
    assert not after.score.equals(before[(before.measure == "cka") & stale].score)
    assert changed in set(results.curves.run)


def test_a_run_that_went_back_to_what_was_compared_has_its_scores_again(tmp_path, monkeypatch):
    world(monkeypatch)
    made = trained(tmp_path / "s")
    compare(made)
    before = Results(made.path).similarity()
    finish(made, made.runs[0], version="retrained")
    finish(made, made.runs[0])
    assert Results(made.path).similarity().equals(before)


def test_scores_of_pairs_chosen_otherwise_are_not_computed_until_the_next_compare(tmp_path, monkeypatch):
    world(monkeypatch)
    compare(trained(tmp_path / "s", measures={"cka": {"pairs": "needed"}}))
    made = trained(tmp_path / "s", measures={"cka": {"pairs": "all"}})
    assert set(Results(made.path).similarity("cka").reason) == {"not_computed"}


def test_distances_have_no_curves(results, monkeypatch):
    monkeypatch.setattr(MEASURES["procrustes"], "larger_is_more_similar", False)
    assert set(results.curves.measure) == {"cka", "cka_biased"}
    assert set(results.lead.measure) == {"cka", "cka_biased"}


def test_a_run_without_its_last_snapshot_has_no_curves_and_is_left_out_of_the_matrix(tmp_path, monkeypatch):
    world(monkeypatch)
    made = trained(tmp_path / "s")
    finish(made, made.runs[0], "diverged", (0, 3))
    compare(made)
    results = Results(made.path)
    assert made.runs[0].id not in set(results.curves.run)
    assert len(results.scores("cka")[0]) == 4 * 3 * 4 - 4


def test_a_folder_without_a_study_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"no study here"):
        open(tmp_path)
