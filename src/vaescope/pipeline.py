"""The whole study in one call: train, compare, report; and how far it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vaescope.data.dataset import DATASETS, Dataset
from vaescope.data.indexed import from_torch
from vaescope.errors import UsageError
from vaescope.models.network import NETWORKS
from vaescope.models.pair import network_from
from vaescope.progress import Progress
from vaescope.runs.device import chosen
from vaescope.runs.executors import executor_of
from vaescope.runs.inputs import check_fit
from vaescope.runs.read import read_study
from vaescope.runs.store import StudyFolder
from vaescope.runs.study import Study
from vaescope.runs.train import train
from vaescope.stats.compare import compare, grid_of, measures_of
from vaescope.stats.examination import EXAMINATIONS
from vaescope.stats.examine import examine
from vaescope.stats.measure import MEASURES
from vaescope.stats.origin import Origin, origin_of
from vaescope.stats.results import Results
from vaescope.stats.scores import Scores
from vaescope.views import summary
from vaescope.views.answers import headline
from vaescope.views.method import is_distance, main_measure
from vaescope.views.report import objectives_beside, report
from vaescope.views.tables import run_labels


def load_study(source: str | Path | Study, overrides: Sequence[str] = ()) -> Study:
    """A study from a YAML file or the name of a built-in one, checked, with every default filled in.

    Args:
        source: a path, the name of a built-in study such as "quickstart" or "paper", or a `Study`.
        overrides: "key=value" texts as `--set` takes them, e.g. "steps=2000", "optimiser.lr=1e-4".

    Raises:
        UsageError: with the path of every key that is wrong, what was expected, what came, and a suggestion.

    >>> study = load_study("quickstart", ["steps=100"])
    >>> len(study.runs()), study.snapshot_steps[-1]
    (4, 100)
    """
    study = read_study(source, overrides)
    for name, choice in study.measures.items():
        try:
            least = MEASURES[name].minimum_n
        except UsageError as error:
            raise UsageError(f"{study.name}: measures.{name}: {error}") from None
        if (n := choice.n or study.probe.n) < least:
            raise UsageError(f"measures.{name}.n: {name} needs at least {least} examples, got {n}.")
    for name in () if study.examinations == "all" else study.examinations:
        try:
            EXAMINATIONS[name]
        except UsageError as error:
            raise UsageError(f"{study.name}: examinations: {error}") from None
    return study


def default_out(study: Study) -> Path:
    """The folder of a study where none is named: "vaescope-" and its name, in the current folder."""
    slug = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in study.name)
    return Path(f"vaescope-{slug[:80]}")


def run(
    study: str | Path | Study,
    out: str | Path | None = None,
    progress: Progress | None = None,
    memory_budget: int | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "cpu",
    ensemble: int = 1,
    datasets: Mapping[str, object] | None = None,
    networks: Mapping[str, Callable[..., object]] | None = None,
) -> Results:
    """Train every run, compare and examine every snapshot, write the report; continue if some of it is there.

    Args:
        study: a path, the name of a built-in study, or a `Study`.
        out: the folder of the study; `default_out(study)` where not given.
        progress: told where the work is.
        memory_budget: bytes to compare in; a quarter of the machine's memory if None.
        workers: processes of this machine to work in; this process if None.
        scheduler: address of a Dask cluster to work on.
        device: what to train on: "cpu", "cuda", "cuda:1" or "auto".
        ensemble: how many runs to train as one, stacked; 1: each by itself.
        datasets: name -> a `torch.utils.data.Dataset`, an array of images or a `Dataset`, which the study may name.
        networks: name -> a function (image_shape, latents) -> (encoder, decoder), which the study may name.

    Returns:
        The results, as `vaescope.open(out)` gives them. Runs that diverged or failed say so in `.runs`.

    Raises:
        UsageError: the study is wrong, or `out` holds another one.
        ResourceError: the disk is full or cannot be written.
    """
    with lent(datasets, networks), executor_of(workers, scheduler) as executor:
        if executor is None:
            chosen(device)
        study = load_study(study)
        check_fit(study)
        folder = StudyFolder.create(out or default_out(study), study)
        train(folder, progress, executor, device, ensemble)
        compare(folder, progress, memory_budget, executor)
        examine(folder, progress, executor)
        results = Results(folder.path)
        report(results, folder.path / "report.html", progress)
    return results


@contextmanager
def lent(
    datasets: Mapping[str, object] | None = None, networks: Mapping[str, Callable[..., object]] | None = None
) -> Iterator[None]:
    """Let studies name these datasets and networks meanwhile.

    Args:
        datasets: name -> a `torch.utils.data.Dataset`, an array of images or a `Dataset`.
        networks: name -> a function (image_shape, latents) -> (encoder, decoder).

    Raises:
        UsageError: a name is taken or no identifier, or something is no dataset.

    >>> import numpy as np
    >>> with lent(datasets={"grey": np.full((100, 64, 64), 0.5, np.float32)}):
    ...     len(load_study("quickstart", ["datasets=[grey]", "probe.n=50", "measures=[cka]"]).runs())
    4
    """
    made = {name: _given(name, found) for name, found in (datasets or {}).items()}
    pairs = {name: network_from(name, factory) for name, factory in (networks or {}).items()}
    with DATASETS.lending(made), NETWORKS.lending(pairs):
        yield


def _given(name: str, found: object) -> Any:
    """What stands in `DATASETS` for a dataset that is there already."""
    dataset = found if isinstance(found, Dataset) else from_torch(found, name=name)
    return lambda: dataset


def failed(folder: StudyFolder) -> list[str]:
    """The runs that diverged or failed, each with its reason."""
    manifests = ((r, folder.run(r.id).manifest()) for r in folder.runs)
    return [f"{r.id}: {m.reason}" for r, m in manifests if m.state in ("diverged", "failed")]


def compared(folder: StudyFolder) -> dict[str, tuple[int, int]]:
    """For each measure how many blocks (run x run) of scores are there, and how many there are to be."""
    grid = grid_of(folder)
    scores = Scores(folder.path / "similarity.zarr", grid)
    origin = origin_of(folder, grid)
    blocks = grid.comparable()
    return {
        name: (
            sum(_up_to_date(scores, origin, name, i, j) for i, j in blocks) if scores.has(name, n) else 0,
            len(blocks),
        )
        for name, n in measures_of(folder).items()
    }


def _up_to_date(scores: Scores, origin: Origin, measure: str, i: int, j: int) -> bool:
    found = scores.digest(measure, i, j)
    return found != 0 and found == origin.digest(measure, i, j)


def in_words(results: Results) -> str:
    """What a study found, by its first similarity, as the report says it."""
    measure = main_measure([*results.study.measures])
    raw, corrected = (summary.lead(results.lead, measure, reading, results.runs) for reading in ("raw", "corrected"))
    runs = results.runs
    floors = summary.floors(results.settling, measure)
    apart = [] if is_distance(measure) else objectives_beside(results, measure)
    lines = [
        f"{summary.setting(runs, results.study.steps)} {summary.headline(raw, corrected)}",
        *summary.finding(raw, corrected, floors, measure),
        *(f"On {pair.dataset}: {pair.words}" for pair in apart),
        *([f"{told} `vaescope claims {results.path}` says why."] if (told := headline(results.claims)) else []),
        *summary.caveats(runs, run_labels(runs)),
        *results.twins(),
    ]
    return "\n".join(lines).replace("\u00a0", " ")
