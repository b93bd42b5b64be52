"""Real processes, really killed: the same command continues, and ends with the bytes of an undisturbed run."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

STUDY = """
name: killed
objectives: {vae: {}, beta_vae: {beta: 4}}
seeds: 1
steps: 60
batch_size: 16
snapshots: {schedule: log, count: 8}
log_every: 5
probe: {n: 24, seed: 0}
measures: {cka: {pairs: all}, procrustes: {pairs: needed, n: 12}}
examinations: [posterior]
"""
TRIALS = 4
pytestmark = [pytest.mark.fault, pytest.mark.timeout(280)]


def start(command, study, out):
    return subprocess.Popen(
        [sys.executable, "-m", "vaescope", command, str(study), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(command, study, out):
    process = start(command, study, out)
    text, _ = process.communicate(timeout=200)
    assert process.returncode == 0, text
    return text


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def until(process, word):
    """Read lines until one has the word: the moment from which kills are aimed."""
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"the process ended before it printed {word!r}")


def trained(out):
    files = sorted(p for p in (out / "runs").rglob("*") if p.is_file())
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "killed.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def reference(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "out"
    begun = time.monotonic()
    finish("run", study, out)
    return out, time.monotonic() - begun


def test_killed_at_random_moments_of_training_ends_with_the_same_bytes(study, reference, tmp_path):
    seed = int(os.environ.get("VAESCOPE_FAULT_SEED", "0"))
    trials = int(os.environ.get("VAESCOPE_KILLS", str(TRIALS)))
    rng = random.Random(seed)  # noqa: S311
    print(f"replay: VAESCOPE_FAULT_SEED={seed} VAESCOPE_KILLS={trials}")
    killed = same = 0
    for trial in range(trials):
        out = tmp_path / f"trial-{trial}"
        for _ in range(rng.randint(1, 3)):
            process = start("train", study, out)
            until(process, "training")
            time.sleep(rng.uniform(0, 3))
            killed += process.poll() is None
            kill(process)
        finish("train", study, out)
        same += trained(out) == trained(reference[0])
    print(f"{trials} trials, {killed} kills in training, {same} identical")
    assert killed
    assert same == trials


def test_killed_while_comparing_and_reporting_ends_with_the_same_scores(study, reference, tmp_path):
    out = tmp_path / "out"
    finish("train", study, out)
    import vaescope

    rng = random.Random(1)  # noqa: S311
    killed = 0
    for word in ("preparing", "comparing", "pictures"):
        process = start("run", study, out)
        until(process, word)
        time.sleep(rng.uniform(0, 0.2))
        killed += process.poll() is None
        kill(process)
        assert (out / "report.html").exists() is False or (out / "report.html").read_text().rstrip().endswith("</html>")
    finish("run", study, out)
    one, two = vaescope.open(out).similarity(), vaescope.open(reference[0]).similarity()
    assert killed >= 2
    assert one.equals(two)
    assert not list(out.rglob("*.part"))
    assert not (out / "prepared").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_saves_the_step_exits_130_and_continues(study, reference, tmp_path, number):
    out = tmp_path / "out"
    process = start("train", study, out)
    until(process, "training")
    time.sleep(0.5)
    begun = time.monotonic()
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert time.monotonic() - begun < 5
    assert "same command again" in text
    assert "Traceback" not in text
    finish("train", study, out)
    assert trained(out) == trained(reference[0])
