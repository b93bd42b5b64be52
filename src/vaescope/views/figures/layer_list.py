"""How alike one layer is to every layer of the encoder and the decoder while training goes on."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.selection import must_know
from vaescope.views import bands, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width
from vaescope.views.within import within

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_STRENGTHS = {"column": 2, "page": 5}
COLUMNS = [*bands.SETTING, "layer", "part", "step", "value", "low", "high", "runs", "seeds", "of", "measure", "panel"]


@FIGURES.register
@final
class LayerList(Figure):
    """Similarity of one layer, the input if no other is said, to each encoder and decoder layer of the same snapshot.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "layer_list"
    title: ClassVar[str] = "The input and every layer"
    caption: ClassVar[str] = (
        "Similarity of the input to each layer of the encoder (above) and of the decoder (below) at the same snapshot; "
        "one panel a strength of regularisation."
    )

    def table(self, results: "Results", of: str = "input", measure: str | None = None, **options: Any) -> pd.DataFrame:
        """dataset, network, objective, strength, layer, part, step, value, low, high, runs, seeds, of, panel.

        Args:
            results: the study.
            of: the layer that all others are compared with.
            measure: of the study; its main similarity if None.
            **options: not used.

        Raises:
            UsageError: the study has no such layer or measure.
        """
        must_know("layer", of, list(dict.fromkeys(results.layers["layer"].astype(str))))
        measure = bands.main_measure(results, measure)
        scores, runs = within(results, measure), bands.runs_of(results)
        here = scores[(scores["layer_a"] == of) | (scores["layer_b"] == of)]
        other = here["layer_b"].where(here["layer_a"] == of, here["layer_a"])
        here = here.assign(layer=other)[["run", "step", "layer", "score"]].rename(columns={"score": "value"})
        parts = dict(zip(results.layers["layer"].astype(str), results.layers["part"].astype(str), strict=True))
        here = here.assign(part=here["layer"].map(parts))
        values = bands.described(here[here["part"].isin(["encoder", "decoder"])], runs)
        table = bands.over_seeds(values, [*bands.SETTING, "layer", "part", "step"])
        words = wording.strengths(runs)
        pairs = zip(table["objective"].astype(str), table["strength"].astype(str), strict=True)
        panel = [f"{wording.objective(o)}, {words[o, s]}" for o, s in pairs]
        return table.assign(of=of, measure=measure, panel=panel)[COLUMNS]

    def note(self, table: pd.DataFrame) -> str:
        kinds = table.drop_duplicates(["dataset", "network", "objective"])
        told = [
            f"{wording.objective(str(o))} on {wording.dataset(str(d))}"
            for d, o in zip(kinds["dataset"], kinds["objective"], strict=True)
        ]
        more = f" Drawn: {told[0]}; in the data table as well: {wording.listed(told[1:])}." if len(told) > 1 else ""
        return bands.about_seeds(table) + more

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        head = table.iloc[0]
        here = table[[all(row) for row in zip(*(table[c] == head[c] for c in bands.SETTING[:3]), strict=True)]]
        panels = list(dict.fromkeys(here.sort_values("strength_value", kind="stable")["panel"]))[: MOST_STRENGTHS[wide]]
        here = bands.drawn(here[here["panel"].isin(panels)])
        inner = min((theme.total(wide) - 100) / len(panels) - 8, 190)
        rows = []
        for part in ("encoder", "decoder"):
            shown = here[here["part"] == part].copy()
            shown["label"] = shown["layer"].map(wording.layer)
            names = list(dict.fromkeys(shown["label"]))
            legend = {"orient": "right", "columns": 1}
            title = f"similarity to the {wording.layer(str(head['of']))}"
            lines = marks.named_lines(shown, "label", names, inner, 80, title, legend=legend)
            drawn = alt.layer(lines, data=theme.data(shown, *marks.LINE, "label", "panel"))
            rows.append(drawn.facet(**theme.panels(panels, len(panels), inner)))
        return theme.dressed(alt.vconcat(*rows).resolve_scale(color="independent", shape="independent"))
