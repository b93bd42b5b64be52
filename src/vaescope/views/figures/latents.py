"""How many latents are active, mixed and passive while training goes on."""

from typing import TYPE_CHECKING, Any, ClassVar, final

import altair as alt
import pandas as pd

from vaescope.views import bands, lacking, theme, wording
from vaescope.views.figure import FIGURES, Figure, Width

if TYPE_CHECKING:
    from vaescope.stats.results import Results

KINDS = {"active": "active", "mixed": "mixed", "passive": "passive"}
COLOURS = ("#0072B2", "#E69F00", "#d9d9d9")
MOST_PANELS = {"column": 6, "page": 20}
COLUMNS = [*bands.SETTING, "step", "kind", "value", "low", "high", "runs", "seeds", "panel"]


@FIGURES.register
@final
class Latents(Figure):
    """Kinds of latents over steps, one panel a setting.

    References:
        Bonheme & Grzes (2021), Be more active! https://arxiv.org/abs/2109.12679
    """

    name: ClassVar[str] = "latents"
    title: ClassVar[str] = "Latents over training"
    caption: ClassVar[str] = (
        "How many latents are active (posterior variance near 0 for all examples), passive (near the prior's 1) and "
        "mixed (neither) at each snapshot, mean over seeds."
    )

    def table(self, results: "Results", **options: Any) -> pd.DataFrame:
        """dataset, network, objective, strength, step, kind, value (latents), low, high, runs, seeds, panel."""
        evidence = results.evidence()
        rows = evidence.posterior[["run", "step", *KINDS]].melt(["run", "step"], var_name="kind", value_name="value")
        values = bands.described(rows, evidence.runs)
        table = bands.over_seeds(values.astype({"value": float}), [*bands.SETTING, "step", "kind"])
        words = wording.strengths(evidence.runs)
        pairs = zip(table["objective"].astype(str), table["strength"].astype(str), strict=True)
        return table.assign(panel=[f"{wording.objective(o)}, {words[o, s]}" for o, s in pairs])[COLUMNS]

    def missing(self, results: "Results") -> str:
        return lacking.no_latents(results)

    def note(self, table: pd.DataFrame) -> str:
        kinds = list(dict.fromkeys(table["dataset"] + ", " + table["network"]))
        more = f" Drawn: {kinds[0]}; in the data table as well: {wording.listed(kinds[1:])}." if len(kinds) > 1 else ""
        return f"Means over {wording.counted(int(table['seeds'].max()), 'seed')}.{more}"

    def chart(
        self, table: pd.DataFrame, width: Width | None = None, dataset: str | None = None, **options: Any
    ) -> alt.TopLevelMixin:
        wide = width or self.width
        here = bands.one_kind(table, dataset)
        order = {o: k for k, o in enumerate(dict.fromkeys(here["objective"].astype(str)))}
        sorted_ = here.assign(place=here["objective"].astype(str).map(order))
        sorted_ = sorted_.sort_values(["place", "strength_value"], kind="stable")
        per = sorted_.drop_duplicates("panel").groupby("place").size()
        most = int(per.max())
        panels = list(dict.fromkeys(sorted_["panel"]))[: MOST_PANELS[wide]]
        across = most if wide == "page" and 1 < most <= 5 and (per == most).all() else 4 if wide == "page" else 2
        across = min(across, len(panels))
        if wide == "page" and across == 2 and len(panels) >= 4:
            across = 4
        shown = here[here["panel"].isin(panels)].assign(place=lambda t: t["kind"].map(list(KINDS).index))
        inner = (theme.total(wide) - 35) / across - 10
        most_latents = float(shown.groupby(["panel", "step"], observed=True)["value"].sum().max())
        colour = theme.named("kind", list(KINDS), COLOURS, orient="bottom", symbolType="square", columns=3)
        y = alt.Y(
            "value:Q",
            stack="zero",
            title="latents",
            scale=alt.Scale(domain=[0, most_latents], nice=False),
            axis=alt.Axis(tickCount=3, grid=False, format=".4~g"),
        )
        area = alt.Chart(theme.data(shown, "step", "value", "kind", "place", "panel")).mark_area(
            opacity=1, strokeWidth=0
        )
        area = area.encode(
            x=theme.steps(int(shown["step"].max()), inner), y=y, color=colour, order=alt.Order("place:Q")
        )
        return theme.dressed(
            area.properties(width=inner, height=52 if len(panels) > 8 else 66).facet(
                **theme.panels(panels, across, inner)
            )
        )
