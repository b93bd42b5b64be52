"""Devices: which is taken, how it is set, and that data kept there are the same. CUDA is tested where there is one."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.runs.small import small_folder, small_study

from vaescope.data.dataset import Dataset, checked_indices
from vaescope.data.load import load_dataset
from vaescope.errors import Interrupted, UsageError
from vaescope.progress import Progress
from vaescope.runs import resident as residents
from vaescope.runs.batches import batches
from vaescope.runs.device import available as available_devices
from vaescope.runs.device import chosen, free_bytes, sent, settings_kept, settle, steps_between_looks
from vaescope.runs.ensemble import train_group
from vaescope.runs.resident import Resident, resident, resident_once
from vaescope.runs.training import Training

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


class Levels(Dataset):
    """Random images whose pixels are multiples of 1/255, of one shape and number.

    References:
        None. https://example.org
    """

    name = "levels"

    def __init__(self, shape=(3, 16, 20), count=5000, seed=0, change=None):
        self.image_shape = shape
        self.factor_names = self.factor_sizes = self.factor_values = ()
        self.fingerprint = f"{seed}"
        rng = np.random.default_rng(seed)
        self._images = (rng.integers(0, 256, (count, *shape)).astype(np.float32)) / np.float32(255)
        if change is not None:
            index, value = change
            self._images[index, 0, 3, 4] = value

    def __len__(self):
        return len(self._images)

    def images(self, indices):
        return self._images[checked_indices(indices, len(self))]

    def factors(self, indices):
        return np.zeros((len(indices), 0), np.int64)


class Shapes(Levels):
    """dSprites' first images: small enough to be kept.

    References:
        None. https://example.org
    """

    name = "some_dsprites"

    def __init__(self):
        super().__init__((1, 64, 64), 1)
        self._images = load_dataset("dsprites").images(np.arange(300) * 2000)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_takes_a_gpu_where_there_is_one(two_gpus):
    assert chosen("auto") == "cuda"
    assert chosen("cuda") == "cuda"
    assert chosen("cuda:1") == chosen("cuda:01") == "cuda:1"
    assert chosen("cpu") == "cpu"
    assert available_devices()[:4] == ("cpu", "cuda", "cuda:0", "cuda:1")
    with pytest.raises(UsageError, match=r"one of cpu, cuda, cuda:0, cuda:1.*got 'cuda:2'"):
        chosen("cuda:2")


def test_a_device_that_is_not_there_is_refused_with_what_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert chosen("auto") == chosen("cpu") == "cpu"
    for wrong in ("cuda", "cuda:0", "mps", "gpu", "", "cpu:0", "cuda:-1", "meta"):
        with pytest.raises(UsageError, match=r"device: expected auto or one of cpu, got"):
            chosen(wrong)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UsageError, match="without CUDA"):
        chosen("cuda")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(UsageError, match="No NVIDIA driver"):
        chosen("cuda")


def settings():
    cudnn = torch.backends.cudnn
    return torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark


def test_cuda_gives_all_digits_unless_precision_is_mixed_and_is_left_as_it_was():
    before = settings()
    with settings_kept():
        settle(torch.device("cuda"), "mixed")
        assert settings() == (True, True, True, False)
        settle(torch.device("cuda:1"), "exact")
        assert settings() == (False, False, True, False)
        torch.backends.cudnn.benchmark = True
        settle(CPU, "mixed")
        assert settings() == (False, False, True, True)
    assert settings() == before


def test_losses_are_looked_at_each_step_on_the_cpu_only():
    assert steps_between_looks(CPU) == 1
    assert steps_between_looks(torch.device("cuda:1")) == 10


def test_sending_to_the_cpu_copies_nothing():
    tensor = torch.arange(3)
    assert sent(tensor, CPU) is tensor
    assert free_bytes(CPU) == 0


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 16, 20)])
def test_images_kept_on_a_device_are_the_dataset_s_bit_for_bit(shape):
    dataset = Levels(shape)
    kept = resident(dataset, CPU, most_bytes=10**9)
    for indices in ([], [4999], [3, 3, 0, 4999, 17], np.arange(5000)[::-7]):
        wanted = dataset.images(indices)
        got = kept.images(np.asarray(indices, np.int64).copy())
        assert got.dtype == torch.float32
        assert got.is_contiguous()
        assert np.array_equal(got.numpy().view(np.int32), wanted.view(np.int32))


def test_dsprites_is_kept_bit_for_bit():
    dataset = Shapes()
    kept = resident(dataset, CPU, most_bytes=10**9)
    assert np.array_equal(kept.images(np.arange(300)).numpy(), dataset.images(np.arange(300)))


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 0.5),
        (4998, 0.5),
        (4500, np.nextafter(np.float32(7 / 255), 1)),
        (9, np.nan),
        (5, -0.0),
        (5, 1.5),
        (7, -1 / 255),
    ],
)
def test_images_that_one_byte_does_not_hold_are_not_kept(index, value):
    assert resident(Levels(), CPU, most_bytes=10**9) is not None
    assert resident(Levels(change=(index, value)), CPU, most_bytes=10**9) is None


def test_images_that_do_not_fit_are_not_even_read():
    class Unread(Levels):
        def images(self, indices):
            raise AssertionError

    size = 5000 * 3 * 16 * 20
    assert resident(Unread(), CPU, most_bytes=size - 1) is None
    assert resident(Levels(), CPU, most_bytes=size) is not None
    assert resident(Unread(), CPU) is None  # by default nothing is kept in the machine's own memory


def test_keeping_stops_when_asked_to():
    class Stop(Progress):
        def check(self):
            raise Interrupted

    with pytest.raises(Interrupted):
        resident(Levels(), CPU, Stop(), most_bytes=10**9)


def test_what_is_kept_is_made_once_for_each_dataset_and_only_two_stay(monkeypatch):
    made = []
    monkeypatch.setattr(residents, "resident", lambda dataset, device, progress: made.append(dataset.fingerprint))
    monkeypatch.setattr(residents, "_kept", {})
    cuda = torch.device("cuda:0")
    for seed in (0, 0, 1, 0, 1, 2, 1, 2):
        resident_once(Levels(count=1, seed=seed), cuda, Progress())
    assert made == ["0", "1", "2"]
    resident_once(Levels(count=1, seed=0), cuda, Progress())
    assert made == ["0", "1", "2", "0"]
    assert resident_once(Levels(count=1), CPU, Progress()) is None
    assert len(made) == 4


@pytest.mark.parametrize("order", ["shuffled", "contiguous"])
@pytest.mark.parametrize("start", [0, 3, 8, 41])
def test_batches_from_the_device_are_the_batches(order, start):
    dataset = Levels((1, 16, 16), 130)
    run = small_study(f"batches={{order: {order}, held_out: 0.2}}", "batch_size=8", "steps=41", "snapshots=[0]").runs()[
        0
    ]
    kept = resident(dataset, CPU, most_bytes=10**9)
    for purpose in ("order", "critic order"):
        wanted = list(batches(run, dataset, start, purpose))
        got = list(kept.batches(run, start, purpose))
        assert len(got) == len(wanted) == 42 - start
        assert all(np.array_equal(a.numpy(), b) for a, b in zip(got, wanted, strict=True))


def bytes_of(folder):
    files = sorted(p for p in (folder.path / "runs").rglob("*") if p.is_file())
    return {str(p.relative_to(folder.path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_training_on_kept_images_leaves_the_same_bytes_behind(tmp_path, monkeypatch):
    one, other = (small_folder(tmp_path / n, "objectives={vae: {}, factor_vae: {}}") for n in "ab")
    dataset = Shapes()
    for run in one.runs:
        Training(one.run(run.id), dataset).run(Progress())
    used = []
    kept = resident(dataset, CPU, most_bytes=10**9)
    monkeypatch.setattr("vaescope.runs.training.resident_once", lambda *_: used.append(1) or kept)
    for run in other.runs:
        Training(other.run(run.id), dataset).run(Progress())
    assert used
    assert bytes_of(one) == bytes_of(other)


class StopAfter(Progress):
    def __init__(self, checks):
        self.left = checks

    def check(self):
        self.left -= 1
        if self.left < 0:
            raise Interrupted


THREE = ("objectives={vae: {}, beta_tc_vae: {}, factor_vae: {}}", "steps=25", "snapshots=[0, 1, 25]")


def in_turn(folder, dataset, device, progress):
    for run in folder.runs:
        if not folder.run(run.id).manifest().ended:
            Training(folder.run(run.id), dataset, device).run(progress)


def at_once(folder, dataset, device, progress):
    train_group([folder.run(run.id) for run in folder.runs], dataset, device, progress)


@needs_cuda
@pytest.mark.parametrize("way", [in_turn, at_once])
@pytest.mark.parametrize("kept", [True, False])
def test_cuda_comes_close_to_the_cpu_and_an_interrupted_run_ends_with_the_same_bytes(tmp_path, monkeypatch, way, kept):
    cpu, whole, parts = (small_folder(tmp_path / n, *THREE) for n in "abc")
    dataset = Shapes()
    if not kept:
        monkeypatch.setattr("vaescope.runs.training.resident_once", lambda *_: None)
    in_turn(cpu, dataset, "cpu", Progress())
    way(whole, dataset, "cuda", Progress())
    with pytest.raises(Interrupted):
        way(parts, dataset, "cuda", StopAfter(7))
    way(parts, dataset, "cuda", Progress())
    assert bytes_of(parts) == bytes_of(whole)
    for run in cpu.runs:
        mine, theirs = whole.run(run.id), cpu.run(run.id)
        assert all(torch.equal(v, theirs.snapshot(0)[k]) for k, v in mine.snapshot(0).items())
        for a, b in zip(mine.events(), theirs.events(), strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-5 if a["step"] == 0 else 1e-2)
        assert mine.manifest() == replace(
            theirs.manifest(),
            device="cuda",
            ensemble=3 if way is at_once else 1,
            snapshots=mine.manifest().snapshots,
            events_bytes=mine.manifest().events_bytes,
        )


@needs_cuda
def test_images_on_cuda_are_the_dataset_s_bit_for_bit():
    dataset = Levels()
    kept = resident(dataset, torch.device("cuda"))
    assert isinstance(kept, Resident)
    order = np.random.default_rng(1).permutation(5000)
    assert np.array_equal(kept.images(order).cpu().numpy().view(np.int32), dataset.images(order).view(np.int32))


@needs_cuda
@pytest.mark.parametrize("way", [in_turn, at_once])
def test_mixed_precision_on_cuda_stays_close(tmp_path, way):
    exact, mixed = (small_folder(tmp_path / p, *THREE, f"precision={p}") for p in ("exact", "mixed"))
    for folder in (exact, mixed):
        way(folder, Shapes(), "cuda", Progress())
    for a, b in zip(exact.runs, mixed.runs, strict=True):
        for one, other in zip(exact.run(a.id).events(), mixed.run(b.id).events(), strict=True):
            assert other["loss"] == pytest.approx(one["loss"], rel=0.02)
