import sys

import numpy as np
import pytest
from PIL import Image

from vaescope.data.load import load_dataset
from vaescope.errors import CorruptArtifact, ResourceError, UsageError

datasets = pytest.importorskip("datasets")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
ARRAYS = np.random.default_rng(0).integers(0, 256, (40, 20, 16, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 40)
PICK = [39, 0, 7, 7]
EXPECTED = (ARRAYS[PICK] / np.float32(255)).transpose(0, 3, 1, 2)


@pytest.fixture(autouse=True)
def _offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def table(**more):
    features = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["ant", "bee", "cow"]),
        "weight": datasets.Value("float32"),
    }
    content = {
        "image": [Image.fromarray(array) for array in ARRAYS],
        "label": LABELS.tolist(),
        "weight": (LABELS * 0.5).tolist(),
    }
    for name, (feature, values) in more.items():
        features[name], content[name] = feature, values
    return datasets.Dataset.from_dict(content, features=datasets.Features(features))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    datasets.disable_progress_bars()
    path = tmp_path_factory.mktemp("hf") / "pictures"
    table().save_to_disk(str(path))
    return path


def test_the_pictures_and_labels_of_a_saved_dataset(saved):
    mine = load_dataset("huggingface", path=saved)
    assert (len(mine), mine.image_shape) == (40, (3, 20, 16))
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    assert (mine.factor_names, mine.factor_sizes) == (("label",), (3,))
    np.testing.assert_array_equal(mine.factors(PICK)[:, 0], LABELS[PICK])


def test_size_channels_and_labels_are_options(saved):
    mine = load_dataset("huggingface", path=saved, size=32, channels="L", labels="label, weight", image="image")
    assert mine.image_shape == (1, 32, 32)
    assert mine.factor_names == ("label", "weight")
    assert mine.factor_values[1] == (0.0, 0.5, 1.0)
    grey = Image.fromarray(ARRAYS[5]).convert("L").crop((0, 2, 16, 18)).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(mine.images([5])[0, 0], np.asarray(grey) / np.float32(255))


def test_splits_are_chosen_by_name(tmp_path):
    both = datasets.DatasetDict({"train": table(), "test": table().select(range(10))})
    both.save_to_disk(str(tmp_path / "both"))
    assert len(load_dataset("huggingface", path=tmp_path / "both")) == 40
    assert len(load_dataset("huggingface", path=tmp_path / "both", split="test")) == 10
    with pytest.raises(UsageError, match="expected one of its splits, train, test, got 'valid'"):
        load_dataset("huggingface", path=tmp_path / "both", split="valid")


def test_a_selection_keeps_its_own_rows(tmp_path):
    table().select([5, 3, 8]).save_to_disk(str(tmp_path / "some"))
    mine = load_dataset("huggingface", path=tmp_path / "some")
    assert set(LABELS[[5, 3, 8]].tolist()) == {0, 2}  # not all classes, and yet they keep their numbers
    assert mine.factor_sizes == (3,)
    np.testing.assert_array_equal(mine.factors(range(3))[:, 0], LABELS[[5, 3, 8]])
    np.testing.assert_array_equal(mine.images([2])[0], ARRAYS[8].transpose(2, 0, 1) / np.float32(255))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_columns_of_arrays_are_images_too(tmp_path, dtype):
    values = ARRAYS if dtype == "uint8" else (ARRAYS / np.float32(255))
    content = {"x": values, "y": LABELS}
    features = datasets.Features({"x": datasets.Array3D((20, 16, 3), dtype), "y": datasets.Value("int64")})
    datasets.Dataset.from_dict(content, features=features).save_to_disk(str(tmp_path / "arrays"))
    mine = load_dataset("huggingface", path=tmp_path / "arrays", labels="y")
    assert mine.factor_names == ("y",)
    np.testing.assert_array_equal(mine.images(PICK), EXPECTED)
    assert mine.images([]).shape == (0, 3, 20, 16)
    with pytest.raises(UsageError, match="column 'x' holds numbers, without `size`"):
        load_dataset("huggingface", path=tmp_path / "arrays", size=32)


def test_pictures_of_other_sizes_and_broken_ones_are_told_by_row(tmp_path):
    content = [Image.fromarray(ARRAYS[0]), Image.fromarray(ARRAYS[0][:18])]
    odd = datasets.Dataset.from_dict({"image": content}, features=datasets.Features({"image": datasets.Image()}))
    odd.save_to_disk(str(tmp_path / "odd"))
    mine = load_dataset("huggingface", path=tmp_path / "odd")
    with pytest.raises(UsageError, match=r"row 1, column 'image': expected 16 x 20 .*got 16 x 18"):
        mine.images([0, 1])
    raw = [{"bytes": ARRAYS[0].tobytes(), "path": None}, None]
    for number, message in ((0, "row 0, column 'image': expected a picture"), (1, "row 0, .*holds no picture")):
        broken = datasets.Dataset.from_dict(
            {"image": [raw[number]]}, features=datasets.Features({"image": datasets.Image()})
        )
        broken.save_to_disk(str(tmp_path / f"broken{number}"))
        with pytest.raises((CorruptArtifact, UsageError), match=message):
            load_dataset("huggingface", path=tmp_path / f"broken{number}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "imag"}, r"columns image, label, weight, got 'imag'\. Did you mean 'image'"),
        ({"labels": "lable"}, "expected `labels` among the columns image, label, weight, got 'lable'"),
        ({"labels": "image"}, "expected a number per image"),
        ({"split": "train"}, "holds one split, without a name"),
        ({"size": 8}, "`size` to be 16 to 256"),
        ({"channels": "BGR"}, "`channels` to be"),
        ({"labels": 3}, "`labels` to be a text, got 3"),
        ({"repository": "ylecun/mnist"}, "expected `repository`, of the hub, or `path`, a local folder: one of them"),
        ({"name": "x"}, None),
        ({"repositry": "x"}, r"unknown option 'repositry'; it takes: path, repository.*Did you mean 'repository'"),
    ],
)
def test_wrong_options_are_told(saved, options, message):
    if message is None:
        with pytest.raises(TypeError):
            load_dataset("huggingface", path=saved, **options)
        return
    with pytest.raises(UsageError, match=message):
        load_dataset("huggingface", path=saved, **options)


def test_which_column_is_the_images_is_asked_where_it_cannot_be_guessed(tmp_path):
    two = table(other=(datasets.Image(), [Image.fromarray(array) for array in ARRAYS]))
    two.save_to_disk(str(tmp_path / "two"))
    with pytest.raises(UsageError, match=r"which column are the images\? It has: image \(Image\).*Give `image`"):
        load_dataset("huggingface", path=tmp_path / "two")
    assert load_dataset("huggingface", path=tmp_path / "two", image="other").image_shape == (3, 20, 16)


def test_a_missing_folder_a_wrong_one_and_none_are_told(tmp_path):
    with pytest.raises(UsageError, match="expected a Hugging Face dataset, got: Directory"):
        load_dataset("huggingface", path=tmp_path / "absent")
    with pytest.raises(UsageError, match="expected a Hugging Face dataset"):
        load_dataset("huggingface", path=tmp_path)
    with pytest.raises(UsageError, match="one of them"):
        load_dataset("huggingface")


@pytest.mark.parametrize("kept", [0, 100, 0.5])
def test_damaged_files_are_refused(tmp_path, kept):
    table().save_to_disk(str(tmp_path / "cut"))
    [file] = (tmp_path / "cut").glob("*.arrow")
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises((CorruptArtifact, ResourceError, UsageError), match=str(tmp_path / "cut")):
        load_dataset("huggingface", path=tmp_path / "cut")


def test_a_hub_that_cannot_be_reached_is_a_resource_error():
    with pytest.raises(ResourceError, match="nobody/nothing: the hub cannot be reached"):
        load_dataset("huggingface", repository="nobody/nothing")


def test_without_the_library_it_is_told_how_to_install_it(monkeypatch, saved):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r'pip install "vaescope\[huggingface\]"'):
        load_dataset("huggingface", path=saved)


def test_the_fingerprint_is_the_same_until_the_files_change(saved, tmp_path):
    first = load_dataset("huggingface", path=saved).fingerprint
    assert load_dataset("huggingface", path=saved).fingerprint == first
    assert load_dataset("huggingface", path=saved, size=32).fingerprint != first
    table().select(range(39)).save_to_disk(str(tmp_path / "other"))
    assert load_dataset("huggingface", path=tmp_path / "other").fingerprint != first
