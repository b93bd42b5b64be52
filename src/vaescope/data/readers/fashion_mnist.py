"""Fashion-MNIST's four files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaescope.data.readers.idx import read_split
from vaescope.progress import Progress


def read(paths: Sequence[Path], unpacked: Path, progress: Progress, size: int = 28) -> dict[str, Any]:
    """What the class of this dataset is made from: 55 MB in memory, so that nothing is unpacked.

    Args:
        paths: the four files, .gz or unzipped, under the names they were published under.
        unpacked: not used.
        progress: is told when it begins and ends.
        size: pixels a side: 28 as published, or 32, 64, 128 or 256, see the class.

    Raises:
        UsageError: a file is missing.
        CorruptArtifact: one is not what it should be.
        ResourceError: one cannot be read.
    """
    progress.stage("Reading fashion_mnist", 70_000)
    found = read_split(paths, "fashion_mnist", (60_000, 10_000))
    progress.advance(70_000)
    return {**found, "size": size}
