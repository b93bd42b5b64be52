"""Trackers: what reaches a file or a service, and that a broken one stops nothing."""

import json
import os
import re
import sys
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch

import vaescope
from vaescope.errors import ResourceError, UsageError
from vaescope.trackers import Guarded, JsonLines, TensorBoard, guarded, tracker_of

VALUES = {"similarity_to_start/encoder.1": 0.5, "kl": float("nan"), "active": 3}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_lines_are_whole_finite_and_appended(tmp_path):
    for step in (0, 1):
        tracker = tracker_of("jsonl", tmp_path)
        tracker.log(step, VALUES, ["The encoder has settled."] * step)
        tracker.close()
    values = {"similarity_to_start/encoder.1": 0.5, "active": 3.0}
    assert lines(tmp_path / "answers.jsonl") == [
        {"step": 0, "values": values, "texts": []},
        {"step": 1, "values": values, "texts": ["The encoder has settled."]},
    ]


def test_half_a_line_that_was_left_is_cut_off(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"step": 0, "values": {}, "texts": []}\n{"step": 1, "val')
    tracker = JsonLines(path)
    tracker.log(2, {}, [])
    tracker.close()
    assert [line["step"] for line in lines(path)] == [0, 2]


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    tracker = JsonLines(tmp_path / "a.jsonl")
    tracker.log(0, {}, [])
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:5]))
        with pytest.raises(ResourceError, match="No space left"):
            tracker.log(1, {}, [])
    tracker.log(2, {}, [])
    tracker.close()
    assert [line["step"] for line in lines(tmp_path / "a.jsonl")] == [0, 2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_scalars_and_answers_and_a_continued_training_hides_what_it_repeats(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for step, value in ((0, 0.1), (4, 0.4), (2, 0.2)):
        tracker = guarded("tensorboard", tmp_path, "mine")
        tracker.log(step, {"similarity_to_start/encoder[0]": value, "kl": float("inf")}, ["It settled."] * (step == 2))
        tracker.close()
    events = EventAccumulator(str(tmp_path / "runs" / "mine" / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["vaescope/similarity_to_start/encoder[0]"]
    scalars = events.Scalars("vaescope/similarity_to_start/encoder[0]")
    assert [(event.step, round(event.value, 6)) for event in scalars] == [(0, 0.1), (2, 0.2)]
    assert events.Tensors("vaescope/answers/text_summary")[0].tensor_proto.string_val == [b"It settled."]


def test_a_writer_of_the_users_own_stays_open():
    class Writer:
        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *values: self.calls.append((name, *values))

    writer = Writer()
    tracker = TensorBoard(writer)
    tracker.log(3, VALUES, ["One.", "Two."])
    tracker.close()
    assert writer.calls == [
        ("add_scalar", "vaescope/similarity_to_start/encoder.1", 0.5, 3),
        ("add_scalar", "vaescope/active", 3.0, 3),
        ("add_text", "vaescope/answers", "One.\n\nTwo.", 3),
        ("flush",),
    ]


class Wandb:
    """Rows as W&B keeps them: a row stays open until a later step or a log without one; earlier steps are dropped."""

    def __init__(self):
        self.rows, self.open, self.step, self.metrics = {}, {}, 0, []

    def define_metric(self, name, **options):
        self.metrics.append((name, options))

    def log(self, data, step=None):
        if step is not None and step < self.step:
            return
        if step is not None and step > self.step:
            self.commit(step)
        self.open |= data
        if step is None:
            self.commit(self.step + 1)

    def commit(self, step):
        if self.open:
            self.rows[self.step] = self.open
        self.open, self.step = {}, step


def silent(run, step):
    pass


def without_steps(run, step):
    run.log({"loss": step})


def twice_with_steps(run, step):
    run.log({"loss": step}, step=step)
    run.log({"validation": step}, step=step)


@pytest.mark.parametrize("user", [silent, without_steps, twice_with_steps])
def test_w_and_b_keeps_every_row_of_ours_and_of_the_users(user):
    run = Wandb()
    tracker = tracker_of(run, "unused")
    for step in range(17):
        if step in (0, 1, 2, 4, 8, 16):
            tracker.log(step, {"active": step, "kl": float("nan")}, ["It collapsed."] * (step == 8))
        user(run, step)
    tracker.close()
    run.commit(99)
    rows = list(run.rows.values())
    ours = [row for row in rows if "vaescope/step" in row]
    assert [(row["vaescope/step"], row["vaescope/active"]) for row in ours] == [(s, s) for s in (0, 1, 2, 4, 8, 16)]
    assert [row["vaescope/step"] for row in ours if row.get("vaescope/answers") == "It collapsed."] == [8]
    assert [row["loss"] for row in rows if "loss" in row] == ([] if user is silent else list(range(17)))
    assert [r["validation"] for r in rows if "validation" in r] == (list(range(17)) if user is twice_with_steps else [])
    assert ("vaescope/*", {"step_metric": "vaescope/step"}) in run.metrics


def test_the_active_w_and_b_run_is_found_by_name(monkeypatch):
    module = ModuleType("wandb")
    module.run = None
    monkeypatch.setitem(sys.modules, "wandb", module)
    with pytest.raises(UsageError, match=r"wandb.init\(\) first"):
        tracker_of("wandb", "unused")
    module.run = Wandb()
    tracker_of("wandb", "unused").log(5, {"active": 1}, [])
    assert module.run.open == {"vaescope/step": 5, "vaescope/active": 1.0}


def test_mlflow_gets_names_it_allows_and_answers_as_texts(monkeypatch):
    metrics, texts = [], []

    def log_metrics(values, step):
        assert all(re.fullmatch(r"[/\w.\- ]+", name) for name in values)
        metrics.append((step, values))

    module = ModuleType("mlflow")
    module.log_metrics = log_metrics
    module.log_text = lambda text, file: texts.append((text, file))
    monkeypatch.setitem(sys.modules, "mlflow", module)
    for given in ("mlflow", module):
        tracker = tracker_of(given, "unused")
        tracker.log(8, {"kl/encoder[log_var]": 1.0, "kl/encoder.0": 2.0, "kl/a|b": 3.0}, ["One.", "Two."])
        tracker.log(9, {"kl": float("nan")}, [])
    values = {"vaescope/kl/encoder-log_var": 1.0, "vaescope/kl/encoder.0": 2.0, "vaescope/kl/a_b": 3.0}
    assert metrics == [(8, values)] * 2
    assert texts == [("One.\nTwo.", "vaescope/answers/step-00000008.txt")] * 2


class Told:
    """A tracker as the contract says."""

    def __init__(self, fails=()):
        self.steps, self.fails, self.closed = [], fails, False

    def log(self, step, values, texts):
        if step in self.fails:
            raise ConnectionError("the server\nis gone")
        self.steps.append(step)

    def close(self):
        self.closed = True
        if "close" in self.fails:
            raise ConnectionError


def test_what_logs_values_by_step_and_what_is_a_tracker_are_told_apart():
    class Logger:
        def __init__(self):
            self.rows = []

        def log(self, values, step=None, commit=False):
            self.rows.append((values, step))

    logger, tracker = Logger(), Told()
    tracker_of(logger, "unused").log(2, VALUES, ["Lost on it."])
    assert logger.rows == [({"vaescope/similarity_to_start/encoder.1": 0.5, "vaescope/active": 3.0}, 2)]
    assert tracker_of(tracker, "unused") is tracker


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("tensorbord", "There is no tracker 'tensorbord'.*Did you mean 'tensorboard'"),
        ("wandb", "pip install wandb"),
        (Told, "the class Told: give an instance"),
        (3, "but got int"),
        (None, "but got NoneType"),
    ],
)
def test_what_is_no_tracker_is_refused_with_what_would_be_one(given, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=message):
        tracker_of(given, "unused")


def test_a_broken_tracker_is_told_once_tried_again_and_counted():
    said = []
    tracker = Told(fails=(2, 4, "close"))
    guard = Guarded(tracker, "mine", said.append)
    for step in range(5):
        guard.log(step, {}, [])
    guard.close()
    assert (tracker.steps, guard.lost, tracker.closed) == ([0, 1, 3], 2, True)
    assert re.search(r"mine failed at step 2 \(ConnectionError: the server\)\. Training goes on", said[0])
    assert "could not be closed (ConnectionError)" in said[1]
    assert said[2] == "The tracker mine missed 2 of 5 looks."
    assert len(said) == 3


def test_a_guard_warns_where_nobody_listens_and_never_raises_even_if_warnings_are_errors():
    with pytest.warns(RuntimeWarning, match="Told failed at step 0"):
        guarded(Told(fails=(0,)), "unused").log(0, {}, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guarded(Told(fails=(0,)), "unused").log(0, {}, [])


def test_ctrl_c_in_a_tracker_is_not_swallowed():
    class Slow(Told):
        def log(self, step, values, texts):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        guarded(Slow(), "unused").log(0, {}, [])


def test_a_recorder_goes_on_with_the_other_trackers_where_one_is_broken(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    probe = np.random.default_rng([6, 4]).normal(size=(20, 5)).astype("float32")
    broken, sound = Told(fails=(0, 1, 2)), Told()
    with vaescope.Recorder(
        model, tmp_path / "study", probe=probe, max_overhead=None, trackers=[broken, "jsonl", sound]
    ) as record:
        with pytest.warns(RuntimeWarning, match="Told failed at step 0"):
            record(0, loss=2.0)
        record(1, loss=1.0)
        record(2)
        with pytest.warns(RuntimeWarning, match="missed 3 of 3 looks"):
            record.finish()
    assert (sound.steps, sound.closed, broken.closed) == ([0, 1, 2], True, True)
    kept = lines(tmp_path / "study" / "runs" / "run" / "answers.jsonl")
    assert [line["step"] for line in kept] == [0, 1, 2]
    assert kept[1]["values"]["loss"] == 1.0
    assert {"similarity_to_start/0", "similarity_to_previous/2"} <= set(kept[1]["values"])
