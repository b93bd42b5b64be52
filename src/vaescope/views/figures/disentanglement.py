"""When disentanglement appears, beside when layers settle."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.views import bands, lacking, marks, theme
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

CURVES = "layers"
COLUMNS = ["dataset", "network", "row", "score", "step", "value", "low", "high", "runs", "seeds"]
ROWS = {"mean": "scores of mean codes", "sampled": "scores of sampled codes", CURVES: "similarity to final snapshot"}


@FIGURES.register
@final
class Disentanglement(Figure):
    """Scores of mean and sampled codes over steps, above the curves of encoder, latent and decoder layers.

    References:
        Locatello et al. (2019), Challenging common assumptions in the unsupervised learning of disentangled
            representations. https://arxiv.org/abs/1811.12359
    """

    name: ClassVar[str] = "disentanglement"
    title: ClassVar[str] = "Disentanglement and layers over training"
    caption: ClassVar[str] = (
        "Disentanglement scores of mean and of sampled codes at each snapshot, means over runs; beside them the "
        "similarity of layers to their end, floor of step 0 taken off, means over the layers of a part."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, network, row ("mean", "sampled", "layers"), score or part, step, value, low, high, runs, seeds."""
        from vaescope.stats.dynamics.curves import corrected

        evidence = results.evidence()
        scores = evidence.disentanglement
        if not len(scores) or not scores["value"].notna().any():
            return pd.DataFrame(columns=COLUMNS)
        found = scores.rename(columns={"codes": "row"})[["run", "row", "score", "step", "value"]]
        final = bands.own_references(evidence, results)
        final = final[final["reference"].astype(str) == "final"]
        curves = corrected(final)
        curves = curves[curves["part"].astype(str).isin(theme.PARTS)].astype({"part": str})
        curves = (
            curves.groupby(["run", "part", "step", "draw"], observed=True, sort=False)["score"].mean().reset_index()
        )
        curves = curves.rename(columns={"score": "value", "part": "score"}).assign(row=CURVES)
        values = pd.concat([found.assign(draw=-1), curves], ignore_index=True)
        values = values[values["run"].astype(str).isin(set(scores["run"].astype(str)))]
        values = bands.described(values.astype({"row": str, "score": str, "value": float}), evidence.runs)
        return bands.over_seeds(values, ["dataset", "network", "row", "score", "step"])[COLUMNS]

    def missing(self, results: "Results") -> str:
        if lacking.is_recorded(results):
            return lacking.NO_NETWORK
        return "no run was examined whose dataset knows its factors; if one does: give `vaescope examine` on the folder"

    def note(self, table: pd.DataFrame) -> str:
        return bands.noted(table)

    def chart(
        self, table: pd.DataFrame, width: Width | None = None, dataset: str | None = None, **options: Any
    ) -> alt.TopLevelMixin:
        from vaescope.stats.code_score import CODE_SCORES

        wide = width or self.width
        here = bands.one_kind(table, dataset)
        scores = list(dict.fromkeys(here.loc[here["row"] != CURVES, "score"]))
        titles = {s: CODE_SCORES[s].title if s in CODE_SCORES else s.replace("_", " ") for s in scores}
        here = here.assign(label=[titles.get(s, s) for s in here["score"]])
        highest = max(1.0, float(here["value"].max()))
        rows = [row for row in ROWS if (here["row"] == row).any()]
        inner = (theme.total(wide) - 30) / len(rows) - 25 if wide == "page" else 130
        charts = []
        for row in rows:
            shown = bands.drawn(here[here["row"] == row], highest=highest)
            if row == CURVES:
                names = [p for p in theme.PARTS if (shown["label"] == p).any()]
                colours = [theme.PARTS[p] for p in names]
            else:
                names = [titles[s] for s in scores]
                colours = theme.cycle(theme.CATEGORIES, len(names))
            legend = {"orient": "bottom", "columns": 1} if wide == "page" else {"orient": "right", "columns": 1}
            lines = marks.named_lines(shown, "label", names, inner, 110, ROWS[row], colours, legend=legend)
            charts.append(
                alt.layer(*lines.layer, data=theme.data(shown, *marks.LINE, "label")).properties(
                    width=inner, height=110
                )
            )
        put = alt.hconcat if wide == "page" else alt.vconcat
        return theme.dressed(put(*charts).resolve_scale(color="independent", shape="independent"))
