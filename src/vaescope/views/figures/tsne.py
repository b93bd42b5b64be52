"""A map of snapshots: those whose layers are alike in the same way lie together."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.views import bands, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width
from vaescope.views.within import within

if TYPE_CHECKING:
    from vaescope.stats.results import Results

COMPONENTS = 50
PERPLEXITY = 30.0
LEAST, MOST = 5, 1500  # snapshots: t-SNE needs neighbours, and minutes for many thousands
COLUMNS = ["run", *bands.SETTING, "seed", "step", "x", "y", "perplexity", "components", "left_out"]


@FIGURES.register
@final
class TSNE(Figure):
    """t-SNE of each snapshot's similarities between its layers.

    The upper triangle of a snapshot's layer by layer matrix, once each pair and without the diagonal, is its vector:
    all of one network, so that entries mean the same. Principal components come first, as many as there can be and at
    most 50; the perplexity is at most a third of the snapshots.

    References:
        van der Maaten & Hinton (2008), Visualizing data using t-SNE. https://jmlr.org/papers/v9/vandermaaten08a.html
        Wattenberg, Viegas & Johnson (2016), How to use t-SNE effectively. https://doi.org/10.23915/distill.00002
    """

    name: ClassVar[str] = "tsne"
    title: ClassVar[str] = "A map of snapshots"
    caption: ClassVar[str] = (
        "t-SNE of the similarities between the layers of each snapshot: one mark a snapshot of a run, the larger the "
        "later. Left: coloured by seed; right: by objective. Distances between far groups mean nothing."
    )

    def table(self, results: "Results", measure: str | None = None, **options: Any) -> pd.DataFrame:
        """run, dataset, network, objective, strength, seed, step, x, y, perplexity, components, left_out.

        Args:
            results: the study.
            measure: of the study; its main similarity if None.
            **options: not used.

        Raises:
            UsageError: the study has no such measure.
        """
        scores = within(results, bands.main_measure(results, measure))
        runs = bands.runs_of(results)
        vectors, left = vectors_of(bands.described(scores, runs))
        if len(vectors) < LEAST:
            return pd.DataFrame(columns=COLUMNS)
        places, perplexity, components = embedded(vectors.to_numpy(float))
        found = vectors.index.to_frame(index=False).assign(x=places[:, 0], y=places[:, 1])
        found = bands.described(found, runs)
        return found.assign(perplexity=perplexity, components=components, left_out=left)[COLUMNS]

    def missing(self, results: "Results") -> str:
        return f"there are fewer than {LEAST} snapshots with scores of all their layers"

    def note(self, table: pd.DataFrame) -> str:
        head = table.iloc[0]
        told = f"{len(table):,} snapshots of {wording.counted(table['run'].nunique(), 'run')}; "
        told += f"{int(head['components'])} principal components, perplexity {head['perplexity']:g}."
        left = int(head["left_out"])
        return told + (
            f" {left:,} snapshots left out: of other networks, without all scores, or too many." if left else ""
        )

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        last = max(int(table["step"].max()), 1)
        shown = table[["x", "y", "step", "seed", "objective", "dataset"]].copy()
        shown["late"] = np.log1p(shown["step"]) / np.log1p(last)
        shown["objective"] = shown["objective"].astype(str).map(wording.objective)
        shown["dataset"] = shown["dataset"].astype(str).map(wording.dataset)
        shown = shown.sort_values("seed", kind="stable")
        seeds = sorted(set(shown["seed"]))
        shown["seed"] = shown["seed"].map(lambda s: f"seed {s}")
        objectives = wording.in_order(table["objective"].astype(str))
        hues = [("seed", [f"seed {s}" for s in seeds]), ("objective", objectives)]
        if shown["dataset"].nunique() > 1:
            hues.append(("dataset", sorted(set(shown["dataset"]))))
        side = theme.total(wide) / (len(hues) if wide == "page" else 1) - 25
        side = min(side, 200)
        size = 26 if len(shown) < 300 else 10 if len(shown) < 900 else 6
        axis = alt.Axis(labels=False, ticks=False, grid=False, domain=True)
        charts = []
        for number, (field, names) in enumerate(hues):
            legend = {"orient": "bottom", "columns": max(1, int(side / (20 + 4 * max(map(len, names)))))}
            base = (
                alt.Chart(theme.data(shown))
                .mark_point(filled=True, opacity=0.75, strokeWidth=0)
                .encode(
                    x=alt.X("x:Q", title="t-SNE 1", axis=axis, scale=alt.Scale(zero=False, padding=6)),
                    y=alt.Y(
                        "y:Q",
                        title="t-SNE 2" if number == 0 or wide == "column" else "",
                        axis=axis,
                        scale=alt.Scale(zero=False, padding=6),
                    ),
                    color=theme.named(
                        field, names, theme.ramp(len(names)) if field == "seed" and len(names) > 6 else None, **legend
                    ),
                    shape=theme.shaped(field, names, **legend),
                    size=alt.Size(
                        "late:Q", scale=alt.Scale(domain=[0, 1], range=[size * 0.25, size * 1.6]), legend=None
                    ),
                )
            )
            charts.append(base.properties(width=side, height=side * 0.9))
        put = alt.hconcat if wide == "page" else alt.vconcat
        return theme.dressed(put(*charts).resolve_scale(color="independent", shape="independent", size="shared"))


def vectors_of(scores: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a snapshot, one column a pair of layers, of the network most runs have; and how many are left out.

    Snapshots with a pair that was not computed are left out, and some between first and last where there are too many.

    Args:
        scores: run, network, step, layer_a, layer_b, score.
    """
    everything = scores.groupby(["run", "step"], observed=True).ngroups
    if not everything:
        return pd.DataFrame(), 0
    network = scores.groupby("network", observed=True)["run"].nunique().idxmax()
    here = scores[scores["network"] == network]
    pairs = here["layer_a"].astype(str) + " / " + here["layer_b"].astype(str)
    wide = here.assign(pair=pairs).pivot(index=["run", "step"], columns="pair", values="score")
    wide = wide.dropna(axis=1, how="all").dropna()
    steps = sorted(set(wide.index.get_level_values("step")))
    while len(wide) > MOST and len(steps) > 2:
        steps = [steps[0], *steps[1:-1][1::2], steps[-1]]
        wide = wide[wide.index.get_level_values("step").isin(steps)]
    wide = wide.iloc[np.unique(np.linspace(0, len(wide) - 1, MOST).astype(int))] if len(wide) > MOST else wide
    return wide, everything - len(wide)


def embedded(vectors: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Principal components, then t-SNE with `random_state` 0.

    Args:
        vectors: (n, p), n at least `LEAST`.

    Returns:
        places: (n, 2).
        perplexity: at most a third of n - 1.
        components: at most 50, n - 1 and p.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE as Embedding
    from threadpoolctl import threadpool_limits

    n, p = vectors.shape
    components = min(COMPONENTS, n - 1, p)
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    embedding = Embedding(
        2, perplexity=perplexity, random_state=0, init="pca" if components > 1 else "random", n_jobs=1
    )
    with threadpool_limits(1):  # the order of sums, and with it the map, would depend on the number of threads
        reduced = PCA(components, svd_solver="full").fit_transform(vectors)
        return embedding.fit_transform(reduced), perplexity, components
