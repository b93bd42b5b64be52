"""What the official files of the known datasets are: where they lie, how long they are, which checksum they have."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from vaescope.errors import UsageError
from vaescope.registry import suggestion

_DIGITS: Final = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class OfficialFile:
    """A file as its authors published it.

    Attributes:
        name: what it is called, without a folder.
        url: where it is published.
        checksum: "md5:" or "sha256:" and the hexadecimal digits it must have.
        bytes: its length; None where that was never published.
    """

    name: str
    url: str
    checksum: str
    bytes: int | None = None

    def __post_init__(self) -> None:
        kind, _, digits = self.checksum.partition(":")
        if not re.fullmatch(r"[0-9a-f]+", digits) or _DIGITS.get(kind) != len(digits):
            raise UsageError(
                f"{self.name}: expected a checksum, md5:<32 digits> or sha256:<64 digits>, got {self.checksum!r}."
            )
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*", self.name):
            raise UsageError(f"expected the name of a file without a folder, got {self.name!r}.")


def _one(url: str, checksum: str, size: int | None = None) -> OfficialFile:
    return OfficialFile(url.rpartition("/")[2], url, checksum, size)


_NORB: Final = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
_NORB_TRAIN: Final = f"{_NORB}smallnorb-5x46789x9x18x6x2x96x96-training-"
_NORB_TEST: Final = f"{_NORB}smallnorb-5x01235x9x18x6x2x96x96-testing-"
_MPI3D: Final = "https://storage.googleapis.com/disentanglement_dataset/Final_Dataset/"
_MNIST: Final = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION: Final = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_DSPRITES: Final = "https://raw.githubusercontent.com/google-deepmind/dsprites-dataset/master/"

VARIANTS: Final = MappingProxyType({"mpi3d": ("toy", "realistic", "real")})
"""Datasets that come in variants, each of other files: the first one is taken where none is named."""

OFFICIAL: dict[str, tuple[OfficialFile, ...]] = {
    "dsprites": (
        _one(f"{_DSPRITES}dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz", "md5:7da33b31b13a06f4b04a70402ce90c2e"),
    ),
    "cars3d": (
        _one("http://www.scottreed.info/files/nips2015-analogy-data.tar.gz", "md5:4e866a7919c1beedf53964e6f7a23686"),
    ),
    "smallnorb": (
        _one(
            f"{_NORB_TRAIN}dat.mat.gz",
            "sha256:5ffd6272a07d32695ee1082a26a41a93a37aab8c28da047f8c34ed348d214873",
            131_896_188,
        ),
        _one(
            f"{_NORB_TRAIN}cat.mat.gz",
            "sha256:2784e542c1922060691090952b6cd6278879a216c90f81476f0f00256d42cdaa",
            348,
        ),
        _one(
            f"{_NORB_TRAIN}info.mat.gz",
            "sha256:de7eb932ebe7a4ee16217fead60660d0eb3d23632c2f4d1c51f88c501c17bf32",
            71_052,
        ),
        _one(
            f"{_NORB_TEST}dat.mat.gz",
            "sha256:cf7104eed3e51174d2f65b66d1e5878b9da233b886f161b0d88f4510ba2c7474",
            130_799_817,
        ),
        _one(
            f"{_NORB_TEST}cat.mat.gz",
            "sha256:ecaf6d5bb8c3bc5eab9cf0258f6d2198dd474e016e374836fc097f2e5ff509ff",
            347,
        ),
        _one(
            f"{_NORB_TEST}info.mat.gz",
            "sha256:16adf314226327ee006d1a44db8cfef52773c06c829951d5653a9f6f310248a2",
            10_428,
        ),
    ),
    "shapes3d": (
        _one(
            "https://storage.googleapis.com/3d-shapes/3dshapes.h5",
            "sha256:0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785",
            267_573_662,
        ),
    ),
    "mpi3d_toy": (_one(f"{_MPI3D}mpi3d_toy.npz", "md5:55889cb7c7dfc655d6e0277beee88868"),),
    "mpi3d_realistic": (_one(f"{_MPI3D}mpi3d_realistic.npz", "md5:59a6225b88b635365f70c91b3e52f70f"),),
    "mpi3d_real": (_one(f"{_MPI3D}mpi3d_real.npz", "md5:0f33f609918fb5c97996692f91129802"),),
    "mnist": (
        _one(f"{_MNIST}train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
        _one(f"{_MNIST}train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432", 28_881),
        _one(f"{_MNIST}t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3", 1_648_877),
        _one(f"{_MNIST}t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c", 4_542),
    ),
    "fashion_mnist": (
        _one(f"{_FASHION}train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
        _one(f"{_FASHION}train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe", 29_515),
        _one(f"{_FASHION}t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79", 4_422_102),
        _one(f"{_FASHION}t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    ),
}
"""Dataset, or dataset_variant -> its files. Checksums as disent, tensorflow/datasets and torchvision publish them."""


def has_official(name: str) -> bool:
    """Whether there are official files of a dataset."""
    return name in OFFICIAL or name in VARIANTS


def official_key(name: str, variant: object = None) -> str:
    """The key in `OFFICIAL` of a dataset, and of its variant where it comes in some.

    Raises:
        UsageError: no such variant.

    >>> official_key("mpi3d", "real"), official_key("mnist")
    ('mpi3d_real', 'mnist')
    """
    variants = VARIANTS.get(name)
    if variants is None:
        return name
    chosen = variants[0] if variant is None else variant
    if chosen not in variants:
        raise UsageError(
            f"dataset {name!r}: expected `variant` to be one of {', '.join(variants)}, got {chosen!r}."
            f"{suggestion(str(chosen), list(variants))}"
        )
    return f"{name}_{chosen}"


def in_words(count: int) -> str:
    """A number of bytes for people.

    >>> in_words(267_573_662), in_words(348)
    ('268 MB', '348 B')
    """
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.1f} {unit}" if amount < 9.95 and unit != "B" else f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
