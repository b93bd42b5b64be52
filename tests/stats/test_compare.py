"""All pairs of a study: right, complete, and continued wherever it was stopped."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from fakes import DISTINCT, LAYERS, N, finish, trained, world

from vaescope.errors import CorruptArtifact, Interrupted, ResourceError
from vaescope.models.network import Layer
from vaescope.progress import Progress
from vaescope.stats.compare import compare, grid_of
from vaescope.stats.cost import cost
from vaescope.stats.grid import Column, Grid
from vaescope.stats.measure import MEASURES, Reason
from vaescope.stats.origin import origin_of
from vaescope.stats.results import Results
from vaescope.stats.scores import Block, Scores
from vaescope.stats.similarity import similarity

CHUNKS = {"cka": N, "cka_biased": N, "procrustes": 16}


@pytest.fixture
def fake(monkeypatch):
    return world(monkeypatch)


def contents(folder) -> dict[str, np.ndarray]:
    scores = Scores(folder.path / "similarity.zarr", grid_of(folder))
    found = {}
    for name in CHUNKS:
        for i, j in scores.grid.blocks():
            block = scores.get(name, i, j)
            found[f"{name} {i} {j} score"], found[f"{name} {i} {j} reason"] = block.score, block.reason
            found[f"{name} {i} {j} done"] = np.array(scores.digest(name, i, j))
    return found


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


@pytest.mark.parametrize("name", CHUNKS)
def test_every_computed_score_is_that_of_the_pair(tmp_path, fake, name):
    folder = trained(tmp_path / "s")
    compare(folder)
    frame = Results(folder.path).similarity(name)
    runs = {run.id: run for run in folder.runs}
    width = {layer.name: layer.features for layer in LAYERS}
    found = frame[frame.reason == "ok"]
    for row in found.iloc[:: max(1, len(found) // 60)].itertuples():
        x, y = (
            fake.representation(folder, runs[run], step, layer, width[layer])[: CHUNKS[name]]
            for run, step, layer in [(row.run_a, row.step_a, row.layer_a), (row.run_b, row.step_b, row.layer_b)]
        )
        assert row.score == pytest.approx(similarity(x, y, name), abs=1e-6)
        assert row.n == CHUNKS[name]


def test_each_snapshot_is_passed_through_its_network_once(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    assert sorted(fake.asked) == sorted((run.id, step) for run in folder.runs for step in run.snapshots)


def test_the_computed_pairs_are_the_wanted_ones_and_the_plan_counts_them(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    frame = Results(folder.path).similarity()
    same_snapshot = (frame.run_a.astype(str) == frame.run_b.astype(str)) & (frame.step_a == frame.step_b)
    needed = same_snapshot | (frame.layer_a.astype(str) == frame.layer_b.astype(str))
    assert (frame.reason[needed | (frame.measure == "cka")] == "ok").all()
    assert (frame.reason[~needed & (frame.measure != "cka")] == "not_computed").all()
    assert (frame.score.notna() == (frame.reason == "ok")).all()
    chosen = {c.measure: c for c in cost(folder.study) if c.chosen}
    assert {m: c.pairs for m, c in chosen.items()} == (frame[frame.reason == "ok"].groupby("measure").size().to_dict())
    assert chosen["cka"].representations == 4 * 3 * len(DISTINCT)


def test_the_plan_counts_the_scratch_that_is_written(tmp_path, fake):
    folder = trained(tmp_path / "s", measures={"cka": {}}, seeds=1, objectives={"vae": {}}, snapshots=[9])
    entry = cost(folder.study)[0]
    written = sum(MEASURES["cka"].form.nbytes(N, layer.features) for layer in DISTINCT)
    assert entry.scratch_bytes == written
    assert [c.chosen for c in cost(folder.study)] == [True, False]


def test_the_table_holds_each_computed_pair_once(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    table = pd.read_parquet(folder.path / "similarity.parquet")
    frame = Results(folder.path).similarity()
    frame = frame[frame.reason == "ok"]
    names = ["measure", "run_a", "step_a", "layer_a", "run_b", "step_b", "layer_b", "score", "reason", "n"]
    assert list(table.columns) == names
    keys = names[:7]
    table, frame = (t.astype(dict.fromkeys(keys, str)).sort_values(keys).reset_index(drop=True) for t in (table, frame))
    pd.testing.assert_frame_equal(table[[*keys, "score"]], frame[[*keys, "score"]])
    assert not table.duplicated(keys).any()


def test_the_scratch_is_gone_when_all_is_done_and_nothing_is_done_twice(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    assert not (folder.path / "prepared").exists()
    before = {p: p.stat().st_mtime_ns for p in folder.path.rglob("*") if p.is_file() and ".lock" not in p.name}
    fake.asked.clear()
    compare(folder)
    assert fake.asked == []
    assert before == {p: p.stat().st_mtime_ns for p in before}


class Stops(Progress):
    """Raises `Interrupted` at the n-th check."""

    def __init__(self, after: int) -> None:
        self.left = after

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Interrupted


@pytest.mark.parametrize("after", [0, 20, 160])
def test_stopped_anywhere_it_continues_to_the_same_bytes(tmp_path, fake, after):
    whole, stopped = trained(tmp_path / "a"), trained(tmp_path / "b")
    compare(whole)
    for _ in range(100):
        try:
            compare(stopped, Stops(after))
            break
        except Interrupted:
            after += 40
    assert same(contents(whole), contents(stopped))


@pytest.mark.parametrize("call", [0, 4, 9, 14])
def test_an_error_at_any_write_leaves_nothing_that_is_half_done(tmp_path, fake, monkeypatch, call):
    whole, broken = trained(tmp_path / "a"), trained(tmp_path / "b")
    compare(whole)
    true, calls = Scores.put, []

    def failing(self, *args):
        calls.append(1)
        if len(calls) == call % 15 + 1:
            monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        true(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Scores, "put", failing)
        patch.setattr(os, "fsync", os.fsync)
        with pytest.raises(ResourceError, match="No space left"):
            compare(broken)
    monkeypatch.undo()
    world(monkeypatch)
    compare(broken)
    assert same(contents(whole), contents(broken))


def test_a_changed_snapshot_changes_only_the_blocks_of_its_run(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    before = contents(folder)
    finish(folder, folder.runs[2], version="new")
    compare(folder)
    after = contents(folder)
    changed = {
        tuple(int(k) for k in key.split()[1:3]) for key in before if key.endswith("done") and before[key] != after[key]
    }
    assert changed == {(0, 2), (1, 2), (2, 2), (2, 3)}
    assert not np.array_equal(before["cka 2 2 score"], after["cka 2 2 score"])


def test_runs_that_have_not_ended_are_missing_and_compared_later(tmp_path, fake):
    whole, folder = trained(tmp_path / "a"), trained(tmp_path / "s")
    compare(whole)
    finish(folder, folder.runs[3], "running", (0, 3))
    compare(folder)
    frame = Results(folder.path).similarity("cka", run=folder.runs[3].id)
    assert set(frame.reason) == {"missing"}
    assert (folder.path / "prepared").exists()
    finish(folder, folder.runs[3])
    compare(folder)
    assert same(contents(whole), contents(folder))


def test_a_diverged_run_is_compared_as_far_as_it_went(tmp_path, fake):
    folder = trained(tmp_path / "s")
    finish(folder, folder.runs[1], "diverged", (0, 3))
    compare(folder)
    frame = Results(folder.path).similarity("cka", run_a=folder.runs[1].id, run_b=folder.runs[0].id)
    assert set(frame.reason[frame.step_a < 9]) == {"ok"}
    assert set(frame.reason[frame.step_a == 9]) == {"missing"}


def test_before_any_training_everything_is_missing(tmp_path, fake):
    folder = trained(tmp_path / "s")
    for run in folder.runs:
        finish(folder, run, "planned", ())
    (folder.path / "probe.json").unlink()
    compare(folder)
    assert set(Results(folder.path).similarity("cka").reason) == {"missing"}
    assert len(pd.read_parquet(folder.path / "similarity.parquet")) == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "non_finite"), (np.inf, "non_finite"), (0.0, "zero_variance"), (7.25, "zero_variance")],
)
def test_a_representation_without_an_answer_gets_its_reason_and_the_study_goes_on(tmp_path, fake, value, reason):
    folder = trained(tmp_path / "s")
    key = (folder.runs[0].id, 3, "mean")
    fake.spoiled[key] = np.full((N, 3), value, np.float32)
    compare(folder)
    frame = Results(folder.path).similarity()
    wanted = frame[frame.reason != "not_computed"]
    bad = np.logical_or(
        *((wanted[f"run_{s}"] == key[0]) & (wanted[f"step_{s}"] == 3) & (wanted[f"layer_{s}"] == "mean") for s in "ab")
    )
    assert set(wanted.reason[bad]) == {reason}
    assert wanted.score[bad].isna().all()
    assert set(wanted.reason[~bad]) == {"ok"}
    assert np.isfinite(wanted.score[~bad]).all()


def test_one_measure_may_refuse_what_another_takes(tmp_path, fake):
    folder = trained(tmp_path / "s")
    fake.spoiled[folder.runs[0].id, 3, "encoder.1"] = np.eye(N, dtype=np.float32)
    compare(folder)
    results = Results(folder.path)
    row = {"run": folder.runs[0].id, "step": 3, "layer": "encoder.1"}
    assert [*results.similarity("cka", **row).reason] == ["zero_variance"]
    assert [*results.similarity("cka_biased", **row).score] == [pytest.approx(1, abs=1e-6)]


def test_runs_on_other_data_are_not_compared(tmp_path, fake):
    folder = trained(tmp_path / "s", datasets=["dsprites", {"name": "other"}], objectives={"vae": {}}, seeds=1)
    compare(folder)
    frame = Results(folder.path).similarity("cka", run_a=folder.runs[0].id, run_b=folder.runs[1].id)
    assert set(frame.reason) == {"other_examples"}
    assert set(Results(folder.path).similarity("cka", run=folder.runs[1].id).reason) == {"ok"}
    assert {c.measure: c.pairs for c in cost(folder.study) if c.chosen}["cka"] == 2 * 12 * 13 // 2


def test_networks_with_other_layers_meet_in_the_layers_they_share(tmp_path, fake):
    fake.layers["small"] = (LAYERS[0], Layer("encoder.1", "encoder", 7), LAYERS[3])
    folder = trained(tmp_path / "s", networks=["conv", {"name": "small"}], objectives={"vae": {}}, seeds=1)
    compare(folder)
    results = Results(folder.path)
    frame = results.similarity("procrustes", run_a=folder.runs[0].id, run_b=folder.runs[1].id)
    assert set(frame.layer_a[frame.reason == "ok"]) == {"input", "encoder.1", "mean"}
    assert len(frame) == 3 * 4 * 3 * 3
    index, matrix = results.scores("cka")
    assert len(index) == len(matrix) == 3 * 4 + 3 * 3
    assert np.isfinite(matrix).all()
    computed = results.similarity()
    counted = computed[computed.reason == "ok"].groupby("measure").size().to_dict()
    assert {c.measure: c.pairs for c in cost(folder.study) if c.chosen} == counted


def test_another_measure_is_added_without_doing_the_old_ones_again(tmp_path, fake):
    folder = trained(tmp_path / "s", measures={"cka": {}})
    compare(folder)
    chunk = folder.path / "similarity.zarr" / "cka" / "score" / "c" / "0" / "0"
    before = chunk.stat().st_mtime_ns
    folder = trained(tmp_path / "s", measures={"cka": {}, "procrustes": {"pairs": "needed", "n": 16}})
    compare(folder)
    assert chunk.stat().st_mtime_ns == before
    assert (Results(folder.path).similarity("procrustes").reason == "ok").any()


def test_another_n_starts_the_measure_anew(tmp_path, fake):
    folder = trained(tmp_path / "s", measures={"procrustes": {"pairs": "needed", "n": 16}})
    compare(folder)
    folder = trained(tmp_path / "s", measures={"procrustes": {"pairs": "needed", "n": 12}})
    assert not Results(folder.path).similarity("procrustes").score.notna().any()
    compare(folder)
    frame = Results(folder.path).similarity("procrustes")
    assert set(frame.n) == {12}
    assert frame.score.notna().any()


@pytest.mark.parametrize("part", ["score", "reason", "done"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_chunk_is_noticed_and_computed_anew(tmp_path, fake, part, damage):
    folder = trained(tmp_path / "s")
    compare(folder)
    before = contents(folder)
    file = folder.path / "similarity.zarr" / "cka" / part / "c" / "0" / "1"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes({"flip": bytes(data), "cut": bytes(data[:-3]), "empty": b""}[damage])
    if part != "done":
        with pytest.raises(CorruptArtifact, match=r"cka/.*/c/0/1 is damaged.*vaescope compare"):
            Results(folder.path).similarity("cka")
    compare(folder)
    assert same(before, contents(folder))


def test_a_block_without_any_score_is_done_nevertheless(tmp_path, fake):
    fake.layers["other"] = (Layer("other", "input", 5),)
    folder = trained(tmp_path / "t", networks=["conv", {"name": "other"}], objectives={"vae": {}}, seeds=1)
    finish(folder, folder.runs[0], "planned", ())
    compare(folder)
    scores, origin = Scores(folder.path / "similarity.zarr", grid_of(folder)), origin_of(folder, grid_of(folder))
    assert set(np.unique(scores.get("procrustes", 0, 1).reason)) == {Reason.NOT_COMPUTED}
    for name in CHUNKS:
        for i, j in [(0, 0), (0, 1)]:
            assert np.isnan(scores.get(name, i, j).score).all()
            assert scores.done(name, i, j, origin.digest(name, i, j))


@pytest.mark.parametrize("before", [0, 1])
def test_a_put_that_dies_over_an_older_block_leaves_neither(tmp_path, monkeypatch, before):
    column = Column("r", "d", (0,), (("mean", 3),))
    scores = Scores(tmp_path / "similarity.zarr", Grid((column,)))
    scores.create({"cka": N})
    old, new = (Block(np.full((1, 1), v, np.float32), np.zeros((1, 1), np.uint8)) for v in (0.25, 0.75))
    scores.put("cka", 0, 0, old, 11)
    assert scores.done("cka", 0, 0, 11)
    true = Scores._array

    def dying(self, measure, name, mode="r"):
        if mode == "r+" and name == ("score", "reason")[before]:
            raise OSError(28, "No space left on device")
        return true(self, measure, name, mode)

    monkeypatch.setattr(Scores, "_array", dying)
    with pytest.raises(ResourceError):
        scores.put("cka", 0, 0, new, 22)
    monkeypatch.undo()
    again = Scores(scores.path, scores.grid)
    assert again.get("cka", 0, 0).score.tolist() == [[(0.25, 0.75)[before]]]
    assert not again.done("cka", 0, 0, 11)
    assert not again.done("cka", 0, 0, 22)
    again.put("cka", 0, 0, old, 11)
    assert again.done("cka", 0, 0, 11)


@pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 0.999])
def test_damaged_scratch_is_made_again(tmp_path, fake, place):
    whole, folder = trained(tmp_path / "a"), trained(tmp_path / "s")
    compare(whole)
    with pytest.raises(Interrupted):
        compare(folder, StopsAt("comparing"))
    files = sorted((folder.path / "prepared").iterdir())
    for file in files:
        data = bytearray(file.read_bytes())
        data[int(place * len(data))] ^= 1
        file.write_bytes(data)
    compare(folder)
    assert same(contents(whole), contents(folder))


class StopsAt(Progress):
    """Raises `Interrupted` as soon as a stage begins."""

    def __init__(self, stage: str) -> None:
        self.name = stage

    def stage(self, name: str, total: int) -> None:
        if name == self.name:
            raise Interrupted


def test_the_input_is_prepared_once_for_all_snapshots(tmp_path, fake):
    folder = trained(tmp_path / "s", measures={"cka": {}})
    with pytest.raises(Interrupted):
        compare(folder, StopsAt("comparing"))
    snapshots = sum(len(run.snapshots) for run in folder.runs)
    assert len([*(folder.path / "prepared").iterdir()]) == snapshots * (len(DISTINCT) - 1) + 1


def test_progress_counts_snapshots_and_blocks(tmp_path, fake):
    class Counts(Progress):
        def __init__(self):
            self.stages = []

        def stage(self, name, total):
            self.stages.append([name, total, 0])

        def advance(self, count=1, note=""):
            self.stages[-1][2] += count

    counts = Counts()
    compare(trained(tmp_path / "s"), counts)
    assert counts.stages == [["preparing", 12, 12], ["comparing", 20, 20]]


def test_two_at_once_are_refused(tmp_path, fake):
    folder = trained(tmp_path / "s")
    with folder.writing(), pytest.raises(ResourceError, match="another vaescope"):
        compare(folder)


def test_the_scores_of_another_grid_are_not_used(tmp_path, fake):
    small, large = trained(tmp_path / "a", seeds=1), trained(tmp_path / "b")
    compare(small)
    shutil.copytree(small.path / "similarity.zarr", large.path / "similarity.zarr")
    assert not Results(large.path).similarity("cka").score.notna().any()
    compare(large)
    assert Results(large.path).similarity("cka").score.notna().all()


def test_within_a_run_both_triangles_are_stored(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    for name, block in contents(folder).items():
        if name.endswith(("0 0 score", "0 0 reason")):
            assert np.array_equal(block, block.T, equal_nan="score" in name)


def test_no_reason_is_left_to_guess(tmp_path, fake):
    folder = trained(tmp_path / "s")
    compare(folder)
    for name, block in contents(folder).items():
        if name.endswith("reason"):
            assert {Reason(v) for v in np.unique(block)} <= {Reason.OK, Reason.NOT_COMPUTED}


def test_what_one_measure_cannot_score_does_not_change_another(tmp_path, fake):
    orders = [{"linear_regression": {}, "cca": {}}, {"cca": {}, "linear_regression": {}}, {"cca": {}}]
    found = []
    for number, measures in enumerate(orders):
        folder = trained(tmp_path / str(number), measures=measures)
        compare(folder)
        found.append(
            Results(folder.path)
            .similarity("cca")
            .set_index(["run_a", "step_a", "layer_a", "run_b", "step_b", "layer_b"])
        )
    assert found[0]["score"].notna().any()
    assert found[0]["score"].equals(found[1]["score"])
    assert found[0]["score"].equals(found[2]["score"])


def test_a_pair_that_one_direction_cannot_score_says_why_whichever_it_is(tmp_path, fake):
    folder = trained(tmp_path / "s", measures={"linear_regression": {}}, seeds=2, objectives={"vae": {}}, snapshots=[9])
    compare(folder)
    frame = Results(folder.path).similarity("linear_regression")
    wide = {layer.name for layer in LAYERS if layer.features >= N - 1}
    touched = frame.layer_a.astype(str).isin(wide) | frame.layer_b.astype(str).isin(wide)
    assert touched.any()
    assert (~touched).any()
    assert set(frame.reason[touched].astype(str)) == {"too_few"}
    assert set(frame.reason[~touched].astype(str)) == {"ok"}


def test_a_cluster_that_has_no_workers_yet_is_waited_for(fake, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from vaescope.runs.pool import Pool

    class Late(Pool):
        """Its first worker comes once something was submitted."""

        def __init__(self):
            self.threads, self.workers = ThreadPoolExecutor(1), 0

        def slots(self):
            return self.workers

        def submit(self, fn, /, *args, **kwargs):
            self.workers = 1
            return self.threads.submit(fn, *args, **kwargs)

    folder, alone = trained(tmp_path / "s"), trained(tmp_path / "alone")
    with Late() as pool:
        compare(folder, executor=pool)
        pool.threads.shutdown()
    compare(alone)
    assert len(Results(folder.path).similarity("cka").dropna(subset=["score"])) > 0
    pd.testing.assert_frame_equal(Results(folder.path).similarity("cka"), Results(alone.path).similarity("cka"))
