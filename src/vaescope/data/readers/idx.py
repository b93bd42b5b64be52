"""MNIST's file format, which several datasets have taken over: a header of sizes, then bytes.

References:
    LeCun, Cortes & Burges, the MNIST database of handwritten digits, "File formats for the MNIST database".
    http://yann.lecun.com/exdb/mnist/
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vaescope.data.readers.source import by_role, ended, exactly, opened, reading
from vaescope.data.stored import InMemory


def read_idx(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
    """The array of bytes in an idx file, .gz or not.

    The header: two zeros, 8 for unsigned bytes, the number of dimensions; each dimension as 32 bits, big-endian.

    Raises:
        UsageError: no such file.
        CorruptArtifact: another kind of file, or of another shape.
        ResourceError: it cannot be read.
    """
    with reading(path, f"an idx file of bytes {shape}"), opened(path) as file:
        magic = exactly(file, 4, "header")
        if magic != bytes([0, 0, 8, len(shape)]):
            raise ValueError(f"magic number 0x{magic.hex().upper()}")
        sizes = struct.unpack(f">{len(shape)}I", exactly(file, 4 * len(shape), "header"))
        if sizes != shape:
            raise ValueError(f"dimensions {sizes}")
        content = np.frombuffer(exactly(file, prod(shape), "bytes"), np.uint8).reshape(shape)
        ended(file)
    return content


def read_split(paths: Sequence[Path], who: str, counts: tuple[int, int]) -> dict[str, Any]:
    """Images and labels of the training files, then of the test files, in memory.

    Args:
        paths: the four files, in any order, under the names they were published under.
        who: the dataset.
        counts: how many images each of the two has.

    Raises:
        UsageError: a file is missing.
        CorruptArtifact: one is not what it should be, or a label is none of 0 to 9.
        ResourceError: one cannot be read.
    """
    splits = ("train", "t10k")
    files = by_role(paths, [f"{split}-{kind}" for split in splits for kind in ("images", "labels")], who)
    parts = [read_idx(files[f"{s}-images"], (count, 28, 28)) for s, count in zip(splits, counts, strict=True)]
    images = np.concatenate(parts)
    labels = []
    for split, count in zip(splits, counts, strict=True):
        path = files[f"{split}-labels"]
        found = read_idx(path, (count,))
        with reading(path, "labels 0 to 9"):
            if found.max() > 9:
                raise ValueError(f"label {found.max()}")
        labels.append(found)
    label = np.concatenate(labels)
    digest = sha256(images.tobytes())
    digest.update(label.tobytes())
    return {"pixels": InMemory(images), "labels": label, "fingerprint": f"{who}-{digest.hexdigest()[:32]}"}
