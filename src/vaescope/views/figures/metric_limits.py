"""What similarity measures say of features half of which are the same, for few and many examples: no study needed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd
from numpy.random import RandomState

from vaescope.stats.similarity import similarity
from vaescope.views import theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

FEATURES = 50
EXAMPLES = tuple(range(50, 971, 40))
SHARED = {40: "80 % shared", 25: "50 % shared", 0: "none shared"}
MEASURES = ("cka_biased", "cka", "procrustes")


@FIGURES.register
@final
class MetricLimits(Figure):
    """CKA, debiased CKA and Procrustes similarity of two matrices of 50 uniform features, against examples.

    The matrices are those of the authors' code: features are rows drawn one after another, so that the first 40 (or 25)
    of both are the same numbers.

    References:
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
        Murphy, Zylberberg & Fyshe (2024), Correcting biased centered kernel alignment measures.
            https://arxiv.org/abs/2405.01012
    """

    name: ClassVar[str] = "metric_limits"
    title: ClassVar[str] = "What the measures say of few examples"
    caption: ClassVar[str] = (
        "Similarity of two representations of 50 uniform features that share 80 %, 50 % or none of them, by the number "
        "of examples. Dashed: the share. CKA and Procrustes overestimate where examples are few; debiased CKA does not."
    )

    def table(
        self, results: "Results | None" = None, examples: Sequence[int] = EXAMPLES, **options: Any
    ) -> pd.DataFrame:
        """examples, shared (of 50 features), measure, value, share. The study is not looked at."""
        rows = []
        for n in examples:
            for shared in SHARED:
                x, y = matrices(n, shared)
                rows += [(n, shared, name, similarity(x, y, name), shared / FEATURES) for name in MEASURES]
        return pd.DataFrame(rows, columns=["examples", "shared", "measure", "value", "share"])

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        shown = table.assign(kind=table["measure"].map(wording.measure), panel=table["shared"].map(SHARED))
        panels = list(SHARED.values())
        across = 3 if wide == "page" else 1
        inner = (theme.total(wide) - 35) / across - 10
        names = [wording.measure(name) for name in MEASURES]
        axis = alt.Axis(values=[50, 250, 490, 730, 970], grid=False)
        x = alt.X("examples:Q", title="examples", scale=alt.Scale(domain=[50, 970], nice=False), axis=axis)
        base = alt.Chart().encode(
            x=x,
            y=theme.similarity("similarity", low=min(0.0, float(table["value"].min()))),
            color=theme.named("kind", names),
        )
        legend = {"orient": "bottom", "columns": 3}
        colour, shape = theme.named("kind", names, **legend), theme.shaped("kind", names, **legend)
        line = base.mark_line(strokeWidth=1.1).encode(color=colour)
        dots = base.mark_point(filled=True, size=12, opacity=1, strokeWidth=0).encode(color=colour, shape=shape)
        rule = alt.Chart().mark_rule(color=theme.GREY, strokeDash=[3, 2], strokeWidth=0.7).encode(y="share:Q")
        layered = alt.layer(rule, line, dots, data=theme.data(shown)).properties(
            width=inner, height=105 if across > 1 else 80
        )
        return theme.dressed(layered.facet(**theme.panels(panels, across)))


def matrices(n: int, shared: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 50) and (n, 50), float64: the first `shared` features of both are the same; without any, other seeds.

    >>> x, y = matrices(50, 40)
    >>> x.shape, bool((x[:, :40] == y[:, :40]).all()), bool((x[:, 40:] == y[:, 40:]).any())
    ((50, 50), True, False)
    """
    first = RandomState(0).random_sample((FEATURES, n)).T
    if not shared:
        return first, RandomState(42).random_sample((FEATURES, n)).T
    same = RandomState(0).random_sample((shared, n))
    return first, np.concatenate([same, RandomState(1).random_sample((FEATURES - shared, n))]).T
