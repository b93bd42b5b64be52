import altair as alt
import jsonschema
import pandas as pd
import pytest
from tests.views.fake_results import DISTINCT, FakeResults

from vaescope.views import charts, tables

ORDER = [name for name, _ in DISTINCT]
TICKS = [0, 1, 10, 100, 700]


def every_chart() -> dict[str, alt.Chart | alt.LayerChart]:
    results = FakeResults()
    run = results.folder.runs[0].id
    cells = tables.heatmap_table(*results.scores("procrustes"), (run, 0), (run, 700))
    losses = tables.losses_table(results.losses).assign(chosen=True, label="a")
    latents = tables.latents_table(results.latents)
    decoder = [name for name, part in DISTINCT if part == "decoder"]
    return {
        "heatmap": charts.heatmap(cells, ORDER, ORDER, "CKA"),
        "curves": charts.curves(
            tables.curves_table(results.curves, "cka", run, "decoder"), "decoder", decoder, TICKS, "CKA"
        ),
        "settling": charts.settling(tables.settling_table(results.settling, "cka", {}), ORDER, TICKS),
        "losses": charts.losses(losses, "loss", "loss (nats)", TICKS),
        "latents": charts.latents(latents, [str(i) for i in range(10)], TICKS, 3.2),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, alt.Chart | alt.LayerChart]:
    return every_chart()


@pytest.mark.parametrize("name", ["heatmap", "curves", "settling", "losses", "latents"])
def test_a_chart_is_valid_vega_lite_and_can_be_saved_without_a_browser(drawn, name, tmp_path):
    jsonschema.validate(drawn[name].to_dict(), alt.Chart._schema | alt.load_schema())
    drawn[name].save(tmp_path / f"{name}.svg")
    assert (tmp_path / f"{name}.svg").read_text().startswith("<svg")


def test_cells_not_computed_are_struck_out_and_the_others_coloured(drawn, tmp_path):
    drawn["heatmap"].save(tmp_path / "heatmap.svg")
    svg = (tmp_path / "heatmap.svg").read_text()
    assert svg.count("score: not computed") == 2 * (225 - 15)  # a grey square and a stroke each
    assert svg.count("similarity") + svg.count("CKA: ") >= 15


def test_the_colour_scale_is_always_0_to_1_and_cut_below(drawn):
    scales = [layer["encoding"].get("color", {}).get("scale") for layer in drawn["heatmap"].to_dict()["layer"]]
    assert {"scheme": "viridis", "domain": [0, 1], "clamp": True} in scales


def test_layers_keep_network_order_on_both_axes(drawn):
    layer = drawn["heatmap"].to_dict()["layer"][0]
    assert layer["encoding"]["x"]["sort"] == ORDER
    assert layer["encoding"]["y"]["sort"] == ORDER


def test_parts_differ_in_colour_and_in_dash():
    assert len({tuple(dash) for dash in charts.PART_DASHES.values()}) == 3
    assert len({colour for palette in charts.PALETTES.values() for colour in palette}) == sum(
        len(palette) for palette in charts.PALETTES.values()
    )


@pytest.mark.parametrize("colour", [c for palette in charts.PALETTES.values() for c in palette])
def test_every_line_has_contrast_of_3_on_the_light_page_and_on_the_dark_one(colour):
    def luminance(text: str) -> float:
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for page in ("#fcfbf8", "#13161a"):
        bright, dark = sorted((luminance(colour), luminance(page)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3


def test_more_rows_than_altairs_limit_are_drawn_without_touching_its_settings():
    losses = pd.DataFrame({"run": "a", "step": range(6_000), "loss": 1.0, "chosen": True, "label": "a"})
    before = alt.data_transformers.active
    spec = charts.losses(losses, "loss", "loss", [0, 1, 6_000]).to_dict()
    assert len(spec["data"]["values"]) == 6_000
    assert alt.data_transformers.active == before
