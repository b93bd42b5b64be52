"""Decoder layers over steps, fed in ways that tell what they learned from what they were given."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.views import bands, lacking, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

TITLES = {
    "own": "encoder of the same step",
    "final_encoder": "final encoder",
    "moving_encoder": "final decoder, encoder of the step",
    "fixed_code": "principal components of images",
    "prior": "samples of the prior",
    "sampled": "sampled codes",
    "untrained": "untrained network",
    "untrained_fed": "untrained decoder, final encoder",
}
LINES = ("own", "final_encoder", "moving_encoder", "fixed_code", "prior", "sampled")
COLOURS = ("#111111", "#0072B2", "#C8470A", "#007A5A", "#B0599A", "#6644CC", "#6a6a6a", "#6a6a6a")
MOST_LAYERS = 6
COLUMNS = ["dataset", "network", "control", "layer", "part", "step", "value", "low", "high", "runs", "seeds", "measure"]


@FIGURES.register
@final
class Controls(Figure):
    """Similarity of each decoder layer to its final self under each wiring.

    References:
        Bansal, Nakkiran & Barak (2021), Revisiting model stitching. https://arxiv.org/abs/2106.07682
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "controls"
    title: ClassVar[str] = "Decoders under each wiring"
    caption: ClassVar[str] = (
        "Similarity of each decoder layer to itself at the end of training, when decoder and final decoder are fed as "
        "named. Dashed rules: networks that were never trained."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, network, control, layer, part, step (NaN: never trained), value, low, high, runs, seeds, measure."""
        evidence = results.evidence()
        if not len(evidence.wiring):
            return pd.DataFrame(columns=COLUMNS)
        references = evidence.references
        own = references[
            (references["reference"].astype(str) == "final") & (references["part"].astype(str) == "decoder")
        ]
        wired = [own.assign(control="own"), evidence.wiring]
        untrained = evidence.untrained[evidence.untrained["part"].astype(str) == "decoder"]
        keys = ["dataset", "network", "control", "layer", "part", "step"]
        names = ["run", "control", "layer", "part", "step", "draw", "score"]
        rows = pd.concat([part[names] for part in wired], ignore_index=True)
        values = bands.described(rows.rename(columns={"score": "value"}), evidence.runs)
        tables = [bands.over_seeds(values, keys)]
        if len(untrained):
            rows = untrained.drop(columns="network").rename(columns={"score": "value"}).assign(draw=-1)
            rows = rows.groupby(["run", "control", "layer", "part", "draw"], sort=False, observed=True, as_index=False)
            values = bands.described(pd.DataFrame(rows["value"].mean()), evidence.runs)
            tables.append(bands.over_seeds(values, keys[:-1]))
        table = pd.concat(tables, ignore_index=True).astype({"control": str, "layer": str, "part": str})
        return table.assign(measure=evidence.measure)[COLUMNS]

    def missing(self, results: "Results") -> str:
        return lacking.no_network(results)

    def note(self, table: pd.DataFrame) -> str:
        return bands.noted(table)

    def chart(
        self, table: pd.DataFrame, width: Width | None = None, dataset: str | None = None, **options: Any
    ) -> alt.TopLevelMixin:
        wide = width or self.width
        here = bands.drawn(bands.one_kind(table, dataset))
        panels = list(dict.fromkeys(here["layer"].map(wording.layer)))[:MOST_LAYERS]
        across = min(3 if wide == "page" else 2, len(panels))
        inner = (theme.total(wide) - 35) / across - 10
        there = [c for c in TITLES if (here["control"] == c).any()]
        there += [c for c in dict.fromkeys(here["control"]) if c not in TITLES]
        titles = {c: TITLES.get(c, c.replace("_", " ")) for c in there}
        here = here.assign(panel=here["layer"].map(wording.layer), kind=here["control"].map(titles))
        here = here[here["panel"].isin(panels)]
        order = [titles[c] for c in there]
        known = dict(zip(TITLES, COLOURS, strict=True))
        colours = [known.get(c, theme.GREY) for c in there]
        legend = {"orient": "bottom", "columns": 3 if wide == "page" else 2, "symbolSize": 60}
        colour = theme.named("kind", order, colours, symbolType="stroke", symbolStrokeWidth=1.6, **legend)
        dashes = {"own": [1, 0], "untrained": [2, 2], "untrained_fed": [5, 2]}
        styles = {
            "final_encoder": [1, 0],
            "moving_encoder": [4, 1.5],
            "fixed_code": [1.5, 1.5],
            "prior": [6, 1.5, 1.5, 1.5],
        }
        styles |= dashes | {"sampled": [3, 1]}
        scale = alt.Scale(domain=order, range=[styles.get(c, [1, 0]) for c in there])
        dash = alt.StrokeDash("kind:N", scale=scale, sort=None, legend=alt.Legend(title=None, **legend))
        last = int(here["step"].max())
        lines = marks.banded(
            theme.steps(last, inner), theme.similarity("similarity to the final layer"), colour, None, dash
        )
        rule = alt.Chart().transform_filter("!isValid(datum.step)").mark_rule(strokeWidth=1)
        rule = rule.encode(y=theme.similarity("similarity to the final layer"), color=colour, strokeDash=dash)
        layered = alt.layer(*lines.layer, rule, data=theme.data(here, *marks.LINE, "kind", "panel")).properties(
            width=inner, height=85
        )
        return theme.dressed(layered.facet(**theme.panels(panels, across)))
