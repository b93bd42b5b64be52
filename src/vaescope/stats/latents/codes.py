"""What a run's encoder says of its examples, snapshot by snapshot."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

if TYPE_CHECKING:
    from vaescope.stats.subject import Subject


@dataclass(frozen=True)
class Codes:
    """The codes of one snapshot.

    Attributes:
        step: of the snapshot.
        mean: posterior means, (n, d).
        log_var: natural-log posterior variances, (n, d).
    """

    step: int
    mean: Float64[np.ndarray, "n d"]
    log_var: Float64[np.ndarray, "n d"]


def codes(subject: "Subject") -> Iterator[Codes]:
    """The codes of each snapshot in order; those with values that are not finite are left out, and all of no VAE.

    Only the encoder is passed.
    """
    for step in subject.steps:
        subject.progress.check()
        wanted = {"mean", "log_var"}
        found: dict[str, np.ndarray] = {}
        walk = subject.representations(step)
        for name, value in walk:
            if name in wanted:
                found[name] = value.astype(np.float64)
            if found.keys() == wanted:
                break
        walk.close()
        if found.keys() != wanted:  # a recorded model that is no VAE
            return
        with np.errstate(over="ignore"):
            finite = all(np.isfinite(v).all() for v in (*found.values(), np.exp(found["log_var"])))
        if finite:
            yield Codes(step, **found)
