"""How alike each layer is to itself at the end of training, as it is and with the floor of step 0 taken off."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.stats.dynamics.curves import corrected
from vaescope.views import bands, marks, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

TITLES = {"raw": "as measured", "corrected": "floor of step 0 taken off"}
COLUMNS = ["dataset", "network", "reading", "layer", "part", "step", "value", "low", "high", "runs", "seeds", "measure"]


@FIGURES.register
@final
class Curves(Figure):
    """Similarity to the final snapshot over steps, one line a layer, means over all runs of a dataset and network.

    References:
        Raghu et al. (2017), SVCCA, section 3.1. https://arxiv.org/abs/1706.05806
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "curves"
    title: ClassVar[str] = "When layers become what they end as"
    caption: ClassVar[str] = (
        "Similarity of each layer to itself in the final snapshot of its run, mean over runs. Above: as measured; "
        "below: with the similarity that was there at step 0 taken off, so that every curve starts at 0. Scores below "
        "0 are drawn at 0."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, network, reading ("raw", "corrected"), layer, part, step, value, low, high, runs, seeds, measure."""
        evidence = results.evidence()
        references = bands.own_references(evidence, results)
        final = references[references["reference"].astype(str) == "final"]
        tables = []
        for reading, frame in (("raw", final), ("corrected", corrected(final))):
            values = bands.described(frame.rename(columns={"score": "value"}), evidence.runs)
            values = values[values["part"].astype(str).isin(theme.PARTS)]
            table = bands.over_seeds(values, ["dataset", "network", "layer", "part", "step"])
            tables.append(table.assign(reading=reading, measure=evidence.measure))
        return pd.concat(tables, ignore_index=True)[COLUMNS]

    def note(self, table: pd.DataFrame) -> str:
        return bands.noted(table)

    def chart(
        self, table: pd.DataFrame, width: Width | None = None, dataset: str | None = None, **options: Any
    ) -> alt.TopLevelMixin:
        wide = width or self.width
        here = bands.drawn(bands.one_kind(table, dataset))
        here = here.assign(label=here["layer"].map(wording.layer), panel=here["reading"].map(TITLES))
        readings = [TITLES[r] for r in TITLES if (here["reading"] == r).any()]
        return theme.dressed(marks.by_part(here, readings, wide, 95, "similarity to final snapshot"))
