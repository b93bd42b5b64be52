"""Data that are in Python already: any `torch.utils.data.Dataset` with an index, or an array of images."""

from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any, ClassVar, Final, final

import numpy as np
from jaxtyping import Int64

from vaescope.data.dataset import Arraylike, Dataset
from vaescope.data.stored import Factors, InMemory, Pixels, Stored
from vaescope.errors import UsageError

_LOOKED_AT: Final = 64  # images that the fingerprint covers


def from_torch(
    dataset: Any,
    name: str = "mine",
    *,
    factors: Arraylike | Sequence[Any] | None = None,
    factor_names: Sequence[str] = (),
    scale: float | None = None,
) -> Dataset:
    """A dataset of this package over one of PyTorch's, or over an array or tensor of images.

    Nothing is read but the images asked for, one item at a time. Not every dataset will do: the same index has to
    give the same image, always; so random transforms have to be left out.

    Args:
        dataset: has a length and gives, for an index, an image or a tuple that begins with one: a tensor (c, h, w) or
            (h, w), an array (h, w), (h, w, c) or (c, h, w), or a Pillow picture; floats in [0, 1] or integers to 255.
            Or all images as one array or tensor, (n, h, w), (n, c, h, w) or (n, h, w, c).
        name: an identifier; what the study calls it.
        factors: values of the factors of each image, (n, f) or (n,); each distinct one is a class. Left out, they are
            taken from `dataset.targets`, as torchvision's datasets have them, or from the tensors after the first of a
            TensorDataset; where there is neither there are no factors.
        factor_names: of the factors; "label", or "label_1" and so on, where they are left out.
        scale: what is white. None: 255 for integers (65535 for uint16), 1 for booleans and floats.

    Raises:
        UsageError: the dataset has no index or no length, gives no images, gives another image each time, or images of
            a size that no network takes; the name is no identifier.

    >>> images = np.zeros((10, 1, 16, 16), np.float32)
    >>> from_torch(images, "blank").images([3, 4]).shape
    (2, 1, 16, 16)
    """
    if not name.isidentifier():
        raise UsageError(f"from_torch: expected `name` to be an identifier, got {name!r}.")
    pixels = _pixels(dataset, name)
    table = _labels(dataset) if factors is None else np.asarray(factors)
    return Indexed(name, pixels, None if table is None else _factors(table, factor_names, name), scale)


@final
class Indexed(Stored):
    """A dataset that lives in this process: see `from_torch`."""

    name: ClassVar[str] = "mine"

    def __init__(self, name: str, pixels: Pixels, factors: Factors | None, scale: float | None) -> None:
        object.__setattr__(self, "name", name)  # its own; the class variable stays
        super().__init__(pixels, "", factors, scale=scale)
        self.fingerprint = f"{name}-{self._digest()}"

    def _digest(self) -> str:
        """Of 64 images spread over all, as they are given; of how many there are; 16 hexadecimal digits."""
        count = len(self)
        looked = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(np.int64))
        images = self.images(looked)
        changed = (images != self.images(looked)).any(axis=(1, 2, 3))
        if changed.any():
            raise UsageError(
                f"{self.name}: expected the same image each time, got two for index {looked[changed.argmax()]}. Leave "
                "random transforms out: what is compared later is what layers make of one image."
            )
        return blake2b(f"{count}/{images.shape}/".encode() + images.tobytes(), digest_size=8).hexdigest()


class Items:
    """`Pixels` of an indexed dataset: one item after another, one thread at a time, for not all are made for several.

    Raises:
        UsageError: an item is no image, or of another shape than the first: told which.
    """

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset, self._name, self._lock = dataset, name, Lock()
        first = self._image(0)
        self.dtype, self.shape = first.dtype, (len(dataset), *first.shape)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())

    def take(self, indices: Int64[np.ndarray, " k"]) -> np.ndarray:
        """These images, (k, *shape[1:])."""
        rows = np.empty((len(indices), *self.shape[1:]), self.dtype)
        with self._lock:
            for position, index in enumerate(indices.tolist()):
                image = self._image(index)
                if image.shape != self.shape[1:] or image.dtype != self.dtype:
                    raise UsageError(
                        f"{self._name}: image {index}: expected {self.dtype} {self.shape[1:]} as image 0 has, got "
                        f"{image.dtype} {image.shape}. Bring all to one size and type with a transform."
                    )
                rows[position] = image
        return rows

    def _image(self, index: int) -> np.ndarray:
        try:
            item = self._dataset[index]
        except Exception as error:
            raise UsageError(
                f"{self._name}: item {index} cannot be had: {type(error).__name__}: {error}. Mend the dataset."
            ) from error
        image = item[0] if isinstance(item, tuple | list) and len(item) else item
        try:
            array = np.asarray(image)
        except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a device, or one that wants a gradient
            raise UsageError(
                f"{self._name}: item {index}: expected an image on the CPU, got {type(image).__name__}: {error}"
            ) from error
        if array.ndim not in (2, 3) or array.dtype.kind not in "buif":
            got = f"{type(image).__name__} {array.dtype} {array.shape}"
            raise UsageError(
                f"{self._name}: item {index}: expected an image, or a tuple that begins with one, got {got}. Wrap the "
                "dataset so that it gives the image first."
            )
        return array


def _pixels(dataset: Any, name: str) -> Pixels:
    from torch.utils.data import IterableDataset

    if isinstance(dataset, IterableDataset):
        raise UsageError(
            f"{name}: expected a dataset with an index, got {type(dataset).__name__}, which can only be read front to "
            "back. Write its images to an .npy file once, and take the dataset 'array'."
        )
    if isinstance(dataset, Arraylike):
        array = np.asarray(dataset)
        if array.dtype.kind not in "buif":
            raise UsageError(f"{name}: expected an array of numbers, got {array.dtype} {array.shape}.")
        return InMemory(array)
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise UsageError(
            f"{name}: expected a dataset with an index and a length, got {type(dataset).__name__}. Give it __getitem__ "
            "and __len__."
        )
    if not len(dataset):
        raise UsageError(f"{name}: expected images, got an empty dataset.")
    return Items(dataset, name)


def _labels(dataset: Any) -> np.ndarray | None:
    """What is known about all items without reading them, (n, f) or (n,); None where that is nothing."""
    from torch.utils.data import Subset, TensorDataset

    if isinstance(dataset, Subset):
        labels = _labels(dataset.dataset)
        return None if labels is None else labels[np.asarray(dataset.indices)]
    if isinstance(dataset, TensorDataset):
        columns = [tensor.numpy().reshape(len(tensor), -1) for tensor in dataset.tensors[1:]]
        return np.concatenate(columns, axis=1) if columns else None
    targets = getattr(dataset, "targets", None)
    if targets is None:
        return None
    table = np.asarray(targets)
    return table if table.ndim in (1, 2) and table.dtype.kind in "bui" and len(table) == len(dataset) else None


def _factors(table: np.ndarray, names: Sequence[str], who: str) -> Factors | None:
    table = table.reshape(len(table), -1) if table.ndim == 1 else table
    count = table.shape[1] if table.ndim == 2 else 0
    if not count:
        return None
    named = tuple(names) or (("label",) if count == 1 else tuple(f"label_{k + 1}" for k in range(count)))
    if len(named) != count:
        raise UsageError(f"{who}: expected {count} `factor_names`, got {len(named)}.")
    return Factors.observed(named, table)
