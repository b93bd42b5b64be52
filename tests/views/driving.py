"""What a hand and an eye do on the page."""

from playwright.sync_api import Page


def choose(page: Page, **values: int | str) -> None:
    """Set controls by id, as a hand would: a selection by place or by what it says, a slider by place."""
    for name, value in values.items():
        at = page.locator(f"#{name.replace('_', '-')}")
        if at.evaluate("e => e.tagName") == "SELECT":
            at.select_option(index=value) if isinstance(value, int) else at.select_option(value)
        else:
            at.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }", value)
    page.wait_for_selector("html[data-ready=yes]")


def look(page: Page, *views: str) -> None:
    """Bring views into the window: they are drawn when they come near."""
    for view in views:
        page.locator(f"#{view}").scroll_into_view_if_needed()
        page.wait_for_function(
            "id => document.getElementById(id).querySelector('svg, td[role=gridcell], dl')", arg=view
        )


def numbers(page: Page, table: str) -> list[list[str]]:
    """The texts of a table, row by row, without its head."""
    return page.locator(f"#{table} tr").evaluate_all(
        "rows => rows.slice(1).map(r => [...r.cells].map(c => c.textContent))"
    )


def tip(page: Page) -> dict[str, str]:
    """What is shown beside the thing pointed at."""
    names, texts = (page.locator(f"#tip {tag}").all_text_contents() for tag in ("dt", "dd"))
    return dict(zip(names, texts, strict=True))
