"""`vaescope status` as seen from another terminal."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from tests.runs.small import SMALL, small_folder, small_study
from tests.terminal import Terminal, cells, drawn
from vaescope.errors import CorruptArtifact
from vaescope.runs.board import Live
from vaescope.runs.live import FILE
from vaescope.runs.manifest import Manifest
from vaescope.runs.store import StudyFolder
from vaescope.statuses import Status, watch

MANY = ["objectives={vae: {}, beta_vae: {beta: [1, 2, 4]}}", "seeds=10", "steps=100", "snapshots=[0, 100]"]


def beat(folder, run, step, age=0.0, loss=3.25):
    live = Live(
        run=run.id, step=step, steps=run.steps, steps_per_second=20.0, loss=loss, threads=1, host="here", pid=1,
        begun=0.0, written=time.time() - age,
    )  # fmt: skip
    path = folder.run(run.id).path
    path.mkdir(parents=True, exist_ok=True)
    (path / FILE).write_text(json.dumps(asdict(live)))


@pytest.fixture
def many(tmp_path):
    """Forty runs: 13 done, 1 diverged, 1 failed, 2 running, 1 without a sign of life, 1 stopped, 21 not begun."""
    folder = small_folder(tmp_path / "many", *MANY)
    for number, run in enumerate(folder.runs):
        runner = folder.run(run.id)
        if number < 13:
            runner.save(Manifest("done", 100))
        elif number == 13:
            runner.save(Manifest("diverged", 7, "the loss is nan at step 7"))
        elif number == 14:
            runner.save(Manifest("failed", 20, "its worker was killed 4 times"))
        elif number < 18:
            runner.save(Manifest("running", 30))
            beat(folder, run, 50, age=200.0 if number == 17 else 0.0)
        elif number == 18:
            runner.save(Manifest("running", 40))
    return folder


def told(folder, capsys, **options):
    status = Status(folder.path)
    reasons = status.tell(**options)
    return capsys.readouterr().out, reasons


def test_datasets_of_one_name_are_counted_apart_and_no_blocks_between_datasets_are_expected(tmp_path, capsys):
    folder = small_folder(tmp_path / "s", *MANY, "datasets=[{name: shapes, side: 16}, {name: shapes, side: 24}]")
    lines = told(folder, capsys)[0].splitlines()
    groups = [line.split()[:4] for line in lines if line.split()[:1] == ["shapes"]]
    assert groups == [
        ["shapes", f"(side={side})", name, n] for side in (16, 24) for name, n in (("vae", "10"), ("beta_vae", "30"))
    ]
    assert "cka: 0 of 1,640 blocks compared" in lines


def test_hundreds_of_runs_are_counted_and_those_that_matter_listed(many, capsys):
    text, reasons = told(many, capsys)
    lines = text.splitlines()
    counts = "13 of 40 runs done, 2 running, 2 failed, 1 without a sign of life"
    assert lines[0] == f"Study quickstart: {counts}, 40 steps/s, about 59 s left"
    groups = [line.split() for line in lines if line.split()[:1] == ["dsprites"]]
    assert groups[0] == ["dsprites", "vae", "10", "10", "0", "0", "0", "100.0", "%"]
    assert groups[1] == ["dsprites", "beta_vae", "30", "3", "2", "23", "2", "16.6", "%"]
    listed = [line for line in lines if "-seed" in line]
    assert len(listed) == 5
    for number, words in ((13, "diverged"), (14, "failed"), (15, "running"), (16, "running"), (17, "for 4 min")):
        assert any(many.runs[number].id in line and words in line for line in listed)
    assert "35 other run(s) are done or waiting; --all lists them" in lines
    assert "cka: 0 of 820 blocks compared" in lines
    assert "report: not yet written" in lines
    assert reasons == [
        f"{many.runs[13].id}: the loss is nan at step 7",
        f"{many.runs[14].id}: its worker was killed 4 times",
    ]


def test_all_lists_every_run(many, capsys):
    text, _ = told(many, capsys, all_runs=True)
    assert all(run.id in text for run in many.runs)
    assert "other run(s)" not in text
    row = next(line.split() for line in text.splitlines() if many.runs[15].id in line)
    assert row == [many.runs[15].id, "running", "50/100", "0/2", "20", "3.25"]
    row = next(line.split() for line in text.splitlines() if many.runs[18].id in line)
    assert row == [many.runs[18].id, "stopped", "40/100", "0/2", "-", "-"]


def test_a_damaged_manifest_is_named_after_the_rest_was_told(many, capsys):
    file = many.run(many.runs[0].id).path / "manifest.json"
    file.write_bytes(file.read_bytes()[:-9])
    status = Status(many.path)
    with pytest.raises(CorruptArtifact, match=r"manifest\.json.*vaescope train"):
        status.tell()
    text = capsys.readouterr().out
    assert "12 of 40 runs done" in text
    assert "report: not yet written" in text


def test_the_blocks_of_a_finished_study_are_counted_again_only_when_one_changed(tmp_path, capsys, monkeypatch):
    import vaescope
    from vaescope import pipeline

    out = tmp_path / "done"
    vaescope.run(small_study(), out)
    counted = []
    real = pipeline.compared
    monkeypatch.setattr(pipeline, "compared", lambda folder: counted.append(1) or real(folder))
    status = Status(out)
    for _ in range(3):
        assert status.compared() == {"cka": (3, 3), "procrustes": (3, 3)}
    assert len(counted) == 1
    next(out.glob("similarity.zarr/cka/done/c/0/1")).unlink()
    assert status.compared() == {"cka": (2, 3), "procrustes": (3, 3)}
    status.tell()
    text = capsys.readouterr().out
    assert "Study quickstart: 2 of 2 runs done, 0 running, 0 failed\n" in text
    assert f"report: {out / 'report.html'}" in text


def test_it_loads_no_torch_while_nothing_is_compared(many):
    code = (
        f"import sys; from pathlib import Path; from vaescope.statuses import Status; Status(Path({str(many.path)!r}))"
        ".tell(); print(*{'torch', 'zarr', 'pandas'} & set(sys.modules), 'end')"
    )
    text = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert text.splitlines()[-1] == "end"


GUARD = """
import os, sys
def guard(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "fcntl.flock"}:
        os.write(2, f"{event} {arguments}".encode())
        os._exit(9)
sys.addaudithook(guard)
"""


def test_it_writes_nothing_and_takes_no_lock(many):
    told = f"from pathlib import Path; from vaescope.statuses import Status; Status(Path({str(many.path)!r})).tell()"
    words = [sys.executable, "-B", "-c", f"{GUARD}\n{told}"]
    before = {p: p.stat().st_mtime_ns for p in many.path.rglob("*")}
    with many.writing():
        result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "13 of 40 runs done" in result.stdout
    assert {p: p.stat().st_mtime_ns for p in many.path.rglob("*") if p.name != ".lock"} == before
    for attempt in ("open('x', 'w')", "os.mkdir('x')", "os.rename('x', 'y')"):
        assert subprocess.run([*words[:-1], f"{GUARD}\n{attempt}"], capture_output=True, timeout=60).returncode == 9


WATCH = "from pathlib import Path; from vaescope.statuses import watch; watch(Path({!r}), 0.1).tell(); print('after')"


def test_watching_refreshes_a_terminal_until_ctrl_c(many):
    with Terminal(WATCH.format(str(many.path)), 100, 24) as terminal:
        terminal.read(until="13 of 40 runs done")
        many.run(many.runs[15].id).save(Manifest("done", 100))
        terminal.read(until="14 of 40 runs done")
        terminal.resize(60, 20)
        terminal.read(until="failed,…")
        time.sleep(0.3)
        start = len(terminal.read(until="report: "))
        terminal.read(until="report: ")
        assert max(map(cells, drawn(terminal.text[start:]))) <= 60
        terminal.interrupt()
        text = terminal.read()
    assert terminal.process.returncode == 0
    assert text.index("\x1b[?1049h") < text.index("13 of 40") < text.rindex("\x1b[?1049l") < text.rindex("14 of 40")
    assert text.rstrip().endswith("after")
    assert "Traceback" not in text


def test_watching_without_a_terminal_prints_lines_until_ctrl_c(many):
    words = [sys.executable, "-u", "-c", WATCH.format(str(many.path))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(3)]
    assert all(line.startswith("Study quickstart: 13 of 40 runs done") for line in lines)
    process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert text.splitlines()[-1] == "after"


def test_a_watch_stopped_in_the_middle_gives_what_was_seen_last(many, monkeypatch, capsys):
    from vaescope import statuses

    monkeypatch.setattr(statuses.time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    assert watch(many.path, 2.0).board.done == 13
    assert capsys.readouterr().out.count("13 of 40") == 1


def test_a_second_process_sees_a_study_train_and_stop(tmp_path, capsys):
    out = tmp_path / "trained"
    words = [word for change in [*SMALL, "steps=1000000", "snapshots=[0, 1000000]"] for word in ("--set", change)]
    command = [sys.executable, "-m", "vaescope", "train", "quickstart", "--out", str(out), *words]
    told = f"from pathlib import Path; from vaescope.statuses import Status; Status(Path({str(out)!r})).tell()"
    shown, begun = "", time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
        try:
            while "steps/s, about" not in shown and training.poll() is None and time.monotonic() - begun < 120:
                time.sleep(0.2)
                if (out / "study.json").exists():
                    result = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60)
                    assert result.returncode == 0, result.stderr
                    shown = result.stdout
        finally:
            training.send_signal(signal.SIGINT)
        text, _ = training.communicate(timeout=60)
    assert training.returncode == 130, text
    first = shown.splitlines()[0]
    assert re.search(r"0 of 2 runs done, [12] running, 0 failed, \S+ steps/s, about .* left", first), shown
    running = [line.split() for line in shown.splitlines() if " running " in line and "-seed" in line]
    assert all(float(row[4].replace(",", "")) > 0 for row in running if row[4] != "-")
    assert "cka: 0 of 3 blocks compared" in shown
    Status(out).tell()
    after = capsys.readouterr().out
    assert "0 of 2 runs done, 0 running, 0 failed, nothing is running now" in after
    assert after.count("stopped") == len(running)
    assert list(out.rglob(FILE)) == []


@pytest.fixture
def cut_short(tmp_path):
    """A recorded run whose owner said no number of steps, stopped at step 39 after it was compared at step 8."""
    import vaescope
    from tests.recorded import SmallVAE, X

    record = vaescope.Recorder(SmallVAE(), tmp_path / "r", probe=X, max_overhead=None, live=False)
    for step in range(40):
        record(step, loss=100.0 - step)
        if step == 8:
            StudyFolder(tmp_path / "r").keep_view()
    with pytest.raises(KeyboardInterrupt), record:
        raise KeyboardInterrupt
    return StudyFolder(tmp_path / "r")


def test_a_recorded_run_that_was_cut_short_is_stopped_at_its_step_of_no_total(cut_short, capsys):
    text, _ = told(cut_short, capsys)
    row = next(line.split() for line in text.splitlines() if line.split()[:1] == ["run"] and "stopped" in line)
    assert row[:4] == ["run", "stopped", "39", "7"]
    assert float(row[5]) == 100.0 - 32


def test_a_recorded_run_under_way_may_be_beyond_what_was_known(cut_short, capsys):
    beat(cut_short, cut_short.runs[0], 50)
    text, _ = told(cut_short, capsys)
    assert "1 running, 0 failed, 20 steps/s\n" in text
    row = next(line.split() for line in text.splitlines() if "running" in line and "failed" not in line)
    assert row == ["run", "running", "50", "7", "20", "3.25"]


def test_newer_snapshots_than_those_compared_are_told_and_leave_what_is_compared_counted(cut_short, monkeypatch):
    from vaescope import pipeline

    (cut_short.path / "similarity.zarr").mkdir()
    seen = []
    monkeypatch.setattr(pipeline, "compared", lambda folder: seen.append(folder.runs[0].snapshots) or {"cka": (1, 1)})
    told_ = Status(cut_short.path).below()[0]
    assert seen == [(0, 1, 2, 4, 8)]
    assert told_ == f"cka: 1 of 1 blocks compared; newer snapshots since: give `vaescope report {cut_short.path}`"
    StudyFolder(cut_short.path).keep_view()
    assert Status(cut_short.path).below()[0] == "cka: 1 of 1 blocks compared"
