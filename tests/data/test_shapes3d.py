import sys

import h5py
import numpy as np
import pytest
from tests.data.official_files import Imagined, Recorder, grid, shapes_arrays, shapes_values

from vaescope.data.datasets.shapes3d import Shapes3D
from vaescope.data.readers import shapes3d
from vaescope.data.readers.shapes3d import grid_values, read_grid
from vaescope.errors import CorruptArtifact, UsageError
from vaescope.progress import Progress

SIZES = (3, 2, 2, 4, 2, 3)
COUNT = 288


@pytest.fixture(scope="module")
def arrays():
    return shapes_arrays(SIZES)


def write(path, images, labels, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, **{"compression": "gzip", **options})
        file.create_dataset("labels", data=labels)
    return path


@pytest.fixture
def official(tmp_path, arrays):
    return write(tmp_path / "3dshapes.h5", *arrays)


def refused(path, message):
    with pytest.raises(CorruptArtifact, match=message) as told:
        read_grid([path], path.parent / "u", Progress(), SIZES)
    assert str(told.value).startswith(f"{path}: expected HDF5 with `images`, uint8 (288, 64, 64, 3), and `labels`")
    assert not list((path.parent / "u").glob("*.npy"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (50, 16, 16, 1), "shuffle": True},
        {"compression": None},
        {"compression": "lzf", "fletcher32": True, "chunks": (1, 64, 64, 3)},
    ],
)
def test_the_images_and_the_values_of_the_factors_come_from_the_file(tmp_path, arrays, options, monkeypatch):
    monkeypatch.setattr(shapes3d, "_PIECE", 100)  # several pieces, the last one shorter
    told = Recorder()
    path = write(tmp_path / "3dshapes.h5", *arrays, **options)
    found = read_grid([path], tmp_path / "u", told, SIZES)
    np.testing.assert_array_equal(found["pixels"].take(np.arange(COUNT)), arrays[0])
    assert found["values"] == shapes_values(SIZES)
    assert told.stages[-1] == ("Unpacking shapes3d", COUNT)
    assert told.done[-1] == COUNT


def test_the_dataset_knows_its_index_factors_and_their_values():
    dataset = Shapes3D(Imagined((480_000, 64, 64, 3)), "made-up", shapes_values((10, 10, 10, 8, 4, 15)))
    assert (len(dataset), dataset.image_shape) == (Shapes3D.COUNT, Shapes3D.SHAPE) == (480_000, (3, 64, 64))
    assert dataset.factor_names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert dataset.factor_sizes == (10, 10, 10, 8, 4, 15)
    index = ((((1 * 10 + 2) * 10 + 3) * 8 + 4) * 4 + 3) * 15 + 14
    assert dataset.factors([index]).tolist() == [[1, 2, 3, 4, 3, 14]]
    assert dataset.factor_values[5][0] == -30
    assert Imagined.index_of(dataset.images([index])[0]) == index
    with pytest.raises(UsageError, match=r"expected \(10, 10, 10, 8, 4, 15\) values"):
        Shapes3D(Imagined((480_000, 64, 64, 3)), "made-up", shapes_values(SIZES))


def test_it_is_unpacked_once_and_anew_for_another_file(official, tmp_path, arrays):
    first = read_grid([official], tmp_path / "u", Progress(), SIZES)
    told = Recorder()
    assert read_grid([official], tmp_path / "u", told, SIZES)["pixels"].path == first["pixels"].path
    assert told.stages == []
    write(official, 255 - arrays[0], arrays[1])
    other = read_grid([official], tmp_path / "u", Progress(), SIZES)
    assert other["fingerprint"] != first["fingerprint"]
    np.testing.assert_array_equal(other["pixels"].take([7])[0], 255 - arrays[0][7])


def test_labels_of_all_480000_images_are_understood():
    sizes = (10, 10, 10, 8, 4, 15)
    values = shapes_values(sizes)
    labels = np.stack([np.array(v)[k] for v, k in zip(values, grid(sizes).T, strict=True)], axis=1)
    assert grid_values(labels, sizes) == values


def permuted(labels):
    return np.random.default_rng(0).permutation(labels)


def with_nan(labels):
    labels = labels.copy()
    labels[5, 2] = np.nan
    return labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (permuted, "column 0 does not go through 3 values in order"),
        (with_nan, "labels that are not finite"),
        (lambda labels: labels[:, ::-1], "column 0 does not go through"),
        (lambda labels: np.zeros_like(labels), "column 0 does not go through 3 values"),
        (lambda labels: labels[:-1], r"`labels` float64 \(287, 6\)"),
        (lambda labels: labels.astype("S8"), r"`labels` \|S8"),
        (lambda labels: labels.astype(int), "`labels` int64"),
    ],
)
def test_labels_that_are_not_all_combinations_in_order_are_refused(tmp_path, arrays, change, message):
    refused(write(tmp_path / "a.h5", arrays[0], change(arrays[1])), message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images.astype(np.float32), r"`images` float32 \(288, 64, 64, 3\)"),
        (lambda images: images.astype(np.uint16), "`images` uint16"),
        (lambda images: images.view(np.int8), "`images` int8"),
        (lambda images: images > 0, "`images` bool"),
        (lambda images: images[1:], r"`images` uint8 \(287, 64, 64, 3\)"),
        (lambda images: images.transpose(0, 3, 1, 2), r"`images` uint8 \(288, 3, 64, 64\)"),
    ],
)
def test_images_of_another_kind_or_shape_are_refused(tmp_path, arrays, change, message):
    refused(write(tmp_path / "a.h5", change(arrays[0]), arrays[1]), message)


def test_an_array_that_lies_elsewhere_is_refused(tmp_path, arrays):
    """External links, soft links, virtual arrays and external storage all read another file."""
    secret = tmp_path / "secret.raw"
    secret.write_bytes(arrays[0].tobytes())
    source = write(tmp_path / "source.h5", *arrays)
    layout = h5py.VirtualLayout(shape=arrays[0].shape, dtype=np.uint8)
    layout[:] = h5py.VirtualSource(source, "images", arrays[0].shape)
    ways = {
        "external link": lambda file: file.__setitem__("images", h5py.ExternalLink(str(source), "images")),
        "soft link": lambda file: file.__setitem__("images", h5py.SoftLink("/other")),
        "virtual": lambda file: file.create_virtual_dataset("images", layout),
        "external storage": lambda file: file.create_dataset(
            "images", shape=arrays[0].shape, dtype=np.uint8, external=[(str(secret), 0, arrays[0].nbytes)]
        ),
        "group": lambda file: file.create_group("images"),
        "nothing": lambda file: None,
    }
    for name, put in ways.items():
        path = tmp_path / f"{name}.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("labels", data=arrays[1])
            file.create_dataset("other", data=arrays[0])
            put(file)
        refused(path, "`images`")


def test_filters_that_are_not_built_in_and_huge_chunks_are_refused(tmp_path, arrays, monkeypatch):
    refused(write(tmp_path / "a.h5", *arrays, compression=None, scaleoffset=0), r"with filters \[6\]")
    monkeypatch.setattr(shapes3d, "_CHUNK", 100_000)
    refused(write(tmp_path / "b.h5", *arrays, chunks=(50, 64, 64, 3)), r"and chunks \(50, 64, 64, 3\)")


@pytest.mark.parametrize("kept", [0, 7, 100, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(official, kept):
    content = official.read_bytes()
    official.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    refused(official, "got: ")


@pytest.mark.parametrize(
    "content", [b"<html>quota exceeded</html>", b"garbage" * 1000, b"\x89HDF\r\n\x1a\n" + b"\0" * 900]
)
def test_anything_else_under_its_name_is_refused(tmp_path, content):
    path = tmp_path / "3dshapes.h5"
    path.write_bytes(content)
    refused(path, "a web page" if b"html" in content else "got: ")


def test_damage_inside_the_images_is_refused(tmp_path, arrays):
    path = write(tmp_path / "a.h5", *arrays, fletcher32=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    refused(path, "got: ")


def test_without_h5py_it_is_told_how_to_install_it(official, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r'pip install "vaescope\[data\]"'):
        read_grid([official], tmp_path, Progress(), SIZES)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(UsageError, match="got no such file"):
        read_grid([tmp_path / "absent.h5"], tmp_path, Progress(), SIZES)
