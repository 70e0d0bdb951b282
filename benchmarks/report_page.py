"""Size of a search's report, and the time that a browser takes to show it.

    python benchmarks/report_page.py                     # 10,000 networks
    python benchmarks/report_page.py --networks 1000

The run is synthetic (`tests/reporting/synthetic.py`): real genomes and data with invented scores, times and threads.
Without playwright or chromium, the browser is not measured.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from evonas.reporting.report import write_report  # noqa: E402
from tests.reporting.synthetic import synthetic_run  # noqa: E402

#: Seconds until the table and until the first figure are shown, as measured by the page itself.
_WATCH = """
window.shown = {};
new MutationObserver(() => {
  if (!shown.table && document.querySelector("#table tbody tr")) shown.table = performance.now();
  if (!shown.figure && document.querySelector(".plot .main-svg")) shown.figure = performance.now();
}).observe(document, {childList: true, subtree: true});
"""


def browser_seconds(page: Path) -> dict[str, float] | None:
    """Seconds until table and first figure are shown, and processor time of the page; None without a browser."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if chromium is None:
        return None
    with sync_playwright() as manager:
        browser = manager.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.add_init_script(_WATCH)
        session: Any = tab.context.new_cdp_session(tab)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})  # processor time
        tab.goto(page.as_uri())
        tab.wait_for_function("window.shown.table !== undefined", timeout=120_000)
        tab.locator(".plot").first.scroll_into_view_if_needed()
        tab.wait_for_function("window.shown.figure !== undefined", timeout=120_000)
        shown = tab.evaluate("window.shown")
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return {
        "table": shown["table"] / 1000,
        "first figure": shown["figure"] / 1000,
        "processor time of the page": metrics["TaskDuration"],
    }


def main() -> None:
    """Prints size and seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=10_000)
    networks = parser.parse_args().networks
    with tempfile.TemporaryDirectory() as folder:
        run = synthetic_run(Path(folder) / "run", networks, spans=True)
        began = time.process_time()
        page = write_report(run, Path(folder) / "report.html")
        print(f"{networks:,} networks: {page.stat().st_size / 1e6:.2f} MB (at most 15)")
        print(f"written in {time.process_time() - began:.1f} s of processor time")
        found = browser_seconds(page)
        if found is None:
            print("no browser: pip install playwright, and chromium on the path")
            return
        for name, seconds in found.items():
            print(f"{name}: {seconds:.2f} s" + (" (at most 3)" if name == "table" else ""))


if __name__ == "__main__":
    main()
