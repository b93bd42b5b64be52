"""Figures for a paper: colours that all eyes tell apart, letters that are there, widths that are kept."""

import re
from itertools import combinations

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from tests.views.figures.colour_vision import DEUTERANOPIA, NORMAL, PROTANOPIA, contrast_on_white, difference, lab

from vaescope.views import theme
from vaescope.views.figures import controls, decomposition, latents, sensitivity

LINES = [*theme.CATEGORIES, *theme.PARTS.values(), *theme.WORDS.values(), *controls.COLOURS, *sensitivity.COLOURS]
SETS = {
    "categories": theme.CATEGORIES,
    "parts": tuple(theme.PARTS.values()),
    "words": tuple(theme.WORDS.values()),
    "controls": controls.COLOURS[:6],
    "sensitivity": sensitivity.COLOURS,
    "latents": latents.COLOURS,
    "decomposition": decomposition.COLOURS,
}


@pytest.mark.parametrize("colour", sorted({*LINES, *theme.ramp(5), *theme.ramp(12), theme.GREY}))
def test_lines_and_marks_have_a_contrast_of_three_to_one_on_white(colour):
    assert contrast_on_white(colour) >= 3


@pytest.mark.parametrize("vision", [NORMAL, DEUTERANOPIA, PROTANOPIA], ids=["all cones", "deuteranopia", "protanopia"])
@pytest.mark.parametrize("name", SETS)
def test_colours_that_stand_together_are_told_apart_by_all_eyes(name, vision):
    apart = {pair: difference(*pair, vision) for pair in combinations(SETS[name], 2)}
    assert min(apart.values()) > 9, sorted(apart.items(), key=lambda kv: kv[1])[:3]


@pytest.mark.parametrize("vision", [NORMAL, DEUTERANOPIA, PROTANOPIA], ids=["all cones", "deuteranopia", "protanopia"])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_the_ramp_gets_lighter_from_step_to_step_for_all_eyes(count, vision):
    lightness = [lab(colour, vision)[0] for colour in theme.ramp(count)]
    assert (np.diff(lightness) > 2.5).all()


def test_two_of_the_simulated_colours_that_are_known_to_be_confused_are_found():
    assert difference("#00a000", "#c04000", DEUTERANOPIA) < 0.5 * difference("#00a000", "#c04000")


@pytest.mark.parametrize("width", [60, 130, 400])
@pytest.mark.parametrize("last", [1, 4, 700, 3000, 300_000])
def test_step_ticks_have_both_ends_and_stand_apart(last, width):
    ticks = theme.ticks(last, width)
    places = np.log1p(ticks) * width / np.log1p(last)
    assert (ticks[0], ticks[-1]) == (0, last)
    assert (np.diff(places) >= 21).all()


def test_many_powers_of_ten_are_ticks_where_there_is_room():
    assert theme.ticks(300_000, 400) == [0, 1, 10, 100, 1000, 10_000, 100_000, 300_000]


def simple(width: float, columns: int = 1) -> alt.TopLevelMixin:
    """Lines in one panel or several, with numbers and words of different lengths beside them."""
    rows = pd.DataFrame({"step": [0, 10, 3000] * 2, "value": [0.0, 0.4, 1.0] * 2, "panel": ["a"] * 3 + ["b"] * 3})
    line = alt.Chart(theme.data(rows)).mark_line()
    line = line.encode(x=theme.steps(3000, width), y=theme.similarity("similarity")).properties(width=width, height=60)
    return theme.dressed(line.facet(**theme.panels(["a", "b"], columns)) if columns > 1 else line)


def size(spec: dict) -> tuple[float, float]:
    svg = vl_convert.vegalite_to_svg(spec)
    found = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize(("guess", "columns"), [(330, 1), (600, 1), (160, 2)])
def test_a_fitted_chart_is_as_wide_as_a_column_or_a_page(width, guess, columns):
    wide, high = size(theme.fitted(simple(guess, columns), theme.total(width)))
    assert theme.total(width) - 3 < wide <= theme.total(width)
    assert high == pytest.approx(size(simple(guess, columns).to_dict())[1], abs=2)  # as high as it was


def test_a_chart_made_for_little_room_does_not_fill_a_page():
    wide, _ = size(theme.fitted(simple(100), theme.total("page")))
    assert wide <= theme.total("column")


def test_a_legend_wider_than_the_panel_does_not_make_it_wider_than_the_page():
    row = pd.DataFrame({"a": [1], "b": [1], "c": ["a long word " * 3]})
    cells = alt.Chart(theme.data(row)).mark_rect().encode(x="a:O", y="b:O")
    cells = cells.encode(color=alt.Color("c:N", legend=alt.Legend(orient="top", labelLimit=400, title="and a title")))
    wide, _ = size(theme.fitted(theme.dressed(cells.properties(width=60, height=60)), 238))
    assert 225 < wide <= 238


def test_a_square_panel_stays_square():
    cells = alt.Chart(alt.InlineData(values=[{"a": 1, "b": 1}])).mark_rect().encode(x="a:O", y="b:O")
    spec = theme.fitted(theme.dressed(cells.properties(width=80, height=80)), 300)
    assert spec["width"] == spec["height"] > 80


def test_letters_are_of_the_font_that_comes_with_vl_convert_and_at_least_six_points():
    spec = simple(200).to_dict()
    assert spec["config"]["font"].startswith("Liberation Sans")
    svg = vl_convert.vegalite_to_svg(spec)
    sizes = {float(s) for s in re.findall(r'font-size="([\d.]+)px"', svg)}
    assert sizes
    assert min(sizes) >= 6.5
    assert max(sizes) <= 9
    assert b"LiberationSans" in vl_convert.vegalite_to_pdf(spec)
