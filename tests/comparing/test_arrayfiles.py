"""Arrays from files, sound, damaged and hostile."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vaescope.comparing.arrayfiles import must_agree, read_arrays, rows_of
from vaescope.errors import CorruptArtifact, ResourceError, UsageError, VaescopeError

X = np.random.default_rng(0).standard_normal((50, 3, 4))


def written(folder: Path) -> list[Path]:
    """The same array in every kind of file, always called x."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "x.npy", X)
    np.savez(folder / "plain.npz", x=X)
    np.savez_compressed(folder / "small.npz", x=X)
    save_file({"x": torch.from_numpy(X)}, folder / "x.safetensors")
    (folder / "turned").mkdir()
    np.save(folder / "turned" / "x.npy", np.asfortranarray(X))
    return [folder / name for name in ("x.npy", "plain.npz", "small.npz", "x.safetensors", "turned")]


def test_every_kind_of_file_gives_the_same_rows(tmp_path):
    for file in written(tmp_path / "a"):
        assert np.array_equal(read_arrays(file)["x"].reshape(X.shape), X), file
        chosen = read_arrays(file, n=7, seed=3)["x"].reshape(7, 3, 4)
        assert np.array_equal(chosen, X[rows_of(50, 7, 3)]), file


def test_rows_are_drawn_without_replacement_and_depend_on_the_seed_alone():
    rows = rows_of(1000, 100, 5)
    assert rows is not None
    assert len(set(rows.tolist())) == 100
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, rows_of(1000, 100, 5))
    assert not np.array_equal(rows, rows_of(1000, 100, 6))
    assert rows_of(10, 10, 0) is None
    assert rows_of(10, 11, 0) is None


def test_numbers_that_numpy_lacks_are_read_as_float32(tmp_path):
    save_file({"x": torch.arange(12).reshape(6, 2).to(torch.bfloat16)}, tmp_path / "b.safetensors")
    np.save(tmp_path / "h.npy", np.arange(6, dtype=np.float16))
    assert read_arrays(tmp_path / "b.safetensors")["x"].dtype == np.float32
    assert read_arrays(tmp_path / "b.safetensors")["x"].ravel().tolist() == list(range(12))
    assert read_arrays(tmp_path / "h.npy")["h"].tolist() == list(range(6))


def test_one_array_of_a_file_can_be_named(tmp_path):
    np.savez(tmp_path / "two.npz", first=X, second=X[:, 0])
    assert list(read_arrays(f"{tmp_path}/two.npz:second")) == ["second"]
    with pytest.raises(UsageError, match=r"'secnd', got first, second\. Did you mean 'second'"):
        read_arrays(f"{tmp_path}/two.npz:secnd")


def test_what_would_not_fit_is_refused_before_it_is_read(tmp_path):
    for file in written(tmp_path / "a"):
        with pytest.raises(ResourceError, match="more than the 1,000 of the memory budget"):
            read_arrays(file, memory_budget=1000)
    assert read_arrays(tmp_path / "a" / "x.npy", n=5, memory_budget=1000)["x"].shape == (5, 3, 4)


def test_an_archive_that_blows_up_is_refused_by_its_headers(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((1, 30_000_000), np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    with pytest.raises(ResourceError, match=r"30,000,000 bytes once read"):
        read_arrays(tmp_path / "bomb.npz", memory_budget=1_000_000)


def lying(path: Path, shape: str) -> None:
    """An .npz whose array says it has a shape that its bytes do not have."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(80)
        )


@pytest.mark.parametrize("shape", ["(10, 100000000000)", "(5,)", "(-3, 4)"])
def test_an_array_that_lies_about_its_shape_is_told(tmp_path, shape):
    lying(tmp_path / "lie.npz", shape)
    with pytest.raises(VaescopeError, match=r"lie\.npz"):
        read_arrays(tmp_path / "lie.npz")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_files_that_were_cut_short_are_told_by_name(tmp_path, keep):
    for file in written(tmp_path / "a"):
        if file.is_dir():
            continue
        data = file.read_bytes()
        file.write_bytes(data[: int(keep * len(data))])
        with pytest.raises(CorruptArtifact, match=file.name):
            read_arrays(file)


def test_changed_bytes_of_an_archive_are_noticed(tmp_path):
    file = written(tmp_path / "a")[1]
    data = bytearray(file.read_bytes())
    data[800] ^= 1
    file.write_bytes(data)
    with pytest.raises(CorruptArtifact, match="CRC"):
        read_arrays(file)


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}, None], object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", fine=X, o=np.array([{}, None], object))
    for name in ("o.npy", "o.npz"):
        with pytest.raises(UsageError, match="never unpickled"):
            read_arrays(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.npy", "expected a file, got none there"),
        ("none.npz", "expected a file, got none there"),
        ("none.safetensors", "expected a file, got none there"),
        ("w.pt", "Weights need a model"),
        ("a.csv", "got '.csv'"),
        ("plain", "got 'a name without ending'"),
        ("", "folder without any"),
        ("zero\0.npy", "expected the path"),
    ],
)
def test_what_is_no_file_of_arrays_is_told(tmp_path, name, told):
    with pytest.raises(UsageError, match=told):
        read_arrays(f"{tmp_path}/{name}")


def test_arrays_without_rows_or_of_different_examples_are_told(tmp_path):
    np.savez(tmp_path / "n.npz", one=np.float64(3))
    with pytest.raises(UsageError, match=r"n\.npz: one: expected \(n examples"):
        read_arrays(tmp_path / "n.npz")
    with pytest.raises(UsageError, match="50 rows of 'a' and 49 of 'b'"):
        must_agree({"a": X, "b": X[1:]}, "f.npz")
