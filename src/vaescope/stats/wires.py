"""Decoders fed with codes from elsewhere, to tell what a decoder learned from what its encoder feeds it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from vaescope.errors import RepresentationError
from vaescope.stats.forms.examples import Examples
from vaescope.stats.halves import Halved, halved

if TYPE_CHECKING:
    from vaescope.models.network import Network
    from vaescope.stats.subject import Subject

EXAMPLES = 150  # of the probe set: five decoders a snapshot are fed with them
NO_COMPONENT = 1e-10  # of the largest variance

Layers = Mapping[str, Any]  # decoder layer -> what the measure compares


def main_measure(subject: "Subject", halves: int | None = None) -> "Halved[Any] | None":
    """The similarity that controls are judged by, on the examples that wires are fed with; None without any.

    Debiased CKA if the study has it, else its first similarity.
    """
    known = subject.measures
    name = "cka" if "cka" in known else known[0] if known else None
    return None if name is None else halved(name, min(subject.n, EXAMPLES), halves)


def walked(subject: "Subject", network: "Network", measure: Halved[Any]) -> Layers:
    """All layers of a network but the input, ready to be compared; its decoder sees its own mean codes."""
    import torch

    from vaescope.runs.extract import flat

    n = measure.examples
    images, noise = torch.from_numpy(subject.images[:n]), torch.from_numpy(subject.noise[:n])
    walk = network.walk(images, noise, subject.progress.check)
    return {name: measure.prepare(measure.examples_of(flat(value))) for name, value in walk if name != "input"}


def codes_of(subject: "Subject", network: "Network", n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean codes and sampled ones of the first n examples, each (n, d) float32; only the encoder is passed."""
    import torch

    images, noise = torch.from_numpy(subject.images[:n]), torch.from_numpy(subject.noise[:n])
    found: dict[str, np.ndarray] = {}
    walk = network.walk(images, noise, subject.progress.check)
    for name, value in walk:
        if name in ("mean", "sampled"):
            found[name] = value.numpy().copy()
        if len(found) == 2:
            break
    walk.close()
    return found["mean"], found["sampled"]


def fed(subject: "Subject", network: "Network", codes: np.ndarray, measure: Halved[Any]) -> Layers:
    """The layers of a decoder fed with these codes (n, d), ready to be compared."""
    import torch

    from vaescope.runs.extract import flat

    walk = network.decoded(torch.from_numpy(codes), subject.progress.check)
    return {name: measure.prepare(measure.examples_of(flat(value))) for name, value in walk}


def fixed_code(images: Float32[np.ndarray, "n c h w"], latents: int) -> Float32[np.ndarray, "n d"]:
    """A code that no network made: the first principal components of the images, each of variance 1.

    Signs are such that the largest value of a component is positive. Where there are fewer components than latents the
    rest is 0.
    """
    n = len(images)
    found = np.zeros((n, latents), np.float32)
    try:
        values, vectors = np.linalg.eigh(Examples(images.reshape(n, -1)).gram)
    except RepresentationError:  # equal images
        return found
    some = min(latents, n - 1, int((values > NO_COMPONENT * values[-1]).sum()))
    kept = vectors[:, ::-1][:, :some]
    largest = np.take_along_axis(kept, np.abs(kept).argmax(axis=0)[None], axis=0)
    found[:, :some] = kept * np.where(largest < 0, -1, 1) * np.sqrt(n)
    return found


def prior_code(n: int, latents: int, seed: int) -> Float32[np.ndarray, "n d"]:
    """Fixed standard normal draws: the same for every snapshot of every run of a study."""
    import torch

    from vaescope.runs.draw import draw

    return torch.randn(n, latents, generator=draw("wiring", seed)).numpy()
