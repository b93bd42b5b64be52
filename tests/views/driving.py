"""What a hand and an eye do on the page."""

from playwright.sync_api import Page


def choose(page: Page, **values: int) -> None:
    """Set controls by id, as a hand would."""
    for name, value in values.items():
        at = page.locator(f"#{name.replace('_', '-')}")
        if at.evaluate("e => e.tagName") == "SELECT":
            at.select_option(index=value)
        else:
            at.evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }", value)
    page.wait_for_selector("html[data-ready=yes]")


def numbers(page: Page, table: str) -> list[list[str]]:
    """The texts of a table, row by row, without its head."""
    return page.locator(f"#{table} tr").evaluate_all(
        "rows => rows.slice(1).map(r => [...r.cells].map(c => c.textContent))"
    )
