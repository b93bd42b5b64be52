"""Reads the picture that the sprites of `scream_dsprites` lie on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from vaescope.data.pictures import Files, decoded
from vaescope.data.rows import fingerprint
from vaescope.progress import Progress

_SHORTER: Final = 274  # pixels of the shorter side, as the paper's picture has


def read(paths: Sequence[Path], unpacked: Path, progress: Progress) -> dict[str, Any]:
    """What `ScreamDSprites` is made of: the picture, its shorter side made 274 pixels if it is longer; or none.

    Raises:
        UsageError: no such file.
        CorruptArtifact: no picture, or a damaged one.
    """
    if not paths:
        return {"texture": None}
    path = paths[0]
    fingerprint(path)  # tells of a missing file or a folder
    picture = decoded(Files(Path(), [str(path)]).read(0), str(path), "RGB")
    shrink = min(picture.size) / _SHORTER
    if shrink > 1:
        width, height = (round(side / shrink) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return {"texture": np.asarray(picture).copy()}
