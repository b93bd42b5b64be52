import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from vaescope.data import from_torch
from vaescope.errors import UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (90, 20, 16, 3), np.uint8)
PLANAR = (IMAGES / np.float32(255)).transpose(0, 3, 1, 2)
LABELS = np.random.default_rng(1).integers(2, 5, 90)
PICK = [89, 0, 7, 7]


class Mine(Dataset):
    """Gives what the test wants, and counts."""

    def __init__(self, item, length=90):
        self.item, self.length, self.asked = item, length, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append(index)
        return self.item(index)


class Pictures(Dataset):
    """At the top of a module, so that it can be sent to another process."""

    def __len__(self):
        return 90

    def __getitem__(self, index):
        return Image.fromarray(IMAGES[index]), int(LABELS[index])


class Stream(IterableDataset):
    def __iter__(self):
        yield from IMAGES


@pytest.mark.parametrize(
    "item",
    [
        lambda i: torch.from_numpy(PLANAR[i].copy()),
        lambda i: (torch.from_numpy(PLANAR[i].copy()), 3),
        lambda i: (torch.from_numpy(PLANAR[i].astype(np.float64)), 3, "more"),
        lambda i: torch.from_numpy(IMAGES[i].transpose(2, 0, 1).copy()),
        lambda i: [IMAGES[i], LABELS[i]],
        lambda i: Image.fromarray(IMAGES[i]),
        lambda i: (PLANAR[i], {"any": "thing"}),
    ],
)
def test_items_of_every_kind_give_the_same_images(item):
    mine = from_torch(Mine(item), "ours")
    assert (mine.name, len(mine), mine.image_shape, mine.factor_names) == ("ours", 90, (3, 20, 16), ())
    found = mine.images(PICK)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, PLANAR[PICK])
    with pytest.raises(IndexError):
        mine.images([90])


@pytest.mark.parametrize(
    "images",
    [IMAGES, PLANAR, torch.from_numpy(PLANAR), torch.from_numpy(IMAGES), TensorDataset(torch.from_numpy(PLANAR))],
)
def test_arrays_and_tensors_give_the_same_images_too(images):
    mine = from_torch(images)
    assert mine.name == "mine"
    np.testing.assert_array_equal(mine.images(PICK), PLANAR[PICK])


@pytest.mark.parametrize(
    "item", [lambda i: torch.from_numpy(PLANAR[i, 0]), lambda i: Image.fromarray(IMAGES[i, :, :, 0])]
)
def test_grey_images_need_no_axis_of_channels(item):
    mine = from_torch(Mine(item))
    np.testing.assert_array_equal(mine.images(PICK), PLANAR[PICK, :1])


def test_only_what_is_asked_for_is_read_one_item_at_a_time():
    source = Mine(lambda i: PLANAR[i % 90], length=10**12)
    mine = from_torch(source)
    assert len(source.asked) <= 1 + 2 * 64
    source.asked.clear()
    mine.images([999_999_999_999, 5])
    assert source.asked == [999_999_999_999, 5]


def test_labels_are_taken_where_they_need_no_reading():
    labels = torch.from_numpy(LABELS)
    tensors = TensorDataset(torch.from_numpy(PLANAR), labels, torch.stack([labels, -labels], 1))
    for mine, expected in [
        (from_torch(tensors), np.stack([LABELS, LABELS, -LABELS], 1)),
        (from_torch(Subset(tensors, range(10, 40))), np.stack([LABELS, LABELS, -LABELS], 1)[10:40]),
    ]:
        assert mine.factor_names == ("label_1", "label_2", "label_3")
        values = np.stack(
            [np.array(v)[c] for v, c in zip(mine.factor_values, mine.factors(range(30)).T, strict=True)], 1
        )
        np.testing.assert_array_equal(values, expected[:30])
    for targets in (LABELS.tolist(), labels, LABELS):
        source = Mine(lambda i: PLANAR[i])
        source.targets = targets
        mine = from_torch(source)
        assert (mine.factor_names, mine.factor_values) == (("label",), ((2.0, 3.0, 4.0),))
        np.testing.assert_array_equal(mine.factors(PICK)[:, 0], LABELS[PICK] - 2)
    odd = Mine(lambda i: PLANAR[i])
    odd.targets = ["a"] * 90
    assert from_torch(odd).factor_names == ()


def test_factors_can_be_given():
    mine = from_torch(PLANAR, factors=np.stack([LABELS, LABELS / 2], 1), factor_names=["kind", "weight"])
    assert (mine.factor_names, mine.factor_sizes) == (("kind", "weight"), (3, 3))
    assert mine.factor_values[1] == (1.0, 1.5, 2.0)
    assert from_torch(PLANAR, factors=LABELS).factor_names == ("label",)
    assert from_torch(PLANAR, factors=LABELS.tolist()).factor_names == ("label",)
    with pytest.raises(UsageError, match="expected 2 `factor_names`, got 1"):
        from_torch(PLANAR, factors=np.stack([LABELS, LABELS], 1), factor_names=["kind"])
    with pytest.raises(UsageError, match="expected factors of 90 images, got 80"):
        from_torch(PLANAR, factors=LABELS[:80])


class Unlength(Dataset):
    def __getitem__(self, index):
        return PLANAR[index]


def fails(index):
    raise KeyError("no such file")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Stream(), r"got Stream, which can only be read front to back\. Write its images to an \.npy"),
        (Unlength(), r"an index and a length, got Unlength\. Give it __getitem__ and __len__"),
        (3, "an index and a length, got int"),
        (Mine(fails, 0), "got an empty dataset"),
        (np.zeros((0, 16, 16), np.uint8), "expected images, got none"),
        (Mine(fails), "item 0 cannot be had: KeyError: 'no such file'"),
        (Mine(lambda i: {"image": PLANAR[i]}), r"item 0: expected an image, .*got dict .*gives the image first"),
        (Mine(lambda i: 3), "expected an image, .*got int"),
        (Mine(lambda i: torch.ones(3, 20, 16, requires_grad=True)), "expected an image on the CPU, got Tensor"),
        (Mine(lambda i: PLANAR[i][:, : 20 - i % 2]), "image 1: expected float32 .*got float32 .*with a transform"),
        (Mine(lambda i: IMAGES[i] if i else PLANAR[i]), "image 1: expected float32 .*got uint8"),
        (Mine(lambda i: np.zeros((3, 20, 300))), "16 to 256 pixels"),
        (Mine(lambda i: PLANAR[i] * 2 - 1), r"image 0: expected pixels from 0 to 1, got -"),
        (np.array(["a"]), "expected an array of numbers"),
    ],
)
def test_what_will_not_do_is_refused_with_what_to_do(source, message):
    with pytest.raises(UsageError, match=f"mine: .*{message}"):
        from_torch(source, "mine")


def test_random_transforms_are_found_out():
    generator = torch.Generator().manual_seed(0)

    def flipped(index):
        image = torch.from_numpy(PLANAR[index].copy())
        return image.flip(2) if torch.rand((), generator=generator) < 0.5 else image

    with pytest.raises(UsageError, match=r"expected the same image each time.*Leave random transforms out"):
        from_torch(Mine(flipped))


@pytest.mark.parametrize("name", ["", "two words", "a/b", "3d"])
def test_a_name_has_to_be_an_identifier(name):
    with pytest.raises(UsageError, match="identifier"):
        from_torch(PLANAR, name)


def test_the_fingerprint_is_of_the_images():
    first = from_torch(PLANAR, "a").fingerprint
    assert first == from_torch(IMAGES, "a").fingerprint == from_torch(Mine(lambda i: PLANAR[i]), "a").fingerprint
    changed = PLANAR.copy()
    changed[0, 0, 0, 0] = 1 - changed[0, 0, 0, 0]
    others = [
        from_torch(changed, "a"),
        from_torch(PLANAR[:89], "a"),
        from_torch(PLANAR, "b"),
        from_torch(PLANAR[::-1], "a"),
    ]
    assert len({first, *(other.fingerprint for other in others)}) == 5


def test_it_can_be_sent_to_another_process():
    mine = from_torch(Pictures(), "sent")
    again = pickle.loads(pickle.dumps(mine))  # noqa: S301
    assert (again.name, again.fingerprint) == (mine.name, mine.fingerprint)
    np.testing.assert_array_equal(again.images(PICK), PLANAR[PICK])


def test_one_thread_at_a_time_asks_for_items():
    inside, most = [], []

    def item(index):
        inside.append(index)
        most.append(len(inside))
        image = PLANAR[index].copy()
        inside.pop()
        return image

    mine = from_torch(Mine(item))
    orders = [np.random.default_rng(k).permutation(90) for k in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for order, images in zip(orders, pool.map(mine.images, orders), strict=True):
            np.testing.assert_array_equal(images, PLANAR[order])
    assert max(most) == 1


def test_an_item_that_fails_later_is_named():
    mine = from_torch(Mine(lambda i: PLANAR[i] if i != 3 else fails(i), length=9_000 // 100))
    with pytest.raises(UsageError, match="item 3 cannot be had: KeyError"):
        mine.images([2, 3])


def test_importing_the_package_of_datasets_loads_no_torch():
    code = "import sys, vaescope.data; assert 'torch' not in sys.modules; vaescope.data.from_torch"
    subprocess.run([sys.executable, "-c", code], check=True)
