"""One Chromium for all browser tests, and reports of made-up studies."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.views.fake_results import FakeResults, fake_pictures

from vaescope.views.report import report

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs {CHROMIUM} for the browser tests: apt-get install chromium")
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the report of a made-up study once, whoever asks for it."""
    made: dict[str, Path] = {}

    def write(name: str = "whole", results: FakeResults | None = None) -> Path:
        if name not in made:
            out = tmp_path_factory.mktemp("report") / "report.html"
            made[name] = report(results or FakeResults(), out, pictures=fake_pictures)
        return made[name]

    return write


@dataclass
class Opened:
    """A page and everything it did that it should not."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens a report; at the end of the test nothing may be on its console and nothing asked of a network."""
    contexts: list[BrowserContext] = []
    seen: list[Opened] = []

    def open_(path: Path, width: int = 1280, ready: bool = True, fragment: str = "", **options: object) -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        it = Opened(context.new_page())
        it.page.on("console", lambda message: it.trouble.append(f"{message.type}: {message.text}"))
        it.page.on("pageerror", lambda error: it.trouble.append(f"error: {error}"))
        it.page.on("dialog", lambda dialog: (it.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        it.page.on("request", lambda request: it.requests.append(request.url))
        it.page.add_init_script(
            "window.violations = [];"
            "document.addEventListener('securitypolicyviolation', (e) => window.violations.push(e.violatedDirective))"
        )
        it.page.goto(path.as_uri() + fragment)
        if ready:
            it.page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        seen.append(it)
        return it

    yield open_
    try:
        for it in seen:
            assert it.trouble == []
            assert [url for url in it.requests[1:] if not url.startswith("data:")] == []
    finally:
        for context in contexts:
            context.close()
