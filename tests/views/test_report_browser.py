"""The report in a real Chromium. The fixture `opened` also fails a test for any console line or network request."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from tests.views.driving import choose, look, numbers, tip
from tests.views.fake_results import DISTINCT, FakeResults, study

pytestmark = pytest.mark.browser

ORDER = [name for name, _ in DISTINCT]
VIEWS = ("view-heat", "view-cell", "view-curves", "view-latents")


def values(rows: list[list[str]]) -> np.ndarray:
    """The numbers of a table as it shows them; NaN where there is none."""
    return np.array([[float("nan") if t == "·" else float(t.replace("−", "-")) for t in row[1:]] for row in rows])


def scores(results: FakeResults, measure: str, a: tuple[int, int], b: tuple[int, int]) -> np.ndarray:
    """Every layer of one snapshot with every layer of another, given as (position of the run, step)."""
    index, matrix = results.scores(measure)
    where = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
    runs = [run.id for run in results.folder.runs]
    rows, columns = ([where[runs[run], step, name] for name in ORDER] for run, step in (a, b))
    return matrix[np.ix_(rows, columns)]


def serious(page: Page) -> list[tuple[str, str, str]]:
    """What axe finds serious or worse."""
    found = Axe().run(page).response["violations"]
    return [(v["id"], v["impact"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]


def test_it_opens_with_the_verdicts_and_why(opened, written):
    page = opened(written()).page
    first = page.locator("main > section").first
    assert first.get_attribute("id") == "verdicts"
    rulings = page.locator("#verdicts .verdict")
    assert rulings.count() >= 5
    words = {"yes": "supported", "no": "not supported", "open": "undecided"}
    for ruling in rulings.all():
        tone = ruling.get_attribute("class").split()[-1]
        assert ruling.locator(".ruling b").text_content() == words[tone]
        assert ruling.locator(".ruling use").get_attribute("href") == f"#mark-{tone}"
        assert ruling.locator(".without b").text_content() in words.values()
        assert len(ruling.locator(".why").text_content()) > 10
        href = ruling.locator(".foot a").first.get_attribute("href")
        assert href.startswith("#")
        assert page.locator(href).count() == 1
    drawn = page.locator("#verdicts .against:has(circle)")
    assert drawn.count() >= 1
    assert drawn.first.locator(".threshold").count() >= 1


def test_the_three_figures_are_drawn_and_their_points_are_told(opened, written):
    page = opened(written()).page
    for name in ("figure-curves", "figure-leads", "figure-across"):
        look(page, name)
        stage = page.locator(f"#{name} .stage").first
        stage.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#tip").is_visible()
        assert any(re.search(r"\d", text) for text in tip(page).values())
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_the_heatmap_shows_what_the_pickers_say(opened, written):
    results = FakeResults()
    page = opened(written()).page
    look(page, "view-heat")
    for seed, run in [("0", 0), ("1", 1)]:
        choose(page, pick_seed=seed, pick_step=4)
        assert page.locator("#pick-step-out").text_content() == "step 11"
        np.testing.assert_allclose(
            values(numbers(page, "heat-table")), scores(results, "cka", (run, 11), (run, 700)), atol=0.0101
        )
    choose(page, pick_strength=1, pick_seed="0", pick_against="same")
    same = scores(results, "cka", (2, 11), (2, 11))
    np.testing.assert_allclose(values(numbers(page, "heat-table")), same, atol=0.0101)
    choose(page, pick_seed="all", pick_against="end")
    mean = np.mean([scores(results, "cka", (run, 11), (run, 700)) for run in (2, 3)], 0)
    np.testing.assert_allclose(values(numbers(page, "heat-table")), mean, atol=0.0101)
    choose(page, pick_measure="procrustes")
    assert "cells not computed" in page.locator("#heat-status").text_content()
    choose(page, pick_measure="cka", pick_seed="0", pick_reading="corrected")
    score, floor = (scores(results, "cka", (2, step), (2, 700)) for step in (11, 0))
    got = values(numbers(page, "heat-table"))
    known = np.isfinite(got) & (floor < 0.9)
    np.testing.assert_allclose(got[known], (score[known] - floor[known]) / (1 - floor[known]), atol=0.03)


def test_one_picker_acts_on_all_views(opened, written):
    page = opened(written()).page
    look(page, *VIEWS)

    def shown() -> list[str]:
        page.wait_for_selector("html[data-ready=yes]")
        look(page, *VIEWS)
        return [page.locator(f"#{view}").inner_html() for view in VIEWS]

    before = shown()
    for change in ({"pick_strength": 1}, {"pick_step": 3}, {"pick_seed": "1"}, {"pick_measure": "procrustes"}):
        choose(page, **change)
        after = shown()
        changed = [a != b for a, b in zip(before, after, strict=True)]
        assert all(changed[: 3 if "pick_measure" in change else 4]), change
        before = after
    for change in ({"pick_reference": "start"}, {"pick_reading": "corrected"}):
        choose(page, pick_measure="cka", **change)
        after = shown()
        assert after[2] != before[2], change
        before = after


def test_a_cell_gives_its_curve_and_its_drill_down_by_mouse_and_by_keyboard(opened, written):
    page = opened(written()).page
    look(page, "view-heat", "view-cell")
    page.locator("#heat-table tbody tr").nth(2).locator("td").nth(3).click()
    assert page.locator("#cell-title").text_content() == f"{ORDER[2]} with {ORDER[3]}"
    assert page.locator("#cell svg .line").count() == 1
    for key in ("Home", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#cell-title").text_content() == ORDER[2]
    facts = page.locator("#cell-facts").inner_text()
    for told in ("By chance", "Calibrated", "Participation ratio", "n = "):
        assert told in facts
    assert page.locator("#cell svg .line").count() == 2  # the score, and chance
    assert page.locator("td[aria-selected=true]").count() == 1
    choose(page, pick_step=0)
    dead = page.locator("#heat-table tbody tr").nth(12).locator("td").nth(12)
    dead.click()
    assert page.locator("#cell-facts .flags li").count() >= 1
    assert len(page.locator("#cell-facts .flags li").first.text_content()) > 20


def test_hovering_shows_values_with_their_intervals(opened, written):
    page = opened(written()).page
    look(page, "view-heat")
    page.locator("#heat-table tbody tr").nth(8).locator("td").nth(8).hover()
    assert tip(page)["row"] == ORDER[8]
    assert re.match(r"−?\d\.\d+ to −?\d\.\d+", tip(page)["interval"])
    look(page, "view-curves")
    box = page.locator("#curves-decoder svg .mark").nth(3).evaluate("e => e.getBoundingClientRect().toJSON()")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert re.match(r"−?\d\.\d+ to −?\d\.\d+", tip(page)["interval"])
    assert {"step", "value"} <= set(tip(page))


def test_everything_is_reached_and_worked_by_keyboard(opened, written):
    page = opened(written()).page
    look(page, "view-heat", "view-cell", "view-curves")
    name = "e => e.id || `${e.closest('[id]')?.id} ${e.textContent.slice(0, 20)}`"
    wanted = page.locator("a, select, input, button, summary, .stage, td[tabindex='0'], pre").evaluate_all(
        f"all => all.filter(e => e.checkVisibility() && !e.disabled).map({name})"
    )
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' }); document.activeElement.blur()")
    reached = set()
    for _ in range(len(wanted) + 40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"({name})(document.activeElement)"))
    assert {w for w in wanted if not w.startswith("method")} - reached == set()
    page.locator("#pick-step").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#pick-step-out").text_content() == "step 1"
    page.locator("#curves-decoder .stage").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.getElementById('said').textContent.includes('decoder')")


def test_two_runs_stand_side_by_side_and_are_compared(opened, written):
    results = FakeResults()
    page = opened(written()).page
    look(page, "view-heat")
    assert page.locator("#heat-table-b").is_hidden()
    page.locator("#pick-both").check()
    choose(page, pick_seed="0", pick_b_strength=1, pick_b_seed="1", pick_step=5)
    one, other = page.locator("#heat-table").bounding_box(), page.locator("#heat-table-b").bounding_box()
    assert other["x"] >= one["x"] + one["width"] - 1
    np.testing.assert_allclose(
        values(numbers(page, "heat-table-b")), scores(results, "cka", (3, 25), (3, 700)), atol=0.0101
    )
    choose(page, pick_against="other")
    between = scores(results, "cka", (0, 25), (3, 25))
    np.testing.assert_allclose(values(numbers(page, "heat-table")), between, atol=0.0101)
    page.locator("#view-curves").scroll_into_view_if_needed()
    page.wait_for_selector("#curves-decoder-b svg")
    assert serious(page) == []
    page.locator("#pick-both").uncheck()
    assert page.locator("#heat-table-b").is_hidden()


def test_the_slider_changes_the_pictures(opened, written):
    page = opened(written()).page
    seen = set()
    page.locator("#view-pictures").scroll_into_view_if_needed()
    page.wait_for_selector("#picture-pairs[alt*=step]")
    for position in (0, 9):
        choose(page, pick_step=position, pick_seed="0")
        step = page.locator("#pick-step-out").text_content()
        page.locator("#view-pictures").scroll_into_view_if_needed()
        image = page.locator(f"#picture-walk[alt$='{step}']")
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") > 100
        seen.add(image.get_attribute("src"))
    assert len(seen) == 2


def test_the_address_holds_the_view(opened, written):
    page = opened(written()).page
    look(page, "view-heat", "view-cell")
    choose(page, pick_strength=1, pick_seed="1", pick_step=3, pick_reading="corrected")
    page.locator("#heat-table tbody tr").nth(11).locator("td").nth(12).click()
    page.wait_for_function("name => location.hash.includes(`column=${name}`)", arg=ORDER[12])
    address = page.evaluate("location.hash")
    told = page.locator("#cell-facts").text_content()
    other = opened(written(), fragment=address).page
    look(other, "view-heat", "view-cell")
    assert other.locator("#cell-title").text_content() == f"{ORDER[11]} with {ORDER[12]}"
    assert other.locator("#cell-facts").text_content() == told
    assert numbers(other, "heat-table") == numbers(page, "heat-table")
    lost = opened(written(), fragment="#explore&dataset=none&step=3.5&measure=__proto__&row=x&column=y&seed=99").page
    look(lost, "view-heat")
    assert lost.locator("#pick-seed").input_value() == "all"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (360, "dark")])
def test_axe_finds_nothing_serious(opened, written, width, scheme):
    page = opened(written(), width=width, color_scheme=scheme).page
    look(page, "figure-curves", "figure-leads", "figure-across", *VIEWS)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert serious(page) == []


@pytest.mark.parametrize("width", [320, 360, 800, 1440, 2560])
def test_the_page_never_scrolls_sideways(opened, written, width):
    page = opened(written(), width=width).page
    look(page, "figure-curves", "figure-leads", "figure-across", *VIEWS)
    page.locator("#pick-both").check()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    boxes = page.locator(".stage svg, .heatmap").evaluate_all(
        "all => all.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) > 8
    assert [box for box in boxes if box["left"] < 0 or box["right"] > width + 1] == []


def test_without_javascript_the_words_and_tables_remain(opened, written):
    page = opened(written(), ready=False, java_script_enabled=False).page
    text = page.locator("body").inner_text()
    for told in ("JavaScript is off", "with controls", "decoder layers take", "final loss", "beta 8, seed 1"):
        assert told in text
    assert page.locator("#explore").is_hidden()
    assert page.locator("noscript img:visible").count() == 4


def test_it_prints_verdicts_figures_and_tables_without_pickers(opened, written):
    page = opened(written()).page
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("nav").is_hidden()
    assert page.locator("#explore").is_hidden()
    assert page.locator("#figures svg:visible").count() >= 3
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) >= 2


STAGES = {
    "not started": {"snapshots": 0},
    "one snapshot": {"snapshots": 1},
    "nothing compared": {"without": ("cka", "procrustes")},
    "not examined": {"are_examined": False},
    "one diverged": {"diverged": 1},
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_partial_study_says_what_is_missing_and_its_pickers_work(opened, written, stage):
    page = opened(written(stage, FakeResults(**STAGES[stage]))).page
    head = page.locator("header.top").inner_text() + page.locator("#verdicts").inner_text()
    told = {"not started": "missing", "one diverged": "diverged at step 5 (loss is nan)", "not examined": "examine"}
    assert told.get(stage, "missing") in head
    assert re.findall(r"\bnan\b", page.locator("main").inner_text(), re.IGNORECASE) == []
    page.evaluate("document.querySelectorAll('.view').forEach(v => v.scrollIntoView())")
    if page.locator("#pick-seed").count():
        for seed in page.locator("#pick-seed option").evaluate_all("all => all.map(o => o.value)"):
            choose(page, pick_seed=seed, pick_step=0)
    assert page.locator("html").get_attribute("data-ready") == "yes"


def test_without_a_snapshot_at_step_0_there_is_no_floor_and_the_page_says_why(opened, written):
    results = FakeResults(study(seeds=1, objectives={"vae": {}}, snapshots=[1, 5]), first=1)
    page = opened(written("no start", results)).page
    assert re.findall(r"\bnan\b", page.locator("main").inner_text(), re.IGNORECASE) == []
    assert "There is no snapshot at step 0" in page.locator("#tables").inner_text()


def test_how_a_claim_was_judged_is_not_cut_off_on_a_wide_screen(opened, written):
    page = opened(written(), width=1440).page
    first = page.locator("#verdicts .verdict").first
    first.locator("summary").click()
    assert first.locator(".scroll").evaluate("e => e.scrollWidth <= e.clientWidth")


class OfLossAlone(FakeResults):
    """A study of which nothing but the loss was logged."""

    @property
    def losses(self):
        return super().losses.assign(reconstruction=np.nan, kl=np.nan)


def test_losses_that_were_not_recorded_are_named_and_the_others_drawn(opened, written):
    page = opened(written("loss alone", OfLossAlone())).page
    look(page, "view-losses")
    assert page.locator("#losses-loss svg").count() == 1
    for name in ("reconstruction", "kl"):
        assert page.locator(f"#losses-{name}").text_content() == "Not recorded."
