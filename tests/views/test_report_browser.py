"""The report in a real Chromium. The fixture `opened` also fails a test for any console line or network request."""

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.views.driving import choose, numbers
from tests.views.fake_results import DISTINCT, FakeResults, study

pytestmark = pytest.mark.browser

ORDER = [name for name, _ in DISTINCT]


def expected(results: FakeResults, measure: str, a: tuple[int, int], b: tuple[int, int]) -> list[list[str]]:
    """The matrix at two snapshots, given as (position of the run, step), as the table writes it."""
    index, matrix = results.scores(measure)
    where = {key: i for i, key in enumerate(index.itertuples(index=False, name=None))}
    runs = [run.id for run in results.folder.runs]
    rows = []
    for name in ORDER:
        scores = [matrix[where[runs[a[0]], a[1], name], where[runs[b[0]], b[1], other]] for other in ORDER]
        rows.append([name, *("·" if np.isnan(s) else f"{s:.2f}".replace("-", "−") for s in scores)])
    return rows


def close(got: list[list[str]], want: list[list[str]]) -> bool:
    """Equal, but for the last of two digits where 16 bits a score round the other way."""

    def value(text: str) -> float:
        return float("nan") if text == "·" else float(text.replace("−", "-"))

    names = [row[0] for row in got] == [row[0] for row in want]
    numbers_ = [np.array([[value(t) for t in row[1:]] for row in rows]) for rows in (got, want)]
    return names and bool(np.allclose(*numbers_, atol=0.0101, equal_nan=True))


def test_the_heatmap_shows_what_the_pickers_say(opened, written):
    results = FakeResults()
    page = opened(written()).page
    first = numbers(page, "heat-table")
    assert close(first, expected(results, "cka", (0, 0), (0, 700)))
    choose(page, heat_step_a=4)
    assert page.locator("#heat-step-a-out").text_content() == "step 11"
    assert close(numbers(page, "heat-table"), expected(results, "cka", (0, 11), (0, 700)))
    choose(page, heat_run_a=3, heat_step_a=2)
    assert close(numbers(page, "heat-table"), expected(results, "cka", (3, 2), (0, 700)))
    choose(page, heat_run_b=1, heat_step_b=8)
    assert close(numbers(page, "heat-table"), expected(results, "cka", (3, 2), (1, 305)))
    assert "225 of 225 pairs computed" in page.locator("#heat-status").text_content()
    choose(page, heat_measure=1)
    assert close(numbers(page, "heat-table"), expected(results, "procrustes", (3, 2), (1, 305)))
    assert "15 of 225 pairs computed" in page.locator("#heat-status").text_content()
    assert page.locator("#heat-missing").is_visible()
    assert not close(numbers(page, "heat-table"), first)


def test_the_drawn_cells_carry_the_same_numbers(opened, written):
    results = FakeResults()
    page = opened(written()).page
    choose(page, heat_run_a=2, heat_step_a=3)
    box = page.locator("#heat .role-frame > g > path.background").first.bounding_box()
    side = box["width"] / len(ORDER)
    assert abs(box["width"] - box["height"]) < 1
    want = expected(results, "cka", (2, 5), (0, 700))
    for i, j in [(0, 0), (3, 7), (14, 14), (12, 1)]:
        page.locator("#heat").scroll_into_view_if_needed()
        box = page.locator("#heat .role-frame > g > path.background").first.bounding_box()
        page.mouse.move(box["x"] + (j + 0.5) * side, box["y"] + (i + 0.5) * side)
        tip = page.locator("#tip dd").all_text_contents()
        assert tip[:4] == [ORDER[i], "5", ORDER[j], "700"]
        assert float(tip[4].replace("−", "-")) == pytest.approx(float(want[i][j + 1].replace("−", "-")), abs=0.006)


def test_cells_that_were_not_computed_are_drawn_as_such(opened, written):
    page = opened(written()).page
    choose(page, heat_measure=1)
    assert page.locator("#heat .mark-rect.layer_0_marks path").count() == 225 - 15
    assert page.locator("#heat .mark-symbol.layer_1_marks path").count() == 225 - 15
    assert page.locator("#heat .mark-rect.layer_2_marks path").count() == 15


def test_curves_follow_run_measure_and_reading(opened, written):
    results = FakeResults()
    page = opened(written()).page
    for measure, run, reading in [(0, 0, "raw"), (0, 2, "raw"), (0, 2, "corrected"), (1, 3, "corrected")]:
        choose(page, curve_measure=measure, curve_run=run)
        page.locator(f"#curve-{reading}").check()
        page.wait_for_selector("html[data-ready=yes]")
        curves = results.curves
        at = (curves.measure == ["cka", "procrustes"][measure]) & (curves.run == results.folder.runs[run].id)
        column = "score" if reading == "raw" else "corrected"
        want = curves[at & (curves.layer != "input")].pivot(index="layer", columns="step", values=column)
        got = numbers(page, "curve-table")
        assert [row[0] for row in got] == ORDER[1:]
        shown = np.array([[float(t.replace("−", "-")) for t in row[1:]] for row in got])
        np.testing.assert_allclose(shown, want.loc[ORDER[1:]].to_numpy(), atol=0.0051)
    assert page.locator("#curve-rows tr").count() == 14
    for part, lines in [("encoder", 5), ("latent", 3), ("decoder", 6)]:
        assert page.locator(f"#curves-{part} .mark-line path").count() == lines


def test_losses_and_latents_follow_the_run(opened, written):
    results = FakeResults()
    page = opened(written()).page
    last = results.losses.groupby("run", sort=False).last()
    for i, run in enumerate(results.folder.runs):
        choose(page, loss_run=i)
        assert f"loss {last.loss[run.id]:.1f}, reconstruction" in page.locator("#loss-status").text_content()
    assert [row[0] for row in numbers(page, "loss-table")] == [
        "loss",
        "reconstruction",
        "KL",
        *(f"latent {i}" for i in range(10)),
    ]


def test_pictures_follow_run_and_step(opened, written):
    page = opened(written()).page
    seen = set()
    for run, position, step in [(0, 9, "700"), (0, 0, "0"), (2, 5, "25")]:
        choose(page, picture_run=run, picture_step=position)
        image = page.locator("#picture-pairs")
        assert image.get_attribute("alt").endswith(f"step {step}")
        assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") == 8 * 66 - 2
        seen.add(image.get_attribute("src"))
    assert len(seen) == 3
    assert page.locator("#picture-kl li").count() == 10


def test_every_control_is_reached_and_worked_by_keyboard(opened, written):
    page = opened(written()).page
    controls = page.locator("select, input, button, summary").evaluate_all(
        "all => all.filter(e => e.checkVisibility() && !e.disabled && (e.type !== 'radio' || e.checked))"
        ".map(e => e.id || e.textContent)"
    )
    reached = []
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert set(controls) <= set(reached)
    page.locator("#heat-step-a").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("#heat-step-a-out").text_content() == "step 1"


@pytest.mark.parametrize("width", [320, 400, 768, 1280, 2560])
def test_the_page_never_scrolls_sideways(opened, written, width):
    page = opened(written(), width=width).page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    boxes = page.locator(".chart svg").evaluate_all("all => all.map(e => e.getBoundingClientRect().toJSON())")
    assert [box for box in boxes if box["left"] < 0 or box["right"] > width + 1] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["whole", "diverged"])
def test_axe_finds_nothing_serious(opened, written, scheme, name):
    page = opened(written(name, FakeResults(diverged=1) if name == "diverged" else None), color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["impact"]) for v in found if v["impact"] in ("serious", "critical")] == []


def test_without_javascript_the_words_and_tables_remain(opened, written):
    it = opened(written(), ready=False, java_script_enabled=False)
    page = it.page
    text = page.locator("body").inner_text()
    for expected_text in (
        "JavaScript is off",
        "decoder layers take",
        "final loss",
        "beta 8, seed 1",
        "How it was computed",
    ):
        assert expected_text in text
    assert page.locator("#finding tbody tr").count() == 2 + 4  # two settings, four runs
    assert page.locator("#curves details tbody tr").count() == 28
    assert page.locator("#heat-run-a").is_hidden()
    assert page.locator("#pictures img:visible").count() == 4


def test_a_diverged_run_is_told_and_its_pickers_still_work(opened, written):
    page = opened(written("diverged", FakeResults(diverged=1))).page
    assert "beta 1, seed 1 diverged at step 5 (loss is nan)" in page.locator("header").inner_text()
    choose(page, heat_run_a=1, curve_run=1, loss_run=1, picture_run=1)
    assert "it has no final snapshot (diverged)" in page.locator("#curve-status").text_content()
    assert page.locator("#picture-step-out").text_content() == "step 5"
    assert page.locator("#heat-step-a-out").text_content() == "step 5"


def test_without_a_snapshot_at_step_0_the_page_has_no_corrected_reading_and_says_why(opened, written):
    results = FakeResults(study(seeds=1, objectives={"vae": {}}, snapshots=[1, 5]), first=1)
    page = opened(written("no start", results)).page
    assert "nan" not in page.locator("main").inner_text().lower()
    assert "There is no snapshot at step 0" in page.locator("#finding").inner_text()
    assert "never" not in page.locator("#curve-rows").inner_text()
    page.locator("#curve-corrected").check()
    page.wait_for_selector("html[data-ready=yes]")
    assert "There is no snapshot at step 0" in page.locator("#curve-status").inner_text()


@pytest.mark.parametrize("stage", ["not started", "one snapshot", "nothing compared"])
def test_an_unfinished_study_opens_without_a_complaint(opened, written, stage):
    results = {"not started": FakeResults(snapshots=0), "one snapshot": FakeResults(snapshots=1)}
    page = opened(written(stage, results.get(stage, FakeResults(without=("cka", "procrustes"))))).page
    assert page.locator("html").get_attribute("data-ready") == "yes"


def test_a_figure_is_saved_as_svg(opened, written):
    page = opened(written()).page
    with page.expect_download() as download:
        page.locator("button[data-save=heat]").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "encoder.1" in text


def test_it_prints(opened, written):
    page = opened(written()).page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf())) >= 2


def test_the_page_knows_its_runs_and_measures(opened, written):
    page = opened(written()).page
    data = json.loads(page.locator("#data").text_content())
    assert [run["steps"][-1] for run in data["runs"]] == [700] * 4
    assert [measure["title"] for measure in data["measures"]] == ["Debiased linear CKA", "Procrustes similarity"]


def test_a_run_without_snapshots_on_a_thinned_page_is_told_so(opened, written, monkeypatch):
    results = FakeResults()
    kept = next(iter(results.snapshot_steps))
    monkeypatch.setattr("vaescope.views.report.thinned", lambda steps, layers: {kept: steps[kept]})
    page = opened(written("thinned", results)).page
    page.locator("#heat-run-b").select_option("1")
    page.wait_for_selector('html[data-ready="yes"]')
    assert "seed 1, no snapshot here. Nothing was computed" in page.locator("#heat-status").text_content()
