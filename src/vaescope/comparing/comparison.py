"""What a comparison of two models found: the matrix of their layers, and what people ask of it first."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UsageError
from vaescope.stats.measure import Reason
from vaescope.zoo import SimilarityMatrix

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def namesakes(rows: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Label among the rows -> label of the same name among the columns.

    Where no name is in both, but most of one side's are the other's behind one prefix, as where a model is part of
    another, the names are held to be the same but for that prefix.

    >>> namesakes(["a", "b"], ["b", "c"])
    {'b': 'b'}
    >>> namesakes(["norm", "blocks.0"], ["vit.norm", "vit.blocks.0", "head"])
    {'norm': 'vit.norm', 'blocks.0': 'vit.blocks.0'}
    """
    there = set(columns)
    if same := {label: label for label in rows if label in there}:
        return same
    inner, outer = (rows, columns) if len(rows) <= len(columns) else (columns, rows)
    for short, long in ((inner, outer), (outer, inner)):
        ends = [
            (name.removesuffix(label), label, name) for label in short for name in long if name.endswith(f".{label}")
        ]
        counts = Counter(prefix for prefix, _, _ in ends)
        if counts and counts.most_common(1)[0][1] > len(short) / 2:
            prefix = counts.most_common(1)[0][0]
            pairs = {label: name for p, label, name in ends if p == prefix}
            return pairs if short is rows else {name: label for label, name in pairs.items()}
    return {}


@dataclass(frozen=True, repr=False)
class Comparison(SimilarityMatrix):
    """Scores of every layer of one model with every layer of another, on the same examples.

    Rows are the layers of the first, columns those of the second; of a model compared with itself they are the same.
    All that `SimilarityMatrix` has is there: `matrix`, `to_pandas`, `["layer of a", "layer of b"]`, `warnings`.

    Attributes:
        names: what the two are called.
        own: whether the model was compared with itself.
        identical: layers of the first whose namesakes gave the same numbers, bit for bit.
        interval: "jackknife" or "subsample" where "low" and "high" are there, else None.
        level: intended coverage of the interval.
    """

    names: tuple[str, str] = field(default=("a", "b"), kw_only=True)
    own: bool = field(default=False, kw_only=True)
    identical: tuple[str, ...] = field(default=(), kw_only=True)
    interval: str | None = field(default=None, kw_only=True)
    level: float = field(default=0.95, kw_only=True)

    def __repr__(self) -> str:
        sides = self.names[0] if self.own else " x ".join(self.names)
        return super().__repr__().replace("SimilarityMatrix(", f"Comparison({sides}, ", 1)

    def _repr_html_(self) -> str:
        from vaescope.views.likeness import comparison_html

        return comparison_html(self)

    def table(self) -> "pd.DataFrame":
        """A row a pair of layers.

        Returns:
            layer_a, layer_b, score, reason ("ok", or why there is no score), same_name, width_a, width_b (features),
            and a column for each of `extras`: low and high of the interval, those of the null.
        """
        frame = self.to_pandas(tidy=True).rename(columns={"x": "layer_a", "y": "layer_b"})
        a, b = self.matrix.shape
        widths = np.repeat(self.widths[0], b), np.tile(self.widths[1], a)
        same = frame["layer_a"].map(self.namesakes) == frame["layer_b"]
        frame = frame.assign(same_name=same, width_a=widths[0], width_b=widths[1])
        first = ["layer_a", "layer_b", "score", *self.extras, "reason", "same_name"]
        return frame[first + [name for name in frame.columns if name not in first]]

    def best(self) -> "pd.DataFrame":
        """For each layer of the first model, the layer of the second that is most similar to it.

        Of a model compared with itself: the most similar other layer. Where another layer is about as similar, the
        choice of the best is by chance: `second_score` tells.

        Returns:
            layer_a, layer_b, score, low and high where there is an interval, same_name (whether they have the same
            name), second (the next layer), second_score; NaN and "" where a layer has no score.
        """
        import pandas as pd

        order = self._ranked()
        rows = []
        for i, label in enumerate(self.rows):
            found = [int(j) for j in order[i] if np.isfinite(self.matrix[i, j]) and not (self.own and i == j)]
            j, k = (found[place] if len(found) > place else None for place in (0, 1))
            rows.append(
                {
                    "layer_a": label,
                    "layer_b": "" if j is None else self.columns[j],
                    "score": np.nan if j is None else self.matrix[i, j],
                    **self._bounds(i, j),
                    "same_name": j is not None and self.columns[j] == self.namesakes.get(label),
                    "second": "" if k is None else self.columns[k],
                    "second_score": np.nan if k is None else self.matrix[i, k],
                }
            )
        return pd.DataFrame(rows)

    def diagonal(self) -> "pd.DataFrame":
        """The layers of the same name in both, in the order of the first: which layers differ?

        Returns:
            layer_a, layer_b (the same but for a prefix, see `namesakes`), score, low and high where there is an
            interval, identical (the same numbers, bit for bit), reason ("ok", or why there is no score). No rows where
            no layer has the same name in both.

        Raises:
            UsageError: the model was compared with itself.
        """
        import pandas as pd

        if self.own:
            raise UsageError(
                f"diagonal: {self.names[0]} was compared with itself, where each layer is its own. See best() or "
                "table()."
            )
        ends = [name for name in ("low", "high") if name in self.extras]
        rows = []
        for label, other in self.namesakes.items():
            i, j = self.rows.index(label), self.columns.index(other)
            reason = Reason(int(self.reasons[i, j])).label
            rows.append(
                [label, other, self.matrix[i, j], *self._bounds(i, j).values(), label in self.identical, reason]
            )
        return pd.DataFrame(rows, columns=["layer_a", "layer_b", "score", *ends, "identical", "reason"])

    @cached_property
    def namesakes(self) -> dict[str, str]:
        """Layer of the first -> layer of the same name in the second, in the order of the first."""
        return namesakes(self.rows, self.columns)

    def plot(self) -> "alt.LayerChart | alt.FacetChart":
        """A heatmap: the first model's layers from top to bottom, the second's from left to right.

        A frame is where a layer of the first finds its best match. An Altair chart; `chart.save("figure.svg")` keeps
        it.
        """
        from vaescope.views.likeness import best_pairs

        return self._heatmap(self.names if not self.own else (self.names[0], ""), best_pairs(self))

    def summary(self) -> str:
        """What was found, in plain words; a sentence or two a line."""
        from vaescope.views.likeness import summary

        return "\n".join(summary(self))

    def _ranked(self) -> np.ndarray:
        """Columns from the most similar to the least, for each row; those without a score last."""
        towards = -self.matrix if self.measure.larger_is_more_similar else self.matrix
        return np.argsort(np.where(np.isnan(towards), np.inf, towards), axis=1, kind="stable")

    def _bounds(self, i: int, j: int | None) -> dict[str, float]:
        there = [name for name in ("low", "high") if name in self.extras]
        return {name: np.nan if j is None else float(self.extras[name][i, j]) for name in there}
