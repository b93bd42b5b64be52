"""Whole studies on workers that are killed: the study finishes, with the bytes of one that nobody disturbed."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.runs.work import local_cluster, until

from vaescope.runs.store import StudyFolder

STUDY = """
name: on workers
datasets: [{name: shapes, side: 16}]
networks: [linear]
objectives: {vae: {}, beta_tc_vae: {beta: 4}, factor_vae: {gamma: 2}}
seeds: 2
steps: 40
batch_size: 8
snapshots: [0, 10, 40]
log_every: 5
probe: {n: 40}
measures: {cka: {}, procrustes: {pairs: needed, n: 20}}
examinations: [latents, references]
"""
POISON = """
import os, signal, sys
from vaescope.models.objectives.vae import VAE

real = VAE.regularisation
def regularisation(self, forward, kl, step):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, forward, kl, step)
VAE.regularisation = regularisation
"""
SEED = int(os.environ.get("VAESCOPE_SEED", "0"))
pytestmark = [pytest.mark.fault, pytest.mark.timeout(280)]


def start(out, *options, environment=None):
    return subprocess.Popen(
        [sys.executable, "-m", "vaescope", "run", str(out.parent / "study.yaml"), "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def ended(process, code=0):
    text, _ = process.communicate(timeout=240)
    assert process.returncode == code, text
    return text


def bytes_of(out):
    """Everything but the page and the locks."""
    files = [p for part in ("runs", "similarity.zarr", "examined") for p in (out / part).rglob("*") if p.is_file()]
    files += [out / "similarity.parquet", out / "probe.json"]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}


def worker_pids(process):
    """The processes that work for a coordinator."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(process.pid).children() if "worker" in " ".join(child.cmdline())]
    return []


def disturb(process, victims, kills):
    """Kill so many workers at random moments while the study is under way."""
    rng, done = random.Random(SEED), 0  # noqa: S311
    while done < kills and process.poll() is None:
        time.sleep(rng.uniform(0.5, 2.5))
        if pids := victims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(pids), signal.SIGKILL)
                done += 1
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("workers")
    (path / "study.yaml").write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def undisturbed(folder):
    ended(start(folder / "undisturbed"))
    return bytes_of(folder / "undisturbed")


def test_workers_that_are_killed_change_no_byte(folder, undisturbed):
    process = start(folder / "killed", "--workers", "2")
    kills = disturb(process, lambda: worker_pids(process), kills=3)
    ended(process)
    assert kills >= 1, f"seed {SEED}: nothing was killed"
    assert bytes_of(folder / "killed") == undisturbed


def test_a_dask_cluster_whose_workers_are_killed_changes_no_byte(folder, undisturbed):
    with local_cluster() as cluster:
        until(lambda: len(cluster.scheduler.workers) == 2)
        process = start(folder / "dask", "--scheduler", cluster.scheduler_address)
        nannies = psutil.Process()
        kills = disturb(
            process,
            lambda: [c.pid for c in nannies.children(recursive=True) if "spawn_main" in " ".join(c.cmdline())],
            kills=3,
        )
        ended(process)
    assert kills >= 1, f"seed {SEED}: nothing was killed"
    assert bytes_of(folder / "dask") == undisturbed


def test_runs_that_always_kill_their_worker_are_marked_failed_and_the_others_end(folder, undisturbed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(POISON)
    out = folder / "poisoned"
    text = ended(start(out, "--workers", "2", environment={"PYTHONPATH": str(tmp_path)}), code=1)
    opened = StudyFolder(out)
    states = {run.id: opened.run(run.id).manifest() for run in opened.runs}
    for run in opened.runs:
        poisoned = run.objective == "vae"
        assert states[run.id].state == ("failed" if poisoned else "done")
        assert ("killed by signal 9" in states[run.id].reason) == poisoned
        assert not poisoned or "4 times" in states[run.id].reason
    assert "2 run(s) failed" in text
    assert "Traceback" not in text

    ended(start(out, "--workers", "2"))  # given again without what killed them, it tries the failed ones again
    assert bytes_of(out) == undisturbed
