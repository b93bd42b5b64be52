"""Similarity of runs of two datasets on the images of the second, with ceiling and floor."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaescope.errors import UsageError
from vaescope.progress import Progress
from vaescope.registry import suggestion
from vaescope.stats.census import Census
from vaescope.stats.transfer.seeds import SCORES

if TYPE_CHECKING:
    import pandas as pd

    from vaescope.models.network import Network
    from vaescope.runs.study import Run
    from vaescope.stats.halves import Halved
    from vaescope.stats.results import Results

NEVER_TRAINED = 2  # networks a run of the target
Runs = Mapping[str, Mapping[int, "Run"]]
"""Setting, the dataset left out -> seed -> run."""


def finished_runs(results: "Results", dataset: str) -> Runs:
    """The finished runs of a dataset.

    Raises:
        UsageError: the study has no such dataset, or no finished run of it.
    """
    study, census = results.study, Census(results.folder)
    known = list(dict.fromkeys(study.called(run)[0] for run in results.folder.runs))
    if dataset not in known:
        raise UsageError(
            f"{results.path}: no dataset {dataset!r}; there are {', '.join(known)}.{suggestion(dataset, known)}"
        )
    found: dict[str, dict[int, Run]] = {}
    for run in results.folder.runs:
        called, network = study.called(run)
        if called == dataset and census.finished(run):
            found.setdefault(f"{network}, {run.setting}", {})[run.seed] = run
    if not found:
        raise UsageError(f"{results.path}: no run of {dataset} has its last snapshot yet. Train it first.")
    return found


def shared_settings(source: Runs, target: Runs) -> tuple[str, ...]:
    """The settings both datasets have.

    Raises:
        UsageError: there is none, or the source's networks do not take the target's images.
    """
    from vaescope.runs.inputs import image_shape_of

    both = tuple(setting for setting in target if setting in source)
    if not both:
        raise UsageError(
            f"no setting was trained on both datasets: {', '.join(source)} on the one, {', '.join(target)} on the "
            "other."
        )
    one, other = (next(iter(runs[both[0]].values())) for runs in (source, target))
    if image_shape_of(one) != image_shape_of(other):
        raise UsageError(
            f"{one.dataset} has images of shape {image_shape_of(one)}, {other.dataset} of {image_shape_of(other)}: the "
            "source's networks do not take the target's images."
        )
    return both


def scores_between(
    results: "Results", source: Runs, target: Runs, measure: "Halved[Any]", progress: Progress
) -> "tuple[pd.DataFrame, bool]":
    """Every score, and whether pairs of the two datasets differ in seed.

    Only pairs of different seeds are taken where there are any: those of one seed share their first weights.

    Returns:
        kind, layer, part, setting_a, setting_b, seed_a, seed_b, score; as `vaescope.stats.transfer.seeds` takes it.
    """
    import pandas as pd

    settings = shared_settings(source, target)
    apart = any(s != t for setting in settings for s in source[setting] for t in target[setting])
    rows: list[tuple[Any, ...]] = []
    progress.stage("transfer", sum(len(source[s]) + len(target[s]) for s in settings))
    for number, setting in enumerate(settings):
        work = _Setting(results, next(iter(target[setting].values())), measure, progress)
        here = {seed: work.of_run(run) for seed, run in target[setting].items()}
        there = {seed: work.of_run(run) for seed, run in source[setting].items()}
        for t, own in here.items():
            sides: list[tuple[str, int, Mapping[str, Any]]] = [
                ("abroad", s, other) for s, other in there.items() if not apart or s != t
            ]
            sides += [("ceiling", s, other) for s, other in here.items() if s < t]
            sides += [("floor", t, made) for made in work.never_trained(target[setting][t])]
            for kind, seed, other in sides:
                for layer, value in other.items():
                    score = float(measure.scores(value, own[layer])[0])
                    rows.append((kind, layer, work.parts[layer], number, number, seed, t, score))
    return pd.DataFrame(rows, columns=list(SCORES)), apart


class _Setting:
    """The runs of one setting on the target's images."""

    def __init__(self, results: "Results", run: "Run", measure: "Halved[Any]", progress: Progress) -> None:
        from vaescope.stats.subject import Subject

        self.subject, self.measure, self.progress = Subject(results.folder, run, progress), measure, progress
        self.parts = {layer.name: str(layer.part) for layer in self.subject.layers}

    def of_run(self, run: "Run") -> Mapping[str, Any]:
        """The layers of a run's last snapshot, ready to be compared."""
        found = self._walked(self.subject.network(run.snapshots[-1], run))
        self.progress.advance(1, run.id)
        return found

    def never_trained(self, run: "Run") -> Sequence[Mapping[str, Any]]:
        """Those of networks with first weights that no run began with."""
        from vaescope.models.making import first
        from vaescope.models.network import NETWORKS
        from vaescope.runs.draw import draw

        kind, shape = NETWORKS[run.network], self.subject.images.shape[1:]
        made = (
            first(kind, shape, run.latents, run.network_options, draw("untrained", run.seed, k)).eval()
            for k in range(NEVER_TRAINED)
        )
        return [self._walked(network) for network in made]

    def _walked(self, network: "Network") -> Mapping[str, Any]:
        from vaescope.stats.wires import walked

        return {k: v for k, v in walked(self.subject, network, self.measure).items() if k != "sampled"}
