"""The examinations of a study: made once, made anew when what they come from changes, never half."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pandas as pd
import pytest
from tests.runs.small import StopAfter, small_folder, small_study

import vaescope
from vaescope.errors import CorruptArtifact, Interrupted, UsageError
from vaescope.pipeline import load_study
from vaescope.runs.store import StudyFolder
from vaescope.runs.train import train
from vaescope.stats.compare import compare
from vaescope.stats.examination import EXAMINATIONS, Examination
from vaescope.stats.examine import examine, pending
from vaescope.stats.examined import file_of

MADE: list[str] = []


@final
@dataclass(frozen=True)
class Count(Examination):
    """How many snapshots there are, and the mean pixel."""

    name = "count"
    columns = ("step", "pixel")

    def of(self, subject):
        MADE.append(subject.run.id)
        subject.progress.check()
        return pd.DataFrame({"step": subject.steps, "pixel": float(subject.images.mean())})


@final
@dataclass(frozen=True)
class Next(Examination):
    """The next seed."""

    name = "next_one"
    columns = ("other",)

    def others(self, subject):
        return [subject.next_seed] if subject.next_seed else []

    def of(self, subject):
        return pd.DataFrame({"other": [subject.next_seed.id if subject.next_seed else ""]})


@pytest.fixture
def asked():
    MADE.clear()
    with EXAMINATIONS.lending({"count": Count, "next_one": Next}):
        yield ["examinations=[count, next_one]", "objectives={vae: {}}", "seeds=2"]


@pytest.fixture
def trained(tmp_path, asked):
    folder = small_folder(tmp_path / "s", *asked)
    train(folder)
    return folder


def test_every_run_has_its_table_once_and_a_second_call_makes_nothing(trained):
    examine(trained)
    assert sorted(MADE) == sorted(run.id for run in trained.runs)
    examine(trained)
    assert len(MADE) == len(trained.runs)
    found = vaescope.open(trained.path).examined("count")
    assert list(found.columns) == ["run", "step", "pixel"]
    assert found.groupby("run", observed=True).size().to_dict() == {run.id: len(run.snapshots) for run in trained.runs}


def test_a_run_without_its_end_is_not_examined_and_its_neighbours_see_it_later(tmp_path, asked):
    folder = small_folder(tmp_path / "s", *asked)
    train(folder)
    last = folder.run(folder.runs[-1].id)
    done = last.manifest()
    last.save(replace(done, state="running"))
    examine(folder)
    assert {*MADE} == {run.id for run in folder.runs[:-1]}
    assert set(vaescope.open(folder.path).examined("next_one")["other"]) == {""}
    last.save(done)
    assert set(pending(folder)) == {run.id for run in folder.runs}
    examine(folder)
    a, b = (run.id for run in folder.runs)
    found = vaescope.open(folder.path).examined("next_one")
    assert dict(zip(found["run"], found["other"], strict=True)) == {a: b, b: a}


def test_a_snapshot_that_changed_makes_the_table_out_of_date(trained):
    examine(trained)
    runner = trained.run(trained.runs[0].id)
    manifest = runner.manifest()
    step, artifact = next(iter(manifest.snapshots.items()))
    runner.save(replace(manifest, snapshots={**manifest.snapshots, step: replace(artifact, sha256="0" * 64)}))
    assert pending(trained)[trained.runs[0].id][:1] == ["count"]
    assert set(vaescope.open(trained.path).examined("count")["run"]) == {trained.runs[1].id}


def test_a_stop_leaves_whole_tables_and_the_rest_for_the_next_call(trained):
    with pytest.raises(Interrupted):
        examine(trained, StopAfter(4))
    before = len(list(trained.path.glob("examined/*/*.parquet")))
    examine(trained)
    assert len(list(trained.path.glob("examined/*/*.parquet"))) == 4 > before
    assert not list(trained.path.glob("examined/**/.*.part"))


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_table_is_told_or_left_out_when_read_and_made_anew_when_asked(trained, damage):
    examine(trained)
    file = file_of(trained, trained.runs[0], "count")
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[:-20])
        assert len(vaescope.open(trained.path).examined("count")["run"].unique()) == 1
    else:
        broken = bytearray(whole)
        broken[40] ^= 0xFF
        file.write_bytes(bytes(broken))
        with pytest.raises(CorruptArtifact, match=r"count\.parquet is damaged.*vaescope examine"):
            vaescope.open(trained.path).examined("count")
    examine(trained)
    assert file.read_bytes() == whole


def test_workers_make_the_same_bytes(tmp_path):
    from vaescope.runs.executors import executor_of

    folders = []
    for name, workers in (("here", None), ("there", 2)):
        folder = small_folder(tmp_path / name, "examinations=[shapes, latents]")
        train(folder)
        with executor_of(workers, None) as executor:
            examine(folder, executor=executor)
        folders.append({p.relative_to(folder.path): p.read_bytes() for p in folder.path.glob("examined/*/*.parquet")})
    assert folders[0] == folders[1]
    assert len(folders[0]) == 4


def test_an_unknown_examination_is_told_before_anything_begins(tmp_path):
    with pytest.raises(UsageError, match=r"examinations: unknown examination 'latent'.*Did you mean 'latents'"):
        load_study(small_study("examinations=[latent]"))


def test_a_study_may_get_other_examinations_later_and_keeps_its_runs(tmp_path, asked):
    folder = small_folder(tmp_path / "s", *asked[1:])
    train(folder)
    compare(folder)
    examine(folder)
    assert not (folder.path / "examined").exists()
    again = StudyFolder.create(folder.path, small_study(*asked))
    examine(again)
    assert len(MADE) == 2


def test_evidence_of_a_study_without_examinations_has_scores_and_empty_tables(tmp_path):
    results = vaescope.run(small_study("examinations=[]", "objectives={vae: {}}", "seeds=2"), tmp_path / "s")
    evidence = results.evidence()
    assert evidence.measure == "cka"
    assert len(evidence.runs) == 2
    assert len(evidence.references) == len(evidence.posterior) == 0
    first, second = (run.id for run in results.folder.runs)
    assert set(evidence.ends["run_a"]) == {first}
    assert set(evidence.ends["run_b"]) == {second}
    end = results.folder.runs[0].snapshots[-1]
    for row in evidence.ends.to_dict("records"):
        pair = {"layer": row["layer"], "run_a": first, "run_b": second}
        assert row["score"] == results.similarity("cka", step=end, **pair)["score"].item()
        crossed = [
            results.similarity("cka", step_a=a, step_b=b, **pair)["score"].item() for a, b in ((0, end), (end, 0))
        ]
        np.testing.assert_allclose(row["floor"], np.mean(crossed), rtol=1e-6)
