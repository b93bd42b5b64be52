import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.runs.small import small_folder, small_study

from vaescope.errors import CorruptArtifact, ResourceError, UsageError
from vaescope.runs.manifest import Manifest
from vaescope.runs.store import FORMAT_VERSION, StudyFolder, get, get_json, put, put_json


def test_put_writes_whole_files_and_leaves_nothing_else(tmp_path):
    digest = put(tmp_path / "deep" / "a.bin", b"one")
    assert put(tmp_path / "deep" / "a.bin", b"two") != digest
    assert get(tmp_path / "deep" / "a.bin") == b"two"
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_old_file_and_says_what_to_do(tmp_path, monkeypatch, call):
    put(tmp_path / "a.bin", b"old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), full)
    with pytest.raises(ResourceError, match=r"a\.bin: 3 bytes could not be written: No space left.*same command"):
        put(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_order_of_a_write_is_file_then_rename_then_folder(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("rename"), replace(self, to)))
    put(tmp_path / "a", b"x")
    assert order == ["fsync", "rename", "fsync"]


def test_every_changed_byte_of_a_json_file_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    put_json(path, {"step": 7, "names": ["β", "x"], "by step": {10: 1, 9: 2}})
    assert get_json(path)["by step"] == {"10": 1, "9": 2}
    good = path.read_bytes()
    noticed = 0
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        try:
            noticed += get_json(path) != json.loads(good)
        except CorruptArtifact:
            noticed += 1
        except UsageError:
            noticed += 1
    assert noticed >= len(good) - good.count(b" ") - good.count(b"\n") - 1
    for length in range(len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises(CorruptArtifact):
            get_json(path)


def test_a_newer_format_is_refused(tmp_path):
    put_json(tmp_path / "a.json", {"format_version": FORMAT_VERSION + 1})
    with pytest.raises(UsageError, match="newer vaescope"):
        get_json(tmp_path / "a.json")


def test_a_snapshot_comes_back_as_it_was_and_equal_weights_are_equal_bytes(tmp_path):
    folder = small_folder(tmp_path / "s")
    runner = folder.run(folder.runs[0].id)
    weights = {"b": torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last), "a": torch.arange(3.0)}
    one, two = (
        runner.save_tensors("snapshots/1.safetensors", weights, 1),
        runner.save_tensors("2.safetensors", weights, 1),
    )
    assert one.sha256 == two.sha256
    runner.save(Manifest(state="done", snapshots={1: one}))
    again = runner.snapshot(1)
    assert all(torch.equal(again[k], weights[k]) for k in weights)


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "gone"])
def test_a_damaged_snapshot_is_named_when_it_is_read(tmp_path, harm):
    folder = small_folder(tmp_path / "s")
    runner = folder.run(folder.runs[0].id)
    artifact = runner.save_tensors("w.safetensors", {"a": torch.randn(50)}, 1)
    runner.save(Manifest(state="done", snapshots={1: artifact}))
    path = runner.path / "w.safetensors"
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        changed = {"flip": data[:-9] + bytes([data[-9] ^ 4]) + data[-8:], "truncate": data[:99], "empty": b""}[harm]
        path.write_bytes(changed)
    with pytest.raises(CorruptArtifact, match=r"w\.safetensors is (missing|damaged).*vaescope train"):
        runner.snapshot(1)
    assert runner.damaged() == ["w.safetensors"]


def test_a_folder_keeps_one_study(tmp_path):
    small_folder(tmp_path / "s")
    assert StudyFolder(tmp_path / "s").study == small_study()
    small_folder(tmp_path / "s", "steps=9", "snapshots=[0, 9]")
    small_folder(tmp_path / "s")
    (tmp_path / "s" / "runs").mkdir()
    with pytest.raises(UsageError, match=r"another study \(steps: 6 -> 7; snapshots.*Choose another --out"):
        small_folder(tmp_path / "s", "steps=7", "snapshots=[0, 7]")
    assert "cka_biased" in small_folder(tmp_path / "s", "measures={cka_biased: {}}").study.measures


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="holds no study"):
        small_folder(tmp_path)
    with pytest.raises(UsageError, match="no study here"):
        StudyFolder(tmp_path)


def test_names_in_a_study_never_become_paths(tmp_path):
    folder = small_folder(tmp_path / "s", "name=../../<b>x")
    assert {p.name for p in tmp_path.iterdir()} == {"s"}
    assert folder.study.name == "../../<b>x"


def test_a_second_writer_is_told_and_a_killed_one_leaves_no_lock(tmp_path):
    folder = small_folder(tmp_path / "s")
    code = (
        "import sys, time; from vaescope.runs.store import StudyFolder\n"
        f"with StudyFolder({str(tmp_path / 's')!r}).writing(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResourceError, match="another vaescope"), folder.writing():
            pass
        other.kill()
        other.wait()
    (tmp_path / "s" / ".left.part").write_bytes(b"half")
    with folder.writing():
        assert not (tmp_path / "s" / ".left.part").exists()


def test_a_study_that_another_process_works_on_is_not_changed_under_it(tmp_path):
    folder = small_folder(tmp_path / "s")
    before = (tmp_path / "s" / "study.json").read_bytes()
    with folder.writing():
        for other in ("measures=[procrustes]", "seeds=2"):
            with pytest.raises(ResourceError, match="another vaescope"):
                StudyFolder.create(tmp_path / "s", small_study(other))
        assert StudyFolder.create(tmp_path / "s", folder.study).study == folder.study
        assert (tmp_path / "s" / "study.json").read_bytes() == before
    assert list(StudyFolder.create(tmp_path / "s", small_study("measures=[procrustes]")).study.measures) == [
        "procrustes"
    ]


def test_a_torn_last_event_is_left_out_and_a_damaged_one_is_named(tmp_path):
    folder = small_folder(tmp_path / "s")
    runner = folder.run(folder.runs[0].id)
    runner.path.mkdir(parents=True)
    runner.events_path.write_bytes(b'{"step": 0}\n{"step": 1}\n{"st')
    assert [e["step"] for e in runner.events()] == [0, 1]
    runner.events_path.write_bytes(b'{"step": 0}\n{"step"\n{"step": 2}\n')
    with pytest.raises(CorruptArtifact, match="line 2"):
        list(runner.events())
