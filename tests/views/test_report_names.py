"""Names are data: whatever they hold, the page shows them and runs none of them."""

import pytest
from tests.views.driving import choose, look, numbers
from tests.views.fake_results import LAYERS, FakeResults, study

pytestmark = pytest.mark.browser

ATTACKS = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "</ScRiPt ><img src=x onerror=window.hit=1>",
    "<img src=x onerror=window.hit=1>",
    '"><img src=x onerror=window.hit=1>',
    "'><svg onload=window.hit=1>",
    "<svg/onload=window.hit=1>",
    "<body onload=window.hit=1>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<a href=javascript:window.hit=1>x</a>",
    "javascript:window.hit=1",
    "<!--<script>",
    "<!-- x --><b>bold</b>",
    "--></script><script>window.hit=1</script>",
    "]]><script>window.hit=1</script>",
    "</title><script>window.hit=1</script>",
    "</style><script>window.hit=1</script>",
    "</textarea><script>window.hit=1</script>",
    "</noscript><img src=x onerror=window.hit=1>",
    "</select><img src=x onerror=window.hit=1>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=//example.org/x.css>",
    "<base href=//example.org/>",
    "<meta http-equiv=refresh content=0>",
    "<math><mtext><img src=x onerror=window.hit=1>",
    "<details open ontoggle=window.hit=1>",
    "<input autofocus onfocus=window.hit=1>",
    "{{7*7}}",
    "{% raw %}",
    "${window.hit=1}",
    "`;window.hit=1;`",
    "';window.hit=1;'",
    '";window.hit=1;"',
    "\\u003cscript\\u003e",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "&#60;img src=x onerror=window.hit=1&#62;",
    "\u202eevil\u202c اسم",
    "line\nbreak\u2028and\u2029more",
    "😀 \U0001f469\u200d\U0001f52c ÿ \x7f",
    "__proto__",
    "constructor",
    "datum.score); window.hit=1; (",
    "=1+1",
]


@pytest.fixture
def renamed(monkeypatch):
    """Layers whose names attack."""
    layers = [(ATTACKS[i] if i < 4 else name, *rest) for i, (name, *rest) in enumerate(LAYERS)]
    monkeypatch.setattr("tests.views.fake_results.LAYERS", layers)
    monkeypatch.setattr("tests.views.fake_results.DISTINCT", [(n, p) for n, p, _, same in layers if not same])


def attacked(strengths, **changes):
    """A study all of whose names attack."""
    return study(
        name=ATTACKS[1] + ATTACKS[2],
        datasets=[ATTACKS[3]],
        networks=[ATTACKS[0]],
        objectives={ATTACKS[4]: {ATTACKS[5]: strengths}},
        latents=2,
        measures={"cka": {}, ATTACKS[6]: {}},
        **changes,
    )


def test_names_are_shown_as_they_are_and_never_run(opened, written, renamed):
    results = FakeResults(attacked(ATTACKS, seeds=1, steps=1), are_examined=False)
    it = opened(written("attacked", results))
    page = it.page
    assert page.evaluate("[window.hit, window.violations, document.scripts.length]") == [None, [], 3]
    assert page.locator("h1").text_content() == ATTACKS[1] + ATTACKS[2]
    strengths = [f"{ATTACKS[5]}={attack}" for attack in ATTACKS]
    for select, texts in (("strength", strengths), ("dataset", [ATTACKS[3]]), ("objective", [ATTACKS[4]])):
        assert page.locator(f"#pick-{select} option").evaluate_all("all => all.map(e => e.textContent)") == texts
    labels = [f"{ATTACKS[5]} {attack}, seed 0" for attack in ATTACKS]
    table = page.locator('[aria-label="Table of runs"] tbody tr').evaluate_all(
        "all => all.map(e => e.cells[0].textContent)"
    )
    assert table == labels
    identifiers = page.locator('[aria-label="Run identifiers"] tbody tr')
    assert identifiers.evaluate_all("all => all.map(e => e.cells[1].textContent)") == [
        run.id for run in results.folder.runs
    ]
    assert ATTACKS[3] in page.locator("#rerun").text_content()
    look(page, "heat")
    assert [row[0] for row in numbers(page, "heat-table")][:4] == ATTACKS[:4]
    for k in range(4):
        page.locator("#heat td[role=gridcell]").nth(k * 15 + k).hover()
        assert any(ATTACKS[k] in text for text in page.locator("#tip").all_text_contents())
    for i in range(0, len(ATTACKS), 7):
        choose(page, pick_strength=i)
        assert ATTACKS[i] in page.locator("#heat-status, #view-heat").all_text_contents()[0]
    assert page.evaluate("[window.hit, window.violations]") == [None, []]
    assert page.locator("img").count() == 4  # two, and two for a second run
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_names_in_what_examinations_found_are_not_run_either(opened, written, renamed):
    page = opened(written("attacked and examined", FakeResults(attacked(ATTACKS[:2], seeds=2, steps=3)))).page
    look(page, "heat")
    for k in (1, 16, 33):
        page.locator("#heat td[role=gridcell]").nth(k).click()
        page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("#cell").text_content()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert page.evaluate("[window.hit, window.violations]") == [None, []]
