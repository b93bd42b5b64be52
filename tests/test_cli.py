"""The command line as a person meets it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import vaescope
from tests.runs.small import SMALL
from vaescope.cli import app
from vaescope.runs.store import StudyFolder, get_json, put_json


def call(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


SET = [word for change in SMALL for word in ("--set", change)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "study"
    result = call("run", "quickstart", "--out", out, *SET)
    assert result.exit_code == 0, result.output
    return out, result.output


def test_run_does_everything_and_says_where_the_report_is(done):
    out, text = done
    assert f"Report: {out / 'report.html'}" in text
    assert (out / "report.html").stat().st_size > 100_000
    assert set(vaescope.open(out).runs["state"]) == {"done"}


def test_run_again_changes_nothing(done):
    out, _ = done
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.name not in (".lock", "report.html")}
    page = (out / "report.html").read_bytes()
    assert call("run", "quickstart", "--out", out, *SET).exit_code == 0
    assert page == (out / "report.html").read_bytes()
    after = {p: p.stat().st_mtime_ns for p in before}
    changed = [p.name for p in before if before[p] != after[p] and p.suffix in (".safetensors", ".jsonl", ".json")]
    assert changed == []


def test_status_tells_runs_comparisons_and_report(done):
    out, _ = done
    text = call("status", out).output
    assert text.count("done") >= 2
    assert "6/6" in text
    assert "cka: 3 of 3 blocks" in text
    assert "report.html" in text


def test_status_of_a_study_that_has_not_begun(tmp_path):
    from tests.runs.small import small_folder

    small_folder(tmp_path / "s")
    text = call("status", tmp_path / "s").output
    assert text.count("planned") == 2
    assert "not yet written" in text


def test_train_compare_and_report_do_their_parts(tmp_path, done):
    out = tmp_path / "parts"
    assert call("train", "quickstart", "--out", out, *SET).exit_code == 0
    assert not (out / "similarity.zarr").exists()
    assert call("train", out).exit_code == 0
    assert call("compare", out).exit_code == 0
    assert (out / "similarity.parquet").exists()
    assert call("report", out, "--out", tmp_path / "other.html").exit_code == 0
    assert (tmp_path / "other.html").exists()
    assert vaescope.open(out).similarity().equals(vaescope.open(done[0]).similarity())


def test_plan_counts_what_is_done(done):
    out, _ = done
    result = call("plan", "quickstart", *SET)
    assert result.exit_code == 0, result.output
    frame = vaescope.open(out).similarity().dropna(subset="score")
    for measure, count in frame.groupby("measure").size().items():
        line = next(line for line in result.output.splitlines() if f"-> {measure}" in line)
        assert f"{count:,}" in line, (line, count)
    assert "2 = 1 dataset(s) x 1 network(s) x 2 setting(s) x 1 seed(s)" in result.output


def test_plan_of_the_paper_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("plan", "paper")
    assert result.exit_code == 0, result.output
    assert "300 = 3 dataset(s) x 1 network(s) x 20 setting(s) x 5 seed(s)" in result.output
    assert list(tmp_path.iterdir()) == []


def test_list_and_cite():
    text = call("list").output
    for name in ("dsprites", "conv", "beta_vae", "vae", "cka", "cka_biased", "procrustes", "quickstart", "paper"):
        assert name in text
    assert "cka" not in call("list", "networks").output
    cited = call("cite", "quickstart").output
    assert "2205.08399" in cited
    assert "objective beta_vae" in cited
    assert "measure procrustes" in cited
    assert cited.count("http") >= 5


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["run", "quickstrt"], 2, "Did you mean 'quickstart'?"),
        (["run", "quickstart", "--set", "stps=1"], 2, "Did you mean 'steps'?"),
        (["plan", "quickstart", "--set", "measures={cka: {}, cka2: {}}"], 2, "measures.cka2: unknown measure 'cka2'"),
        (["plan", "quickstart", "--set", "measures={procrust: {}}"], 2, "Did you mean 'procrustes'?"),
        (["list", "measure"], 2, "Did you mean 'measures'?"),
        (["status", "nowhere"], 2, "no study here"),
        (["compare", "nowhere"], 2, "no study here"),
        (["report", "nowhere"], 2, "no study here"),
        (["cite", "nowhere"], 2, "no study file"),
        (["run"], 2, "STUDY"),
        (["run", "quickstart", "--wrong"], 2, "--wrong"),
        (["fly"], 2, "fly"),
    ],
)
def test_user_errors_are_short_exit_2_and_show_no_traceback(tmp_path, monkeypatch, words, code, part):
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == code, result.output
    assert part in result.output
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) <= 8


def test_a_damaged_snapshot_exits_3_and_training_again_mends_it(tmp_path):
    out = tmp_path / "s"
    assert call("train", "quickstart", "--out", out, *SET).exit_code == 0
    victim = next(out.rglob("step-000000002.safetensors"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1] + b"\x00")
    result = call("compare", out)
    assert result.exit_code == 3, result.output
    assert victim.name in result.output
    assert "damaged" in result.output
    assert call("train", out).exit_code == 0
    assert victim.read_bytes() == whole
    assert call("compare", out).exit_code == 0


def test_a_diverged_run_exits_1_and_names_it(tmp_path):
    out = tmp_path / "s"
    result = call(
        "run",
        "quickstart",
        "--out",
        out,
        *SET,
        "--set",
        "optimiser.lr=10",
        "--set",
        "steps=30",
        "--set",
        "snapshots=[0, 1, 30]",
        "--set",
        "objectives={beta_vae: {beta: [1, 1e30]}}",
    )
    assert result.exit_code == 1, result.output
    states = vaescope.open(out).runs.set_index("run")["state"]
    assert "diverged" in set(states)
    for run in StudyFolder(out).runs:
        manifest = StudyFolder(out).run(run.id).manifest()
        if manifest.state == "diverged":
            assert "the loss is" in manifest.reason
            assert run.id in result.output
            assert 0 in manifest.snapshots
    assert (out / "report.html").exists()


def test_a_file_that_cannot_be_written_exits_4(tmp_path):
    (tmp_path / "file").write_text("x")
    result = call("train", "quickstart", "--out", tmp_path / "file" / "sub", *SET)
    assert result.exit_code in (2, 4), result.output
    assert "Traceback" not in result.output


def test_names_reach_the_terminal_as_text(tmp_path):
    out = tmp_path / "s"
    assert call("train", "quickstart", "--out", out, *SET, "--set", 'name="[red]x\\e[31m"').exit_code == 0
    text = call("status", out).output
    assert "[red]x" in text
    assert "\x1b" not in text


def test_a_bug_of_ours_exits_70_with_a_crash_file(monkeypatch, tmp_path):
    import tempfile

    import vaescope.catalogue

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(vaescope.catalogue, "catalogue", lambda: 1 / 0)
    result = call("list")
    assert result.exit_code == 70
    assert "ZeroDivisionError" in result.output
    assert "Traceback" not in result.output
    assert "1 / 0" in next(tmp_path.glob("vaescope-crash-*")).read_text()


@pytest.mark.parametrize("command", [[sys.executable, "-m", "vaescope"]])
def test_help_and_version_are_quick_to_load(command):
    text = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("run", "plan", "train", "compare", "report", "status", "list", "cite"):
        assert word in text
    assert subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.startswith(
        "vaescope 0."
    )


def test_a_study_of_other_probe_images_exits_3(tmp_path):
    out = tmp_path / "s"
    assert call("train", "quickstart", "--out", out, *SET).exit_code == 0
    content = get_json(out / "probe.json")
    next(iter(content["datasets"].values()))["sha256"] = "0" * 64
    put_json(out / "probe.json", content)
    assert call("train", out).exit_code == 3
