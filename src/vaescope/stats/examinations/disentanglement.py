"""Disentanglement scores at every snapshot, on mean and sampled codes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from jaxtyping import Float

from vaescope.errors import RepresentationError
from vaescope.stats.code_score import CODE_SCORES
from vaescope.stats.evidence import DISENTANGLEMENT
from vaescope.stats.examination import EXAMINATIONS, Examination
from vaescope.stats.labelled import Labelled

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.stats.subject import Subject

EXAMPLES = 3000  # see docs/disentanglement.md for how the scores depend on it
AT_ONCE = 250  # examples a forward pass


@EXAMINATIONS.register
@final
class Disentanglement(Examination):
    """Every registered score with its own options, for runs on datasets with factors; none for other runs.

    The examples are the first 3,000 of the draw from which the study has its probe set, or all where there are fewer:
    with the probe set's own number, many of the 40 orientations of dSprites would have a handful. `sampled` codes use
    one draw of noise for all snapshots and runs. A score that a snapshot does not determine has no row.

    References:
        Locatello et al. (2019), Challenging common assumptions in the unsupervised learning of disentangled
            representations, compares most of them. https://arxiv.org/abs/1811.12359
    """

    name: ClassVar[str] = "disentanglement"
    asks_network: ClassVar[bool] = True
    version: ClassVar[int] = 2
    columns: ClassVar[tuple[str, ...]] = DISENTANGLEMENT[1:]

    def of(self, subject: "Subject") -> "pd.DataFrame":
        import pandas as pd

        rows = list(_rows(subject)) if subject.dataset.factor_names else []
        return pd.DataFrame(rows, columns=list(self.columns))


def _rows(subject: "Subject") -> Iterator[tuple[int, str, str, float]]:
    import torch

    from vaescope.runs.draw import draw
    from vaescope.runs.probe import probe_noise

    dataset, seed = subject.dataset, subject.folder.study.probe.seed
    n = min(len(dataset), EXAMPLES)
    chosen = torch.randperm(len(dataset), generator=draw("probe", seed))[:n].numpy()
    images, factors = dataset.images(chosen), dataset.factors(chosen)
    noise = probe_noise(n, subject.run.latents, seed).numpy()
    for step in subject.steps:
        for kind, codes in _codes(subject, step, images, noise).items():
            try:
                labelled = Labelled.of(codes, factors)
            except RepresentationError:  # too few examples, or a run that diverged
                continue
            for name in CODE_SCORES:
                subject.progress.check()
                try:
                    yield step, kind, name, CODE_SCORES[name]().checked(labelled, seed)
                except RepresentationError:
                    continue


def _codes(
    subject: "Subject", step: int, images: Float[np.ndarray, "n c h w"], noise: Float[np.ndarray, "n d"]
) -> dict[str, Float[np.ndarray, "n d"]]:
    """Mean and sampled codes of a snapshot."""
    import torch

    network = subject.network(step)
    mean, sampled = np.empty_like(noise), np.empty_like(noise)
    for start in range(0, len(images), AT_ONCE):
        subject.progress.check()
        part = slice(start, start + AT_ONCE)
        with torch.inference_mode():
            posterior = network.encode(torch.from_numpy(images[part]))
        mean[part] = posterior.mean.numpy()
        sampled[part] = mean[part] + np.exp(0.5 * posterior.log_var.numpy()) * noise[part]
    return {"mean": mean, "sampled": sampled}
