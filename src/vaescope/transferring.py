"""What of a model trained on one dataset serves on another: similarity, advice, and a trial of the advice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from vaescope.errors import UsageError
from vaescope.models.grafting import site_of
from vaescope.models.network import Network
from vaescope.models.parts import parts_of
from vaescope.progress import Progress
from vaescope.stats.results import Results
from vaescope.stats.transfer.advice import KEEP, RETRAIN, Advice, Limits
from vaescope.stats.transfer.seeds import ONE_SEED, over_seeds
from vaescope.stitching import examples_for, left_alone

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from vaescope.stats.stitching.splice import Forward

HALVES = 40


@dataclass(frozen=True, eq=False)
class Transfer:
    """What of a model trained on the source serves on the target.

    Attributes:
        source: name of the dataset, or of the model, that is carried over.
        target: name of the dataset, or of the model that was trained on it.
        measure: of the similarities.
        n: examples of the target they are of.
        limits: from where on a part is kept, and up to where it is retrained.
        warnings: what one should know before believing it.
    """

    source: str
    target: str
    measure: str
    n: int
    limits: Limits
    _table: "pd.DataFrame" = field(repr=False)
    _advice: tuple[Advice, ...] = field(repr=False)
    _trial: "pd.DataFrame | None" = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        said = ", ".join(
            f"{a.part}: {a.word}{f' ({a.leaning}?)' if a.word == 'undecided' and a.leaning else ''}"
            for a in self._advice
        )
        return f"Transfer({self.source} to {self.target}: {said}; {len(self.warnings)} warning(s))"

    def table(self) -> "pd.DataFrame":
        """One row a layer: layer, part, score, ceiling, floor, position, low, high, word, seeds.

        Score: similarity of the source's layer and the target's own, on images of the target. Ceiling: of two of the
        target's own that differ in the seed. Floor: of a network never trained and the target's own. Position:
        (score - floor) / (ceiling - floor).
        """
        return self._table.copy()

    def advice(self) -> "pd.DataFrame":
        """One row a part: part, word, leaning, position, low, high, layers, units, words."""
        import pandas as pd

        return pd.DataFrame([vars(a) for a in self._advice], columns=list(Advice.__dataclass_fields__))

    def trial(self) -> "pd.DataFrame":
        """What short trainings on the target reached, if `check` was asked for; else a table without rows.

        One row a policy: policy, loss, negative_elbo, reconstruction (nats per example on the target's probe images,
        means over runs), gain (loss of "anew" less its own: above 0, better than to begin anew with as many steps),
        low, high (its interval over seeds), trained (weights), steps, runs.
        """
        import pandas as pd

        from vaescope.stats.transfer.trial import TRIAL

        return pd.DataFrame(columns=list(TRIAL)) if self._trial is None else self._trial.copy()

    def words(self) -> str:
        """The advice in sentences, and what the trial said."""
        from vaescope.stats.transfer.trial import in_words

        lines = [f"From {self.source} to {self.target}, by {self.measure} on {self.n:,} examples of {self.target}:"]
        lines += [f"- {a.words}" for a in self._advice]
        return "\n".join(
            [
                *lines,
                *([] if self._trial is None else in_words(self._trial, {a.part: a.word for a in self._advice})),
                *self.warnings,
            ]
        )

    def plot(self) -> "alt.TopLevelMixin":
        """Each layer's score between its floor and its ceiling: an Altair chart."""
        from vaescope.views.transferred import chart

        return chart(self._table, self.source, self.target, self.measure, self.limits)

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in self.words().splitlines())
        return f"<div>{said}{self._table.to_html(index=False, float_format='{:.3f}'.format, na_rep='–')}</div>"


def transfer(
    results: Results | str | Path,
    source: str | None = None,
    target: str | None = None,
    *,
    measure: str | None = None,
    n: int = 300,
    keep: float = KEEP,
    retrain: float = RETRAIN,
    level: float = 0.95,
    check: bool = False,
    check_steps: int = 300,
    check_runs: int = 3,
    progress: Progress | None = None,
) -> Transfer:
    """What of the models that a study trained on one dataset serves on another of its datasets.

    Final snapshots of both are passed the target's probe images. Runs of equal settings and different seeds are
    compared, layer by layer, and held against what two seeds of the target reach (ceiling) and what networks that were
    never trained have (floor). Seeds are the units of the intervals: it takes three for advice without a doubt.

    Args:
        results: of the study, or its folder.
        source: the dataset models come from; may be left out in a study of two datasets.
        target: the dataset they go to; likewise.
        measure: a similarity; debiased CKA where the study has it, else its first similarity, if None.
        n: probe images of the target.
        keep: a part whose position is above is kept.
        retrain: one whose position is below is retrained.
        level: coverage of the intervals.
        check: whether to try the advice: short trainings on the target that keep the encoder, the decoder, or
            something else, each from snapshots of the source; see `Transfer.trial`. It takes
            5 x `check_runs` x `check_steps` steps of training.
        check_steps: of each.
        check_runs: how many runs of the target, the first ones.
        progress: told how far it is.

    Raises:
        UsageError: there are no such datasets, or no finished runs of both with one setting and one image shape.

    References:
        Bonheme & Grzes (2023), How good are variational autoencoders at transfer learning?
            https://arxiv.org/abs/2304.10767
    """
    from vaescope.stats.halves import halved
    from vaescope.stats.transfer.scores import finished_runs, scores_between
    from vaescope.stats.transfer.trial import tried

    results = results if isinstance(results, Results) else Results(results)
    progress, limits = progress or Progress(), Limits(keep, retrain)
    source, target = _datasets(results, source, target)
    there, here = finished_runs(results, source), finished_runs(results, target)
    measured = halved(_measure(results, measure), min(n, results.study.probe.n), 0)
    scores, apart = scores_between(results, there, here, measured, progress)
    count = len({run.id for runs in (*there.values(), *here.values()) for run in runs.values()})
    table, advice = over_seeds(scores, count, limits, level, "" if apart else ONE_SEED)
    trial = tried(results, there, here, check_steps, check_runs, level, progress) if check else None
    return Transfer(source, target, measured.name, measured.examples, limits, table, advice, trial)


def transfer_between(
    model_a: nn.Module,
    model_b: nn.Module,
    data: Any,
    *,
    ceiling: nn.Module | None = None,
    untrained: nn.Module | bool = True,
    layers: Sequence[str] | None = None,
    encoder: str | Sequence[str] | None = None,
    decoder: str | Sequence[str] | None = None,
    measure: str = "cka",
    n: int | None = 500,
    keep: float = KEEP,
    retrain: float = RETRAIN,
    level: float = 0.95,
    forward: "Forward | None" = None,
    batch_size: int = 64,
    seed: int = 0,
) -> Transfer:
    """What of one model serves on the data another was trained on, for two models of any kind with layers in common.

    There are no seeds here: intervals are over the choice of examples alone (subsampling of halves), and say nothing of
    what other trainings would give.

    Args:
        model_a: trained on the source.
        model_b: trained on the target.
        data: examples of the target, as `vaescope.stitch` takes them.
        ceiling: another model trained on the target with another seed; without it layers are held against 1, which
            makes positions too low.
        untrained: the floor: True for untrained copies of `model_b`, or a model of your own; False for a floor of 0.
        layers: which; those that compute something in `model_b` and are in all models if None.
        encoder: module or modules of the encoder; found where they are called so if None.
        decoder: likewise.
        measure: a similarity that `vaescope list measures` shows.
        n: examples at most; all if None.
        keep: a part whose position is above is kept.
        retrain: one whose position is below is retrained.
        level: coverage of the intervals.
        forward: how a model is called, (model, batch) -> what it returns.
        batch_size: examples a pass.
        seed: of the untrained copy and of what models draw.

    Raises:
        UsageError: there are no such layers, or none in common.
    """
    from vaescope.models.afresh import afresh
    from vaescope.runs.draw import draw
    from vaescope.stats.stitching.losses import loss_of
    from vaescope.stats.stitching.splice import Splice
    from vaescope.stats.transfer.between import compared

    batch = examples_for(data, model_b, "output", n, seed)
    work = Splice(batch, forward, loss_of("output"), 0.5, batch_size, seed)
    models: dict[str, nn.Module] = {"a": model_a, "b": model_b}
    if ceiling is not None:
        models["ceiling"] = ceiling
    if untrained is not False:
        fresh = afresh(model_b, draw("stitch untrained", seed)) if untrained is True else untrained
        models["floor"] = fresh  # pyright: ignore[reportArgumentType]
    with left_alone(*models.values()):
        names = _common(list(models.values()), layers, work)
        parts = _parts(model_b, names, encoder, decoder)
        limits = Limits(keep, retrain)
        table, advice = compared(
            models,
            {k: [site_of(m, x) for x in names] for k, m in models.items()},
            parts,
            work,
            measure,
            limits,
            level,
            HALVES,
        )
    warnings = (
        []
        if ceiling is not None
        else [
            "No second model of the target's own was given: layers are held against 1, which none may reach. Positions "
            "are too low rather than too high."
        ]
    )
    return Transfer("model_a", "model_b", measure, work.n, limits, table, advice, None, tuple(warnings))


def _datasets(results: Results, source: str | None, target: str | None) -> tuple[str, str]:
    known = list(dict.fromkeys(results.study.called(run)[0] for run in results.folder.runs))
    given = [x for x in (source, target) if x is not None]
    left = [x for x in known if x not in given]
    if len(given) < 2 and len(known) == 2:
        source, target = source or left[0], target or left[-1]
    if source is None or target is None or source == target:
        raise UsageError(
            f"transfer: expected two different datasets of the study, source and target, got {source!r} and "
            f"{target!r}; there are {', '.join(known)}."
        )
    return source, target


def _measure(results: Results, name: str | None) -> str:
    from vaescope.stats.measure import MEASURES

    if name is None:
        known = [m for m in results.study.measures if MEASURES[m].larger_is_more_similar]
        return "cka" if "cka" in known or not known else known[0]
    if not MEASURES[name].larger_is_more_similar:
        raise UsageError(f"measure: expected a similarity, {name} is a distance. Take cka.")
    return name


def _common(models: Sequence[nn.Module], layers: Sequence[str] | None, work: Any) -> list[str]:
    from vaescope.stats.stitching.splice import leaves

    if layers is not None:
        return list(dict.fromkeys(layers))
    found = leaves(models[1], work)
    paths = [{name for name, _ in model.named_modules()} for model in models]
    common = [name for name in found if all(name.partition(".call")[0] in known for known in paths)]
    if not common:
        raise UsageError(
            "transfer_between: the models have no layer names in common. Name layers both have: layers=[...]."
        )
    return common


def _parts(model: nn.Module, names: Sequence[str], encoder: Any, decoder: Any) -> dict[str, str]:
    if isinstance(model, Network):
        known = {layer.name: str(layer.part) for layer in model.layers()}
        return {name: known.get(name, "other") for name in names}
    found = parts_of(model, encoder, decoder)
    return {name: found.of(name) for name in names}
