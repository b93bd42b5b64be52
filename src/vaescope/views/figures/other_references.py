"""How alike each layer is to itself at step 0, at the snapshot before, and at the end of another seed."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.dynamics.curves import corrected
from vaescope.views import bands, lacking, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

TITLES = {
    ("start", "raw"): "to itself at step 0",
    ("previous", "raw"): "to the previous snapshot",
    ("other", "raw"): "to another seed's end",
    ("other", "corrected"): "the same, floor taken off",
}
COLUMNS = ["dataset", "network", "reference", "reading", "layer", "part", "step", "value", "low", "high", "runs"]
COLUMNS += ["seeds", "measure"]


@FIGURES.register
@final
class OtherReferences(Figure):
    """Similarity of layers over steps to what is not their own end.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited.
            https://arxiv.org/abs/1905.00414
        Raghu et al. (2017), SVCCA. https://arxiv.org/abs/1706.05806
    """

    name: ClassVar[str] = "other_references"
    title: ClassVar[str] = "How layers leave their start and meet other seeds"
    caption: ClassVar[str] = (
        "Similarity of each layer to itself at step 0, at the previous snapshot, and in the final model of the next "
        "seed, as measured and with the similarity that was there at step 0 taken off."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, network, reference, reading, layer, part, step, value, low, high, runs, seeds, measure."""
        evidence = results.evidence()
        references = evidence.references
        tables = []
        for reference, reading in TITLES:
            frame = references[references["reference"].astype(str) == reference]
            frame = corrected(frame) if reading == "corrected" else frame
            values = bands.described(frame.rename(columns={"score": "value"}), evidence.runs)
            values = values[values["part"].astype(str).isin(theme.PARTS)]
            table = bands.over_seeds(values, ["dataset", "network", "layer", "part", "step"])
            tables.append(table.assign(reference=reference, reading=reading, measure=evidence.measure))
        return pd.concat(tables, ignore_index=True)[COLUMNS]

    def missing(self, results: "Results") -> str:
        return lacking.no_parts(results)

    def note(self, table: pd.DataFrame) -> str:
        return bands.noted(table)

    def chart(
        self, table: pd.DataFrame, width: Width | None = None, dataset: str | None = None, **options: Any
    ) -> alt.TopLevelMixin:
        wide = width or self.width
        here = bands.drawn(bands.one_kind(table, dataset))
        kinds = [*zip(here["reference"].astype(str), here["reading"].astype(str), strict=True)]
        here = here.assign(label=here["layer"].map(wording.layer), panel=[TITLES[kind] for kind in kinds])
        panels = [title for title in TITLES.values() if (here["panel"] == title).any()]
        return theme.dressed(marks.by_part(here, panels, wide, 72, "similarity"))
