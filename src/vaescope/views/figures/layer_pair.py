"""How alike two layers of one snapshot are while training goes on, for every strength."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.selection import must_know
from vaescope.views import bands, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width
from vaescope.views.within import within

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_PANELS = 8
COLUMNS = ["dataset", "network", "objective", "strength", "strength_value", "step", "value", "low", "high"]
COLUMNS += ["runs", "seeds", "layer_a", "layer_b", "measure", "line", "panel"]


@FIGURES.register
@final
class LayerPair(Figure):
    """Similarity of two layers at the same snapshot over steps, one line a strength, with bands over seeds.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Bonheme & Grzes (2021), Be more active! https://arxiv.org/abs/2109.12679
    """

    name: ClassVar[str] = "layer_pair"
    title: ClassVar[str] = "Mean and sampled codes"
    caption: ClassVar[str] = (
        "Similarity of the mean to the sampled representation at each snapshot, one line a strength of "
        "regularisation. It falls where latents become passive: the sample is then noise that the mean has not."
    )

    def table(
        self, results: "Results", of: str = "mean", to: str = "sampled", measure: str | None = None, **options: Any
    ) -> pd.DataFrame:
        """dataset, network, objective, strength, step, value, low, high, runs, seeds, layer_a, layer_b, line, panel.

        Args:
            results: the study.
            of: one layer, e.g. "mean" or "input".
            to: the other.
            measure: of the study; its main similarity if None.
            **options: not used.

        Raises:
            UsageError: the study has no such layer or measure.
        """
        for name in (of, to):
            must_know("layer", name, list(dict.fromkeys(results.layers["layer"].astype(str))))
        measure = bands.main_measure(results, measure)
        scores, runs = within(results, measure), bands.runs_of(results)
        here = scores[scores["layer_a"].isin([of, to]) & scores["layer_b"].isin([of, to])]
        values = bands.described(here.rename(columns={"score": "value"}), runs)
        table = bands.over_seeds(values, [*bands.SETTING, "step"])
        words = wording.strengths(runs)
        pairs = list(zip(table["objective"].astype(str), table["strength"].astype(str), strict=True))
        panel = [wording.objective(o) for o, _ in pairs]
        if runs["dataset"].nunique() > 1:
            panel = [f"{wording.dataset(d)}: {p}" for d, p in zip(table["dataset"].astype(str), panel, strict=True)]
        table = table.assign(layer_a=of, layer_b=to, measure=measure, line=[words[p] for p in pairs], panel=panel)
        return table[COLUMNS]

    def note(self, table: pd.DataFrame) -> str:
        left = list(dict.fromkeys(table["panel"]))[MOST_PANELS:]
        more = f" Not drawn, but in the data table: {wording.listed(left)}." if left else ""
        return bands.about_seeds(table) + more

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        panels = list(dict.fromkeys(table["panel"]))[:MOST_PANELS]
        across = min(len(panels), 4 if wide == "page" else 2)
        inner = (theme.total(wide) - 40) / across - 12
        a, b = (wording.layer(str(table[c].iloc[0])) for c in ("layer_a", "layer_b"))
        title = f"similarity of {a} and {b}"
        places = wording.rank(table)
        shown = bands.drawn(table[table["panel"].isin(panels)])
        ranks = [places[str(o), str(s)] for o, s in zip(shown["objective"], shown["strength"], strict=True)]
        shown = shown.assign(rank=[f"{k + 1}" for k in ranks])
        order = [str(k + 1) for k in sorted(set(ranks))]
        told = {str(k): set() for k in order}
        for k, line in zip(shown["rank"], shown["line"], strict=True):
            told[k].add(line)
        names = {k: wording.listed(sorted(v), 5).replace(" and ", ", ") for k, v in told.items()}
        shown = shown.assign(line=shown["rank"].map(names))
        lines = marks.named_lines(
            shown, "line", [names[k] for k in order], inner, 90, title, legend={"orient": "bottom", "columns": 1}
        )
        drawn = alt.layer(lines, data=theme.data(shown, *marks.LINE, "line", "panel")).facet(
            **theme.panels(panels, across, inner)
        )
        return theme.dressed(drawn)
