"""How large the page of a large study is, what making it costs, and how soon headless Chromium has it ready.

    python benchmarks/report_page.py [--runs 1000] [--quick]

The study is made up (tests/views/big_results.py): 12 snapshots, 15 layers, two measures, examined, with noise that does
not compress. Times are of this machine and drift; sizes do not.
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.views.big_results import big_results
from tests.views.fake_results import fake_pictures

from vaescope.views.report import report

LARGEST, LATEST = 8e6, 3.0  # bytes, seconds: what a page of 1,000 runs may be and take


def ready(file: Path) -> float | None:
    """Seconds from opening the page until it says that it is ready; None without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        begun = time.perf_counter()
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready=yes]")  # the page's own rules forbid to ask by eval
        seconds = time.perf_counter() - begun
        browser.close()
    return seconds


def main() -> None:
    """Make the page and open it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="20 runs, not opened: the figures mean nothing")
    given = parser.parse_args()
    runs = 20 if given.quick else given.runs
    with tempfile.TemporaryDirectory() as folder:
        results = big_results(runs)
        begun = time.process_time()
        file = report(results, Path(folder) / "report.html", pictures=fake_pictures)
        cpu, size = time.process_time() - begun, file.stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"{runs:,} runs: {size / 1e6:.2f} MB (at most {LARGEST / 1e6:.0f} MB); {cpu:.0f} s CPU, {peak:.2f} GB peak"
        )
        if given.quick:  # Chromium's sockets want a shorter folder for temporary files than tests have
            return
        shown = ", ".join("no Chromium here" if s is None else f"{s:.2f} s" for s in [ready(file) for _ in range(3)])
        print(f"ready in headless Chromium after {shown} (at most {LATEST:.0f} s)")


if __name__ == "__main__":
    main()
