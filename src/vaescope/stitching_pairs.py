"""Stitching of every layer of one model to every layer of another, beside their similarity."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from vaescope.errors import RepresentationError, UsageError
from vaescope.models.grafting import Site, site_of
from vaescope.progress import Progress
from vaescope.stats.forms.examples import Examples
from vaescope.stats.measure import Measure
from vaescope.stats.similarity import chosen
from vaescope.stats.stitching.fitting import fitted, without
from vaescope.stats.stitching.joints import Source
from vaescope.stats.stitching.losses import Given, loss_of
from vaescope.stats.stitching.share import share
from vaescope.stats.stitching.snapshot import Model, opened
from vaescope.stats.stitching.splice import HELD, LEARNED, Forward, Splice, leaves
from vaescope.stitching import control_of, examples_for, left_alone, loss_name

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

MATRICES = ("recovered", "low", "high", "similarity", "control", "beyond", "fit", "loss")
NO_MORE = 0.99  # recovered by an untrained network: nothing is left for training to add
FEW = 3  # pairs with both numbers, for a correlation of ranks


@dataclass(frozen=True, eq=False)
class StitchMatrix:
    """Recovered shares of all pairs of layers, with their labels.

    Attributes:
        rows: layers of A, which are mapped.
        columns: layers of B, whose values are replaced.
        matrix: recovered shares, (rows, columns); NaN where a constant does as well as B's layer.
        extras: further matrices: "low" and "high" of the share's interval; "similarity"; "control", the share with A
            untrained (NaN without a control); "beyond", what A's training adds, (recovered - control) / (1 - control),
            NaN where the control is above 0.99; "fit", R² of the map on held-out examples; "loss", stitched.
        kinds: of map, (rows, columns): "linear" or "conv".
        similarity: name of the measure of the similarities.
        loss: its name.
        own: mean loss of B itself.
        baselines: mean loss with each layer of B replaced by its mean, (columns,).
        learned_from: examples maps were learned from.
        n: examples the losses are of.
        warnings: what one should know before believing it.
        named: what `matrix` is called; the recovered share of the loss if "".
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: Float64[np.ndarray, "a b"]
    extras: Mapping[str, Float64[np.ndarray, "a b"]] = field(repr=False)
    kinds: np.ndarray = field(repr=False)
    similarity: str
    loss: str
    own: float
    baselines: Float64[np.ndarray, " b"] = field(repr=False)
    learned_from: int
    n: int
    warnings: tuple[str, ...] = ()
    named: str = ""

    def __repr__(self) -> str:
        return (
            f"StitchMatrix({len(self.rows)} x {len(self.columns)} layers, {self.loss}, n={self.n:,}, "
            f"Spearman's correlation with {self.similarity}: {self.agreement:.2f}; {len(self.warnings)} warning(s))"
        )

    @property
    def measure(self) -> SimpleNamespace:
        """What the numbers are called, as that of a `SimilarityMatrix`."""
        return SimpleNamespace(name=self.named or f"recovered share of {self.loss}", bounds=(0.0, 1.0))

    @property
    def agreement(self) -> float:
        """Spearman's correlation of similarity and recovered share over pairs that have both; NaN for fewer than 3."""
        from scipy.stats import spearmanr

        both = np.isfinite(self.matrix) & np.isfinite(self.extras["similarity"])
        if both.sum() < FEW:
            return float("nan")
        return float(spearmanr(self.matrix[both], self.extras["similarity"][both]).statistic)

    def __getitem__(self, pair: tuple[str, str]) -> float:
        """The recovered share of two layers."""
        for label, known in zip(pair, (self.rows, self.columns), strict=True):
            if label not in known:
                from vaescope.registry import suggestion

                raise UsageError(f"no layer is called {label!r}.{suggestion(str(label), list(known))}")
        return float(self.matrix[self.rows.index(pair[0]), self.columns.index(pair[1])])

    def to_pandas(self, tidy: bool = False) -> "pd.DataFrame":
        """The shares as a frame.

        Args:
            tidy: False gives the square of shares. True gives a row a pair: x, y, recovered, low, high, similarity,
                control, beyond, fit, loss, kind.
        """
        import pandas as pd

        if not tidy:
            return pd.DataFrame(self.matrix, index=list(self.rows), columns=list(self.columns))
        found = {"x": np.repeat(self.rows, len(self.columns)), "y": np.tile(self.columns, len(self.rows))}
        found |= {name: (self.matrix if name == "recovered" else self.extras[name]).ravel() for name in MATRICES}
        return pd.DataFrame(found | {"kind": self.kinds.ravel()})

    def plot(self) -> "alt.HConcatChart":
        """Heatmaps side by side, recovered shares, those of the control, and similarities: an Altair chart."""
        import altair as alt

        from vaescope.views.square import square

        table = self.to_pandas(tidy=True)
        dead = np.where(table["recovered"].isna(), "a constant does as well", "ok")
        shown = table.drop(columns="kind").assign(reason=dead)
        titles = {"recovered": "recovered share", "control": "the same, A untrained", "similarity": self.similarity}
        titles = {k: v for k, v in titles.items() if shown[k].notna().any()}
        charts = [
            square(shown.rename(columns={name: "score"}), self.rows, self.columns, title, (0.0, 1.0))
            for name, title in titles.items()
        ]
        title = f"A in rows, B in columns; loss: {self.loss}, n = {self.n:,}"
        return alt.hconcat(*charts).resolve_scale(color="independent").properties(title=title)

    def _repr_html_(self) -> str:
        from dataclasses import replace

        from vaescope.views.notebook import matrix_html

        said = f"Spearman's correlation with the recovered shares: {self.agreement:.2f}."
        similar = replace(self, matrix=self.extras["similarity"], named=self.similarity, warnings=(said,))
        return matrix_html(self) + matrix_html(similar)


def stitch_matrix(
    a: Model,
    b: Model,
    data: Any = None,
    loss: Given | None = None,
    *,
    layers: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    measure: str | Measure[Any] = "cka",
    kind: str = "auto",
    ridge: float | None = None,
    untrained: nn.Module | bool = True,
    n: int | None = 600,
    held_out: float = 1 / 3,
    forward: Forward | None = None,
    batch_size: int = 64,
    level: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> StitchMatrix:
    """Stitch every layer of A to every layer of B by least squares, and put their similarity beside it.

    B is passed the held-out examples twice for each pair of layers. Layers of A are held one at a time, those of B all
    at once, for the examples that maps are learned from.

    Args:
        a: a module; or of a study (results or folder, run), its last snapshot, or (results or folder, run, step).
        b: as `a`.
        data: as `vaescope.stitch` takes it; the probe set of the study of `b` if None.
        loss: as `vaescope.stitch` takes it; of a run, "reconstruction" and "elbo" are by its own reconstruction.
        layers: of A; those that compute something if None.
        layers_b: of B; as `layers` if None and B has them all, else those that compute something.
        measure: of the similarity, on all examples.
        kind: as `vaescope.stitch` takes it.
        ridge: as `vaescope.stitch` takes it.
        untrained: as `vaescope.stitch` takes it.
        n: examples at most; all if None.
        held_out: share of the examples that losses are measured on.
        forward: as `vaescope.stitch` takes it.
        batch_size: examples a pass.
        level: coverage of the intervals.
        seed: as `vaescope.stitch` takes it.
        progress: told how many layers of A are done.

    Raises:
        UsageError: as `vaescope.stitch`; or there is no such run or step.
    """
    (net_a, _), (net_b, run_b) = opened(a), opened(b)
    name = loss_name(loss, net_b)
    if data is None:
        if run_b is None:
            raise UsageError("stitch_matrix: data is needed for models that are no runs of a study.")
        data = run_b.images(n)
    used = run_b.loss(name) if run_b and name in ("reconstruction", "elbo") else loss_of(name)
    progress = progress or Progress()
    batch = examples_for(data, net_b, name, n, seed)
    work = Splice(batch, forward, used, held_out, batch_size, seed, progress)
    fresh, measured = control_of(net_a, untrained, seed), chosen(measure)
    with left_alone(net_a, net_b, *([fresh] if fresh else [])):
        sites_a = _sites(net_a, layers, work)
        shared = layers if layers_b is None and layers and _has(net_b, layers) else layers_b
        sites_b = _sites(net_b, shared, work)
        own = work.own(net_b)
        to = {which: work.caught(net_b, sites_b, which) for which in (LEARNED, HELD)}
        widths = {*work.widths(net_a, sites_a).values(), *work.widths(net_b, sites_b).values()}
        form_of = _Forms(measured, work.n, widths)
        forms_b = [form_of(to[LEARNED][s.name], to[HELD][s.name]) for s in sites_b]
        base = [without(work, net_b, s, {w: to[w][s.name] for w in to}, own) for s in sites_b]
        cells: dict[str, np.ndarray] = {m: np.full((len(sites_a), len(sites_b)), np.nan) for m in MATRICES}
        kinds = np.full((len(sites_a), len(sites_b)), "", dtype=object)
        progress.stage("stitching", len(sites_a))
        for i, site in enumerate(sites_a):
            values = {which: work.caught(net_a, [site], which)[site.name] for which in (LEARNED, HELD)}
            form = form_of(values[LEARNED], values[HELD])
            source = Source(values[LEARNED], seed)
            control = None if fresh is None else _Control(work, fresh, site, seed)
            for j, goal in enumerate(sites_b):
                joint = source.joint(to[LEARNED][goal.name], kind, ridge)
                mapped = joint(values[HELD])
                losses = work.spliced(net_b, goal, mapped)
                found = share(own, losses, base[j], level, seed=seed)
                kinds[i, j] = joint.kind
                told = (found.value, found.low, found.high, form_of.score(form, forms_b[j]))
                fit = fitted(to[LEARNED][goal.name], to[HELD][goal.name], mapped)
                again = np.nan
                if control is not None and np.isfinite(found.value):
                    other = control.mapped(to[LEARNED][goal.name], kind, ridge)
                    again = share(own, work.spliced(net_b, goal, other), base[j], level, draws=1, seed=seed).value
                beyond = (found.value - again) / (1 - again) if again <= NO_MORE else np.nan
                for m, value in zip(MATRICES, (*told, again, beyond, fit, float(losses.mean())), strict=True):
                    cells[m][i, j] = value
            progress.advance(1, site.name)
    matrix = cells.pop("recovered")
    columns = tuple(s.name for s in sites_b)
    return StitchMatrix(
        tuple(s.name for s in sites_a),
        columns,
        matrix,
        cells,
        kinds,
        measured.name,
        name if isinstance(name, str) else getattr(name, "__name__", "loss"),
        float(own.mean()),
        np.array([found.mean() for found in base]),
        len(work.places[LEARNED]),
        len(own),
        tuple(_warnings(matrix, kinds, columns)),
    )


def _sites(model: nn.Module, names: Sequence[str] | None, work: Splice) -> list[Site]:
    if names is None:
        names = leaves(model, work)
    if isinstance(names, str) or not names:
        raise UsageError(f"layers: expected a list of names, at least one, got {names!r}.")
    return [site_of(model, name) for name in dict.fromkeys(names)]


def _has(model: nn.Module, names: Sequence[str]) -> bool:
    try:
        return [site_of(model, name) for name in names] != []
    except UsageError:
        return False


class _Control:
    """A layer of the untrained model."""

    def __init__(self, work: Splice, model: nn.Module, site: Site, seed: int) -> None:
        learned, self.held = (work.caught(model, [site], which)[site.name] for which in (LEARNED, HELD))
        self.source = Source(learned, seed)

    def mapped(self, to: Tensor, kind: str, ridge: float | None) -> Tensor:
        """Its held-out values, mapped to those of another layer."""
        return self.source.joint(to, kind, ridge)(self.held)


class _Forms:
    """What is compared of a layer, in the one form that suits all of them."""

    def __init__(self, measure: Measure[Any], n: int, widths: Collection[int]) -> None:
        self.measure, self.form = measure, measure.form_for(n, [*widths])

    def __call__(self, learned: Tensor, held: Tensor) -> Any:
        """Of the examples in their order; None where there is no score, as of a constant layer."""
        try:
            return self.measure.prepare(Examples(torch.cat([learned, held]).flatten(1).numpy()), self.form)
        except RepresentationError:
            return None

    def score(self, x: Any, y: Any) -> float:
        """The similarity; NaN where one has no form."""
        return float("nan") if x is None or y is None else float(self.measure.compare(x, y))


def _warnings(matrix: np.ndarray, kinds: np.ndarray, columns: Sequence[str]) -> list[str]:
    lines = []
    dead = [label for k, label in enumerate(columns) if np.isnan(matrix[:, k]).all()]
    if dead:
        lines.append(f"{', '.join(dead)}: a constant does as well as the layer, so nothing can be recovered.")
    if len(set(kinds.ravel())) > 1:
        lines.append(
            "Some maps are of all features and some are 1x1 convolutions, which can do less: compare shares of one "
            "kind, or take kind='linear' throughout."
        )
    return lines
