"""How many latents to give a model: FONDUE, with short trainings of one setting in a folder of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UsageError
from vaescope.pipeline import load_study
from vaescope.progress import Progress
from vaescope.runs.inputs import check_fit, dataset_of
from vaescope.runs.probe import choose
from vaescope.runs.store import StudyFolder
from vaescope.runs.study import Run, Study
from vaescope.runs.train import train as train_study
from vaescope.stats.latents.codes import codes
from vaescope.stats.latents.dimension import Method, intrinsic_dimension
from vaescope.stats.latents.fondue import Choice, choose_latents
from vaescope.stats.latents.kinds import KINDS, kinds
from vaescope.stats.subject import MOST_EXAMPLES, Subject

if TYPE_CHECKING:
    import pandas as pd

Train = Callable[[StudyFolder, Progress], None]
SHARE = 0.2
MOST = 256
COLUMNS = ("latents", "seed", "run", "mean", "sampled", "difference", *KINDS)


@dataclass(frozen=True)
class Fondue:
    """The number of latents that was found.

    Attributes:
        latents: the largest tried without passive ones; 0 if there was none.
        bounded: whether one latent more was found to be too many; else the search ended at the most allowed.
        data: the intrinsic dimension of the images, where the search began unless told otherwise.
        threshold: how much the dimension of sampled codes may exceed that of mean codes.
        tried: one row a number of latents and seed, in the order tried: latents, seed, run; mean and sampled, the
            intrinsic dimensions of the codes; difference; active, mixed, passive, the latents of each kind.
        notes: what one should know before believing the number.
    """

    latents: int
    bounded: bool
    data: float
    threshold: float
    tried: "pd.DataFrame"
    notes: tuple[str, ...] = ()


def fondue(
    study: str | Path | Study,
    out: str | Path,
    progress: Progress | None = None,
    *,
    threshold: float | None = None,
    start: int | None = None,
    most: int = MOST,
    method: Method = "mle",
    train: Train = train_study,
) -> Fondue:
    """The largest number of latents that leaves none passive, from short trainings; continues where it was stopped.

    Each number of latents that is tried is trained for `steps` of the study, which are to be few (the paper takes one
    or two passes over the data), as a study of its own in the folder `out`/latents-<number>. What is there already is
    not trained again. With several seeds the difference is their mean.

    Args:
        study: of one setting: one dataset, network, objective and strength, any number of seeds. Its `latents`,
            `snapshots` and `measures` do not matter. The first 1,000 images of the probe set are looked
            at.
        out: the folder.
        progress: told where the training is.
        threshold: how much the intrinsic dimension of the sampled codes may exceed that of the mean codes; a fifth of
            that of the images if None. Estimates scatter by about a tenth.
        start: the first number of latents tried; the intrinsic dimension of the images, rounded, if None.
        most: no more latents are tried.
        method: of estimating dimensions: "mle" or "two_nn".
        train: trains what is not trained yet of a study in its folder.

    Raises:
        UsageError: the study is wrong or has several settings; a folder holds other trainings; a run diverged.
        RepresentationError: the probe set has too few different images.
        Interrupted: a stop was asked for; give the same call again.

    References:
        Bonheme & Grzes (2022), FONDUE: an algorithm to find the optimal dimensionality of the latent representations of
            variational autoencoders. https://arxiv.org/abs/2209.12806
    """
    import pandas as pd

    wanted, progress = load_study(study), progress or Progress()
    _one_setting(wanted)
    check_fit(wanted)
    search = _Search(wanted, Path(out), progress, method, train)
    data = search.data_dimension()
    chosen_start = min(max(round(data), 1), most) if start is None else start
    limit = SHARE * data if threshold is None else threshold
    choice: Choice = choose_latents(search.difference, chosen_start, limit, most=most)
    tried = pd.DataFrame(search.rows, columns=list(COLUMNS))
    return Fondue(choice.latents, choice.bounded, data, limit, tried, tuple(_notes(tried, wanted.steps, choice)))


class _Search:
    def __init__(self, study: Study, out: Path, progress: Progress, method: Method, train: Train) -> None:
        self.study, self.out, self.progress, self.train = study, out, progress, train
        self.method: Method = method
        self.rows: list[tuple[object, ...]] = []

    def folder(self, latents: int) -> StudyFolder:
        """The study with so many latents."""
        changed = {"latents": latents, "snapshots": [self.study.steps], "measures": ["cka"]}
        study = Study.model_validate({**self.study.dumped(), **changed})
        return StudyFolder.create(self.out / f"latents-{latents:04d}", study)

    def data_dimension(self) -> float:
        """The intrinsic dimension of the images, as many as codes are looked at: estimates depend on the number."""
        dataset, probe = dataset_of(self.study.runs()[0], self.progress), self.study.probe
        images = dataset.images(choose(dataset, probe.n, probe.seed).indices[:MOST_EXAMPLES])
        return intrinsic_dimension(images.reshape(len(images), -1), self.method)

    def difference(self, latents: int) -> float:
        """IDE(sampled) - IDE(mean) after training with so many latents, the mean over seeds."""
        folder = self.folder(latents)
        self.train(folder, self.progress)
        found = [self._of(folder, run) for run in folder.runs]
        self.progress.say(f"{latents} latents: sampled codes have {np.mean(found):.2f} dimensions more than mean codes")
        return float(np.mean(found))

    def _of(self, folder: StudyFolder, run: Run) -> float:
        manifest = folder.run(run.id).manifest()
        last = next((c for c in codes(Subject(folder, run)) if c.step == run.steps), None)
        if manifest.state != "done" or last is None:
            raise UsageError(
                f"fondue: the run with {run.latents} latents and seed {run.seed} has no codes ({manifest.state}: "
                f"{manifest.reason or 'its codes are not finite'}). Take a smaller optimiser.lr, or fewer latents."
            )
        noise = Subject(folder, run).noise
        mean = intrinsic_dimension(last.mean, self.method)
        sampled = intrinsic_dimension(last.mean + np.exp(0.5 * last.log_var) * noise, self.method)
        found = list(kinds(last.log_var))
        counts = (found.count(kind) for kind in KINDS)
        self.rows.append((run.latents, run.seed, run.id, mean, sampled, sampled - mean, *counts))
        return sampled - mean


def _notes(tried: "pd.DataFrame", steps: int, choice: Choice) -> Iterator[str]:
    idle = tried[tried["passive"] == tried["latents"]]
    if len(idle):
        numbers = ", ".join(map(str, idle["latents"].drop_duplicates()))
        yield (
            f"Every latent was passive in {len(idle)} of {len(tried)} runs, with {numbers} latents: nothing was "
            f"learned in {steps:,} steps. Such runs do not say how many are needed: train longer, take more seeds."
        )
    means = tried.groupby("latents")["difference"].mean()
    if not means.is_monotonic_increasing:
        yield (
            "The difference does not grow with the number of latents throughout, as the search takes for granted. "
            "Look at the table; more seeds make it smoother."
        )
    if not choice.bounded:
        yield f"The search ended at the most latents allowed, {choice.latents}. Allow more."


def _one_setting(study: Study) -> None:
    settings = list(dict.fromkeys(study.setting_of(run) for run in study.runs()))
    if len(settings) > 1:
        raise UsageError(
            f"fondue: expected a study of one setting, {study.name} has {len(settings)}: {'; '.join(settings[:3])}"
            f"{', …' if len(settings) > 3 else ''}. Narrow it: load_study(name, ['objectives={{vae: {{}}}}'])."
        )
