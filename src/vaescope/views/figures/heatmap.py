"""Layer by layer similarity of two snapshots, or of the last ones of two settings."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import numpy as np
import pandas as pd

from vaescope.errors import UsageError
from vaescope.stats.measure import MEASURES, Reason
from vaescope.stats.selection import must_know
from vaescope.views import bands, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

MOST_PANELS = {"column": 1, "page": 4}


@FIGURES.register
@final
class Heatmap(Figure):
    """Each layer of one snapshot with each layer of another, the mean over seeds.

    References:
        Kornblith et al. (2019), Similarity of neural network representations revisited.
            https://arxiv.org/abs/1905.00414
        Bonheme & Grzes (2022), How do variational autoencoders learn? https://arxiv.org/abs/2205.08399
    """

    name: ClassVar[str] = "heatmap"
    title: ClassVar[str] = "Layer by layer"
    caption: ClassVar[str] = (
        "Similarity of every layer of one snapshot (rows) to every layer of another (columns), mean over seeds. "
        "Grey cells were not computed; scores below 0 have the colour of 0."
    )

    def table(
        self,
        results: "Results",
        setting: str | None = None,
        other: str | None = None,
        run: str | None = None,
        step_a: int | None = None,
        step_b: int | None = None,
        measure: str | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """One row a cell: setting, panel, layer_a, step_a, layer_b, step_b, score (mean over seeds), seeds, measure.

        Args:
            results: the study.
            setting: of the runs of the rows, as `Evidence.runs` calls it; one setting of each dataset and objective if
                neither it nor `run` is said.
            other: of the runs of the columns, each with the seed of the row's run; the same runs if None.
            run: one run instead of a setting.
            step_a: of the rows; the first snapshot if None, the last where there is another setting.
            step_b: of the columns; the last if None.
            measure: of the study; its main similarity if None.
            **options: not used.

        Raises:
            UsageError: the study has no such setting, run, snapshot or measure.
        """
        name = bands.main_measure(results, measure)
        runs = bands.runs_of(results)
        for what, value, known in (("setting", setting, "setting"), ("setting", other, "setting"), ("run", run, "run")):
            if value is not None:
                must_know(what, value, list(dict.fromkeys(runs[known])))
        if run is not None:
            chosen = {str(s): g for s, g in runs[runs["run"] == run].groupby("setting", sort=False)}
        elif setting is not None:
            chosen = {setting: runs[runs["setting"] == setting]}
        else:
            firsts = runs.drop_duplicates(["dataset", "network", "objective"])["setting"]
            chosen = {str(s): runs[runs["setting"] == s] for s in firsts}
        words, read = wording.strengths(runs), results.blocks(name)
        numbers = {r.id: k for k, r in enumerate(results.folder.runs)}
        tables = []
        for one, members in chosen.items():
            head = members.iloc[0]
            strength = words[str(head["objective"]), str(head["strength"])]
            panel = f"{wording.objective(str(head['objective']))}, {strength}"
            panel = f"{wording.dataset(str(head['dataset']))}: {panel}" if runs["dataset"].nunique() > 1 else panel
            pairs = [(str(r), str(r)) for r in members["run"]]
            if other is not None:
                across = runs[runs["setting"] == other].set_index("seed")["run"].to_dict()
                pairs = [
                    (str(r), str(across[s]))
                    for r, s in zip(members["run"], members["seed"], strict=True)
                    if s in across
                ]
                panel = f"{panel} / {other}"
            cells = [self._cells(results, read, numbers, *pair, step_a, step_b) for pair in pairs]
            if cells and any(c["score"].notna().any() for c in cells):
                keys = ["layer_a", "step_a", "layer_b", "step_b"]
                mean = pd.concat(cells).groupby(keys, sort=False, as_index=False)["score"].agg(["mean", "count"])
                mean = mean.rename(columns={"mean": "score", "count": "seeds"})
                tables.append(mean.assign(setting=one, panel=panel, measure=name))
        columns = ["setting", "panel", "layer_a", "step_a", "layer_b", "step_b", "score", "seeds", "measure"]
        return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)

    def _cells(
        self,
        results: "Results",
        read: Any,
        numbers: dict[str, int],
        a: str,
        b: str,
        step_a: int | None,
        step_b: int | None,
    ) -> pd.DataFrame:
        there = results.snapshot_steps
        at_a = step_a if step_a is not None else there[a][-1 if a != b else 0]
        at_b = step_b if step_b is not None else there[b][-1]
        for run, step in ((a, at_a), (b, at_b)):
            if step not in there[run]:
                raise UsageError(f"run {run}: no snapshot at step {step}; there are {list(there[run])}.")
        i, j = numbers[a], numbers[b]
        block = read(min(i, j), max(i, j))
        score = np.where(block.reason == Reason.OK, block.score, np.nan)
        if i == j:
            score = np.where(np.isnan(score), score.T, score)
        score = score if i <= j else score.T
        slots = [{slot: k for k, slot in enumerate(results.slots_of(side))} for side in (i, j)]
        layers = [list(results.parts_of(run)) for run in (a, b)]
        rows = np.array([slots[0][at_a, layer] for layer in layers[0]])
        columns = np.array([slots[1][at_b, layer] for layer in layers[1]])
        return pd.DataFrame(
            {
                "layer_a": np.repeat(layers[0], len(columns)),
                "step_a": at_a,
                "layer_b": np.tile(layers[1], len(rows)),
                "step_b": at_b,
                "score": score[np.ix_(rows, columns)].ravel().astype(float),
            }
        )

    def note(self, table: pd.DataFrame) -> str:
        panels = list(dict.fromkeys(table["panel"]))
        told = f"Rows: step {int(table['step_a'].iloc[0]):,}; columns: step {int(table['step_b'].iloc[0]):,}. "
        told += f"Means over {wording.counted(int(table['seeds'].max()), 'seed')}."
        left = panels[MOST_PANELS["page"] :]
        return told + (f" Not drawn, but in the data table: {wording.listed(left)}." if left else "")

    def chart(self, table: pd.DataFrame, width: Width | None = None, **options: Any) -> alt.TopLevelMixin:
        wide = width or self.width
        names = list(dict.fromkeys(table["panel"]))[: MOST_PANELS[wide]]
        shown = table[table["panel"].isin(names)]
        rows, columns = (list(dict.fromkeys(shown[c].map(wording.short))) for c in ("layer_a", "layer_b"))
        shown = shown.assign(layer_a=shown["layer_a"].map(wording.short), layer_b=shown["layer_b"].map(wording.short))
        across = min(len(names), 2)
        side = 8.6 * max(len(rows), len(columns)) + 12
        measure = str(table["measure"].iloc[0])
        highest = (
            1.0 if measure not in MEASURES or MEASURES[measure].larger_is_more_similar else float(shown["score"].max())
        )
        steps = [f"step {int(table[c].iloc[0]):,}" for c in ("step_a", "step_b")]
        axis = {"labelOverlap": False, "ticks": False, "domain": False, "labelFontSize": 6.5}
        x = alt.X("layer_b:N", sort=columns, title=f"layer at {steps[1]}", axis=alt.Axis(labelAngle=-90, **axis))
        y = alt.Y("layer_a:N", sort=rows, title=f"layer at {steps[0]}", axis=alt.Axis(**axis))
        scale = alt.Scale(scheme=theme.SCHEME, domain=[0, highest], clamp=True)
        legend = alt.Legend(orient="top", direction="horizontal", gradientLength=110, titleOrient="left", tickCount=3)
        kind = wording.measure(measure)
        title = f"similarity ({kind})" if measure not in MEASURES or MEASURES[measure].larger_is_more_similar else kind
        cells = alt.Chart().mark_rect().encode(x=x, y=y)
        known = cells.transform_filter("isValid(datum.score)")
        known = known.encode(color=alt.Color("score:Q", scale=scale, title=title, legend=legend))
        none = cells.transform_filter("!isValid(datum.score)").encode(color=alt.value(theme.FAINT))
        layered = alt.layer(none, known, data=theme.data(shown, "layer_a", "layer_b", "score", "panel")).properties(
            width=side, height=side
        )
        return theme.dressed(layered.facet(**theme.panels(names, across, side)))
