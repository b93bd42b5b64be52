"""Representations that lie in files."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vaescope.errors import RepresentationError
from vaescope.testing.check import check, require_close, shapes
from vaescope.testing.subject import Subject


@check
def files_mapped_into_memory_are_taken(subject: Subject) -> None:
    """A read-only memory map scores as the array it holds."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for p, q in ((6, 5), (70, 60)):
            x, y = (a.astype(np.float32) for a in subject.pair(subject.rng("map"), subject.enough(40), p, q))
            expected = subject.score_or_refusal(x, y)
            file = Path(folder) / f"{p}.npy"
            np.save(file, x)
            mapped = np.load(file, mmap_mode="r")
            if not isinstance(expected, RepresentationError):
                require_close(subject.score(mapped, y), expected, 2e-6, "score of a memory map", shapes(x, y))
                require_close(subject.score(y, mapped), subject.score(y, x), 2e-6, "score of y as a memory map")
            del mapped
